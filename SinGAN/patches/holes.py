"""Holes: parts of a photo computed from the rest, with every other pixel as it is; and the same for edits."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image

from SinGAN.patches import offsets
from SinGAN.patches.levels import (
    RATIO,
    Box,
    Levels,
    bounding_box,
    box_size,
    limit_size,
    mask_image,
    pyramid,
    resize_mask,
)
from SinGAN.patches.seams import Edit
from SinGAN.patches.search import PATCH, Flags, Pixels, blank, mark_outside
from SinGAN.patches.solver import Canvas, Solver, Source
from SinGAN.planning import Size

Values = npt.NDArray[Any]

RADIUS = 5.0  # pixels of the largest disk in a hole, at the level where filling starts
SMALLEST = 14  # pixels, the shorter side of that level at least
FEWEST = 16  # whole patches that a hole must leave there
MEASURED = 1024  # pixels, the width at which a hole's radius is measured
BOX = 128  # pixels: while a hole is larger, its levels are halvings
SWEEPS = 200  # of Laplace's equation, for the first guess
WINDOW = 110  # pixels round a hole, down and across, in which offsets are found; or in a level as small
CHOSEN = 3  # a variant's first guess uses one in so many of the typical offsets
MATCHED = 160  # pixels, the longer side of the box in which colours are matched
MATCHING_SWEEPS = 100  # of the screened Poisson equation there
AROUND = 0.05  # of the photo's longer side: known pixels that count round a mask
LOCAL = 2.0  # pixels there, deviation of local means
LEAST_GAP, MOST_GAP = 0.5, 14.0  # levels: smaller gaps are left, larger ones closed so far, twice as large ones left
FADING = 0.15  # of that side: how far inwards a gap reaches
BAND = 512  # rows


def largest_radius(mask: Flags) -> float:
    """The radius in pixels of the largest disk inside ``mask`` (H, W)."""
    height, width = mask.shape
    factor = max(1.0, width / MEASURED)
    small = mask_image(mask).resize((round(width / factor), max(1, round(height / factor))))
    return float(scipy.ndimage.distance_transform_edt(np.pad(np.asarray(small) > 0, 1)).max() * factor)


def hole_sizes(mask: Flags, coarsest: float) -> tuple[list[Size], int]:
    """The sizes of the levels, coarse to fine, and how many of them are solved, not lifted.

    Arguments:
        mask: (H, W), 1 where pixels are computed.
        coarsest: the scale of the first level, in parts of the whole size.
    """
    side, sizes, scale = max(box_size(bounding_box(mask))), [(mask.shape[0], mask.shape[1])], 1.0
    while scale * side > BOX and scale * max(mask.shape) > 2 * BOX and scale / 2 > coarsest:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
        scale /= 2
    lifted, (height, width) = len(sizes) - 1, sizes[-1]
    count = max(0, math.ceil(math.log(coarsest / scale) / math.log(RATIO) - 1e-9)) if coarsest < scale else 0
    sizes += [(math.ceil(height * RATIO**step), math.ceil(width * RATIO**step)) for step in range(1, count + 1)]
    return sizes[::-1], len(sizes) - lifted


def coarsest_scale(mask: Flags, pixels: int = 0) -> float:
    """The scale, at most 1, at which filling ``mask`` (H, W) starts: a few patches wide, like the rest of the photo.

    The level has at least as many ``pixels``, if the photo has.

    Raises:
        ValueError: the mask leaves next to nothing of the photo.
    """
    least = max(RADIUS / largest_radius(mask), SMALLEST / min(mask.shape), math.sqrt(pixels / mask.size))
    scale = float(min(1.0, least))
    while int(mark_outside(resize_mask(mask, hole_sizes(mask, scale)[0][0])).sum()) < FEWEST:
        if scale == 1:
            raise ValueError("the mask leaves no whole patch of the picture: mark less of it")
        scale = min(1.0, scale / RATIO)
    return scale


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a photo that is computed: levels of the photo and of the mask, and the canvas round the mask."""

    photo: Pixels  # (H, W, 4)
    mask: Flags  # (H, W), 1 where pixels are computed
    coarsest: float  # scale of the first level
    channels: int  # of the photo: 1 (grey), 3 (RGB) or 4 (RGBA)
    edit: Edit | None = None  # pasted into the photo: other pixels are the photo's or the edit's

    @cached_property
    def _levels(self) -> tuple[list[Size], int]:
        return hole_sizes(self.mask, self.coarsest)

    @property
    def sizes(self) -> list[Size]:
        """The sizes of the levels, coarse to fine."""
        return self._levels[0]

    @cached_property
    def reals(self) -> list[Pixels]:
        """The photo at the levels."""
        return pyramid(self.photo, self.sizes)

    @cached_property
    def masks(self) -> list[Flags]:
        """The mask at the levels."""
        return [resize_mask(self.mask, size) for size in self.sizes]

    @cached_property
    def _pastes(self) -> list[Pixels]:
        """The edit at the levels."""
        return [] if self.edit is None else self.edit.levels(self.sizes)

    @cached_property
    def canvases(self) -> list[Canvas]:
        """The box round the mask at the levels."""
        result = []
        for level, (real, mask) in enumerate(zip(self.reals, self.masks, strict=True)):
            box = widen(bounding_box(mask, PATCH - 1), self.sizes[level])
            known = blank(*box_size(box))
            known[...] = real[box]
            if self.edit is not None:
                outer = self.edit.box_at(self.sizes[level])
                overlap = tuple(
                    slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, outer, strict=True)
                )
                known[within(overlap, box)] = self._pastes[level][within(overlap, outer)]
            origin = box[0].start, box[1].start
            result.append(Canvas(box_size(box), origin, np.ascontiguousarray(mask[box]), known))
        return result

    @cached_property
    def sources(self) -> list[Source]:
        """The photo's levels, of which patches without a pixel of the mask are used; with an edit, all and the edit."""
        if self.edit is not None:
            return self.edit.sources(self.reals, self._pastes, self._levels[1])
        return [Source(real, mark_outside(mask)) for real, mask in zip(self.reals, self.masks, strict=True)]

    def solver(self, seed: int) -> Solver:
        """The solver of the region."""
        return Solver(self.sources, self.sizes, self.canvases, self._levels[1], seed)

    def place(self, picture: Pixels, level: int) -> Pixels:
        """The photo at ``level`` with the canvas's ``picture`` pasted."""
        result: Pixels = self.reals[level].copy()
        result[self.canvases[level].box] = picture
        return result

    def interpolate(self) -> Pixels:
        """The first canvas, its hole filled by membrane interpolation: Laplace's equation from the colours round it."""
        canvas = self.canvases[0]
        assert canvas.mask is not None
        assert canvas.known is not None
        inside = canvas.mask > 0
        nearest = scipy.ndimage.distance_transform_edt(inside, return_distances=False, return_indices=True)
        smooth = canvas.known[tuple(nearest)].astype(np.float32)
        for _ in range(SWEEPS):
            smooth = np.where(inside[..., None], sum_neighbours(smooth) / 4, smooth)
        result = blank(*inside.shape)
        result[...] = np.rint(smooth)
        return result

    @cached_property
    def _window(self) -> Box:
        """The box of the first level in which offsets are found; an empty one for a long thin hole."""
        mask = self.masks[0]
        around = (WINDOW - max(box_size(bounding_box(mask)))) // 2
        if around >= PATCH:
            return bounding_box(mask, around)
        rows, columns = mask.shape if mask.size <= WINDOW**2 else (0, 0)
        return slice(0, rows), slice(0, columns)

    @cached_property
    def _offsets(self) -> offsets.Indices:
        """The typical offsets (N, 2) there, for all variants."""
        real, mask = (np.ascontiguousarray(level[self._window]) for level in (self.reals[0], self.masks[0]))
        return offsets.typical_offsets(real, mask, self.channels) if mask.size else np.zeros((0, 2), np.int64)

    def first_guess(self, seed: int | None = None) -> Pixels:
        """The first canvas, its hole filled from elsewhere in the photo by ``offsets.shift``.

        Arguments:
            seed: of a choice among the typical offsets, for a variant; None: all of them.
        """
        found, result = self._offsets, self.interpolate()
        if seed is not None:
            found = found[np.sort(np.random.default_rng(seed).permutation(len(found))[: len(found) // CHOSEN])]
        if len(found):
            real, mask = self.reals[0][self._window], self.masks[0][self._window]
            smooth, there = real.copy(), within(self.canvases[0].box, self._window)
            smooth[there] = result
            result[...] = offsets.shift(real, mask, found, smooth)[there]
        return result


def within(box: tuple[slice, ...], outer: tuple[slice, ...]) -> tuple[slice, ...]:
    """``box`` in coordinates of ``outer``, which encloses it."""
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))


def widen(box: Box, size: Size) -> Box:
    """``box``, widened to at least a patch's height and width within ``size``."""
    parts = []
    for part, side in zip(box, size, strict=True):
        stop = max(part.stop, min(side, part.start + PATCH))
        parts.append(slice(min(part.start, stop - min(PATCH, side)), stop))
    return parts[0], parts[1]


def sum_neighbours(values: Values) -> Values:
    """The sum (H, W, C) of each pixel's four neighbours; at an edge the pixel itself stands for a missing one."""
    outer = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return np.asarray(outer[2:, 1:-1] + outer[:-2, 1:-1] + outer[1:-1, 2:] + outer[1:-1, :-2])


def match_colours(picture: Levels, mask: Flags) -> None:
    """Shift the colours of ``picture`` (H, W, C) inside ``mask`` (H, W), in place, so that they meet those around it.

    The gap between the mean colours on both sides of the mask's border is spread inwards by a membrane that fades: what
    Poisson blending (Pérez, Gangnet, Blake, *Poisson Image Editing*, SIGGRAPH 2003) does with gradients. Alpha stays.
    """
    # 1. Reduce the box round the mask to a small size.
    box = bounding_box(mask, max(8, round(AROUND * max(mask.shape))))
    part, inside, size = picture[box][..., : min(picture.shape[2], 3)], mask[box], box_size(box)
    small = limit_size(size, MATCHED)
    reduced = np.stack([reduce(part[..., channel], small) for channel in range(part.shape[2])], axis=2)
    filled = reduce(inside * np.uint8(255), small) > 127
    if filled.all() or not filled.any():
        return
    # 2. The gap between the local means of both sides; a large one is the edge of an object, and stays.
    near, far = (local_means(reduced, side) for side in (filled, ~filled))
    gap = far - near
    gap = np.sign(gap) * np.clip(np.abs(gap) - LEAST_GAP, 0, MOST_GAP)
    gap[np.abs(far - near).max(axis=2) > 2 * MOST_GAP] = 0
    # 3. The membrane, from a guess that falls off with the distance to the border.
    border = filled & ~scipy.ndimage.minimum_filter(filled, 3, mode="nearest")
    reach, free = FADING * max(small), (filled & ~border)[..., None]
    distance, nearest = scipy.ndimage.distance_transform_edt(~border, return_indices=True)
    shift = np.where(filled[..., None], gap[tuple(nearest)] * np.exp(-distance / reach)[..., None], 0.0)
    share = 1 / (4 + reach**-2.0)
    for _ in range(MATCHING_SWEEPS):
        shift = np.where(free, share * sum_neighbours(shift), shift)
    nearest = scipy.ndimage.distance_transform_edt(~filled, return_distances=False, return_indices=True)
    shift = shift[tuple(nearest)].astype(np.float32)  # outside as at the border, for enlarging
    # 4. Enlarge it, and add it, band by band.
    shifts = [Image.fromarray(np.ascontiguousarray(shift[..., channel])) for channel in range(shift.shape[2])]
    for start in range(0, size[0], BAND):
        stop = min(size[0], start + BAND)
        rows = (0, start * small[0] / size[0], small[1], stop * small[0] / size[0])
        parts = [np.asarray(each.resize((size[1], stop - start), Image.Resampling.BILINEAR, rows)) for each in shifts]
        band, chosen = part[start:stop], inside[start:stop] > 0
        band[chosen] = np.clip(np.rint(band[chosen] + np.stack(parts, axis=2)[chosen]), 0, 255)


def reduce(channel: Levels, size: Size) -> Levels:
    """``channel`` (H, W) at a smaller ``size``: means of areas."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize(size[::-1], Image.Resampling.BOX))


def local_means(picture: Levels, side: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Gaussian means (h, w, C) of ``picture`` (h, w, C) over the pixels of one ``side`` (h, w)."""

    def blur(values: Values) -> npt.NDArray[np.float32]:
        return np.asarray(scipy.ndimage.gaussian_filter(values, LOCAL, mode="constant", axes=(0, 1)), np.float32)

    weights = side[..., None].astype(np.float32)
    return np.asarray(blur(picture * weights) / np.maximum(blur(weights), 1e-4), np.float32)
