"""Votes: which of the photo's pixels each pixel of a result is the mean of.

Whatever is aligned with the photo (masks, labels, depth, more channels of the same picture) is rendered by the votes of
the result, and so stays aligned with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from SinGAN.patches import search
from SinGAN.patches.levels import Box, Levels, to_pixels
from SinGAN.patches.seams import Edit, match_colours
from SinGAN.patches.search import PATCH, Flags, Labels, Matches, Pixels, VoteWeights, vote_weights
from SinGAN.patches.solver import Canvas, State
from SinGAN.planning import Size

Values = npt.NDArray[Any]  # (H, W) or (H, W, C)
Places = npt.NDArray[np.uint16]
Render = Callable[["Layer", Any, Values | None], Values]

MEANS = tuple(map(np.dtype, ("uint8", "int8", "uint16", "int16", "float16", "float32", "float64")))
"""The types of which means are computed: floats with the precision of float32."""
PASSES, SAMPLES = 8, 16  # of the search for pasted parts in the photo


@dataclass(frozen=True, eq=False)
class Layer:
    """The votes of one field, for all pixels of its canvas or for some."""

    matches: Matches  # (h, w), of the canvas's patches
    weights: VoteWeights  # (49,), of a patch's pixels
    origin: Size = (0, 0)  # of the canvas's first pixel, in the result; above 0 or left of it where a tile repeats
    mask: Flags | None = None  # (h + 6, w + 6): 1 where pixels are computed; None: everywhere

    def overlap(self, size: Size) -> tuple[Box, Box]:
        """The part of the canvas that lies in a result of ``size``: its box there, and in the canvas."""
        result, canvas = [], []
        for start, patches, side in zip(self.origin, self.matches.shape, size, strict=True):
            low, high = max(0, start), min(side, start + patches + PATCH - 1)
            result.append(slice(low, high))
            canvas.append(slice(low - start, high - start))
        return (result[0], result[1]), (canvas[0], canvas[1])


@dataclass(frozen=True, eq=False)
class Paste:
    """What an edit pastes into a photo."""

    box: Box  # in the photo
    mask: Flags  # (h, w): 1 where pixels are the edit's
    like: Labels  # (h, w): the photo's pixels: in the mask those that resemble the edit's, else their own

    def values(self, photo: Values, edited: Values | None) -> Values:
        """The box's values (h, w, ..) from those of the ``photo`` (H, W, ..), and of the ``edited`` one, if known."""
        if edited is None:
            return np.asarray(photo[self.like >> 16, self.like & 0xFFFF])
        mask = self.mask.reshape(*self.mask.shape, *(1,) * (photo.ndim - 2)) > 0
        return np.where(mask, edited[self.box], photo[self.box])


@dataclass(frozen=True, eq=False)
class Votes:
    """The votes of one result.

    Methods take an array of each source: the photo's, then those of further pictures. Where an edit is pasted they take
    that of the ``edited`` photo, too; without it, pixels of the photo stand for those that are pasted.
    """

    size: Size  # of the result
    sources: tuple[Size, ...]  # sizes of the pictures that matches refer to, stacked in this order, left-aligned
    layers: tuple[Layer, ...]  # the later ones above
    copied: Labels | None = None  # (H, W): the source pixels that are copied where no layer computes; None: none are
    paste: Paste | None = None  # whose box is one more source, below the photo
    shifted: Flags | None = None  # (H, W): where the picture's colours, at last, are shifted to meet those around

    @classmethod
    def of_whole(cls, state: State, sources: Sequence[Size], margin: int = 0) -> "Votes":
        """The votes of a whole picture, from its finest ``state``; its canvas has a ``margin``."""
        height, width = state.picture.shape[:2]
        layer = Layer(state.matches, vote_weights(state.sigma), (-margin, -margin))
        return cls((height - 2 * margin, width - 2 * margin), tuple(sources), (layer,))

    @classmethod
    def of_part(
        cls,
        state: State,
        canvas: Canvas,
        size: Size,
        photo: Pixels,
        place: Size,
        edit: Edit | None = None,
        others: Sequence[Size] = (),
        shifted: Flags | None = None,
    ) -> "Votes":
        """The votes of a result in which the pixels that the mask of ``canvas`` leaves are the photo's or an edit's.

        Arguments:
            state: of the finest level; its matches count from the result's first pixel.
            canvas: of that level.
            size: of the result.
            photo: (H, W, 4).
            place: row and column of the photo's first pixel in the result.
            edit: that is pasted.
            others: sizes of further pictures.
            shifted: (H, W), 1 where colours are shifted afterwards.
        """
        (top, left), (height, width) = place, (photo.shape[0], photo.shape[1])
        is_own = (state.matches >> 16) < size[0]  # of the photo, or of a paste, which have the whole result's place
        shift = np.where(is_own, top << 16 | left, (size[0] - height) << 16)
        moved = np.where(state.matches < 0, -1, state.matches - shift).astype(np.int32)
        layer = Layer(moved, vote_weights(state.sigma), canvas.origin, canvas.mask)
        copied = np.zeros(size, np.int32)
        copied[top : top + height, left : left + width] = number_pixels((height, width))
        if edit is None:
            return cls(size, ((height, width), *others), (layer,), copied, shifted=shifted)
        inside, part = edit.pasted > 0, (edit.merged.shape[0], edit.merged.shape[1])
        like = np.where(inside, find_pixels(edit.edited, photo, edit.pasted), copied[edit.box])
        np.copyto(copied[edit.box], number_pixels(part) + (height << 16), where=inside)
        return cls(size, ((height, width), *others), (layer,), copied, Paste(edit.box, edit.pasted, like), shifted)

    def picture(self, *levels: Levels, edited: Levels | None = None) -> Levels:
        """The result itself (H, W, C), to the bit, from the 8-bit sources."""
        result = self._means(self._stack(levels, edited))
        if self.shifted is not None:
            match_colours(result, self.shifted)
        return result

    def means(self, *values: Values, edited: Values | None = None, unit: float | None = None) -> Values:
        """The weighted means (H, W, ..) of continuous ``values`` (H, W, ..) of the sources, of the same type.

        Whole numbers are rounded as those of the picture are. NaN spreads to the pixels that it votes for.

        Arguments:
            values: of each source.
            edited: of the edited photo.
            unit: the difference in ``values`` that corresponds to a grey level of the picture. Then they are shifted as
                the picture's colours are; None: they are not.

        Raises:
            TypeError: means are not computed of their type.
        """
        stacked = self._stack(values, edited)
        if stacked.dtype not in MEANS:
            raise TypeError(f"means are of 8 or 16 bits or floats, not of {stacked.dtype}: declare the map a label")
        whole = stacked if stacked.ndim == 3 else stacked[..., None]
        result = self._means(whole)
        if self.shifted is not None and unit is not None:
            levels = (result / unit).astype(np.float32)
            before = levels.copy()
            match_colours(levels, self.shifted, levels.shape[2])
            result = _as_type(result + unit * (levels - before), result.dtype)
        return result if stacked.ndim == 3 else result[..., 0]

    def labels(self, *labels: Values, edited: Values | None = None) -> Values:
        """The labels (H, W) with most weight, of those of the sources (H, W); of equal ones the smallest.

        Raises:
            TypeError: they are no whole numbers.
        """
        stacked = self._stack(labels, edited)
        if not (np.issubdtype(stacked.dtype, np.integer) or stacked.dtype == np.bool_):
            raise TypeError(f"labels are whole numbers, not {stacked.dtype}: declare the map continuous")
        if np.can_cast(stacked.dtype, np.int32):
            found = self._render(np.ascontiguousarray(stacked, np.int32), _vote_labels)
            return np.asarray(found.astype(stacked.dtype))
        kinds, index = np.unique(stacked, return_inverse=True)
        found = self._render(np.ascontiguousarray(index.reshape(stacked.shape), np.int32), _vote_labels)
        return np.asarray(kinds[found])

    def copies(self, *values: Values, edited: Values | None = None) -> Values:
        """Hard votes: the ``values`` (H, W, ..), of the source pixels with most weight, which are copied whole."""
        stacked = self._stack(values, edited)
        return np.asarray(stacked[self._chosen >> 16, self._chosen & 0xFFFF])

    @property
    def coordinates(self) -> Places:
        """Row, column and number of the source (H, W, 3) of the pixel with most weight, of equal ones the first.

        A pixel of a paste has the place of the photo's that stands for it.
        """
        number = self._chosen
        if self.paste is not None:
            top, rows = self.sources[0][0], self.paste.mask.shape[0]
            below, number = (number >> 16) - top, number.copy()
            pasted = (below >= 0) & (below < rows)
            number[below >= rows] -= rows << 16
            number[pasted] = self.paste.like[below[pasted], number[pasted] & 0xFFFF]
        row, column = number >> 16, number & 0xFFFF
        tops = np.cumsum([0, *(height for height, _ in self.sources)])
        source = np.searchsorted(tops, row, side="right") - 1
        return np.stack([row - tops[source], column, source], axis=2).astype(np.uint16)

    @property
    def shares(self) -> list[float]:
        """The share of the result that comes from each source; what is pasted counts as the photo's."""
        numbers = [np.full(size, number, np.uint8) for number, size in enumerate(self.sources)]
        counts = np.bincount(self.labels(*numbers).ravel(), minlength=len(numbers))
        return [float(share) for share in counts / counts.sum()]

    @cached_property
    def _chosen(self) -> Labels:
        """The source pixels (H, W) with most weight, in the stack of all sources."""
        return self._render(None, _vote_labels)

    def _stack(self, values: Sequence[Values], edited: Values | None) -> Values:
        """The ``values`` of all sources, one below the other."""
        assert [each.shape[:2] for each in values] == [*self.sources]
        given = [*values]
        if self.paste is not None:
            given.insert(1, self.paste.values(values[0], edited))
        if len(given) == 1:
            return given[0]
        height, width = sum(each.shape[0] for each in given), max(each.shape[1] for each in given)
        result, top = np.zeros((height, width, *given[0].shape[2:]), np.result_type(*given)), 0
        for each in given:
            result[top : top + each.shape[0], : each.shape[1]] = each
            top += each.shape[0]
        return result

    def _means(self, values: Values) -> Values:
        """The means (H, W, C) of stacked ``values``, in a new array."""
        if values.dtype == np.uint8:
            parts = [values[..., first : first + 4] for first in range(0, values.shape[2], 4)]
            means = [self._render(to_pixels(part), _vote)[..., : part.shape[2]] for part in parts]
            return np.ascontiguousarray(np.concatenate(means, axis=2))
        whole = np.issubdtype(values.dtype, np.integer)
        floats = np.ascontiguousarray(values, np.float32)
        return self._render(floats, _round_floats if whole else _vote_floats).astype(values.dtype)

    def _render(self, values: Values | None, vote: Render) -> Values:
        """The result (H, W, ..) of stacked ``values``, by the function ``vote`` of a layer; None: of pixels' places."""
        if self.copied is None:
            extra, kind = ((), np.int32) if values is None else (values.shape[2:], values.dtype)
            result: Values = np.zeros((*self.size, *extra), kind)
        else:
            result = self.copied.copy() if values is None else values[self.copied >> 16, self.copied & 0xFFFF]
        for layer in self.layers:
            inside, canvas = layer.overlap(self.size)
            known = None
            if layer.mask is not None:
                known = np.zeros((*layer.mask.shape, *result.shape[2:]), result.dtype)
                known[canvas] = result[inside]
            result[inside] = vote(layer, values, known)[canvas]
        return result


def number_pixels(size: Size) -> Labels:
    """The numbers of the pixels of a picture of ``size``: row << 16 | column."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.asarray(rows << 16 | columns, np.int32)


def find_pixels(part: Pixels, photo: Pixels, mask: Flags) -> Labels:
    """For each pixel of ``part`` (h, w, 4) in ``mask`` the number of that of ``photo`` which resembles it most.

    It has the same place in the most similar of its patches. What was cut out of the photo is found where it was.
    """
    # 1. The match of each patch.
    active, size = search.mark_touching(mask), search.field_size(part)
    matches = search.random_matches(size, search.field_size(photo), None, 0)
    field = search.Field(part, photo, matches, active=active)
    field.scores[active == 0] = np.inf
    field.measure()
    field.search(PASSES, max(photo.shape[:2]), SAMPLES)
    # 2. The best of the patches that hold a pixel.
    least, result = np.full(mask.shape, np.inf, np.float32), np.zeros(mask.shape, np.int32)
    for down, right in np.ndindex(PATCH, PATCH):
        place = slice(down, down + size[0]), slice(right, right + size[1])
        better = field.scores < least[place]
        least[place][better] = field.scores[better]
        result[place][better] = matches[better] + (down << 16 | right)
    return result


def _vote(layer: Layer, values: Values, known: Values | None) -> Values:
    return search.vote(layer.matches, values, layer.weights, layer.mask, known)


def _vote_floats(layer: Layer, values: Values, known: Values | None, rounds: bool = False) -> Values:
    return search.vote_floats(layer.matches, values, layer.weights, layer.mask, known, rounds)


def _round_floats(layer: Layer, values: Values, known: Values | None) -> Values:
    return _vote_floats(layer, values, known, True)


def _vote_labels(layer: Layer, values: Labels | None, known: Values | None) -> Values:
    return search.vote_labels(layer.matches, values, layer.weights, layer.mask, known)


def _as_type(values: Values, kind: np.dtype[Any]) -> Values:
    """``values`` of the type ``kind``: rounded and limited to its range, if it is one of whole numbers."""
    if not np.issubdtype(kind, np.integer):
        return values.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)
