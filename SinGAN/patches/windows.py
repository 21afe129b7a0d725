"""Patches of float images: extraction, folding, holes, and pyramids whose scales work on patches.

A patch is a square of p x p pixels, as a row of C p p numbers; an image of H x W pixels has one at each of
(H - p + 1) x (W - p + 1) places. Where images wrap, as tiles do, there is one at each of H x W places.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.levels import check_size, mean_ratio
from SinGAN.planning import Size
from SinGAN.pyramid import Pyramid, ScaleT

BLOCK = {"cpu": 2**21, "cuda": 2**28}  # distances computed together; a CPU's caches hold as many
FEWEST = 16  # whole patches that a hole must leave
NARROW = 30  # pixels: in tiles of narrower pictures patches are narrower


def windows(image: Tensor, p: int) -> Tensor:
    """A view (h, w, C, p, p) of the patches of ``image`` (1, C, H, W); it takes no memory."""
    return image[0].unfold(1, p, 1).unfold(2, p, 1).permute(1, 2, 0, 3, 4)


def rows(image: Tensor, p: int) -> Tensor:
    """The patches (N, C p p) of ``image`` (1, C, H, W), row by row."""
    return windows(image, p).reshape(-1, image.shape[1] * p * p)


def rows_at(image: Tensor, p: int, places: Tensor) -> Tensor:
    """The patches (len(places), C p p) of ``image`` (1, C, H, W) at the given indices of all N."""
    view = windows(image, p)
    width = view.shape[1]
    return view[torch.div(places, width, rounding_mode="floor"), places % width].reshape(len(places), -1)


def wrap(image: Tensor, p: int) -> Tensor:
    """``image`` (1, C, H, W) with its first p - 1 rows and columns repeated behind the last."""
    return F.pad(image, (0, p - 1, 0, p - 1), mode="circular")


def resized(image: Tensor, size: Size, wraps: bool = False) -> Tensor:
    """``image`` (B, C, H, W) at another ``size``: bicubic, antialiased when it shrinks."""
    if image.shape[-2:] == size:
        return image
    if not wraps:
        return F.interpolate(image, size, mode="bicubic", antialias=True)
    height, width = size
    tiled = F.interpolate(image.repeat(1, 1, 3, 3), (3 * height, 3 * width), mode="bicubic", antialias=True)
    return tiled[..., height : 2 * height, width : 2 * width]


def gaussian(p: int, sigma: float, like: Tensor, off: int = 0) -> Tensor:
    """The weights of a patch's pixels in a vote: a Gaussian of ``sigma`` half widths, without its ``off`` outer rows.

    Returns:
        (p - 2 off, p - 2 off), of the dtype and on the device of ``like``.
    """
    line = torch.linspace(-1, 1, p, device=like.device, dtype=like.dtype) if p > 1 else like.new_zeros(1)
    return torch.exp(-(line[:, None] ** 2 + line**2) / (2 * sigma**2))[off : p - off, off : p - off]


def fold(patches: Tensor, size: Size, p: int, sigma: float, wraps: bool = False, off: int = 0) -> Tensor:
    """The image (1, C, *size) in which each pixel is the weighted mean over the ``patches`` that cover it.

    Arguments:
        patches: (N, C c c), the central c x c pixels of patches, c = p - 2 off.
        size: of the image; with ``off``, of that which the centres cover.
        p: width of a patch.
        sigma: of the weights, as for ``gaussian``.
        wraps: the image's right and left edges, and its lower and upper, meet.
        off: pixels on each side of a patch that don't count.
    """
    core, weights = p - 2 * off, gaussian(p, sigma, patches, off).flatten()
    total = add_up(patches * weights.repeat(patches.shape[1] // core**2), size, core, wraps)
    return total / vote_sums(size, p, sigma, wraps, off, patches.device, patches.dtype)


def add_up(patches: Tensor, size: Size, p: int, wraps: bool = False) -> Tensor:
    """The sum (1, C, *size) of ``patches`` (N, C p p) at their places."""
    height, width = size
    total = F.fold(patches.T[None], (height + p - 1, width + p - 1) if wraps else size, p)
    if wraps:  # rows and columns beyond the last belong to the first ones
        total[..., : p - 1, :] += total[..., height:, :]
        total[..., : p - 1] += total[..., width:]
        total = total[..., :height, :width]
    return total


@lru_cache(maxsize=64)
def vote_sums(
    size: Size, p: int, sigma: float, wraps: bool, off: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """The sum of weights (1, 1, *size) at each pixel."""
    (height, width), core = size, p - 2 * off
    count = height * width if wraps else (height - core + 1) * (width - core + 1)
    weights = gaussian(p, sigma, torch.empty(0, device=device, dtype=dtype), off)
    return add_up(weights.flatten().expand(count, -1), size, core, wraps)


@dataclass(frozen=True, eq=False)
class Known:
    """The pixels of ``image`` where ``hole`` is 0."""

    image: Tensor  # (1, C, H, W), in [-1, 1]
    hole: Tensor  # (1, 1, H, W): 1 where pixels are computed, else 0

    @classmethod
    def at_level(cls, real: Tensor, hole: Tensor | None) -> "Known | None":
        """The known pixels of a level ``real`` (1, C, h, w), where there is a ``hole`` (1, 1, H, W) in the finest.

        A pixel is in the hole where more than 2 % of it lie there.
        """
        if hole is None:
            return None
        return cls(real, (F.interpolate(hole, real.shape[-2:], mode="area") > 0.02).to(hole.dtype))

    def keep(self, image: Tensor) -> Tensor:
        """``image`` (1, C, H, W) with the known pixels put in."""
        return torch.where(self.hole > 0, image, self.image)

    def places(self, p: int) -> Tensor:
        """The indices (n,) of the patches without a pixel of the hole."""
        return (windows(self.hole, p).amax(dim=(2, 3, 4)).flatten() == 0).nonzero()[:, 0]


def usable_places(image: Tensor, p: int, known: Known | None) -> Tensor:
    """The indices (N,) of the patches of ``image`` (1, C, H, W) without a pixel of a hole."""
    if known is not None:
        return known.places(p)
    return torch.arange((image.shape[-2] - p + 1) * (image.shape[-1] - p + 1), device=image.device)


def choose_width(known: Known | None, widths: range) -> int:
    """The first of the patch ``widths`` with enough patches without a pixel of a hole; the first of all without a hole.

    Raises:
        ValueError: there is none.
    """
    for width in widths:
        if known is None or len(known.places(width)) >= FEWEST:
            return width
    if known is None:
        return 1
    raise ValueError("no whole patch of the picture is left: mark less of it, or use a larger picture")


def limit_width(width: int, picture: Size, level: Size) -> int:
    """The ``width`` of a patch in tiles of a ``picture``, where that is narrow at most a third of the ``level``'s.

    A tile has a patch at every pixel. Wide patches of a narrow level are few and nearly the same, so that those which
    cover a pixel average to grey.
    """
    if min(picture) >= NARROW:
        return width
    return min(width, max(3, (min(level) // 3 - 1) // 2 * 2 + 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class PatchScale(ABC):
    """A scale of a ``PatchPyramid``."""

    real: Tensor  # (1, C, H, W), in [-1, 1]
    known: Known | None = None  # pixels that stay
    wraps: bool = False  # the image's right and left edges, and its lower and upper, meet

    def __call__(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (B, C, H, W) from ``noise`` and ``previous``, each (B or 1, C, H, W)."""
        count = max(len(noise), len(previous))
        pairs = zip(noise.expand(count, -1, -1, -1).split(1), previous.expand(count, -1, -1, -1).split(1), strict=True)
        return torch.cat([self.generate(*pair) for pair in pairs])

    @abstractmethod
    def generate(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (1, C, H, W) from ``noise`` and ``previous``, of its size."""

    @property
    @abstractmethod
    def patch(self) -> int:
        """The width of a patch in pixels."""

    @property
    def z_rec(self) -> Tensor:
        """Zeros: from them nearest neighbours reconstruct the picture; for diffusion there is no such noise."""
        return torch.zeros_like(self.real)

    @property
    def size(self) -> Size:
        """Height and width of the real image."""
        return self.real.shape[-2], self.real.shape[-1]

    @property
    def values_per_pixel(self) -> int:
        """The numbers of the patch at each pixel: images are computed one by one."""
        return self.real.shape[1] * self.patch**2

    def check_size(self, image: Tensor, **remedy: str) -> Size:
        """The size of ``image``; a ValueError, which ends with the ``remedy``, where a patch is larger."""
        size = image.shape[-2], image.shape[-1]
        check_size(size, self.patch, **remedy)
        return size


@dataclass(frozen=True, eq=False)
class PatchPyramid(Pyramid[ScaleT]):
    """A pyramid of patch levels: without margins, and without rounding to 8 bits between levels."""

    wraps: bool = False  # the image's right and left edges, and its lower and upper, meet

    @classmethod
    def build(
        cls,
        image: Tensor,
        sizes: Sequence[Size],
        hole: Tensor | None,
        wraps: bool,
        scale: Callable[[int, list[Tensor], Known | None], ScaleT],
    ) -> "PatchPyramid[ScaleT]":
        """The pyramid of ``image`` (1, C, H, W) at ``sizes``, of ``scale(index, levels, known pixels)``."""
        reals = [image]
        for size in reversed(sizes[:-1]):
            reals.insert(0, resized(reals[0], size).clamp(-1, 1))
        scales = tuple(scale(index, reals, Known.at_level(real, hole)) for index, real in enumerate(reals))
        return cls(scales, mean_ratio(sizes), 0, wraps=wraps)

    def draw_map(self, rng: torch.Generator, like: Tensor, size: Size, coarsest: bool) -> Tensor:
        """Noise (1, C, *size), different in each channel at every level."""
        return super().draw_map(rng, like, size, coarsest=False)

    def enlarge(self, image: Tensor) -> Tensor:
        """``image`` itself: ``fit`` enlarges it."""
        return image

    def fit(self, image: Tensor, z: Tensor) -> Tensor:
        """``image`` (B, C, H, W) resized to the size of the noise map ``z``."""
        return resized(image, (z.shape[-2], z.shape[-1]), self.wraps)
