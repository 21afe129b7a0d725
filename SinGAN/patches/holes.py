"""Holes: parts of a photo computed from the rest, with every other pixel as it is; and the same for edits.

A hole starts from the photo itself, shifted by typical offsets at which it resembles itself, those at which its
structures repeat or continue (He, Sun, *Statistics of Patch Offsets for Image Completion*, ECCV 2012). Each pixel gets
one of these offsets, such that neighbouring pixels agree: alpha-expansion, as in Boykov, Veksler, Zabih, *Fast
Approximate Energy Minimization via Graph Cuts*, PAMI 2001.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy

from SinGAN.patches.levels import (
    RATIO,
    Box,
    bounding_box,
    box_size,
    mask_image,
    pyramid,
    resize_mask,
)
from SinGAN.patches.seams import Edit, minimum_cut, sum_neighbours
from SinGAN.patches.search import PATCH, Flags, Pixels, blank, field_size, mark_outside, squared_distances
from SinGAN.patches.solver import Canvas, Solver, Source
from SinGAN.patches.sources import Collection
from SinGAN.planning import Size

Indices = npt.NDArray[np.int64]
Costs = npt.NDArray[np.float64]
Colours = npt.NDArray[np.float32]

RADIUS = 5.0  # pixels of the largest disk in a hole, at the level where filling starts
SMALLEST = 14  # pixels, the shorter side of that level at least
FEWEST = 16  # whole patches that a hole must leave there
MEASURED = 1024  # pixels, the width at which a hole's radius is measured
BOX = 128  # pixels: while a hole is larger, its levels are halvings
SWEEPS = 200  # of Laplace's equation, for the first guess
WINDOW = 110  # pixels round a hole, down and across, in which offsets are found; or in a level as small
CHOSEN = 3  # a variant's first guess uses one in so many of the typical offsets
OFFSETS = 40  # at most
FARTHER = 0.1  # of the longer side: similar nearer similar patches show no structure
STRIP = 8  # rows of patches: every second strip is searched
SMOOTH = 1.4  # pixels, deviation by which the histogram of offsets is smoothed
OUTSIDE = 1_000_000.0  # cost of an offset that leads out of the picture or into the hole
FITTING = 4.0  # weight of the pixels round the hole, which the shifted photo must resemble
UPRIGHT = 10_000.0  # weight of an offset's vertical part, in heights, squared: things at one height look alike


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
            raise ValueError("no whole patch of the picture is left: mark less of it, or use a larger picture")
        scale = min(1.0, scale / RATIO)
    return scale


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a photo that is computed, at all levels."""

    photo: Pixels  # (H, W, 4)
    mask: Flags  # (H, W), 1 where pixels are computed
    channels: int  # of the photo: 1 (grey), 3 (RGB) or 4 (RGBA)
    sizes: list[Size]  # of the levels, coarse to fine
    solved: int  # the number of levels that are solved, not lifted
    reals: list[Pixels]  # the photo at the levels
    masks: list[Flags]  # the mask at the levels
    canvases: list[Canvas]  # the box round the mask at the levels: other pixels are the photo's or the edit's
    sources: list[Source]  # the photo's patches without a pixel of the mask; with an edit all, and the edit's

    @classmethod
    def of(
        cls,
        photo: Pixels,
        mask: Flags,
        coarsest: float,
        channels: int,
        edit: Edit | None = None,
        collection: Collection | None = None,
        empty: Flags | None = None,
    ) -> "Region":
        """The region ``mask`` (H, W) of ``photo`` (H, W, 4), into which an ``edit`` is pasted or not.

        Arguments:
            photo: (H, W, 4).
            mask: (H, W).
            coarsest: the scale of the first level.
            channels: of the photo.
            edit: that is pasted.
            collection: of more pictures that patches are taken from.
            empty: (H, W), 1 where the photo has no data, which is never copied; None: nowhere.
        """
        sizes, solved = hole_sizes(mask, coarsest)
        reals, masks, canvases = pyramid(photo, sizes), [resize_mask(mask, size) for size in sizes], []
        pastes = [] if edit is None else edit.levels(sizes)
        for level, size in enumerate(sizes):
            # 1. The box round the mask, a patch's width wider.
            box = widen(bounding_box(masks[level], PATCH - 1), size)
            known = blank(*box_size(box))
            known[...] = reals[level][box]
            if edit is not None:
                # 2. The edit, where both boxes overlap.
                outer = edit.box_at(size)
                both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, outer, strict=True))
                known[within(both, box)] = pastes[level][within(both, outer)]
            origin = box[0].start, box[1].start
            canvases.append(Canvas(box_size(box), origin, np.ascontiguousarray(masks[level][box]), known))
        if edit is not None:
            sources = edit.sources(reals, pastes, solved)
        else:
            sources = [Source(real, mark_outside(holes)) for real, holes in zip(reals, masks, strict=True)]
        if collection is not None:
            sources = collection.extend(sources, sizes, solved, empty)
        return cls(photo, mask, channels, sizes, solved, reals, masks, canvases, sources)

    def solver(self, seed: int) -> Solver:
        """The solver of the region."""
        return Solver(self.sources, self.sizes, self.canvases, self.solved, seed)

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
    def _offsets(self) -> Indices:
        """The typical offsets (N, 2) there, for all variants."""
        real, mask = (np.ascontiguousarray(level[self._window]) for level in (self.reals[0], self.masks[0]))
        return typical_offsets(real, mask, self.channels) if mask.size else np.zeros((0, 2), np.int64)

    def first_guess(self, seed: int | None = None) -> Pixels:
        """The first canvas, its hole filled from elsewhere in the photo by ``shift_photo``.

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
            result[...] = shift_photo(real, mask, found, smooth)[there]
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


def typical_offsets(real: Pixels, mask: Flags, channels: int) -> Indices:
    """The offsets (N, 2: down, right) at which ``real`` (H, W, 4) resembles itself, the most frequent first.

    Arguments:
        real: a small level of the photo.
        mask: (H, W), 1 where pixels are unknown.
        channels: of the photo.
    """
    valid, (rows, columns), (height, width) = mark_outside(mask) > 0, field_size(real), mask.shape
    keys = np.flatnonzero(valid)
    near, y, x = FARTHER * max(mask.shape), keys // columns, keys % columns
    counts = np.zeros((2 * height + 1, 2 * width + 1))
    # 1. The most similar patch of each that is far enough from it; both directions count.
    for top in range(0, rows, 2 * STRIP):
        queries = np.flatnonzero(valid[top : top + STRIP])
        down, across = top + queries // columns, queries % columns
        distances = squared_distances(real[top : top + STRIP + PATCH - 1], real, channels).numpy()[queries][:, keys]
        distances[(down[:, None] - y) ** 2 + (across[:, None] - x) ** 2 < near**2] = np.inf
        if distances.size:
            found = distances.argmin(axis=1)
            found, down, across = (each[np.isfinite(distances.min(axis=1))] for each in (found, down, across))
            for sign in (1, -1):
                np.add.at(counts, (height + sign * (y[found] - down), width + sign * (x[found] - across)), 1)
    # 2. The peaks of their smoothed histogram.
    counts = scipy.ndimage.gaussian_filter(counts, SMOOTH)
    peaks = np.argwhere((counts == scipy.ndimage.maximum_filter(counts, 5)) & (counts > 0))
    order = np.argsort(-counts[tuple(peaks.T)], kind="stable")[:OFFSETS]
    return peaks[order] - (height, width)


def shift_photo(real: Pixels, mask: Flags, offsets: Indices, smooth: Pixels) -> Pixels:
    """``real`` (H, W, 4) with the pixels in ``mask`` (H, W) copied from elsewhere in it, each at one of ``offsets``.

    Where none of the offsets (N, 2) leads to a known pixel, ``smooth`` (H, W, 4) shows.
    """
    inside = scipy.ndimage.maximum_filter(mask, 3, mode="nearest") > 0  # the hole, and the pixels next to it
    rows, columns = np.nonzero(inside)
    costs, colours = label_costs(real, mask, offsets, rows, columns)
    # The pairs of horizontal and vertical neighbours.
    number = np.full((mask.shape[0] + 1, mask.shape[1] + 1), -1)
    number[rows, columns] = np.arange(len(rows))
    ones = np.tile(number[rows, columns], 2)
    others = np.concatenate([number[rows, columns + 1], number[rows + 1, columns]])
    labels = expand_labels(costs, colours, (ones[others >= 0], others[others >= 0]))
    # Copy.
    chosen = (mask[rows, columns] > 0) & (costs[labels, np.arange(len(labels))] < OUTSIDE)
    result = np.where(mask[..., None] > 0, smooth, real)
    source = np.stack([rows, columns], axis=1)[chosen] + offsets[labels[chosen]]
    result[rows[chosen], columns[chosen]] = real[tuple(source.T)]
    return result


def label_costs(real: Pixels, mask: Flags, offsets: Indices, rows: Indices, columns: Indices) -> tuple[Costs, Colours]:
    """The costs (N, M) of N offsets for M pixels, in ``rows`` and ``columns``, and the colours there (N, M, 3)."""
    height, width = mask.shape
    own, known = real[rows, columns, :3].astype(np.float32), mask[rows, columns] == 0
    costs = np.full((len(offsets), len(rows)), OUTSIDE)
    colours = np.zeros((len(offsets), len(rows), 3), np.float32)
    for label, (down, right) in enumerate(offsets):
        y, x = rows + down, columns + right
        there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        there[there] = mask[y[there], x[there]] == 0
        colours[label, there] = real[y[there], x[there], :3]
        costs[label, there] = UPRIGHT * (down / height) ** 2
        fitting = there & known
        costs[label, fitting] += FITTING * np.square(colours[label, fitting] - own[fitting]).sum(axis=1)
    return costs, colours


def expand_labels(costs: Costs, colours: Colours, pairs: tuple[Indices, Indices]) -> Indices:
    """The label (M,) of each pixel, by one round of alpha-expansion.

    A pair of neighbours with two labels costs how much both differ between these labels (Kwatra et al.,
    *Graphcut Textures*, 2003), and 1 more.

    Arguments:
        costs: (N, M), of N labels for M pixels.
        colours: (N, M, C), of each pixel with each label.
        pairs: two arrays (P,): neighbouring pixels.
    """
    pixels, (one, other) = np.arange(costs.shape[1]), pairs

    def pair_costs(ours: Indices, theirs: Indices) -> Costs:
        gaps = (np.square(colours[ours, end] - colours[theirs, end]).sum(axis=1) for end in (one, other))
        return np.asarray(np.where(ours == theirs, 0.0, sum(gaps) + 1), np.float64)

    def energy(labels: Indices) -> float:
        return float(costs[labels, pixels].sum() + pair_costs(labels[one], labels[other]).sum())

    labels = costs.argmin(axis=0)
    least = energy(labels)
    for label in range(len(costs)):
        # 1. The energy as a function of which pixels change to this label: a cut's capacities.
        new = np.full(len(one), label)
        both = pair_costs(labels[one], labels[other])
        second, first = pair_costs(labels[one], new), pair_costs(new, labels[other])
        change = costs[label] - costs[labels, pixels]
        np.add.at(change, one, first - both)
        np.add.at(change, other, -first)
        source, sink = np.full(len(pixels), len(pixels)), np.full(len(pixels), len(pixels) + 1)
        starts, ends = np.concatenate([source, pixels, one]), np.concatenate([pixels, sink, other])
        kept = (np.maximum(change, 0), np.maximum(-change, 0), np.maximum(second + first - both, 0))
        # 2. The cheapest cut: pixels on the sink's side change.
        stays = minimum_cut(starts, ends, np.concatenate(kept), len(pixels))
        changed = np.where(stays, labels, label)
        if (now := energy(changed)) < least:
            least, labels = now, changed
    return np.asarray(labels, np.int64)
