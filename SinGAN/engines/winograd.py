"""3 x 3 convolutions on the CPU by Winograd's method, in a quarter of the multiplications (Lavin and Gray 2016).

Those from or to a few channels (colours, scores) are products of matrices. Derivatives are such
convolutions again, so that they can be taken of any order.
"""

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor

from SinGAN.functions import BY_WEIGHTS
from SinGAN.native.build import WINOGRAD

MULTIPLE = 16  # of the channels that it works on; on one side it takes up to
FEW = 4
LAST = torch.channels_last
POINTER, LONG, INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_int


@functools.cache
def loaded() -> ctypes.CDLL | str:
    """The compiled code; or what it needs and is not there."""
    code = WINOGRAD.load()
    if isinstance(code, str):
        return code
    code.convolve.argtypes = [*[POINTER] * 4, *[LONG] * 6, INT, INT, INT]
    code.weight_gradient.argtypes = [*[POINTER] * 3, *[LONG] * 6, INT, INT]
    return code


def library() -> ctypes.CDLL | None:
    """The compiled code; None where it can't be had, see ``lacking``."""
    code = loaded()
    return None if isinstance(code, str) else code


def lacking() -> str:
    """What is needed for the compiled code, and is not there."""
    code = loaded()
    return code if isinstance(code, str) else ""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool) -> Tensor:
    """The convolution (B, O, H', W') of ``x`` (B, C, H, W) with ``weight`` (O, C, 3, 3).

    With ``back`` the transposed one, of a gradient with ``weight`` (C, O, 3, 3) turned around. With
    ``last`` the memory of input and output has the channels last.
    """
    code, output = library(), empty_output(x, weight, bias, padding, back, last)
    assert code is not None
    x, weight, offset = x.contiguous(memory_format=layout(last)), weight.contiguous(), None
    if bias is not None:
        bias = bias.contiguous()
        offset = bias.data_ptr()
    batch, inputs, height, width = x.shape
    size = batch, height, width, inputs, output.shape[1], padding
    places = x.data_ptr(), weight.data_ptr(), offset, output.data_ptr()
    code.convolve(*places, *size, last, back, torch.get_num_threads())
    return output


def empty_output(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool) -> Tensor:
    """An empty tensor for the output of ``convolve``."""
    batch, _, height, width = x.shape
    size = batch, weight.shape[1 if back else 0], height + 2 * padding - 2, width + 2 * padding - 2
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout(last))


def layout(last: bool) -> torch.memory_format:
    """The memory layout of images."""
    return LAST if last else torch.contiguous_format


def weight_gradient(x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
    """The gradient (O, C, 3, 3) of a loss by the weight, from its ``gradient`` (B, O, H, W) by the output for ``x``."""
    code, output = library(), empty_weight(x, gradient, padding, last)
    assert code is not None
    x, gradient = x.contiguous(memory_format=layout(last)), gradient.contiguous(memory_format=layout(last))
    batch, inputs, height, width = x.shape
    size = batch, height, width, inputs, gradient.shape[1], padding
    code.weight_gradient(x.data_ptr(), gradient.data_ptr(), output.data_ptr(), *size, last, torch.get_num_threads())
    return output


def empty_weight(x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
    """An empty tensor for the output of ``weight_gradient``."""
    return x.new_empty(gradient.shape[1], x.shape[1], 3, 3)


OPERATORS = torch.library.Library("singan", "DEF")
OPERATORS.define("convolve(Tensor x, Tensor weight, Tensor? bias, int padding, bool back, bool last) -> Tensor")
OPERATORS.define("weight_gradient(Tensor x, Tensor gradient, int padding, bool last) -> Tensor")
OPERATORS.impl("convolve", convolve, "CPU")
OPERATORS.impl("weight_gradient", weight_gradient, "CPU")
torch.library.register_fake("singan::convolve", empty_output)
torch.library.register_fake("singan::weight_gradient", empty_weight)


class Convolution(torch.autograd.Function):
    """``convolve`` with its derivatives."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.set_materialize_grads(False)
        ctx.padding, ctx.back, ctx.last = padding, back, last
        output: Tensor = torch.ops.singan.convolve(x, weight, bias, padding, back, last)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 6
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias, *_ = ctx.needs_input_grad
        opposite = 2 - ctx.padding
        pair = (gradient, x, opposite) if ctx.back else (x, gradient, ctx.padding)
        return (
            Convolution.apply(gradient, weight, None, opposite, not ctx.back, ctx.last) if by_x else None,
            WeightGradient.apply(*pair, ctx.last) if by_weight and BY_WEIGHTS.get() else None,
            gradient.sum((0, 2, 3)) if by_bias and BY_WEIGHTS.get() else None,
            None,
            None,
            None,
        )


class WeightGradient(torch.autograd.Function):
    """``weight_gradient`` with its derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.set_materialize_grads(False)
        ctx.padding, ctx.last = padding, last
        output: Tensor = torch.ops.singan.weight_gradient(x, gradient, padding, last)
        return output

    @staticmethod
    def backward(ctx: Any, weight: Tensor | None) -> tuple[Tensor | None, ...]:
        if weight is None:
            return (None,) * 4
        x, gradient = ctx.saved_tensors
        by_x, by_gradient, *_ = ctx.needs_input_grad
        return (
            Convolution.apply(gradient, weight, None, 2 - ctx.padding, True, ctx.last) if by_x else None,
            Convolution.apply(x, weight, None, ctx.padding, False, ctx.last) if by_gradient else None,
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
    *,
    last: bool = False,
) -> Tensor:
    """``torch.nn.functional.conv2d``, by ``Convolution`` where that serves: a backend of ``Conv2d``.

    With ``last`` an image is first laid out with the channels last, which saves time where PyTorch's
    BatchNorm, inaccurate in that layout, is compiled.
    """
    border = fitting(weight.shape, stride, padding, dilation, groups)
    if last and input.dim() == 4:
        input = input.contiguous(memory_format=LAST)
    given = (input, weight) if bias is None else (input, weight, bias)
    served = all(tensor.dtype is torch.float32 and tensor.device.type == "cpu" for tensor in given)
    agreed = input.dim() == 4 and input.shape[1] == weight.shape[1] and (bias is None or len(bias) == len(weight))
    if border is not None and served and agreed and min(input.shape[2:]) + 2 * border > 2:
        output: Tensor = Convolution.apply(input, weight, bias, border, False, last)
        return output
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


@functools.cache
def fitting(shape: torch.Size, stride: Any, padding: Any, dilation: Any, groups: int) -> int | None:
    """The padding on each side, where ``winograd.cpp`` serves a convolution with a weight of ``shape``; else None."""
    if len(shape) != 4 or shape[2:] != (3, 3):
        return None
    fewer, more = sorted(shape[:2])
    if more % MULTIPLE or (fewer % MULTIPLE and fewer > FEW):
        return None
    if any(value not in (1, (1, 1)) for value in (stride, dilation, groups)):
        return None
    return next((border for border in (0, 1, 2) if padding in (border, (border, border))), None)
