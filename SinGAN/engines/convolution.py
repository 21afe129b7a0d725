"""A convolution whose derivatives of any order are convolutions with its small filter.

PyTorch's second derivative of a convolution, which the gradient penalty needs, is a convolution with a filter as large
as the picture, for which cuDNN has no fast kernels. Here the gradients by the input and by the weight are autograd
functions, whose derivatives are again these functions.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.functions import BY_WEIGHTS
from SinGAN.models import Conv2d, Convolve


@dataclass(frozen=True)
class Geometry:
    """Stride, padding, dilation and groups of a convolution."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def gradients(
        self, gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients by ``x``, ``weight`` and bias, as far as they are ``wanted``."""
        biases = [weight.shape[0]] if wanted[2] else None
        by_x, by_weight, by_bias = torch.ops.aten.convolution_backward(
            gradient, x, weight, biases, self.stride, self.padding, self.dilation, False, [0, 0], self.groups, wanted
        )
        return by_x, by_weight, by_bias


class Convolution(torch.autograd.Function):
    """(B, O, H', W') from ``x`` (B, C, H, W) and ``weight`` (O, C / groups, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        return torch.conv2d(x, weight, bias, geometry.stride, geometry.padding, geometry.dilation, geometry.groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 4
        (x, weight), (by_x, by_weight, by_bias, _) = ctx.saved_tensors, ctx.needs_input_grad
        if not torch.is_grad_enabled():  # no second derivative is needed: one call computes all gradients
            wanted = [by_x, by_weight and BY_WEIGHTS.get(), by_bias and BY_WEIGHTS.get()]
            return (*ctx.geometry.gradients(gradient, x, weight, wanted), None)
        return (
            ByInput.apply(gradient, weight, x.shape, ctx.geometry) if by_x else None,
            ByWeight.apply(x, gradient, weight.shape, ctx.geometry) if by_weight and BY_WEIGHTS.get() else None,
            gradient.sum((0, 2, 3)) if by_bias and BY_WEIGHTS.get() else None,
            None,
        )


class ByInput(torch.autograd.Function):
    """The gradient (B, C, H, W) by a convolution's input: linear in ``gradient`` (B, O, H', W') and in ``weight``."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        by_x, *_ = geometry.gradients(gradient, gradient.new_empty(1).expand(shape), weight, [True, False, False])
        assert by_x is not None
        return by_x

    @staticmethod
    def backward(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, ...]:
        if tangent is None:
            return (None,) * 4
        (gradient, weight), (by_gradient, by_weight, *_) = ctx.saved_tensors, ctx.needs_input_grad
        return (
            Convolution.apply(tangent, weight, None, ctx.geometry) if by_gradient else None,
            ByWeight.apply(tangent, gradient, weight.shape, ctx.geometry) if by_weight else None,
            None,
            None,
        )


class ByWeight(torch.autograd.Function):
    """The gradient (O, C / groups, h, w) by a convolution's weight: linear in ``x`` and in ``gradient``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        _, by_weight, _ = geometry.gradients(gradient, x, x.new_empty(1).expand(shape), [False, True, False])
        assert by_weight is not None
        return by_weight

    @staticmethod
    def backward(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, ...]:
        if tangent is None:
            return (None,) * 4
        (x, gradient), (by_x, by_gradient, *_) = ctx.saved_tensors, ctx.needs_input_grad
        return (
            ByInput.apply(gradient, tangent, x.shape, ctx.geometry) if by_x else None,
            Convolution.apply(x, tangent, None, ctx.geometry) if by_gradient else None,
            None,
            None,
        )


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.nn.functional.conv2d`` by ``Convolution``, in the precision of autocast if that is on."""
    geometry = Geometry(to_pair(stride), to_pair(padding), to_pair(dilation), groups)
    kind = input.device.type
    if torch.is_autocast_enabled(kind):
        precision = torch.get_autocast_dtype(kind)
        input, weight = input.to(precision), weight.to(precision)
        bias = None if bias is None else bias.to(precision)
    with torch.autocast(kind, enabled=False):
        output: Tensor = Convolution.apply(input, weight, bias, geometry)
    return output


def to_pair(value: Any) -> tuple[int, int]:
    """Repeat ``value`` if it is a single number."""
    down, across = (value, value) if isinstance(value, int) else value
    return int(down), int(across)


@contextmanager
def convolving(nets: Iterable[nn.Module], backend: Convolve) -> Iterator[None]:
    """Set ``backend`` on the convolutions of ``nets`` during the block."""
    before = [(module, module.backend) for net in nets for module in net.modules() if isinstance(module, Conv2d)]
    for module, _ in before:
        module.backend = backend
    try:
        yield
    finally:
        for module, other in before:
            module.backend = other
