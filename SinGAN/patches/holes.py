"""Parts of a photo computed from the rest: filled holes and edits that fit, with every other pixel as it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
from PIL import Image

from SinGAN.patches import offsets, search
from SinGAN.patches.levels import RATIO, box_of, pyramid, resized, resized_mask
from SinGAN.patches.search import PATCH, Flags, Pixels, whole_patches
from SinGAN.patches.solver import Canvas, Solver, Source
from SinGAN.planning import Size

RADIUS = 5.0  # pixels of the largest disk in a hole, at the level where filling starts
SMALLEST = 14  # pixels, the shorter side of that level at least
BOX = 128  # pixels: while a hole is larger, its levels are halvings
SWEEPS = 200  # of Laplace's equation, for the first guess
ACROSS = 49 * 3 * 8.0**2  # squared distance: 8 levels in each of a patch's numbers
GUESSED = 12000  # pixels of the level at which a large hole's first guess is made
WINDOW = 110  # pixels round a hole, down and across, in which its first guess is made; or in a level as small
CHOSEN = 3  # a variant's first guess uses one in so many of the typical offsets
SMALL = 0.1  # whole patches in an edit's pixels: with fewer it is too small to be made of them
FEWEST = 16  # patches that a hole must leave
MEASURED = 1024  # pixels, the width at which a hole's radius is measured


def radius_of(mask: Flags) -> float:
    """The radius in pixels of the largest disk inside ``mask`` (H, W)."""
    height, width = mask.shape
    factor = max(1.0, width / MEASURED)
    small = Image.fromarray(mask * np.uint8(255)).resize((round(width / factor), max(1, round(height / factor))))
    inside = np.pad(np.asarray(small) > 0, 1)
    return float(scipy.ndimage.distance_transform_edt(inside).max() * factor)


def level_sizes(mask: Flags, coarsest: float) -> tuple[list[Size], int]:
    """The sizes of the levels, coarse to fine, and how many of them are solved, not lifted.

    Arguments:
        mask: (H, W), of the pixels that are computed.
        coarsest: the scale of the first level, in parts of the whole size.
    """
    top, bottom, left, right = box_of(mask)
    side, sizes, scale = max(bottom - top, right - left), [(mask.shape[0], mask.shape[1])], 1.0
    while scale * side > BOX and scale * max(mask.shape) > 2 * BOX and scale / 2 > coarsest:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
        scale /= 2
    lifted, (height, width) = len(sizes) - 1, sizes[-1]
    count = max(0, math.ceil(math.log(coarsest / scale) / math.log(RATIO) - 1e-9)) if coarsest < scale else 0
    sizes += [(math.ceil(height * RATIO**step), math.ceil(width * RATIO**step)) for step in range(1, count + 1)]
    return sizes[::-1], len(sizes) - lifted


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a photo that is computed: the levels of the photo, of the mask and of the canvas round it."""

    photo: Pixels  # (H, W, 4)
    mask: Flags  # (H, W): 1 where pixels are computed
    coarsest: float  # scale of the first level
    channels: int  # of the photo: 1 (grey), 3 (RGB) or 4 (RGBA)
    edit: "Edit | None" = None  # what is pasted into the photo, if anything: other pixels are the photo's or its

    @cached_property
    def _sizes(self) -> tuple[list[Size], int]:
        return level_sizes(self.mask, self.coarsest)

    @property
    def sizes(self) -> list[Size]:
        """Of the levels, coarse to fine."""
        return self._sizes[0]

    @property
    def solved(self) -> int:
        """How many of the levels are solved, not lifted."""
        return self._sizes[1]

    @cached_property
    def reals(self) -> list[Pixels]:
        """The photo at the levels."""
        return pyramid(self.photo, self.sizes)

    @cached_property
    def masks(self) -> list[Flags]:
        """The mask at the levels."""
        return [resized_mask(self.mask, size) for size in self.sizes]

    @cached_property
    def canvases(self) -> list[Canvas]:
        """The box round the mask at the levels."""
        result = []
        edited = [None] * len(self.sizes) if self.edit is None else self.edit.levels(self.sizes)
        for real, mask, pasted in zip(self.reals, self.masks, edited, strict=True):
            top, bottom, left, right = widened(box_of(mask, PATCH - 1), mask.shape)
            made = np.ascontiguousarray(mask[top:bottom, left:right])
            rest = search.blank(*made.shape)
            rest[...] = real[top:bottom, left:right]
            if self.edit is not None and pasted is not None:
                rows, columns = self.edit.at(mask.shape)
                upper, lower = max(top, rows.start), min(bottom, rows.stop)
                near, far = max(left, columns.start), min(right, columns.stop)
                part = pasted[upper - rows.start : lower - rows.start, near - columns.start : far - columns.start]
                rest[upper - top : lower - top, near - left : far - left] = part
            result.append(Canvas(made.shape, (top, left), made, rest))
        return result

    def solver(self, sources: Sequence[Source], seed: int) -> Solver:
        """What computes the part from ``sources``."""
        return Solver(sources, self.sizes, self.canvases, self.solved, seed)

    def holed(self) -> list[Source]:
        """The levels of the photo, of which patches count that hold no pixel of the mask."""
        return [Source(real, whole_patches(mask)) for real, mask in zip(self.reals, self.masks, strict=True)]

    def membrane(self) -> Pixels:
        """The first canvas, its hole filled smoothly from the colours at its edge."""
        canvas = self.canvases[0]
        assert canvas.made is not None
        assert canvas.rest is not None
        inside = canvas.made > 0
        near = scipy.ndimage.distance_transform_edt(inside, return_distances=False, return_indices=True)
        smooth = canvas.rest[tuple(near)].astype(np.float32)
        for _ in range(SWEEPS):
            outer = np.pad(smooth, ((1, 1), (1, 1), (0, 0)), mode="edge")
            mean = (outer[2:, 1:-1] + outer[:-2, 1:-1] + outer[1:-1, 2:] + outer[1:-1, :-2]) / 4
            smooth = np.where(inside[..., None], mean, smooth)
        result = search.blank(*inside.shape)
        result[...] = np.rint(smooth)
        return result

    @cached_property
    def _window(self) -> tuple[int, int, int, int]:
        """Where the first guess is made: top, bottom, left, right; nothing for a long thin hole."""
        mask = self.masks[0]
        top, bottom, left, right = box_of(mask)
        around = (WINDOW - max(bottom - top, right - left)) // 2
        if around < PATCH:
            return (0, mask.shape[0], 0, mask.shape[1]) if mask.size <= WINDOW**2 else (0, 0, 0, 0)
        return box_of(mask, around)

    @cached_property
    def _in_window(self) -> tuple[Pixels, Flags]:
        """The first level of the photo and of the mask there."""
        top, bottom, left, right = self._window
        window = slice(top, bottom), slice(left, right)
        return np.ascontiguousarray(self.reals[0][window]), np.ascontiguousarray(self.masks[0][window])

    @cached_property
    def _offsets(self) -> offsets.Indices:
        """The typical offsets there (N, 2): for all variants."""
        real, mask = self._in_window
        return offsets.typical_offsets(real, mask, self.channels) if mask.size else np.zeros((0, 2), np.int64)

    def first_guess(self, seed: int | None = None) -> Pixels:
        """The first canvas, its hole filled from elsewhere in the photo by ``offsets.shifted``.

        Arguments:
            seed: of a choice among the typical offsets, for a variant; None: all of them.
        """
        canvas, result, (top, _, left, _) = self.canvases[0], self.membrane(), self._window
        real, mask, found = *self._in_window, self._offsets
        if seed is not None:
            found = found[np.sort(np.random.default_rng(seed).permutation(len(found))[: len(found) // CHOSEN])]
        if len(found):
            smooth = real.copy()
            y, x = canvas.origin[0] - top, canvas.origin[1] - left
            there = slice(y, y + canvas.size[0]), slice(x, x + canvas.size[1])
            smooth[there] = result
            result[...] = offsets.shifted(real, mask, found, smooth)[there]
        return result

    def placed(self, picture: Pixels, level: int = -1) -> Pixels:
        """The photo at ``level`` with the canvas's ``picture`` in its place."""
        result: Pixels = self.reals[level].copy()
        result[self.canvases[level].box] = picture
        return result


def widened(box: tuple[int, int, int, int], size: Size) -> tuple[int, int, int, int]:
    """``box`` with at least a patch's height and width, within ``size``."""
    top, bottom, left, right = box
    bottom, right = max(bottom, min(size[0], top + PATCH)), max(right, min(size[1], left + PATCH))
    return min(top, bottom - min(PATCH, size[0])), bottom, min(left, right - min(PATCH, size[1])), right


def coarsest_scale(mask: Flags, pixels: int = 0) -> float:
    """The scale at which filling the hole ``mask`` (H, W) starts: it is some patches wide there, and so is the rest.

    The level has at least as many ``pixels``, or the photo's own size.

    Raises:
        ValueError: there is next to no rest.
    """
    least = max(RADIUS / radius_of(mask), SMALLEST / min(mask.shape), math.sqrt(pixels / mask.size))
    scale = float(min(1.0, least))
    while int(whole_patches(resized_mask(mask, level_sizes(mask, scale)[0][0])).sum()) < FEWEST:
        if scale == 1:
            raise ValueError("the mask leaves no whole patch of the picture: mark less of it")
        scale = min(1.0, scale / RATIO)
    return scale


@dataclass(frozen=True, eq=False)
class Edit:
    """What is pasted into a photo, as a source beside it: the box round the edit."""

    size: Size  # of the photo
    box: tuple[int, int, int, int]  # top, bottom, left, right
    merged: Pixels  # (h, w, 4): the photo with the edit, there
    pasted: Flags  # (h, w): pixels of the edit
    shaped: Flags  # (h, w): those of them that follow the outline of an object

    def at(self, size: Size) -> tuple[slice, slice]:
        """The box at a level of ``size``: in proportion, so that matches in it can be carried."""
        top, bottom, left, right = self.box
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        rows = slice(int(top * down), max(int(top * down) + 1, int(bottom * down)))
        return rows, slice(int(left * across), max(int(left * across) + 1, int(right * across)))

    def shown_at(self, size: Size) -> "Edit":
        """The edit as it starts at a level of ``size``: where it holds few whole patches there, all of it is shaped."""
        rows, columns = self.at(size)
        there = rows.stop - rows.start, columns.stop - columns.start
        inside = resized_mask(self.pasted, there)
        whole = 0 if min(there) < PATCH else int((1 - search.holding(1 - inside)).sum())
        return self if whole >= SMALL * int(inside.sum()) else replace(self, shaped=self.pasted)

    def levels(self, sizes: Sequence[Size]) -> list[Pixels]:
        """What ``merged`` is at levels of the photo."""
        boxes = [self.at(size) for size in sizes]
        return pyramid(self.merged, [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in boxes])

    def source(self, real: Pixels, merged: Pixels, coarser: tuple[Pixels, Pixels] | None) -> Source:
        """A level of the photo, ``real`` (H, W, 4), and below it ``merged`` (h, w, 4) as a source.

        Patches across the edge of what is pasted count only where it is shaped like an object: then others have to be
        ``ACROSS`` worse. ``coarser`` are the same of the level before, if that blurs guesses.
        """
        size, part = real.shape[:2], merged.shape[:2]
        values, blurred = stacked(real, merged), None
        if coarser is not None:
            blurred = stacked(resized(coarser[0], size), resized(coarser[1], part))
        valid = np.zeros(search.patches_in(values), np.uint8)
        valid[: size[0] - PATCH + 1] = 1
        inside, edge = (resized_mask(marks, part) for marks in (self.pasted, self.shaped))
        if min(part) < PATCH or not inside.any():
            return Source(values, valid, blurred=blurred)
        whole, across = 1 - search.holding(1 - inside), search.holding(edge)
        there = slice(size[0], None), slice(whole.shape[1])
        valid[there] = whole | across
        if not across.any():
            return Source(values, valid, blurred=blurred)
        penalties = np.zeros(valid.shape, np.float32)
        penalties[there][whole == 0] = ACROSS
        return Source(values, valid, penalties, blurred)


def stacked(upper: Pixels, lower: Pixels) -> Pixels:
    """Two pictures, one below the other; the ``lower`` one is not wider."""
    (height, width), (rows, columns) = upper.shape[:2], lower.shape[:2]
    result = search.blank(height + rows, width)
    result[:height], result[height:, :columns] = upper, lower
    return result
