"""The resize between scales: one cached weight matrix per axis, on the image's device.

Bicubic (a = -0.5), antialiased when shrinking, on images truncated to 8 bits: the resize of the
authors' code, on which the whole trained chain depends.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def imresize(image: Tensor, scale: float, exact: bool = False) -> Tensor:
    """Resize ``image`` (B, C, H, W), in [-1, 1], to (B, C, ceil(scale * H), ceil(scale * W)).

    A ``scale`` of exactly 1 changes nothing but the truncation to 8 bits, which an ``exact`` resize leaves out.
    """
    height, width = (math.ceil(scale * length) for length in image.shape[-2:])
    return _resize(image, (height, width), (scale, scale), exact)


def imresize_to(image: Tensor, size: tuple[int, int], exact: bool = False) -> Tensor:
    """Resize ``image`` (B, C, H, W), in [-1, 1], to (B, C, *size), ``size`` being (height, width); see ``imresize``."""
    height, width = image.shape[-2:]
    return _resize(image, size, (size[0] / height, size[1] / width), exact)


def back_projected(image: Tensor, small: Tensor, rounds: int) -> Tensor:
    """``image`` (1, C, H, W), in [-1, 1], changed so that it becomes ``small`` (1, C, h, w) when it is reduced to that.

    In each of ``rounds`` what the reduced image lacks is enlarged and added (Irani and Peleg, *Improving Resolution by
    Image Registration*, 1991). The resize is that between scales, without its rounding.
    """
    size, small_size = image.shape[-2:], small.shape[-2:]
    result, wanted = image.double(), small.double()
    for _ in range(rounds):
        lacking = wanted - _resize_exactly(result, small_size)
        result = (result + _resize_exactly(lacking, size)).clamp(-1, 1)
    return result.to(image)


def _resize_exactly(values: Tensor, size: Sequence[int]) -> Tensor:
    """``values`` (1, C, H, W), in float64 and of any range, resized to (1, C, *size)."""
    for axis, wanted in zip((-2, -1), size, strict=True):
        length, scale = values.shape[axis], wanted / values.shape[axis]
        matrix = _weights(length, wanted, scale, scale < 1, values.device)
        values = (matrix @ values.movedim(axis, -2)).movedim(-2, axis)
    return values


def to_levels(image: Tensor) -> Tensor:
    """The 8-bit levels 0 .. 255 of ``image`` in [-1, 1], truncated, not rounded, in ``image``'s dtype.

    Truncation is part of the trained chain. It is not idempotent: some levels fall by one each
    time they pass through.
    """
    return ((image + 1) / 2).clamp(0, 1).mul(255).floor()


def from_levels(levels: Tensor) -> Tensor:
    """The float32 image in [-1, 1] of float64 ``levels`` (0 .. 255, fractions and overshoot allowed)."""
    return ((levels / 255).float() - 0.5).mul(2).clamp(-1, 1)


def _resize(image: Tensor, size: tuple[int, int], scale: tuple[float, float], exact: bool) -> Tensor:
    antialias = scale[0] < 1  # for both axes, as in the authors' code
    levels = ((image.double() + 1) / 2).clamp(0, 1).mul(255) if exact else to_levels(image).double()
    if scale[0] != 1:
        levels = _weights(image.shape[-2], size[0], scale[0], antialias, image.device) @ levels
    if scale[1] != 1:
        levels = levels @ _weights(image.shape[-1], size[1], scale[1], antialias, image.device).T
    return from_levels(levels)


@lru_cache(maxsize=256)
def _weights(length: int, out_length: int, scale: float, antialias: bool, device: torch.device) -> Tensor:
    """The matrix (out_length, length) that resizes one axis, in float64.

    Taps before the first pixel are dropped and the rest renormalised; those past the last mirror.
    """
    stretch = scale if antialias else 1.0  # below 1 it widens the kernel: the antialiasing
    centres = (torch.arange(out_length, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = torch.arange(math.ceil(float(centres[-1]) + 2 / stretch) + 1)
    weights = cubic(stretch * (centres[:, None] - taps))
    total = weights.sum(dim=1, keepdim=True)
    weights = weights / total.where(total != 0, 1.0)  # a narrowed kernel can miss every pixel
    mirror = torch.cat([torch.arange(length), torch.arange(length).flip(0)])
    matrix = torch.zeros(out_length, length, dtype=torch.float64)
    return matrix.index_add_(1, mirror[taps % (2 * length)], weights).to(device)


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, of support [-2, 2]."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))
