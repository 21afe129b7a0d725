"""Pyramids of patches: the levels of a picture as scales, which the one loop of ``SinGAN.pyramid`` runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.balance import Balance
from SinGAN.patches.denoise import STEPS, Denoiser, DenoiseScale
from SinGAN.patches.folding import PATCH as DENOISED
from SinGAN.patches.levels import level_sizes
from SinGAN.patches.neighbours import PATCH, REPEATS, Keys, NeighbourScale
from SinGAN.patches.windows import Known, at_size
from SinGAN.planning import Size
from SinGAN.pyramid import Pyramid, ScaleT

FEWEST = 16  # patches that a hole must leave
HALF = 0.5  # ratio of neighbouring levels of patch diffusion, roughly


@dataclass(frozen=True, eq=False)
class PatchPyramid(Pyramid[ScaleT]):
    """A pyramid of patch levels: no margins, and no rounding to 8 bits on the way."""

    wraps: bool = False  # the image's right and left edges, and its lower and upper, meet

    def draw_map(self, rng: torch.Generator, like: Tensor, size: Size, coarsest: bool) -> Tensor:
        """Noise (1, C, *size), of its own in each channel at every level."""
        return super().draw_map(rng, like, size, coarsest=False)

    def enlarge(self, image: Tensor) -> Tensor:
        """``image`` itself: ``fit`` enlarges it."""
        return image

    def fit(self, image: Tensor, z: Tensor) -> Tensor:
        """``image`` (B, C, H, W) resized to the size of the noise map ``z``."""
        return resized(image, (z.shape[-2], z.shape[-1]), self.wraps)


def resized(image: Tensor, size: Size, wraps: bool = False) -> Tensor:
    """``image`` (B, C, H, W) at another ``size``: bicubic, antialiased when it shrinks."""
    if image.shape[-2:] == size:
        return image
    if not wraps:
        return F.interpolate(image, size, mode="bicubic", antialias=True)
    height, width = size
    tiled = F.interpolate(image.repeat(1, 1, 3, 3), (3 * height, 3 * width), mode="bicubic", antialias=True)
    return tiled[..., height : 2 * height, width : 2 * width]


def levels(image: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
    """``image`` (1, C, H, W) at all ``sizes``, coarse to fine, each made from the finer one."""
    result = [image]
    for size in reversed(sizes[:-1]):
        result.append(resized(result[-1], size).clamp(-1, 1))
    return result[::-1]


def factor_of(sizes: Sequence[Size]) -> float:
    """The ratio of neighbouring levels."""
    return (min(sizes[0]) / min(sizes[-1])) ** (1 / (len(sizes) - 1)) if len(sizes) > 1 else 1.0


def known_at(hole: Tensor | None, real: Tensor) -> Known | None:
    """The known pixels of the level ``real``, where there is a ``hole`` (1, 1, H, W)."""
    return None if hole is None else Known(real, at_size(hole, (real.shape[-2], real.shape[-1])))


def neighbours(
    image: Tensor,
    *,
    coarsest: int = 14,
    ratio: float = 0.75,
    sigma: float = 0.75,
    repeats: int = REPEATS,
    completeness: float = math.inf,
    hole: Tensor | None = None,
    wraps: bool = False,
) -> PatchPyramid[NeighbourScale]:
    """The pyramid of nearest neighbours (GPNN's) of ``image`` (1, C, H, W), in [-1, 1].

    Arguments:
        coarsest: shorter side of the coarsest level, in pixels.
        ratio: of neighbouring levels, roughly.
        sigma: of the noise on the coarsest level's image, in intensity ranges.
        repeats: of each level but the coarsest, which runs once.
        completeness: alpha; a small one wants all parts of the picture to be used, infinity does without.
        hole: (1, 1, H, W), 1 where pixels are unknown: patches with such a pixel are not used.
        wraps: make tiles.
    """
    sizes = level_sizes((image.shape[-2], image.shape[-1]), coarsest, ratio)
    reals = levels(image, sizes)
    widest = min(PATCH, *sizes[0])
    scales = []
    for index, real in enumerate(reals):
        blurred = real if index == 0 else resized(reals[index - 1], sizes[index])
        known = known_at(hole, real)
        patch = fitting(known, range(widest, 2, -2))
        scales.append(
            NeighbourScale(
                real=real,
                keys=Keys.of(blurred, patch, known),
                repeats=repeats if index else 1,
                completeness=completeness,
                guess=None if index else real,
                sigma=0.0 if index else sigma,
                known=known,
                wraps=wraps,
            )
        )
    return PatchPyramid(tuple(scales), factor_of(sizes), 0, wraps=wraps)


def beginning(
    pyramid: PatchPyramid[NeighbourScale], start: int, guess: Tensor, sigma: float = 0.0, repeats: int | None = None
) -> PatchPyramid[NeighbourScale]:
    """The levels of ``pyramid`` from ``start`` on, of which the first begins from ``guess`` (1, C, h, w) and noise."""
    first = pyramid.scales[start]
    first = replace(
        first,
        keys=first.keys if start == 0 else Keys.of(first.real, first.patch, first.known),
        guess=guess,
        sigma=sigma,
        repeats=first.repeats if repeats is None else repeats,
    )
    return replace(pyramid, scales=(first, *pyramid.scales[start + 1 :]))


def denoising(
    image: Tensor,
    *,
    coarsest: int = 20,
    patch: int = DENOISED,
    steps: int = STEPS,
    eta: float = 0.0,
    balance: Balance = Balance(20),
    hole: Tensor | None = None,
    wraps: bool = False,
) -> PatchPyramid[DenoiseScale]:
    """The pyramid of patch diffusion of ``image`` (1, C, H, W), in [-1, 1].

    Arguments:
        coarsest: shorter side of the coarsest level, in pixels: the larger, the freer the result.
        patch: width of a patch in pixels, where the coarsest level is wide enough.
        steps: of each level.
        eta: fresh noise in each step, 0 to 1.
        balance: how evenly the picture's patches are used.
        hole: as for ``neighbours``.
        wraps: make tiles.
    """
    sizes = level_sizes((image.shape[-2], image.shape[-1]), coarsest, HALF)
    factor, reals = factor_of(sizes), levels(image, sizes)
    shorter = min(sizes[0])
    widest = patch if shorter > patch else max(1, int(shorter / 1.6) // 2 * 2 - 1)
    scales = []
    for index, real in enumerate(reals):
        known = known_at(hole, real)
        width = fitting(known, range(widest, 2, -4))
        scales.append(
            DenoiseScale(
                real=real,
                denoiser=Denoiser.of(real, width, known),
                factor=factor,
                coarsest=index == 0,
                steps=steps,
                eta=eta,
                balance=balance,
                known=known,
                wraps=wraps,
            )
        )
    return PatchPyramid(tuple(scales), factor, 0, wraps=wraps)


def fitting(known: Known | None, widths: range) -> int:
    """The first of ``widths`` in which the known pixels hold some whole patches; the first of all without a hole.

    Raises:
        ValueError: there is none.
    """
    for width in widths:
        if known is None or len(known.places(width)) >= FEWEST:
            return width
    if known is None:
        return 1
    raise ValueError("the mask leaves no whole patch of the picture: mark less of it")
