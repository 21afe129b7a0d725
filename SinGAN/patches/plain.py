"""The functions of ``native/search.cpp`` in NumPy, for machines without a compiler: the same bits, 30 times as slow.

``SinGAN.patches.search`` calls either, and describes the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from SinGAN.patches.search import Field, Flags, Matches, Pixels, Scores, VoteWeights, Weights

PATCH = 7  # pixels, the width of a patch
TILE = 64  # patches on each side of a tile, which is searched in order
BLOCK = 2**22  # distances at a time
Numbers = npt.NDArray[np.int64]
MASK = (1 << 64) - 1


def splitmix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A random 64-bit number from each of ``z`` (Steele, Lea, Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def windows(picture: Pixels) -> npt.NDArray[np.uint8]:
    """A view (h, w, C, 7, 7) of the patches of ``picture`` (H, W, C)."""
    return sliding_window_view(picture, (PATCH, PATCH), axis=(0, 1))


def compared(field: Field) -> tuple[Pixels, Pixels]:
    """The pictures (H, W, 4 or 8) whose patches are compared: target and keys, each with its guide."""
    if field.guides is None:
        return field.target, field.keys
    pairs = zip((field.target, field.keys), field.guides, strict=True)
    target, keys = (np.concatenate(pair, axis=2) for pair in pairs)
    return target, keys


def score(field: Field, index: Numbers, matches: Numbers) -> Scores:
    """The scores (n,) of ``matches`` (n,) for the patches of the target at ``index`` (n,)."""
    patches, keys = map(windows, compared(field))
    distances = np.empty(len(index), np.float32)
    for start in range(0, len(index), 2**15):
        part = slice(start, start + 2**15)
        gap = patches[np.divmod(index[part], patches.shape[1])].astype(np.int32)
        gap -= keys[matches[part] >> 16, matches[part] & 0xFFFF]
        distances[part] = np.einsum("ncyx,ncyx->n", gap, gap)
    return weigh(field, distances, matches)


def weigh(field: Field, distances: Scores, matches: Numbers) -> Scores:
    """The scores (.., n) from the ``distances`` (.., n) to ``matches`` (n,) and their weights."""
    if field.weights is None:
        return distances
    weights: Weights = field.weights[matches >> 16, matches & 0xFFFF]
    return distances + weights if field.adds else distances * weights


def active_patches(field: Field) -> Numbers:
    """The indices of the active patches."""
    return np.arange(field.matches.size) if field.active is None else np.flatnonzero(field.active)


def measure_field(field: Field) -> None:
    """Compute the scores of the active patches."""
    index = active_patches(field)
    field.scores.ravel()[index] = score(field, index, field.matches.ravel()[index].astype(np.int64))


def search_all(field: Field) -> None:
    """Find the best match of each active patch among all valid keys."""
    patches, keys = map(windows, compared(field))
    width = keys.shape[1]
    rows = keys.reshape(keys.shape[0] * width, -1).astype(np.float64)
    number = np.arange(len(rows)) // width << 16 | np.arange(len(rows)) % width
    if field.valid is not None:
        allowed = np.flatnonzero(field.valid)
        rows, number = rows[allowed], number[allowed]
    norms = np.square(rows).sum(axis=1)
    index = active_patches(field)
    matches, scores = field.matches.ravel(), field.scores.ravel()
    for part in np.array_split(index, max(1, len(index) * len(rows) // BLOCK)):
        queries = patches[np.divmod(part, patches.shape[1])].reshape(len(part), -1).astype(np.float64)
        distances = norms - 2 * queries @ rows.T + np.square(queries).sum(axis=1, keepdims=True)  # integers: exact
        found = weigh(field, distances.astype(np.float32), number)
        best = found.argmin(axis=1)  # the first of equals has the smallest number
        least, match = found[np.arange(len(part)), best], number[best]
        better = (least < scores[part]) | ((least == scores[part]) & (match < matches[part]))
        matches[part[better]], scores[part[better]] = match[better], least[better]


def search_once(field: Field, seed: int, number: int, radius: int, samples: int) -> None:
    """One pass of propagation and random search, the one with that ``number``.

    A patch depends on those above and beside it in its tile: the patches of one diagonal, in all tiles, run together.
    """
    (rows, columns), (keys_rows, keys_columns) = field.matches.shape, windows(field.keys).shape[:2]
    backwards = number % 2 == 1
    shift, step = (TILE // 2, -1) if backwards else (0, 1)
    before, matches, scores = field.matches.copy(), field.matches, field.scores

    def keep_better(row: Numbers, column: Numbers, y: Numbers, x: Numbers, possible: npt.NDArray[np.bool_]) -> None:
        """Take the ``possible`` ones of the matches (y, x) where they are better."""
        possible = possible & (y >= 0) & (x >= 0) & (y < keys_rows) & (x < keys_columns)
        row, column, y, x = (each[possible] for each in (row, column, y, x))
        if field.valid is not None:
            allowed = field.valid[y, x] > 0
            row, column, y, x = (each[allowed] for each in (row, column, y, x))
        match = y << 16 | x
        found, now = score(field, row * columns + column, match), scores[row, column]
        better = (found < now) | ((found == now) & (match < matches[row, column]))
        matches[row[better], column[better]], scores[row[better], column[better]] = match[better], found[better]

    # 1. Tiles: their corners, column vectors.
    tops, lefts = np.arange(-shift, rows, TILE), np.arange(-shift, columns, TILE)
    top, left = (each.reshape(-1, 1) for each in np.meshgrid(np.maximum(tops, 0), np.maximum(lefts, 0), indexing="ij"))
    ends = np.minimum(tops + TILE, rows), np.minimum(lefts + TILE, columns)
    bottom, right = (each.reshape(-1, 1) for each in np.meshgrid(*ends, indexing="ij"))
    for diagonal in range(2 * TILE - 1):
        # 2. The active patches of this diagonal, in all tiles.
        i = np.arange(max(0, diagonal - TILE + 1), min(diagonal + 1, TILE))
        j = diagonal - i
        row, column = (bottom - 1 - i, right - 1 - j) if backwards else (top + i, left + j)
        inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        row, column, tile = row[inside], column[inside], np.nonzero(inside)[0]
        if field.active is not None:
            active = field.active[row, column] > 0
            row, column, tile = row[active], column[active], tile[active]
        if not len(row):
            continue
        # 3. Propagation: the moved match of the patch above, then of that beside; as it was before in another tile.
        for dy, dx in ((step, 0), (0, step)):
            from_row, from_column = row - dy, column - dx
            there = (from_row >= 0) & (from_row < rows) & (from_column >= 0) & (from_column < columns)
            at = np.clip(from_row, 0, rows - 1), np.clip(from_column, 0, columns - 1)
            same = (at[0] >= top[tile, 0]) & (at[0] < bottom[tile, 0])
            same &= (at[1] >= left[tile, 0]) & (at[1] < right[tile, 0])
            match = np.where(same, matches[at], before[at]).astype(np.int64)
            keep_better(row, column, (match >> 16) + dy, (match & 0xFFFF) + dx, there & (match >= 0))
        # 4. Random search: in windows round the best match, each half as large as the one before.
        start = splitmix((row * columns + column).astype(np.uint64) ^ np.uint64((seed ^ number << 40) & MASK))
        for draw in range(samples):
            reach = radius >> draw
            if reach < 1:
                break
            with np.errstate(over="ignore"):
                random = splitmix(start + np.uint64(draw))
            y, x = matches[row, column] >> 16, matches[row, column] & 0xFFFF
            low_y, high_y = np.maximum(0, y - reach), np.minimum(keys_rows - 1, y + reach)
            low_x, high_x = np.maximum(0, x - reach), np.minimum(keys_columns - 1, x + reach)
            high, low = (random >> np.uint64(32)).astype(np.int64), (random & np.uint64(0xFFFFFFFF)).astype(np.int64)
            y = low_y + (high * (high_y - low_y + 1) >> 32)
            x = low_x + (low * (high_x - low_x + 1) >> 32)
            keep_better(row, column, y, x, scores[row, column] > 0)


def vote(
    matches: Matches, values: Pixels, weights: VoteWeights, mask: Flags | None, known: Pixels, result: Pixels
) -> None:
    """Write the weighted means over the matches into ``result``."""
    rows, columns = matches.shape
    sums, total = np.zeros(result.shape, np.int64), np.zeros((*result.shape[:2], 1), np.int64)
    has_match = matches >= 0
    y, x = np.where(has_match, matches >> 16, 0), np.where(has_match, matches & 0xFFFF, 0)
    for (down, right), weight in np.ndenumerate(weights.reshape(PATCH, PATCH).astype(np.int64)):
        covered = slice(down, down + rows), slice(right, right + columns)
        sums[covered] += weight * values[y + down, x + right] * has_match[:, :, None]
        total[covered] += weight
    whole = total.astype(np.float32)
    result[...] = ((sums.astype(np.float32) + np.float32(0.5) * whole) * (np.float32(1) / whole)).astype(np.uint8)
    if mask is not None:
        result[mask == 0] = known[mask == 0]


def votes_of(matches: Matches, weights: VoteWeights, rows: slice, size: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """The source pixels (49, h, W) that vote for some ``rows`` of a picture of ``size``, -1 for none, and weights.

    They stand in the order of a patch's pixels.
    """
    numbers = np.full((PATCH**2, rows.stop - rows.start, size[1]), -1, np.int64)
    for index, (down, right) in enumerate(np.ndindex(PATCH, PATCH)):
        first, last = max(rows.start - down, 0), min(rows.stop - down, matches.shape[0])
        if first < last:
            part = matches[first:last].astype(np.int64)
            here, across = (
                slice(first + down - rows.start, last + down - rows.start),
                slice(right, right + part.shape[1]),
            )
            numbers[index, here, across] = np.where(part < 0, -1, part + (down << 16 | right))
    return numbers, np.where(numbers < 0, 0, weights.astype(np.int64)[:, None, None])


def vote_floats(
    matches: Matches,
    values: Weights,
    weights: VoteWeights,
    mask: Flags | None,
    known: Weights,
    rounds: bool,
    result: Weights,
) -> None:
    """Write the weighted means over the matches into ``result`` (H, W, C); with ``rounds`` to whole numbers."""
    for top in range(0, result.shape[0], TILE):
        rows = slice(top, min(result.shape[0], top + TILE))
        numbers, parts = votes_of(matches, weights, rows, (result.shape[0], result.shape[1]))
        sums, total = np.zeros(result[rows].shape), parts.sum(axis=0)[..., None].astype(np.float64)
        for number, part in zip(numbers, parts, strict=True):
            at = np.maximum(number, 0)
            votes = part[..., None] * values[at >> 16, at & 0xFFFF].astype(np.float64)
            sums += np.where(part[..., None] > 0, votes, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.floor((sums + 0.5 * total) / total) if rounds else sums / total
        is_made = total > 0 if mask is None else (total > 0) & (mask[rows] > 0)[..., None]
        result[rows] = np.where(is_made, means, known[rows])


def vote_labels(
    matches: Matches,
    labels: Matches | None,
    weights: VoteWeights,
    mask: Flags | None,
    known: Matches,
    result: Matches,
) -> None:
    """Write the labels with most weight among the matches into ``result`` (H, W); of equal ones the smallest."""
    for top in range(0, result.shape[0], TILE):
        rows = slice(top, min(result.shape[0], top + TILE))
        numbers, parts = votes_of(matches, weights, rows, (result.shape[0], result.shape[1]))
        at = np.maximum(numbers, 0)
        found = numbers if labels is None else labels[at >> 16, at & 0xFFFF].astype(np.int64)
        best, most = found[0], np.full(found[0].shape, -1, np.int64)
        for label, part in zip(found, parts, strict=True):
            sums = np.where(part > 0, np.where(found == label, parts, 0).sum(axis=0), -1)
            better = (sums > most) | ((sums == most) & (sums > 0) & (label < best))
            best, most = np.where(better, label, best), np.where(better, sums, most)
        is_made = most > 0 if mask is None else (most > 0) & (mask[rows] > 0)
        result[rows] = np.where(is_made, best, known[rows])


def mark(marked: npt.NDArray[np.bool_], within: Flags | None = None) -> Flags:
    """The patches (h, w), of those ``within``, with a ``marked`` pixel."""
    patches = sliding_window_view(marked, (PATCH, PATCH)).any(axis=(2, 3))
    return np.asarray(patches if within is None else patches & (within > 0), np.uint8)


def carry(
    coarse: Matches,
    coarse_origin: tuple[int, int],
    size: tuple[int, int],
    origin: tuple[int, int],
    keys: tuple[int, int],
    factors: tuple[float, float],
) -> Matches:
    """The field (h, w) of a finer level from a coarser one's."""
    half, near, own = 0.5 * PATCH, [], []
    for axis in (0, 1):
        own.append(np.arange(size[axis]) + origin[axis])
        place = np.floor((own[axis] + half) / factors[axis] - half + 0.5).astype(np.int64)
        near.append(np.clip(place - coarse_origin[axis], 0, coarse.shape[axis] - 1))
    match = coarse[near[0][:, None], near[1]]
    down = ((match >> 16) - (near[0] + coarse_origin[0])[:, None]) * factors[0]
    right = ((match & 0xFFFF) - (near[1] + coarse_origin[1])) * factors[1]
    y = np.clip(own[0][:, None] + np.floor(down + 0.5).astype(np.int64), 0, keys[0] - 1)
    x = np.clip(own[1] + np.floor(right + 0.5).astype(np.int64), 0, keys[1] - 1)
    return np.where(match < 0, -1, y << 16 | x).astype(np.int32)
