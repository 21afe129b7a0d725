"""Where a pasted part meets the photo: the seam along which both agree best.

A minimum cut, as in Kwatra, Schödl, Essa, Turk, Bobick, *Graphcut Textures*, SIGGRAPH 2003.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image

from SinGAN.patches.levels import Levels, box_of, resized
from SinGAN.patches.search import Flags, Pixels
from SinGAN.planning import Size

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

CUT = 192  # pixels, the longer side of the box at which the cut is computed
KEEP = 60.0  # cost of a pixel of the edit that is not taken, over the box's longer side, beside those of a seam's
PRECISION = 1000  # of capacities, which are whole numbers
DIFFERENT = 8  # levels
GAP = 0.02  # of the longer side: marks nearer to each other belong together
CORNER = 0.1  # of a rectangle's sides: so near to a corner it is marked
FILLED = (2.0, 2.0, 2.0, 0.95, 0.6)  # the share of a rectangle's box that is marked, at least, by its marked corners
DEEP = 0.5  # of its depth, that the seam may take from a rectangle
THIN = 0.006  # of the picture's longer side, that it may take from another shape
MATCHED = 160  # pixels, the longer side of the box in which colours are matched
AROUND = 0.05  # of the picture's longer side: known pixels that count round a mask
LOCAL = 2.0  # pixels there, deviation of local means
LEAST_GAP, MOST_GAP = 0.5, 14.0  # levels: smaller gaps are left, larger ones closed so far, twice as large ones left
FADING = 0.15  # of that side: how far inwards a gap reaches
SWEEPS = 100
BAND = 512  # rows
NO_CUT = 2**26  # capacity of edges that are not cut


def cut(photo: Pixels, edited: Pixels, outer: Flags, inner: Flags, channels: int) -> Flags:
    """The pixels (H, W) that are taken from ``edited``: all of ``inner``, none outside ``outer``.

    The boundary runs where the pictures (H, W, 4) differ little, or along edges, where a seam is hidden.
    """
    outer = scipy.ndimage.minimum_filter(outer, 3, mode="nearest") | inner  # at the edge itself both are the photo
    if not inner.any():
        return outer
    colours = [picture[..., :channels].astype(np.float32) for picture in (photo, edited)]
    gap = np.abs(colours[0] - colours[1]).mean(axis=2)
    size, number = gap.shape, np.arange(gap.size).reshape(gap.shape)
    starts, ends, capacities = [], [], []
    for axis in (0, 1):
        one, other = (np.moveaxis(number, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        steps = sum(np.abs(np.diff(picture, axis=axis)).mean(axis=2) for picture in colours)
        cost = (gap.ravel()[one] + gap.ravel()[other] + 1) / (np.moveaxis(steps, axis, 0).ravel() + 8)
        capacity = np.rint(PRECISION * cost).astype(np.int32) + 1
        starts += [one, other]
        ends += [other, one]
        capacities += [capacity, capacity]
    source, sink = gap.size, gap.size + 1
    undecided = np.flatnonzero((outer > 0) & (inner == 0))
    starts.append(np.full(len(undecided), source))
    ends.append(undecided)
    capacities.append(np.full(len(undecided), round(PRECISION * KEEP / max(size)), np.int32))
    for pixels, first in ((np.flatnonzero(inner), True), (np.flatnonzero(outer == 0), False)):
        terminal = np.full(len(pixels), source if first else sink)
        starts.append(terminal if first else pixels)
        ends.append(pixels if first else terminal)
        capacities.append(np.full(len(pixels), NO_CUT, np.int32))
    taken = minimum_cut(np.concatenate(starts), np.concatenate(ends), np.concatenate(capacities), gap.size)
    return np.asarray(taken.reshape(size), np.uint8)


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


def seamless(photo: Pixels, edited: Pixels, outer: Flags, inner: Flags, channels: int) -> tuple[Pixels, Flags]:
    """``photo`` with the part of ``edited`` inside the best seam, and that part, both (H, W, ..).

    Arguments:
        photo: (H, W, 4).
        edited: likewise.
        outer: (H, W): the seam lies inside.
        inner: (H, W): the seam lies outside.
        channels: of the photo.
    """
    top, bottom, left, right = box_of(outer, 1)
    box = slice(top, bottom), slice(left, right)
    height, width = outer[box].shape
    factor = min(1.0, CUT / max(height, width))
    small = max(2, round(height * factor)), max(2, round(width * factor))
    one, other = (resized(np.ascontiguousarray(picture[box]), small) for picture in (photo, edited))
    masks = (np.asarray(as_picture(mask[box]).resize((small[1], small[0]))) > 127 for mask in (outer, inner))
    near, sure = (mask.astype(np.uint8) for mask in masks)
    taken = cut(one, other, near, sure, channels)
    large = as_picture(taken).resize((width, height), Image.Resampling.BICUBIC)
    part = np.zeros(outer.shape, np.uint8)
    part[box] = ((np.asarray(large) > 127) | (inner[box] > 0)) & (outer[box] > 0)
    result = photo.copy()
    np.copyto(result[box], edited[box], where=part[box][..., None] > 0)
    return result, part


def match_colours(picture: Levels, mask: Flags) -> None:
    """Shift the colours of ``picture`` (H, W, C) inside ``mask`` (H, W), in place, so that they meet those around it.

    The gap between the mean colours on both sides of the mask's border is spread inwards by a membrane that fades: what
    Poisson blending (Pérez, Gangnet, Blake, *Poisson Image Editing*, SIGGRAPH 2003) does with gradients. Alpha stays.
    """
    # 1. Both sides at a small size, and the gap of their local means; where it is large an object ends.
    top, bottom, left, right = box_of(mask, max(8, round(AROUND * max(mask.shape))))
    size, colours = (bottom - top, right - left), slice(min(picture.shape[2], 3))
    part, inside = picture[top:bottom, left:right, colours], mask[top:bottom, left:right]
    factor = min(1.0, MATCHED / max(size))
    small = max(2, round(size[0] * factor)), max(2, round(size[1] * factor))
    reduced = np.stack([shrunk(part[..., channel], small) for channel in range(part.shape[2])], axis=2)
    made = shrunk(inside * np.uint8(255), small) > 127
    if made.all() or not made.any():
        return
    near, far = (local_means(reduced, side) for side in (made, ~made))
    gap = far - near
    gap = np.sign(gap) * np.clip(np.abs(gap) - LEAST_GAP, 0, MOST_GAP)
    gap[np.abs(far - near).max(axis=2) > 2 * MOST_GAP] = 0
    # 2. The membrane, from a guess that falls off with the distance to the border.
    border = made & ~scipy.ndimage.minimum_filter(made, 3, mode="nearest")
    reach, free = FADING * max(small), (made & ~border)[..., None]
    distance, nearest = scipy.ndimage.distance_transform_edt(~border, return_indices=True)
    shift = np.where(made[..., None], gap[tuple(nearest)] * np.exp(-distance / reach)[..., None], 0.0)
    share = 1 / (4 + reach**-2.0)
    for _ in range(SWEEPS):
        outer = np.pad(shift, ((1, 1), (1, 1), (0, 0)), mode="edge")
        sums = outer[2:, 1:-1] + outer[:-2, 1:-1] + outer[1:-1, 2:] + outer[1:-1, :-2]
        shift = np.where(free, share * sums, shift)
    nearest = scipy.ndimage.distance_transform_edt(~made, return_distances=False, return_indices=True)
    shift = shift[tuple(nearest)].astype(np.float32)  # outside as at the border, for enlarging
    # 3. Enlarge it, and add it, band by band.
    shifts = [Image.fromarray(np.ascontiguousarray(shift[..., channel])) for channel in range(shift.shape[2])]
    for start in range(0, size[0], BAND):
        stop = min(size[0], start + BAND)
        box = (0, start * small[0] / size[0], small[1], stop * small[0] / size[0])
        rows = [np.asarray(each.resize((size[1], stop - start), Image.Resampling.BILINEAR, box)) for each in shifts]
        band, chosen = part[start:stop], inside[start:stop] > 0
        band[chosen] = np.clip(np.rint(band[chosen] + np.stack(rows, axis=2)[chosen]), 0, 255)


def shrunk(channel: Levels, size: Size) -> Levels:
    """``channel`` (H, W) at a smaller ``size``: means of areas."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize(size[::-1], Image.Resampling.BOX))


def local_means(picture: Levels, side: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Gaussian means of ``picture`` (h, w, C) over the pixels of one ``side`` (h, w)."""

    def blurred(values: Values) -> npt.NDArray[np.float32]:
        return np.asarray(scipy.ndimage.gaussian_filter(values, LOCAL, mode="constant", axes=(0, 1)), np.float32)

    weights = side[..., None].astype(np.float32)
    return np.asarray(blurred(picture * weights) / np.maximum(blurred(weights), 1e-4), np.float32)


def deep_inside(marks: Flags, depth: float) -> Flags:
    """The pixels of ``marks`` (H, W) that lie deeper than ``depth`` inside; of thin ones the deeper half."""
    distance = scipy.ndimage.distance_transform_edt(np.pad(marks, 1))[1:-1, 1:-1]
    return np.asarray(distance > min(depth, 0.5 * distance.max()), np.uint8)


def as_picture(mask: Flags) -> Image.Image:
    """``mask`` (H, W) of 0 and 1 as a grey picture."""
    return Image.fromarray(np.ascontiguousarray(mask) * np.uint8(255))


@dataclass(frozen=True, eq=False)
class Marked:
    """What a mask marks, and how it was drawn."""

    whole: Flags  # (H, W): the marks, without gaps
    core: Flags  # (H, W): pixels that are the edit's own, whatever the seam
    shaped: Flags  # (H, W): the marks that follow the outline of an object


def marked(marks: Flags, photo: Pixels, edited: Pixels, side: int) -> Marked:
    """What ``marks`` (H, W) mean, which tell where ``edited`` (H, W, 4) differs from ``photo``, ``side`` pixels long.

    A rectangle has background round its object, and the seam may lie deep inside it. Any other shape was drawn round
    the object: only a rim, soft edges and all, is left to the seam.
    """
    whole, core, shaped = (np.zeros_like(marks) for _ in range(3))
    near = scipy.ndimage.maximum_filter(marks, 2 * max(1, round(GAP * side)) + 1)
    labels, count = scipy.ndimage.label(near)
    for box in scipy.ndimage.find_objects(labels, count):
        differs = np.abs(photo[box].astype(np.int16) - edited[box]).max(axis=2) > DIFFERENT
        changed = marks[box] | (differs & (near[box] > 0))  # a mask found by differences lacks what is alike
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        changed = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        box = tuple(
            slice(side.start + some[0], side.start + some[-1] + 1)
            for side, some in zip(box, (rows, columns), strict=True)
        )
        here = marks[box]
        down, across = (max(1, round(CORNER * side)) for side in here.shape)
        corners = [
            changed[y, x].any()
            for y in (slice(down), slice(-down, None))
            for x in (slice(across), slice(-across, None))
        ]
        is_rectangle = changed.mean() >= FILLED[sum(corners)]
        filled = np.ones_like(here) if is_rectangle else scipy.ndimage.binary_fill_holes(here).astype(np.uint8)
        depth = scipy.ndimage.distance_transform_edt(np.pad(filled, 1))[1:-1, 1:-1]
        limit = DEEP * depth.max() if is_rectangle else THIN * side
        whole[box] |= filled
        core[box] |= ((depth > min(limit, 0.5 * depth.max())) & (filled > 0)).astype(np.uint8)
        shaped[box] |= filled * np.uint8(not is_rectangle)
    return Marked(whole, core, shaped)
