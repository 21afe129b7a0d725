"""The patches of an image: taken out, put together again, found by their nearest ones; and holes, which some lie in.

A patch is a square of p x p pixels, as a row of C p p numbers; an image of H x W pixels has one at each of
(H - p + 1) x (W - p + 1) places. Where images wrap, as tiles do, there is one at each of H x W places.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = {"cpu": 2**21, "cuda": 2**28}  # distances computed at once; a CPU's caches hold as many


@dataclass(frozen=True, eq=False, kw_only=True)
class PatchScale(ABC):
    """A level of patches, as a scale of a pyramid without margins."""

    real: Tensor  # (1, C, H, W), in [-1, 1]
    known: "Known | None" = None  # pixels that stay
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
        """No noise: nearest neighbours give the picture back from it; for diffusion there is none that does."""
        return torch.zeros_like(self.real)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the real image."""
        return self.real.shape[-2], self.real.shape[-1]

    @property
    def values_per_pixel(self) -> int:
        """The numbers of the patch at each pixel: images are made one by one."""
        return self.real.shape[1] * self.patch**2

    def check_size(self, size: tuple[int, int], remedy: str = "raise `scale_h`, `scale_v` or `size`") -> None:
        """Raise a ValueError, which ends with ``remedy``, where an image of ``size`` is smaller than a patch."""
        if min(size) < self.patch:
            raise ValueError(
                f"the size asked for leaves {size[1]} x {size[0]} pixels at a coarse scale, and a patch has "
                f"{self.patch} x {self.patch}: {remedy}"
            )


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


def places_in(image: Tensor, p: int, known: "Known | None" = None) -> Tensor:
    """The indices (N,) of the patches of ``image`` (1, C, H, W), but for those that hold a pixel of a hole."""
    if known is not None:
        return known.places(p)
    return torch.arange((image.shape[-2] - p + 1) * (image.shape[-1] - p + 1), device=image.device)


def wrapped(image: Tensor, p: int) -> Tensor:
    """``image`` (1, C, H, W) with its first p - 1 rows and columns again behind the last."""
    return F.pad(image, (0, p - 1, 0, p - 1), mode="circular")


def bump(p: int, sigma: float, like: Tensor) -> Tensor:
    """The weights (p, p) with which a patch speaks for its pixels: a Gaussian of ``sigma`` half widths."""
    line = torch.linspace(-1, 1, p, device=like.device, dtype=like.dtype) if p > 1 else like.new_zeros(1)
    return torch.exp(-(line[:, None] ** 2 + line**2) / (2 * sigma**2))


def fold(patches: Tensor, size: tuple[int, int], p: int, sigma: float, wraps: bool = False) -> Tensor:
    """The image (1, C, *size) of which each pixel is the weighted mean of what the ``patches`` (N, C p p) say."""
    weights = bump(p, sigma, patches)
    channels = patches.shape[1] // (p * p)
    total = add_up(patches * weights.flatten().repeat(channels), size, p, wraps)
    return total / votes(size, p, sigma, wraps, patches.device, patches.dtype)


def add_up(patches: Tensor, size: tuple[int, int], p: int, wraps: bool = False) -> Tensor:
    """The sum (1, C, *size) of ``patches`` (N, C p p) at their places."""
    height, width = size
    outer = (height + p - 1, width + p - 1) if wraps else size
    total = F.fold(patches.T[None], outer, p)
    if wraps:  # what lies beyond the last row and column belongs to the first ones
        total[..., : p - 1, :] += total[..., height:, :]
        total[..., : p - 1] += total[..., width:]
        total = total[..., :height, :width]
    return total


@lru_cache(maxsize=64)
def votes(size: tuple[int, int], p: int, sigma: float, wraps: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The sum of weights (1, 1, *size) that each pixel gets."""
    height, width = size
    count = height * width if wraps else (height - p + 1) * (width - p + 1)
    weights = bump(p, sigma, torch.empty(0, device=device, dtype=dtype))
    return add_up(weights.flatten().expand(count, -1), size, p, wraps)


def nearest(queries: Tensor, keys: Tensor, norms: Tensor, factors: Tensor | None = None) -> Tensor:
    """The index (M,) of the key nearest to each of ``queries`` (M, d): the first of equals.

    Arguments:
        queries: patches.
        keys: (N, d).
        norms: (N,) squared lengths of the keys.
        factors: (N,) by which squared distances to each key are multiplied before they are compared.
    """
    found = []
    for block in queries.split(max(1, BLOCK[queries.device.type] // len(keys))):
        distances = torch.addmm(norms, block, keys.T, alpha=-2)  # |q|^2 is the same for all
        if factors is not None:
            distances = (distances + block.square().sum(dim=1, keepdim=True)).clamp_(min=0) * factors
        found.append(distances.argmin(dim=1))
    return torch.cat(found)


def least_distances(queries: Tensor, keys: Tensor, norms: Tensor) -> Tensor:
    """The squared distance (N,) from each of ``keys`` (N, d) to the nearest of ``queries`` (M, d)."""
    least = norms.new_full((len(keys),), float("inf"))
    for block in queries.split(max(1, BLOCK[queries.device.type] // len(keys))):
        distances = torch.addmm(norms, block, keys.T, alpha=-2)
        distances += block.square().sum(dim=1, keepdim=True)
        least = torch.minimum(least, distances.amin(dim=0))
    return least.clamp_(min=0)


@dataclass(frozen=True, eq=False)
class Known:
    """The pixels of ``image`` where ``hole`` is 0."""

    image: Tensor  # (1, C, H, W), in [-1, 1]
    hole: Tensor  # (1, 1, H, W): 1 where pixels are made anew, else 0

    def kept(self, image: Tensor) -> Tensor:
        """``image`` (1, C, H, W) with the known pixels put in."""
        return torch.where(self.hole > 0, image, self.image)

    def places(self, p: int) -> Tensor:
        """The indices (n,) of the patches that hold no pixel of the hole."""
        return (windows(self.hole, p).amax(dim=(2, 3, 4)).flatten() == 0).nonzero()[:, 0]


def at_size(hole: Tensor, size: tuple[int, int]) -> Tensor:
    """``hole`` (1, 1, H, W) at another ``size``: 1 where more than a little of a pixel lies in it."""
    return (F.interpolate(hole, size, mode="area") > 0.02).to(hole.dtype)
