"""Pure tensor helpers: margins, cropping, fitting, distances and the slope of a critic."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def pad(image: Tensor, margin: int) -> Tensor:
    """``image`` (B, C, H, W) with ``margin`` zeros on each side."""
    return F.pad(image, (margin, margin, margin, margin))


def crop(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The top left part of ``image`` (B, C, H, W): at most ``size`` (height, width)."""
    return image[..., : size[0], : size[1]]


def centre_crop(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The central part of ``image`` (B, C, H, W), of ``size`` (height, width)."""
    top = (image.shape[-2] - size[0]) // 2
    left = (image.shape[-1] - size[1]) // 2
    return image[..., top : top + size[0], left : left + size[1]]


def stretch(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` (B, C, H, W) resized bilinearly (align_corners) to (B, C, *size)."""
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=True)


def repeated(z: Tensor, size: tuple[int, int], margin: int) -> Tensor:
    """The noise map ``z`` (1, C, h, w), tiled to ``size``; both include a margin, which becomes zeros."""
    if z.shape[-2:] == size:
        return z
    inside = z[..., margin : z.shape[-2] - margin, margin : z.shape[-1] - margin]
    rows = torch.arange(size[0] - 2 * margin, device=z.device) % inside.shape[-2]
    columns = torch.arange(size[1] - 2 * margin, device=z.device) % inside.shape[-1]
    return pad(inside[..., rows, :][..., columns], margin)


def rmse(image: Tensor, other: Tensor) -> Tensor:
    """The root mean squared difference of two images of the same shape, a scalar."""
    return F.mse_loss(image, other).sqrt()


def leaky_relu_(x: Tensor, slope: float) -> Tensor:
    """LeakyReLU in place, without a second derivative: PyTorch's propagates zeros through all earlier layers.

    It makes the gradient of a gradient penalty cheaper in networks without BatchNorm.
    """
    output: Tensor = _LeakyReLU.apply(x, slope)
    return output


class _LeakyReLU(torch.autograd.Function):
    """See ``leaky_relu_``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.mark_dirty(x)
        ctx.slope = slope
        F.leaky_relu_(x, slope)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        (output,) = ctx.saved_tensors
        return None if gradient is None else _LeakyReLUGradient.apply(gradient, output, ctx.slope), None


class _LeakyReLUGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, output: Tensor, slope: float) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(output)
        ctx.slope = slope
        result: Tensor = torch.ops.aten.leaky_relu_backward(gradient, output, slope, True)
        return result

    @staticmethod
    def backward(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, None, None]:
        (output,) = ctx.saved_tensors
        return None if tangent is None else _LeakyReLUGradient.apply(tangent, output, ctx.slope), None, None


BY_WEIGHTS: ContextVar[bool] = ContextVar("BY_WEIGHTS", default=True)
"""Whether gradients with respect to weights are wanted, too: PyTorch does not tell functions written in Python."""


def quantise(image: Tensor, palette: Tensor) -> Tensor:
    """Snap every pixel of ``image`` (B, C, H, W) to its nearest colour in ``palette`` (K, C)."""
    pixels = image.movedim(1, -1)
    nearest = torch.cdist(pixels.flatten(0, 2), palette).argmin(dim=1)
    return palette[nearest].reshape(pixels.shape).movedim(-1, 1)


def palette_of(image: Tensor, colours: int = 5) -> Tensor:
    """The colours (K, C) of ``image`` (1, C, H, W) by k-means: K is ``colours``, or fewer if the image has fewer."""
    from scipy.cluster.vq import kmeans2  # the import takes half a second

    pixels = image[0].flatten(1).T.double().cpu().numpy()
    distinct = len(np.unique(pixels, axis=0))
    centres, _ = kmeans2(pixels, min(colours, distinct), iter=100, minit="++", rng=0)
    return torch.from_numpy(centres).to(image)


def slope_of(critic: Callable[[Tensor], Tensor], image: Tensor, create_graph: bool = False) -> Tensor:
    """The gradient (B, C, H, W) of the sum of the critic's scores with respect to ``image``, which must require one."""
    scores, token = critic(image).sum(), BY_WEIGHTS.set(False)
    try:
        (slope,) = torch.autograd.grad(scores, image, create_graph=create_graph)
    finally:
        BY_WEIGHTS.reset(token)
    return slope
