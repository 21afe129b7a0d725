"""3 x 3 convolutions on the CPU by Winograd's method, with a quarter of the multiplications (Lavin and Gray 2016).

The C++ code (``native/winograd.cpp``) cuts the output into tiles of 4 x 4 pixels. It transforms the 6 x 6 input pixels
of each tile, and the weights, to values at 36 points, multiplies these and sums them over channels as a product of
matrices for each point, and transforms the sums back. Convolutions from or to a few channels (colours, scores) are
products of matrices without a transform.

``convolve`` and ``weight_gradient`` call the C++ code. As a ``Kernel`` they are all that derivatives of any order need.
"""

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from SinGAN.engines.convolution import Convolution, Kernel
from SinGAN.native.build import WINOGRAD

MULTIPLE = 16  # numbers of input and output channels must be multiples of it;
FEW = 4  # one of them may instead be at most this
LAST = torch.channels_last
POINTER, LONG, INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_int


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None if it is not available, see ``missing_requirement``."""
    code = WINOGRAD.load()
    if isinstance(code, str):
        return None
    code.convolve.argtypes = [*[POINTER] * 4, *[LONG] * 6, INT, INT, INT]
    code.weight_gradient.argtypes = [*[POINTER] * 3, *[LONG] * 6, INT, INT]
    return code


def missing_requirement() -> str:
    """What the compiled code needs and this machine lacks; "" if it is available."""
    code = WINOGRAD.load()
    return code if isinstance(code, str) else ""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool) -> Tensor:
    """The convolution (B, O, H', W') of ``x`` (B, C, H, W) with ``weight`` (O, C, 3, 3).

    With ``back``, the transposed convolution of a gradient, with ``weight`` (C, O, 3, 3) rotated by 180 degrees. With
    ``last``, input and output are in channels-last memory.
    """
    code, output = library(), empty_output(x, weight, bias, padding, back, last)
    assert code is not None
    # The C++ code gets addresses: the tensors must be contiguous, and alive until it returns.
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
    """The gradient (O, C, 3, 3) by the weight, from the ``gradient`` (B, O, H, W) by the output for the input ``x``."""
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


# Operators of PyTorch, so that compiled programs can call the C++ code; tracing uses the shapes of their outputs.
OPERATORS = torch.library.Library("singan", "DEF")
OPERATORS.define("convolve(Tensor x, Tensor weight, Tensor? bias, int padding, bool back, bool last) -> Tensor")
OPERATORS.define("weight_gradient(Tensor x, Tensor gradient, int padding, bool last) -> Tensor")
OPERATORS.impl("convolve", convolve, "CPU")
OPERATORS.impl("weight_gradient", weight_gradient, "CPU")
torch.library.register_fake("singan::convolve", empty_output)
torch.library.register_fake("singan::weight_gradient", empty_weight)


class WinogradKernel(Kernel):
    """Winograd's convolution. The gradient by the input is the transposed one, with the padding 2 - ``border``."""

    def __init__(self, border: int, last: bool) -> None:
        self.border, self.last = border, last

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output: Tensor = torch.ops.singan.convolve(x, weight, bias, self.border, False, self.last)
        return output

    def by_input(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        output: Tensor = torch.ops.singan.convolve(gradient, weight, None, 2 - self.border, True, self.last)
        return output

    def by_weight(self, x: Tensor, gradient: Tensor, shape: torch.Size) -> Tensor:
        output: Tensor = torch.ops.singan.weight_gradient(x, gradient, self.border, self.last)
        return output

    def gradients(self, gradient: Tensor, x: Tensor, weight: Tensor, wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        return (
            self.by_input(gradient, weight, x.shape) if wanted[0] else None,
            self.by_weight(x, gradient, weight.shape) if wanted[1] else None,
            gradient.sum((0, 2, 3)) if wanted[2] else None,
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
    """``torch.nn.functional.conv2d``, by ``Convolution`` if that supports the arguments: a backend of ``Conv2d``.

    With ``last``, images are first converted to channels-last memory. That saves time in compiled programs; elsewhere
    PyTorch's BatchNorm is inaccurate in that layout.
    """
    border = supported_padding(weight.shape, stride, padding, dilation, groups)
    if last and input.dim() == 4:
        input = input.contiguous(memory_format=LAST)
    given = (input, weight) if bias is None else (input, weight, bias)
    has_floats = all(tensor.dtype is torch.float32 and tensor.device.type == "cpu" for tensor in given)
    has_channels = input.dim() == 4 and input.shape[1] == weight.shape[1] and (bias is None or len(bias) == len(weight))
    if border is not None and has_floats and has_channels and min(input.shape[2:]) + 2 * border > 2:
        output: Tensor = Convolution.apply(input, weight, bias, WinogradKernel(border, last))
        return output
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


@functools.cache
def supported_padding(shape: torch.Size, stride: Any, padding: Any, dilation: Any, groups: int) -> int | None:
    """The padding on each side if ``winograd.cpp`` supports a convolution with a weight of ``shape``, else None."""
    if len(shape) != 4 or shape[2:] != (3, 3):
        return None
    fewer, more = sorted(shape[:2])
    if more % MULTIPLE or (fewer % MULTIPLE and fewer > FEW):
        return None
    if any(value not in (1, (1, 1)) for value in (stride, dilation, groups)):
        return None
    return next((border for border in (0, 1, 2) if padding in (border, (border, border))), None)
