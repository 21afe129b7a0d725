"""Where a part meets the rest of a photo: the seam of a paste, the paste as a source of patches, and matched colours.

The seam is a minimum cut, as in Kwatra, Schödl, Essa, Turk, Bobick, *Graphcut Textures*, SIGGRAPH 2003: it runs where
both pictures agree best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image

from SinGAN.patches.levels import (
    Box,
    Levels,
    bounding_box,
    box_size,
    limit_size,
    mask_image,
    pyramid,
    resize,
    resize_mask,
    to_pixels,
)
from SinGAN.patches.search import PATCH, Flags, Pixels, blank, field_size, mark_outside, mark_touching
from SinGAN.patches.solver import Source
from SinGAN.planning import Size

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

RIM = 0.02  # of the photo's longer side: how far outside its mask an edit is computed,
INNER_RIM = 0.03  # and how far inside: deeper, its own pixels are kept
GAP = 0.02  # of that side: marks nearer to each other belong together
THIN = 0.006  # of that side, that the seam may take from the rim of a shape that is no rectangle
DIFFERENT = 8  # levels
CORNER = 0.1  # of a rectangle's sides: so near to a corner it is marked
FILLED = (2.0, 2.0, 2.0, 0.95, 0.6)  # least share of its box that a rectangle marks, by its number of marked corners
CUT = 192  # pixels, the longer side of the box at which the cut is computed
KEEP = 60.0  # cost of a pixel of the edit that is not taken, over the box's longer side, beside those of a seam's
PRECISION = 1000  # of capacities, which are whole numbers
NO_CUT = 2**26  # capacity of edges that are not cut
ACROSS = 49 * 3 * 8.0**2  # squared distance: 8 levels in each of a patch's numbers
SMALL = 0.1  # whole patches over an edit's pixels: an edit with fewer is too small for whole patches alone
MATCHED = 160  # pixels, the longer side of the box in which colours are matched
SWEEPS = 100  # of the screened Poisson equation there
AROUND = 0.05  # of the photo's longer side: known pixels that count round a mask
LOCAL = 2.0  # pixels there, deviation of local means
LEAST_GAP, MOST_GAP = 0.5, 14.0  # levels: smaller gaps are left, larger ones closed so far, twice as large ones left
FADING = 0.15  # of that side: how far inwards a gap reaches
BAND = 512  # rows


def minimum_cut(starts: Indices, ends: Indices, capacities: Values, nodes: int) -> npt.NDArray[np.bool_]:
    """The nodes (N,) that a minimum cut leaves on the source's side.

    Arguments:
        starts: (E,), of the directed edges; ``nodes`` stands for the source, ``nodes + 1`` for the sink.
        ends: (E,).
        capacities: (E,), at least 0, rounded and limited to ``NO_CUT``.
        nodes: N.
    """
    whole = np.minimum(np.rint(capacities), NO_CUT).astype(np.int32)
    graph = scipy.sparse.csr_array((whole, (starts, ends)), shape=(nodes + 2, nodes + 2))
    residual = scipy.sparse.csr_array(graph - scipy.sparse.csgraph.maximum_flow(graph, nodes, nodes + 1).flow)
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = scipy.sparse.csgraph.breadth_first_order(residual, nodes, return_predecessors=False)
    result = np.zeros(nodes, bool)
    result[reached[reached < nodes]] = True
    return result


def cut_seam(photo: Pixels, edited: Pixels, outer: Flags, inner: Flags, channels: int) -> Flags:
    """The pixels (H, W) that are taken from ``edited``: all of ``inner``, none outside ``outer``.

    The boundary runs where the pictures (H, W, 4) differ little, or along edges, where a seam is hidden.
    """
    outer = scipy.ndimage.minimum_filter(outer, 3, mode="nearest") | inner  # at the edge itself both are the photo
    if not inner.any():
        return outer
    # 1. Edges between neighbours: they are the dearer, the more the pictures differ and the smoother they are.
    colours = [picture[..., :channels].astype(np.float32) for picture in (photo, edited)]
    gap = np.abs(colours[0] - colours[1]).mean(axis=2)
    number, edges = np.arange(gap.size).reshape(gap.shape), []
    for axis in (0, 1):
        one, other = (np.moveaxis(number, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        steps = sum(np.abs(np.diff(picture, axis=axis)).mean(axis=2) for picture in colours)
        cost = (gap.ravel()[one] + gap.ravel()[other] + 1) / (np.moveaxis(steps, axis, 0).ravel() + 8)
        capacity = np.rint(PRECISION * cost).astype(np.int32) + 1
        edges += [(one, other, capacity), (other, one, capacity)]
    # 2. Edges to the source and the sink: pixels that must be taken, those that must not, and a cost of leaving one.
    source, sink, keep = gap.size, gap.size + 1, round(PRECISION * KEEP / max(gap.shape))
    edges.append((source, np.flatnonzero((outer > 0) & (inner == 0)), keep))
    edges += [(source, np.flatnonzero(inner), NO_CUT), (np.flatnonzero(outer == 0), sink, NO_CUT)]
    # 3. The minimum cut.
    columns = zip(*(np.broadcast_arrays(*edge) for edge in edges), strict=True)
    starts, ends, capacities = (np.concatenate(column) for column in columns)
    taken = minimum_cut(starts, ends, capacities, gap.size)
    return np.asarray(taken.reshape(gap.shape), np.uint8)


def merge(photo: Pixels, edited: Pixels, outer: Flags, inner: Flags, channels: int) -> tuple[Pixels, Flags]:
    """``photo`` (H, W, 4) with the part of ``edited`` inside the best seam, and that part (H, W).

    Arguments:
        photo: (H, W, 4).
        edited: (H, W, 4).
        outer: (H, W); the seam lies inside.
        inner: (H, W); the seam lies outside.
        channels: of the photo.
    """
    # 1. Cut at a small size.
    box = bounding_box(outer, 1)
    small = limit_size(box_size(box), CUT)
    one, other = (resize(np.ascontiguousarray(picture[box]), small) for picture in (photo, edited))
    masks = (np.asarray(mask_image(mask[box]).resize(small[::-1])) > 127 for mask in (outer, inner))
    near, sure = (mask.astype(np.uint8) for mask in masks)
    taken = cut_seam(one, other, near, sure, channels)
    # 2. Enlarge the part, and paste it.
    large = mask_image(taken).resize(box_size(box)[::-1], Image.Resampling.BICUBIC)
    part, result = np.zeros(outer.shape, np.uint8), photo.copy()
    part[box] = ((np.asarray(large) > 127) | (inner[box] > 0)) & (outer[box] > 0)
    np.copyto(result[box], edited[box], where=part[box][..., None] > 0)
    return result, part


def deep_inside(mask: Flags, depth: float) -> Flags:
    """The pixels of ``mask`` (H, W) that lie deeper than ``depth`` inside; of thin masks the deeper half."""
    distance = scipy.ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.asarray(distance > min(depth, 0.5 * distance.max()), np.uint8)


def interpret_marks(marks: Flags, photo: Pixels, edited: Pixels, side: int) -> tuple[Flags, Flags, Flags]:
    """The part to paste, its core that is pasted whatever the seam, and its pixels that are shaped like an object.

    A rectangle has background round its object, and the seam may lie deep inside it. Any other shape was drawn round
    the object: only a rim, with its soft edges, is left to the seam.

    Arguments:
        marks: (H, W), 1 where ``edited`` differs from ``photo``.
        photo: (H, W, 4).
        edited: (H, W, 4).
        side: the photo's longer side in pixels.
    """
    whole, core, shaped = (np.zeros_like(marks) for _ in range(3))
    near = scipy.ndimage.maximum_filter(marks, 2 * max(1, round(GAP * side)) + 1)
    for outer in scipy.ndimage.find_objects(scipy.ndimage.label(near)[0]):
        # 1. The box of all changed pixels: a mask found by differences has gaps where both pictures are alike.
        differs = np.abs(photo[outer].astype(np.int16) - edited[outer]).max(axis=2) > DIFFERENT
        changed = marks[outer] | (differs & (near[outer] > 0))
        inner = bounding_box(changed)
        changed = changed[inner]
        box = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, inner, strict=True))
        # 2. It is a rectangle if it is full enough, and its corners are marked.
        down, across = (max(1, round(CORNER * length)) for length in changed.shape)
        corners = sum(
            changed[y, x].any()
            for y in (slice(down), slice(-down, None))
            for x in (slice(across), slice(-across, None))
        )
        if changed.mean() >= FILLED[corners]:
            filled = np.ones_like(changed, np.uint8)
            core[box] |= deep_inside(filled, math.inf)
        else:
            filled = scipy.ndimage.binary_fill_holes(marks[box]).astype(np.uint8)
            core[box] |= deep_inside(filled, THIN * side)
            shaped[box] |= filled
        whole[box] |= filled
    return whole, core, shaped


@dataclass(frozen=True, eq=False)
class Edit:
    """An edit of a photo: the box round it is a source of patches, below the photo."""

    size: Size  # of the photo
    changed: Flags  # (H, W): pixels that may change
    computed: Flags  # (H, W): of these, those that are computed from patches, a rim on both sides of the seam
    box: Box
    edited: Pixels  # (h, w, 4): the edited photo in the box
    merged: Pixels  # (h, w, 4): the photo with the edit in the box
    pasted: Flags  # (h, w): pixels of the edit
    shaped: Flags  # (h, w): of these, those that follow the outline of an object

    @classmethod
    def of(cls, photo: Pixels, edited: Levels, marks: Flags, channels: int) -> "Edit":
        """The edit that turns ``photo`` (H, W, 4) into ``edited`` (H, W, C), where ``marks`` (H, W) is 1."""
        # 1. Find the seam, within the box round the marks.
        side = max(marks.shape)
        rim = max(2, round(RIM * side))
        box = bounding_box(marks, 3 * rim)
        here, other = photo[box], to_pixels(edited[box])
        whole, core, shaped = interpret_marks(marks[box], here, other, side)
        merged, pasted = merge(here, other, whole, core, channels)
        # 2. Compute a rim on both sides of it; deeper inside, pixels are the edit's, further outside the photo's.
        changed, computed = np.zeros_like(marks), np.zeros_like(marks)
        changed[box] = scipy.ndimage.maximum_filter(whole, 2 * rim + 1)
        computed[box] = changed[box] & (1 - deep_inside(pasted, INNER_RIM * side))
        size = photo.shape[0], photo.shape[1]
        return cls(size, changed, computed, box, other, merged, pasted, shaped & pasted)

    def box_at(self, size: Size) -> Box:
        """The box at a level of ``size``: in proportion, so that matches in it can be carried."""
        rows, columns = (
            slice(int(part.start * ratio), max(int(part.start * ratio) + 1, int(part.stop * ratio)))
            for part, ratio in zip(self.box, (size[0] / self.size[0], size[1] / self.size[1]), strict=True)
        )
        return rows, columns

    def levels(self, sizes: Sequence[Size]) -> list[Pixels]:
        """``merged`` at levels of the photo of ``sizes``."""
        return pyramid(self.merged, [box_size(self.box_at(size)) for size in sizes])

    def sources(self, reals: Sequence[Pixels], pastes: Sequence[Pixels], solved: int) -> list[Source]:
        """The photo's levels ``reals``, each with the level of ``pastes`` below it, of which ``solved`` are solved."""
        # An edit with few whole patches at the first level counts as an object altogether.
        inside = resize_mask(self.pasted, pastes[0].shape[:2])
        whole = 0 if min(inside.shape) < PATCH else int(mark_outside(1 - inside).sum())
        edit = self if whole >= SMALL * int(inside.sum()) else replace(self, shaped=self.pasted)
        levels = list(zip(reals, pastes, strict=True))
        coarser = [None, *levels[: solved - 1], *[None] * (len(levels) - solved)]  # of solved levels but the first
        return [edit._source(*level, before) for level, before in zip(levels, coarser, strict=True)]

    def _source(self, real: Pixels, paste: Pixels, coarser: tuple[Pixels, Pixels] | None) -> Source:
        """A level of the photo, ``real`` (H, W, 4), and ``paste`` (h, w, 4) below it as a source.

        Patches across the edge of the pasted part are valid only where it is shaped like an object, with a penalty of
        ``ACROSS``. ``coarser`` is the same of the level before, which blurs guesses.
        """
        size, part = real.shape[:2], paste.shape[:2]
        values, penalties = stack(real, paste), None
        blurred = None if coarser is None else stack(resize(coarser[0], size), resize(coarser[1], part))
        valid = np.zeros(field_size(values), np.uint8)
        valid[: size[0] - PATCH + 1] = 1
        inside, edge = (resize_mask(mask, part) for mask in (self.pasted, self.shaped))
        if min(part) >= PATCH and inside.any():
            whole, across = mark_outside(1 - inside), mark_touching(edge)
            below = slice(size[0], None), slice(whole.shape[1])
            valid[below] = whole | across
            if across.any():
                penalties = np.zeros(valid.shape, np.float32)
                penalties[below][whole == 0] = ACROSS
        return Source(values, valid, penalties, blurred)


def stack(*pictures: Pixels) -> Pixels:
    """Pictures (H, W, 4), one below the other, left-aligned."""
    result = blank(sum(picture.shape[0] for picture in pictures), max(picture.shape[1] for picture in pictures))
    top = 0
    for picture in pictures:
        result[top : top + picture.shape[0], : picture.shape[1]] = picture
        top += picture.shape[0]
    return result


def sum_neighbours(values: Values) -> Values:
    """The sum (H, W, C) of each pixel's four neighbours; at an edge the pixel itself stands for a missing one."""
    outer = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return np.asarray(outer[2:, 1:-1] + outer[:-2, 1:-1] + outer[1:-1, 2:] + outer[1:-1, :-2])


def match_colours(picture: Values, mask: Flags, colours: int = 3) -> None:
    """Shift the colours of ``picture`` (H, W, C) inside ``mask`` (H, W), in place, so that they meet those around it.

    The gap between the mean colours on both sides of the mask's border is spread inwards by a membrane that fades, like
    Poisson blending (Pérez, Gangnet, Blake, *Poisson Image Editing*, SIGGRAPH 2003). Channels after the first
    ``colours`` stay. The picture has 8 bits, or is of float32 in levels, which are neither rounded nor limited.
    """
    # 1. Reduce the box round the mask to a small size.
    box = bounding_box(mask, max(8, round(AROUND * max(mask.shape))))
    part, inside, size = picture[box][..., :colours], mask[box], box_size(box)
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
    for _ in range(SWEEPS):
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
        shifted = band[chosen] + np.stack(parts, axis=2)[chosen]
        band[chosen] = np.clip(np.rint(shifted), 0, 255) if band.dtype == np.uint8 else shifted


def reduce(channel: Values, size: Size) -> Values:
    """``channel`` (H, W) at a smaller ``size``: means of areas."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize(size[::-1], Image.Resampling.BOX))


def local_means(picture: Values, side: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Gaussian means (h, w, C) of ``picture`` (h, w, C) over the pixels of one ``side`` (h, w)."""

    def blur(values: Values) -> npt.NDArray[np.float32]:
        return np.asarray(scipy.ndimage.gaussian_filter(values, LOCAL, mode="constant", axes=(0, 1)), np.float32)

    weights = side[..., None].astype(np.float32)
    return np.asarray(blur(picture * weights) / np.maximum(blur(weights), 1e-4), np.float32)
