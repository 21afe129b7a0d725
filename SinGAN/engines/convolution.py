"""A convolution whose derivatives of any order are convolutions with its small filter.

PyTorch's second derivative of a convolution, which the gradient penalty needs, is a convolution with a filter as large
as the picture, for which cuDNN has no fast kernels. Here the gradients by the input and by the weight are autograd
functions, whose derivatives are again these functions. A ``Kernel`` computes all three; ``winograd`` has its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

from SinGAN.functions import BY_WEIGHTS
from SinGAN.models import Conv2d, Convolve


class Kernel:
    """PyTorch's convolution of x (B, C, H, W) with a weight (O, C / groups, h, w) and its gradients."""

    def __init__(self, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
        both = ((value, value) if isinstance(value, int) else value for value in (stride, padding, dilation))
        self.stride, self.padding, self.dilation = both
        self.groups = groups

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output (B, O, H', W')."""
        return torch.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def by_input(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """The gradient by the input of ``shape``, from the ``gradient`` (B, O, H', W') by the output."""
        by_input: Tensor = conv2d_input(shape, weight, gradient, self.stride, self.padding, self.dilation, self.groups)
        return by_input

    def by_weight(self, x: Tensor, gradient: Tensor, shape: torch.Size) -> Tensor:
        """The gradient by the weight of ``shape``."""
        by_weight: Tensor = conv2d_weight(x, shape, gradient, self.stride, self.padding, self.dilation, self.groups)
        return by_weight

    def gradients(self, gradient: Tensor, x: Tensor, weight: Tensor, wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        """The gradients by ``x``, ``weight`` and bias, as far as they are ``wanted``."""
        geometry = self.stride, self.padding, self.dilation, False, [0, 0], self.groups
        biases = [weight.shape[0]] if wanted[2] else None
        found: Sequence[Tensor | None] = torch.ops.aten.convolution_backward(
            gradient, x, weight, biases, *geometry, wanted
        )
        return found


class Convolution(torch.autograd.Function):
    """``Kernel.forward`` with its derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
        save(ctx, x, weight, kernel)
        return kernel.forward(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 4
        (x, weight), (by_x, by_weight, by_bias, _) = ctx.saved_tensors, ctx.needs_input_grad
        by_weight, by_bias = by_weight and BY_WEIGHTS.get(), by_bias and BY_WEIGHTS.get()
        if not torch.is_grad_enabled():  # no second derivative is needed: one call computes all gradients
            return (*ctx.kernel.gradients(gradient, x, weight, [by_x, by_weight, by_bias]), None)
        return (
            ByInput.apply(gradient, weight, x.shape, ctx.kernel) if by_x else None,
            ByWeight.apply(x, gradient, weight.shape, ctx.kernel) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
        )


class ByInput(torch.autograd.Function):
    """``Kernel.by_input`` with its derivatives; it is linear in ``gradient`` and in ``weight``."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, shape: torch.Size, kernel: Kernel) -> Tensor:
        save(ctx, gradient, weight, kernel)
        return kernel.by_input(gradient, weight, shape)

    @staticmethod
    def backward(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, ...]:
        if tangent is None:
            return (None,) * 4
        (gradient, weight), (by_gradient, by_weight, *_) = ctx.saved_tensors, ctx.needs_input_grad
        return (
            Convolution.apply(tangent, weight, None, ctx.kernel) if by_gradient else None,
            ByWeight.apply(tangent, gradient, weight.shape, ctx.kernel) if by_weight else None,
            None,
            None,
        )


class ByWeight(torch.autograd.Function):
    """``Kernel.by_weight`` with its derivatives; it is linear in ``x`` and in ``gradient``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, shape: torch.Size, kernel: Kernel) -> Tensor:
        save(ctx, x, gradient, kernel)
        return kernel.by_weight(x, gradient, shape)

    @staticmethod
    def backward(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, ...]:
        if tangent is None:
            return (None,) * 4
        (x, gradient), (by_x, by_gradient, *_) = ctx.saved_tensors, ctx.needs_input_grad
        return (
            ByInput.apply(gradient, tangent, x.shape, ctx.kernel) if by_x else None,
            Convolution.apply(x, tangent, None, ctx.kernel) if by_gradient else None,
            None,
            None,
        )


def save(ctx: Any, first: Tensor, second: Tensor, kernel: Kernel) -> None:
    """Keep the arguments of a function for its backward pass."""
    ctx.save_for_backward(first, second)
    ctx.set_materialize_grads(False)
    ctx.kernel = kernel


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
    kernel = Kernel(stride, padding, dilation, groups)
    device = input.device.type
    if torch.is_autocast_enabled(device):
        precision = torch.get_autocast_dtype(device)
        input, weight = input.to(precision), weight.to(precision)
        bias = None if bias is None else bias.to(precision)
    with torch.autocast(device, enabled=False):
        output: Tensor = Convolution.apply(input, weight, bias, kernel)
    return output


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
