"""A first guess for a hole: the photo itself, shifted by offsets at which it resembles itself.

He, Sun, *Statistics of Patch Offsets for Image Completion*, ECCV 2012: similar patches of a photo lie at few typical
offsets, those at which its structures repeat or continue. Each pixel of the hole gets one of these offsets, such that
neighbouring pixels agree: alpha-expansion, as in Boykov, Veksler, Zabih, *Fast Approximate Energy Minimization via
Graph Cuts*, PAMI 2001.
"""

import numpy as np
import numpy.typing as npt
import scipy

from SinGAN.patches.seams import minimum_cut
from SinGAN.patches.search import PATCH, Flags, Pixels, field_size, mark_outside, squared_distances

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

OFFSETS = 40  # at most
FARTHER = 0.1  # of the longer side: similar patches that are nearer say nothing about structure
STRIP = 8  # rows of patches: every second strip is searched
SMOOTH = 1.4  # pixels, deviation by which the histogram of offsets is smoothed
OUTSIDE = 1_000_000.0  # cost of an offset that leads out of the picture or into the hole
FITTING = 4.0  # weight of the pixels round the hole, which the shifted photo must resemble
UPRIGHT = 10_000.0  # weight of an offset's vertical part, in heights, squared: what is at one height looks alike


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


def shift(real: Pixels, mask: Flags, offsets: Indices, smooth: Pixels) -> Pixels:
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
    labels = expand(costs, colours, (ones[others >= 0], others[others >= 0]))
    # Copy.
    chosen = (mask[rows, columns] > 0) & (costs[labels, np.arange(len(labels))] < OUTSIDE)
    result = np.where(mask[..., None] > 0, smooth, real)
    source = np.stack([rows, columns], axis=1)[chosen] + offsets[labels[chosen]]
    result[rows[chosen], columns[chosen]] = real[tuple(source.T)]
    return result


def label_costs(
    real: Pixels, mask: Flags, offsets: Indices, rows: Indices, columns: Indices
) -> tuple[Values, npt.NDArray[np.float32]]:
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


def expand(costs: Values, colours: npt.NDArray[np.float32], pairs: tuple[Indices, Indices]) -> Indices:
    """The label (M,) of each pixel, by one round of alpha-expansion.

    A pair of neighbours with two labels costs how much both differ between these labels (Kwatra et al.,
    *Graphcut Textures*, 2003), and 1 more.

    Arguments:
        costs: (N, M), of N labels for M pixels.
        colours: (N, M, C), of each pixel with each label.
        pairs: two arrays (P,): neighbouring pixels.
    """
    pixels, (one, other) = np.arange(costs.shape[1]), pairs

    def pair_costs(ours: Indices, theirs: Indices) -> Values:
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
