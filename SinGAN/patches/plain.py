"""The functions of ``native/search.cpp`` in NumPy, for machines without a compiler: the same bits, 30 times as slow.

Arguments are those of ``SinGAN.patches.search``, which calls either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from SinGAN.patches.search import Flags, Matches, Pixels, Places, Scores

PATCH = 7
TILE = 64
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
    """A view (h, w, 4, 7, 7) of the patches of ``picture`` (H, W, 4)."""
    return sliding_window_view(picture, (PATCH, PATCH), axis=(0, 1))


def score(field: Matches, index: Numbers, matches: Numbers) -> Scores:
    """The scores (n,) of ``matches`` (n,) for the patches of the target at ``index`` (n,)."""
    patches, keys = windows(field.target), windows(field.keys)
    found = np.empty(len(index), np.float32)
    for start in range(0, len(index), 2**15):
        part = slice(start, start + 2**15)
        places = np.divmod(index[part], patches.shape[1])
        gap = patches[places].astype(np.int32) - keys[matches[part] >> 16, matches[part] & 0xFFFF]
        found[part] = np.einsum("ncyx,ncyx->n", gap, gap)
    return found if field.weights is None else combined(field, found, field.weights[matches >> 16, matches & 0xFFFF])


def combined(field: Matches, distances: Scores, weights: Scores) -> Scores:
    """The scores from ``distances``, and ``weights`` of the matches."""
    return distances + weights if field.adds else distances * weights


def chosen(field: Matches) -> Numbers:
    """The indices of the active patches."""
    if field.active is None:
        return np.arange(field.places.size)
    return np.flatnonzero(field.active)


def measure_field(field: Matches) -> None:
    """Compute the scores of the active patches."""
    index = chosen(field)
    field.scores.ravel()[index] = score(field, index, field.places.ravel()[index].astype(np.int64))


def search_all(field: Matches) -> None:
    """Find the best match of each active patch among all keys."""
    keys = windows(field.keys)
    width = keys.shape[1]
    rows = keys.reshape(-1, 4 * PATCH**2).astype(np.float64)
    number = np.arange(len(rows)) // width << 16 | np.arange(len(rows)) % width
    if field.valid is not None:
        allowed = np.flatnonzero(field.valid)
        rows, number = rows[allowed], number[allowed]
    norms = np.square(rows).sum(axis=1)
    weights = None if field.weights is None else field.weights[number >> 16, number & 0xFFFF]
    patches, index = windows(field.target), chosen(field)
    places, scores = field.places.ravel(), field.scores.ravel()
    for part in np.array_split(index, max(1, len(index) * len(rows) // BLOCK)):
        queries = patches[np.divmod(part, patches.shape[1])].reshape(len(part), -1).astype(np.float64)
        distances = norms - 2 * queries @ rows.T + np.square(queries).sum(axis=1, keepdims=True)  # integers: exact
        found = distances.astype(np.float32)
        if weights is not None:
            found = combined(field, found, weights)
        best = found.argmin(axis=1)  # the first of equals has the smallest number
        least, match = found[np.arange(len(part)), best], number[best]
        better = (least < scores[part]) | ((least == scores[part]) & (match < places[part]))
        places[part[better]], scores[part[better]] = match[better], least[better]


def search_once(field: Matches, seed: int, number: int, radius: int, samples: int) -> None:
    """One pass of propagation and random search.

    A patch depends on those above and beside it in its tile: all patches of a diagonal, in all tiles, run together.
    """
    rows, columns = field.places.shape
    keys_rows, keys_columns = (side - PATCH + 1 for side in field.keys.shape[:2])
    backwards = number % 2 == 1
    shift, step = (TILE // 2, -1) if backwards else (0, 1)
    before, places, scores = field.places.copy(), field.places, field.scores
    tops = np.arange(-shift, rows, TILE)
    lefts = np.arange(-shift, columns, TILE)
    top, left = (each.ravel() for each in np.meshgrid(np.maximum(tops, 0), np.maximum(lefts, 0), indexing="ij"))
    ends = np.minimum(tops + TILE, rows), np.minimum(lefts + TILE, columns)
    bottom, right = (each.ravel() for each in np.meshgrid(*ends, indexing="ij"))

    def keep_better(row: Numbers, column: Numbers, y: Numbers, x: Numbers, possible: npt.NDArray[np.bool_]) -> None:
        possible = possible & (y >= 0) & (x >= 0) & (y < keys_rows) & (x < keys_columns)
        row, column, y, x = row[possible], column[possible], y[possible], x[possible]
        if field.valid is not None:
            allowed = field.valid[y, x] > 0
            row, column, y, x = row[allowed], column[allowed], y[allowed], x[allowed]
        match = y << 16 | x
        found, now = score(field, row * columns + column, match), scores[row, column]
        better = (found < now) | ((found == now) & (match < places[row, column]))
        places[row[better], column[better]], scores[row[better], column[better]] = match[better], found[better]

    lines = np.arange(TILE)
    for diagonal in range(2 * TILE - 1):
        i = lines[max(0, diagonal - TILE + 1) : diagonal + 1]
        j = diagonal - i
        if backwards:
            row, column = bottom[:, None] - 1 - i, right[:, None] - 1 - j
        else:
            row, column = top[:, None] + i, left[:, None] + j
        inside = (row >= top[:, None]) & (row < bottom[:, None]) & (column >= left[:, None]) & (column < right[:, None])
        row, column, tile = row[inside], column[inside], np.nonzero(inside)[0]
        if field.active is not None:
            active = field.active[row, column] > 0
            row, column, tile = row[active], column[active], tile[active]
        if not len(row):
            continue
        for dy, dx in ((step, 0), (0, step)):  # propagation
            from_row, from_column = row - dy, column - dx
            there = (from_row >= 0) & (from_row < rows) & (from_column >= 0) & (from_column < columns)
            at = np.clip(from_row, 0, rows - 1), np.clip(from_column, 0, columns - 1)
            same = (at[0] >= top[tile]) & (at[0] < bottom[tile]) & (at[1] >= left[tile]) & (at[1] < right[tile])
            match = np.where(same, places[at], before[at]).astype(np.int64)
            keep_better(row, column, (match >> 16) + dy, (match & 0xFFFF) + dx, there & (match >= 0))
        index = (row * columns + column).astype(np.uint64)
        start = splitmix(index ^ np.uint64((seed ^ number << 40) & MASK))
        for draw in range(samples):  # random search
            reach = radius >> draw
            if reach < 1:
                break
            with np.errstate(over="ignore"):
                random = splitmix(start + np.uint64(draw))
            y, x = places[row, column] >> 16, places[row, column] & 0xFFFF
            low_y, high_y = np.maximum(0, y - reach), np.minimum(keys_rows - 1, y + reach)
            low_x, high_x = np.maximum(0, x - reach), np.minimum(keys_columns - 1, x + reach)
            high, low = (random >> np.uint64(32)).astype(np.int64), (random & np.uint64(0xFFFFFFFF)).astype(np.int64)
            y = low_y + (high * (high_y - low_y + 1) >> 32)
            x = low_x + (low * (high_x - low_x + 1) >> 32)
            keep_better(row, column, y, x, scores[row, column] > 0)


def vote(
    places: Places,
    values: Pixels,
    weights: npt.NDArray[np.uint16],
    made: Flags | None,
    rest: Pixels,
    result: Pixels,
) -> None:
    """Write into ``result`` what patches say of its pixels."""
    rows, columns = places.shape
    sums, total = np.zeros(result.shape, np.int64), np.zeros(result.shape[:2], np.int64)
    says = places >= 0
    y, x = np.where(says, places >> 16, 0), np.where(says, places & 0xFFFF, 0)
    for inner in range(PATCH**2):
        down, right = divmod(inner, PATCH)
        weight = int(weights[inner])
        sums[down : down + rows, right : right + columns] += (
            np.int64(weight) * values[y + down, x + right] * says[:, :, None]
        )
        total[down : down + rows, right : right + columns] += weight
    whole = total[:, :, None].astype(np.float32)
    result[...] = ((sums.astype(np.float32) + np.float32(0.5) * whole) * (np.float32(1) / whole)).astype(np.uint8)
    if made is not None:
        result[made == 0] = rest[made == 0]


def mark(marked: npt.NDArray[np.bool_], within: Flags | None = None) -> Flags:
    """The patches (h, w) that hold a ``marked`` pixel, of those ``within``."""
    patches = sliding_window_view(marked, (PATCH, PATCH)).any(axis=(2, 3))
    return np.asarray(patches if within is None else patches & (within > 0), np.uint8)


def mark_changed(before: Pixels, after: Pixels, threshold: int, within: Flags | None) -> Flags:
    """The patches (h, w) that hold a pixel that changed by more than ``threshold``."""
    return mark(np.abs(before.astype(np.int16) - after).max(axis=2) > threshold, within)


def carry(
    coarse: Places,
    coarse_origin: tuple[int, int],
    size: tuple[int, int],
    origin: tuple[int, int],
    keys: tuple[int, int],
    factors: tuple[float, float],
) -> Places:
    """The field (h, w) of a finer level from a coarser one's."""
    half = 0.5 * PATCH
    y, x = (np.arange(size[axis]) + origin[axis] for axis in (0, 1))
    near_y, near_x = (
        np.clip(
            np.floor((place + half) / factors[axis] - half + 0.5).astype(np.int64) - coarse_origin[axis],
            0,
            coarse.shape[axis] - 1,
        )
        for axis, place in enumerate((y, x))
    )
    match = coarse[near_y[:, None], near_x]
    down = ((match >> 16) - (near_y + coarse_origin[0])[:, None]) * factors[0]
    right = ((match & 0xFFFF) - (near_x + coarse_origin[1])) * factors[1]
    to_y = np.clip(y[:, None] + np.floor(down + 0.5).astype(np.int64), 0, keys[0] - 1)
    to_x = np.clip(x + np.floor(right + 0.5).astype(np.int64), 0, keys[1] - 1)
    return np.where(match < 0, -1, to_y << 16 | to_x).astype(np.int32)
