"""The published patch methods, GPNN and patch diffusion, as functions of float images: for research and comparison."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN import manipulate
from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.denoise import BALANCES, Balance, Denoiser, DenoiseScale, diffusion_pyramid
from SinGAN.patches.levels import Box, check_size, extend_size, fill_levels
from SinGAN.patches.neighbours import REPEATS, NeighbourScale, neighbour_pyramid, start_from
from SinGAN.patches.windows import PatchPyramid, PatchScale, resized
from SinGAN.pictures.layers import Layers
from SinGAN.planning import enlarged

SIGMAS = {"low": 0.4, "medium": 0.75, "high": 1.5}  # of the noise that nearest neighbours start from, by variety
COARSEST = {"low": 18, "medium": 20, "high": 24}  # shorter sides of the level where diffusion starts, likewise
COMPLETE = 0.005  # alpha, where all parts of the picture shall be used
PAINTED = 0.002  # alpha for paints: fewer strokes get lost
FADING = 0.85  # of sigma from level to level: finer levels keep their layout
VARIANTS = 0.25  # sigma of the second picture and later ones, where the first needs no noise
SMALLEST = 14  # pixels, the shorter side of the coarsest level of nearest neighbours, at least
SMALL = 0.24  # size of the level where inpainting and analogies start, in parts of the picture
RETARGETED = 0.8  # ratio of the levels of retargeting, of which eight are coarser than the picture
RING = 3  # pixels round a hole whose mean is its first colour

Neighbours = PatchPyramid[NeighbourScale]
Denoising = PatchPyramid[DenoiseScale]


def limit_image(image: Tensor, max_size: int) -> Tensor:
    """``image`` (1, C, H, W), in [-1, 1], its longer side reduced to ``max_size`` pixels where it is more."""
    ratio = max_size / max(image.shape[-2:])
    height, width = (math.ceil(ratio * side - 1e-9) for side in image.shape[-2:])
    return image if ratio >= 1 else resized(image, (height, width)).clamp(-1, 1)


def resize_to(image: Tensor, scale: PatchScale, enlargement: tuple[float, float]) -> Tensor:
    """``image`` (1, C, H, W) at the size of ``scale``, times ``enlargement``; a ValueError where that is no pixel."""
    size = enlarged(scale.size, enlargement)
    check_size(size, patch=1)
    return resized(image, size)


def resize_structure(structure: Tensor, scale: PatchScale, enlargement: tuple[float, float]) -> Tensor:
    """``structure`` (1, C, H, W) at the size of ``scale``, times ``enlargement``; a ValueError below a patch's."""
    size = enlarged(scale.size, enlargement)
    check_size(size, scale.patch, "enlarge the structure (`ref_name`), or reduce the picture (`max_size`)")
    return resized(structure, size)


def mean_around(image: Tensor, hole: Tensor) -> Tensor:
    """The mean colour (1, C, 1, 1) of the pixels of ``image`` (1, C, H, W) just outside ``hole`` (1, 1, H, W)."""
    outside = F.max_pool2d(hole, 2 * RING + 1, stride=1, padding=RING) - hole
    return (image * outside).sum(dim=(2, 3), keepdim=True) / outside.sum().clamp(min=1)


@dataclass(frozen=True, eq=False)
class Published(manipulate.OfPyramid):
    """One picture, and a published method that generates others from its patches: the tasks of ``Instant``."""

    real: Tensor  # (1, C, H, W), in [-1, 1]
    method: str = "denoise"  # patches (nearest neighbours) or denoise (diffusion)
    variety: str = "medium"  # low, medium or high: how far from the picture
    balance: str = "full"  # off, light or full: how evenly diffusion uses the picture's patches
    layers: Layers | None = None  # of the channels; None: they have 8 bits, and no maps
    erased: npt.NDArray[np.bool_] | None = None  # the pixels that are erased in the picture's file, at the file's size

    @property
    def by_neighbours(self) -> bool:
        """Whether the method is that of nearest neighbours, not diffusion."""
        return self.method == "patches"

    def _neighbours(self, **changes: Any) -> Neighbours:
        return neighbour_pyramid(self.real, **{"sigma": SIGMAS[self.variety], **changes})

    def _denoising(self, **changes: Any) -> Denoising:
        settings = {"coarsest": COARSEST[self.variety], "balance": BALANCES[self.balance], **changes}
        return diffusion_pyramid(self.real, **settings)

    @cached_property
    def pyramid(self) -> Neighbours | Denoising:
        """The levels that generate samples and edits."""
        return self._neighbours() if self.by_neighbours else self._denoising()

    @cached_property
    def _for_paints(self) -> Neighbours:
        return self._neighbours(completeness=PAINTED)

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` random samples (1, C, H, W); the first ones don't depend on ``count``.

        A ``start`` level above 0 keeps the picture's own layout. ``enlargement`` multiplies height and width.

        Raises:
            ValueError: there is no such level.
        """
        levels: Any = self.pyramid
        manipulate.check_start_scale(start, len(levels))
        if self.by_neighbours and start:
            levels = start_from(levels, start, levels.scales[start].real, SIGMAS[self.variety] * FADING**start)
            return manipulate.sample(levels, rng, count, 0, enlargement)
        if start == 0 or enlargement != SAME_SIZE:
            return manipulate.sample(levels, rng, count, start, enlargement)
        coarse = levels.scales[start - 1].real
        return (manipulate.run_from(levels, coarse, start, rng) for _ in range(count))

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """``count`` pictures of an edit, put in at each of ``scales``, and blended by ``mask``: as ``manipulate``'s."""
        if not self.by_neighbours:
            return manipulate.retouch(self.pyramid, reference, mask, scales, rng, count)
        pyramid, real = self.pyramid, self.real
        made = ((scale, each) for scale in scales for each in self._inject(pyramid, reference, scale, rng, count))
        return Retouched(
            real, reference, mask, ((scale, each, manipulate.blend(real, each, mask)) for scale, each in made)
        )

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``strokes`` (1, C, H, W), put in at ``scale``."""
        if not self.by_neighbours:
            return manipulate.inject(self.pyramid, strokes, scale, rng, count)
        return self._inject(self._for_paints, strokes, scale, rng, count)

    def retarget(self, rng: torch.Generator, count: int, enlargement: tuple[float, float]) -> Iterator[Tensor]:
        """As ``Instant.retarget``; a ValueError where the size leaves no pixel."""
        if self.by_neighbours:
            levels = self._neighbours(ratio=RETARGETED, coarsest=self._small_side(RETARGETED**8), completeness=COMPLETE)
            first = levels.scales[0]
            wide = resize_to(first.real, first, enlargement)
            return self._variants(levels, 0, wide, rng, count, enlargement, REPEATS)
        diffusing = self._denoising(coarsest=16, steps=25, eta=1.0, balance=Balance(0))
        coarse = resize_to(self.real, diffusing.scales[0], enlargement)
        start = min(1, len(diffusing) - 1)
        return (diffusing.generate(diffusing.draw(rng, 1, start, enlargement), coarse) for _ in range(count))

    def inpaint(self, hole: Tensor, fill: Tensor | None, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.inpaint``; without ``fill`` the search starts from the mean colour round the hole.

        Diffusion starts from noise, and needs no ``fill``.
        """
        if not self.by_neighbours:
            return manipulate.sample(self._denoising(hole=hole, balance=Balance(0)), rng, count)
        levels = self._neighbours(coarsest=self._small_side(SMALL), hole=hole)
        colour = mean_around(self.real, hole) if fill is None else fill
        guess = resized(torch.where(hole > 0, colour, self.real), levels.scales[0].size)
        return self._variants(levels, 0, guess, rng, count)

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.outpaint``."""
        extend_size((self.real.shape[-2], self.real.shape[-1]), margins)
        top, bottom, left, right = margins
        canvas = F.pad(self.real, (left, right, top, bottom), mode="replicate")
        hole = F.pad(torch.zeros_like(self.real[:, :1]), (left, right, top, bottom), value=1.0)
        pictures = replace(self, real=canvas).inpaint(hole, None, rng, count)
        return (torch.where(hole > 0, picture, canvas) for picture in pictures)

    def cropped(self, box: Box) -> "Published":
        """As ``Instant.cropped``."""
        return replace(self, real=self.real[..., box[0], box[1]].contiguous())

    def analogy(self, structure: Tensor, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.analogy``."""
        enlargement = structure.shape[-2] / self.real.shape[-2], structure.shape[-1] / self.real.shape[-1]
        if self.by_neighbours:
            levels = self._neighbours(coarsest=self._small_side(SMALL), completeness=COMPLETE)
            guess = resize_structure(structure, levels.scales[0], enlargement)
            return self._variants(levels, 0, guess, rng, count, enlargement)
        quarter = math.ceil(min(self.real.shape[-2:]) / 4)
        patch = min(11, (min(quarter, *enlarged((quarter, quarter), enlargement)) - 1) // 2 * 2 + 1)
        diffusing = self._denoising(coarsest=quarter, patch=max(3, patch), balance=Balance(0))
        first = diffusing.scales[0]
        layout = Denoiser.of(resize_structure(structure, first, enlargement), first.patch)
        first = replace(first, layout=layout, steps=50, least_sigma=0.01)
        return manipulate.sample(replace(diffusing, scales=(first, *diffusing.scales[1:])), rng, count, 0, enlargement)

    def tile(
        self, rng: torch.Generator, count: int = 1, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``Instant.tile``."""
        levels: Any = self._neighbours(wraps=True) if self.by_neighbours else self._denoising(wraps=True)
        return manipulate.sample(levels, rng, count, 0, enlargement)

    def colour(self, fill: Sequence[int]) -> Tensor:
        """As ``Instant.colour``, in [-1, 1]."""
        levels = torch.tensor(fill_levels(fill, self.real.shape[1]))
        return (levels.to(self.real) / 127.5 - 1)[None, :, None, None]

    def _small_side(self, part: float) -> int:
        """The shorter side of a coarsest level of nearest neighbours, in pixels, from its ``part`` of the picture's."""
        return max(SMALLEST, math.ceil(part * min(self.real.shape[-2:])))

    def _inject(self, levels: Any, reference: Tensor, scale: int, rng: torch.Generator, count: int) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that start at ``scale`` from ``reference`` (1, C, H, W), reduced."""
        return self._variants(levels, scale, resized(reference, levels.scales[scale].size), rng, count)

    def _variants(
        self,
        levels: Neighbours,
        start: int,
        guess: Tensor,
        rng: torch.Generator,
        count: int,
        enlargement: tuple[float, float] = SAME_SIZE,
        repeats: int = 1,
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) from ``guess`` (1, C, h, w): the first without noise on it.

        ``repeats`` are those of the level ``start``.
        """
        first = start_from(levels, start, guess, repeats=repeats)
        yield from manipulate.sample(first, rng, 1, 0, enlargement)
        nearby = replace(first, scales=(replace(first.scales[0], sigma=VARIANTS), *first.scales[1:]))
        yield from manipulate.sample(nearby, rng, count - 1, 0, enlargement)
