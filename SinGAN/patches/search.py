"""Nearest-neighbour fields of 8-bit pictures: search, vote, and fields carried from level to level.

The search is PatchMatch (Barnes, Shechtman, Finkelstein, Goldman, *PatchMatch: A Randomized Correspondence Algorithm
for Structural Image Editing*, ACM TOG 2009) in tiles, so that threads don't change the result. It is compiled C++;
without a compiler ``SinGAN.patches.plain`` computes the same bits.
"""

import ctypes
import functools
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from SinGAN.native.build import SEARCH
from SinGAN.patches import plain

LOG = logging.getLogger(__name__)
PATCH = plain.PATCH  # pixels, the width of a patch

Pixels = npt.NDArray[np.uint8]  # (H, W, 4)
Places = npt.NDArray[np.int32]  # (h, w): row << 16 | column of a match, -1 without one
Flags = npt.NDArray[np.uint8]  # 0 or 1
Scores = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]
Size = tuple[int, int]

POINTER, LONG, INT, DOUBLE = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_double


class Arguments(ctypes.Structure):
    """``struct Search`` of the C++ code."""

    _fields_ = (
        *(("target", POINTER), ("target_height", INT), ("target_width", INT)),
        *(("keys", POINTER), ("keys_height", INT), ("keys_width", INT)),
        *(("valid", POINTER), ("weights", POINTER), ("active", POINTER)),
        *(("adds", INT), ("threads", INT)),
    )


@functools.cache
def compiled() -> ctypes.CDLL | None:
    """The compiled code; None where it is not available, which a log line says once."""
    code = SEARCH.load()
    if isinstance(code, str):
        LOG.info(f"the search for patches runs in NumPy, some 30 times as slow: it needs {code}")
        return None
    search = ctypes.POINTER(Arguments)
    code.measure_field.argtypes = code.search_all.argtypes = [search, POINTER, POINTER]
    code.search_once.argtypes = [search, POINTER, POINTER, ctypes.c_uint64, INT, INT, INT]
    code.vote.argtypes = [POINTER, INT, INT, POINTER, INT, POINTER, POINTER, POINTER, POINTER, INT]
    code.mark_changed.argtypes = [POINTER, POINTER, INT, INT, INT, POINTER, POINTER, INT]
    code.mark_holding.argtypes = [POINTER, INT, INT, POINTER, INT]
    code.mark_changed.restype = code.mark_holding.restype = LONG
    code.carry.argtypes = [POINTER, *[INT] * 4, POINTER, *[INT] * 6, DOUBLE, DOUBLE, INT]
    return code


def address(array: npt.NDArray[Any] | None) -> int | None:
    """The address of the data of a contiguous ``array``."""
    if array is None:
        return None
    assert array.flags.c_contiguous
    return array.ctypes.data


def blank(height: int, width: int) -> Pixels:
    """A black picture (height, width, 4)."""
    return np.zeros((height, width, 4), np.uint8)


def patches_in(picture: npt.NDArray[Any]) -> Size:
    """The number of patches down and across in ``picture`` (H, W, ..)."""
    return picture.shape[0] - PATCH + 1, picture.shape[1] - PATCH + 1


@dataclass(eq=False)
class Matches:
    """A field: the match of each patch of ``target`` among the patches of ``keys``."""

    target: Pixels
    keys: Pixels
    places: Places  # (h, w); searching changes it
    valid: Flags | None = None  # (kh, kw): 0 for keys that can't be matches
    weights: Weights | None = None  # (kh, kw): factors of the squared distances, or numbers added to them
    adds: bool = False  # whether weights are added
    active: Flags | None = None  # (h, w): 0 for patches whose matches stay
    seed: int = 0
    scores: Scores = field(init=False)  # (h, w): squared distances over 4 x 49 numbers, weighted
    passes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.scores = np.zeros(self.places.shape, np.float32)

    def _arguments(self) -> Arguments:
        (height, width), (keys_height, keys_width) = self.target.shape[:2], self.keys.shape[:2]
        return Arguments(
            *(address(self.target), height, width, address(self.keys), keys_height, keys_width),
            *(address(self.valid), address(self.weights), address(self.active)),
            *(int(self.adds), torch.get_num_threads()),
        )

    def measure(self) -> None:
        """Compute ``scores`` of the active patches; needed after a change of the pictures or the weights."""
        if (code := compiled()) is None:
            plain.measure_field(self)
        else:
            code.measure_field(self._arguments(), address(self.places), address(self.scores))

    def search_all(self) -> None:
        """Find the best match of each active patch among all valid keys."""
        if (code := compiled()) is None:
            plain.search_all(self)
        else:
            code.search_all(self._arguments(), address(self.places), address(self.scores))

    def search(self, passes: int, radius: int, samples: int) -> None:
        """Improve the matches of the active patches.

        Arguments:
            passes: in each, a patch tries the moved matches of the patches above and beside, then random ones.
            radius: of the first window round the best match, in pixels; each further one is half as large.
            samples: random matches to try, at most.
        """
        for _ in range(passes):
            number, self.passes = self.passes, self.passes + 1
            if (code := compiled()) is None:
                plain.search_once(self, self.seed, number, radius, samples)
            else:
                places, scores = address(self.places), address(self.scores)
                code.search_once(self._arguments(), places, scores, self.seed, number, radius, samples)


def vote(
    places: Places,
    values: Pixels,
    weights: npt.NDArray[np.uint16],
    made: Flags | None = None,
    rest: Pixels | None = None,
) -> Pixels:
    """The picture (h + 6, w + 6, 4) of which each pixel is the weighted mean of what the matches say.

    Arguments:
        places: of the matches of all patches, or of at least those that hold a pixel of ``made``.
        values: where the matches lie.
        weights: (49,) of a patch's pixels; their sum is at most 257.
        made: (H, W): pixels that are computed; None: all. The others are those of ``rest``.
        rest: (H, W, 4), with ``made``.
    """
    result = blank(places.shape[0] + PATCH - 1, places.shape[1] + PATCH - 1)
    rest = result if rest is None else rest
    if (code := compiled()) is None:
        plain.vote(places, values, weights, made, rest, result)
        return result
    height, width = result.shape[:2]
    code.vote(
        *(address(places), height, width, address(values), values.shape[1], address(weights)),
        *(address(made), address(rest), address(result), torch.get_num_threads()),
    )
    return result


def changed(before: Pixels, after: Pixels, threshold: int = 0, within: Flags | None = None) -> Flags:
    """The patches (h, w), of those ``within``, that hold a pixel that changed by more than ``threshold`` levels."""
    if (code := compiled()) is None:
        return plain.mark_changed(before, after, threshold, within)
    (height, width), marks = before.shape[:2], np.empty(patches_in(before), np.uint8)
    pictures, threads = (address(before), address(after)), torch.get_num_threads()
    code.mark_changed(*pictures, height, width, threshold, address(within), address(marks), threads)
    return marks


def holding(mask: Flags) -> Flags:
    """The patches (h, w) that hold a pixel that ``mask`` (H, W) marks."""
    if (code := compiled()) is None:
        return plain.mark(mask > 0)
    marks = np.empty(patches_in(mask), np.uint8)
    code.mark_holding(address(mask), *mask.shape, address(marks), torch.get_num_threads())
    return marks


def whole_patches(mask: Flags) -> Flags:
    """The patches (h, w) that hold no pixel that ``mask`` (H, W) marks."""
    return (1 - holding(mask)).astype(np.uint8)


def carry(
    coarse: Places, size: Size, keys: Size, factors: tuple[float, float], origins: tuple[Size, Size] = ((0, 0), (0, 0))
) -> Places:
    """The field ``coarse`` at a finer level: offsets are multiplied, sources stay inside.

    Arguments:
        coarse: (h, w).
        size: of the finer field, in patches.
        keys: the number of keys down and across at the finer level.
        factors: the finer level's size over the coarser one's, vertically and horizontally.
        origins: row and column of the first patch of ``coarse`` and of the finer field, in their levels.
    """
    if (code := compiled()) is None:
        return plain.carry(coarse, origins[0], size, origins[1], keys, factors)
    fine = np.empty(size, np.int32)
    code.carry(
        *(address(coarse), *coarse.shape, *origins[0], address(fine), *size, *origins[1], *keys, *factors),
        torch.get_num_threads(),
    )
    return fine


def flat() -> npt.NDArray[np.uint16]:
    """Weights (49,) of a vote, all equal."""
    return np.ones(PATCH**2, np.uint16)


def peaked(sigma: float) -> npt.NDArray[np.uint16]:
    """Weights (49,) of a vote, at least 1: a Gaussian of ``sigma`` half widths whose sum is at most 257."""
    line = np.linspace(-1, 1, PATCH)
    bump = np.exp(-(line[:, None] ** 2 + line**2) / (2 * sigma**2))
    return np.asarray(np.maximum(1, np.rint(220 * bump / bump.sum())), np.uint16).ravel()
