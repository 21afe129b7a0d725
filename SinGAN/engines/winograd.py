"""3 x 3 convolutions on the CPU by Winograd's method, in a quarter of the multiplications (Lavin and Gray 2016).

Those from or to a few channels (colours, scores) are products of matrices. ``winograd.cpp`` is
compiled when it is first needed. Derivatives are such convolutions again, so that they can be taken of
any order.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.storage.files import whole_file

NATIVE = Path(__file__).parent / "native"
SOURCES = [NATIVE / name for name in ("winograd.cpp", "winograd.h", "few_channels.h", "vectors.h")]
MULTIPLE = 16  # of the channels that it works on; on one side it takes up to
FEW = 4
VECTORS = {
    "AVX512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"],
    "AVX2": ["-mavx2", "-mfma"],
}
LAST = torch.channels_last
POINTER, LONG, INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_int


def compiler() -> str | None:
    """The C++ compiler: the one named by CXX, else g++."""
    return shutil.which(os.environ.get("CXX", "g++"))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled code, from torch's folder of extensions where it is there; None where it can't be had."""
    asked, found = [*VECTORS.get(torch.backends.cpu.get_cpu_capability(), []), "-O3", "-fopenmp"], compiler()
    if found is None:
        return None
    command = [found, "-std=c++17", "-fPIC", *asked, "-c", str(SOURCES[0]), "-o"]
    try:
        version = subprocess.run([found, "--version"], capture_output=True, check=True).stdout
        parts = [version, *(source.read_bytes() for source in SOURCES), *map(str.encode, asked)]
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        file = extensions() / f"singan_winograd_{digest}.so"
        if not file.exists():
            with whole_file(file) as draft:
                half = draft.with_suffix(".o")
                try:
                    subprocess.run([*command, str(half)], capture_output=True, check=True)
                    # not linked with OpenMP: it shall share the threads of PyTorch's
                    subprocess.run([found, "-shared", str(half), "-o", str(draft)], capture_output=True, check=True)
                finally:
                    half.unlink(missing_ok=True)
        made = ctypes.CDLL(str(file))
    except (OSError, subprocess.CalledProcessError):
        return None
    made.convolve.argtypes = [*[POINTER] * 4, *[LONG] * 6, INT, INT, INT]
    made.weight_gradient.argtypes = [*[POINTER] * 3, *[LONG] * 6, INT, INT]
    return made


def extensions() -> Path:
    """The folder of compiled extensions: torch's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_EXTENSIONS_DIR") or cache / "torch_extensions")


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool) -> Tensor:
    """``weight`` (O, C, 3, 3) over ``x`` (B, C, H, W); with ``back``, (C, O, 3, 3) turned around, over gradients.

    With ``last`` the image is worked on, and what is made laid out, with the channels last.
    """
    called, made = library(), made_by_convolving(x, weight, bias, padding, back, last)
    assert called is not None
    x, weight, offset = x.contiguous(memory_format=layout(last)), weight.contiguous(), None
    if bias is not None:
        bias = bias.contiguous()
        offset = bias.data_ptr()
    batch, inputs, height, width = x.shape
    size = batch, height, width, inputs, made.shape[1], padding
    called.convolve(
        x.data_ptr(), weight.data_ptr(), offset, made.data_ptr(), *size, last, back, torch.get_num_threads()
    )
    return made


def made_by_convolving(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool) -> Tensor:
    """An empty tensor for what ``convolve`` makes."""
    batch, _, height, width = x.shape
    size = batch, weight.shape[1 if back else 0], height + 2 * padding - 2, width + 2 * padding - 2
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout(last))


def layout(last: bool) -> torch.memory_format:
    """The memory layout of images."""
    return LAST if last else torch.contiguous_format


def weight_gradient(x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
    """Of a loss by the weight, (O, C, 3, 3), from ``gradient`` (B, O, H, W), that by what it made of ``x``."""
    called, made = library(), made_as_weight(x, gradient, padding, last)
    assert called is not None
    x, gradient = x.contiguous(memory_format=layout(last)), gradient.contiguous(memory_format=layout(last))
    batch, inputs, height, width = x.shape
    size = batch, height, width, inputs, gradient.shape[1], padding
    called.weight_gradient(x.data_ptr(), gradient.data_ptr(), made.data_ptr(), *size, last, torch.get_num_threads())
    return made


def made_as_weight(x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
    """An empty tensor for what ``weight_gradient`` makes."""
    return x.new_empty(gradient.shape[1], x.shape[1], 3, 3)


OPERATORS = torch.library.Library("singan", "DEF")
OPERATORS.define("convolve(Tensor x, Tensor weight, Tensor? bias, int padding, bool back, bool last) -> Tensor")
OPERATORS.define("weight_gradient(Tensor x, Tensor gradient, int padding, bool last) -> Tensor")
OPERATORS.impl("convolve", convolve, "CPU")
OPERATORS.impl("weight_gradient", weight_gradient, "CPU")
torch.library.register_fake("singan::convolve", made_by_convolving)
torch.library.register_fake("singan::weight_gradient", made_as_weight)


class Convolution(torch.autograd.Function):
    """``convolve`` with its derivatives."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, back: bool, last: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.back, ctx.last = padding, back, last
        made: Tensor = torch.ops.singan.convolve(x, weight, bias, padding, back, last)
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias, *_ = ctx.needs_input_grad
        opposite = 2 - ctx.padding
        pair = (gradient, x, opposite) if ctx.back else (x, gradient, ctx.padding)
        return (
            Convolution.apply(gradient, weight, None, opposite, not ctx.back, ctx.last) if by_x else None,
            WeightGradient.apply(*pair, ctx.last) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
            None,
            None,
        )


class WeightGradient(torch.autograd.Function):
    """``weight_gradient`` with its derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, padding: int, last: bool) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.padding, ctx.last = padding, last
        made: Tensor = torch.ops.singan.weight_gradient(x, gradient, padding, last)
        return made

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
        x, gradient = ctx.saved_tensors
        by_x, by_gradient, *_ = ctx.needs_input_grad
        return (
            Convolution.apply(gradient, weight, None, 2 - ctx.padding, True, ctx.last) if by_x else None,
            Convolution.apply(x, weight, None, ctx.padding, False, ctx.last) if by_gradient else None,
            None,
            None,
        )


@contextmanager
def by_winograd(last: bool = False) -> Iterator[None]:
    """Within, ``torch.nn.functional.conv2d`` does the convolutions that it fits by ``Convolution``.

    With ``last`` all of them are given their input with the channels last, which saves time where
    PyTorch's BatchNorm, inaccurate in that layout, is compiled. (A mode of PyTorch's, which would
    see every function and attribute, costs as much time as is saved at the coarse scales.)
    """
    before = F.conv2d
    vars(F)["conv2d"] = functools.partial(conv2d, last)
    try:
        yield
    finally:
        vars(F)["conv2d"] = before


def conv2d(
    last: bool,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """As PyTorch's ``conv2d``; with ``last``, an image is first laid out with the channels last."""
    border = fitting(weight.shape, stride, padding, dilation, groups)
    if last and input.dim() == 4:
        input = input.contiguous(memory_format=LAST)
    given = (input, weight) if bias is None else (input, weight, bias)
    served = all(one.dtype is torch.float32 and one.device.type == "cpu" for one in given)
    agreed = input.dim() == 4 and input.shape[1] == weight.shape[1] and (bias is None or len(bias) == len(weight))
    if border is not None and served and agreed and min(input.shape[2:]) + 2 * border > 2:
        made: Tensor = Convolution.apply(input, weight, bias, border, False, last)
        return made
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


@functools.cache
def fitting(shape: torch.Size, stride: Any, padding: Any, dilation: Any, groups: int) -> int | None:
    """The padding on each side, where ``winograd.cpp`` can do a convolution of a weight of ``shape``; else None."""
    if len(shape) != 4 or shape[2:] != (3, 3):
        return None
    fewer, more = sorted(shape[:2])
    if more % MULTIPLE or (fewer % MULTIPLE and fewer > FEW):
        return None
    if any(value not in (1, (1, 1)) for value in (stride, dilation, groups)):
        return None
    return next((border for border in (0, 1, 2) if padding in (border, (border, border))), None)
