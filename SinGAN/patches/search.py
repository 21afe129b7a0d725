"""Nearest-neighbour fields of 8-bit pictures: search, vote, and fields carried to the next finer level.

The search is PatchMatch (Barnes, Shechtman, Finkelstein, Goldman, *PatchMatch: A Randomized Correspondence Algorithm
for Structural Image Editing*, ACM TOG 2009) in tiles, so that results do not depend on the number of threads. It is
compiled C++ (``SinGAN/native/search.cpp``); without a compiler ``SinGAN.patches.plain`` computes the same bits.
"""

import ctypes
import functools
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from SinGAN.native.build import SEARCH
from SinGAN.patches import plain

LOG = logging.getLogger(__name__)
PATCH = plain.PATCH  # pixels, the width of a patch

Pixels = npt.NDArray[np.uint8]  # (H, W, 4)
Matches = npt.NDArray[np.int32]  # (h, w): row << 16 | column of each patch's match, -1 for none
Labels = npt.NDArray[np.int32]  # (H, W)
Flags = npt.NDArray[np.uint8]  # 0 or 1
Scores = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]
VoteWeights = npt.NDArray[np.uint16]  # (49,)
Size = tuple[int, int]  # height, width


class Array:
    """The type of C arguments that point to the data of a contiguous array, or to nothing for None."""

    @staticmethod
    def from_param(array: npt.NDArray[Any] | None) -> ctypes.c_void_p:
        """The pointer; whoever calls keeps ``array`` alive."""
        assert array is None or array.flags.c_contiguous
        return ctypes.c_void_p(None if array is None else array.ctypes.data)


class SearchStruct(ctypes.Structure):
    """``struct Search`` of the C++ code."""

    _fields_ = (
        *(("target", ctypes.c_void_p), ("target_height", ctypes.c_int), ("target_width", ctypes.c_int)),
        *(("keys", ctypes.c_void_p), ("keys_height", ctypes.c_int), ("keys_width", ctypes.c_int)),
        *(("valid", ctypes.c_void_p), ("weights", ctypes.c_void_p), ("active", ctypes.c_void_p)),
        *(("adds", ctypes.c_int), ("threads", ctypes.c_int)),
        *(("target_guide", ctypes.c_void_p), ("keys_guide", ctypes.c_void_p)),
    )


@functools.cache
def compiled() -> Any:
    """The compiled library; None where it is not available, which is logged once."""
    code = SEARCH.load()
    if isinstance(code, str):
        LOG.info(f"the search for patches runs in NumPy, some 30 times as slow: it needs {code}")
        return None
    struct, number, factor = ctypes.POINTER(SearchStruct), ctypes.c_int, ctypes.c_double
    signatures = {
        "measure_field": [struct, Array, Array],
        "search_all": [struct, Array, Array],
        "search_once": [struct, Array, Array, ctypes.c_uint64, number, number, number],
        "vote": [Array, number, number, Array, number, Array, Array, Array, Array, number],
        "vote_floats": [Array, number, number, Array, number, number, Array, Array, Array, number, Array, number],
        "vote_labels": [Array, number, number, Array, number, Array, Array, Array, Array, number],
        "mark_changed": [Array, Array, number, number, number, Array, Array, number],
        "mark_holding": [Array, number, number, Array, number],
        "carry": [Array, *[number] * 4, Array, *[number] * 6, factor, factor, number],
    }
    for name, arguments in signatures.items():
        getattr(code, name).argtypes = arguments
        getattr(code, name).restype = ctypes.c_long if name.startswith("mark") else None
    return code


def blank(height: int, width: int) -> Pixels:
    """A black picture (height, width, 4)."""
    return np.zeros((height, width, 4), np.uint8)


def field_size(picture: npt.NDArray[Any]) -> Size:
    """The number of patches down and across in ``picture`` (H, W, ..)."""
    return picture.shape[0] - PATCH + 1, picture.shape[1] - PATCH + 1


@dataclass(eq=False)
class Field:
    """A nearest-neighbour field: for each patch of ``target`` its match among the patches of ``keys``."""

    target: Pixels
    keys: Pixels
    matches: Matches  # (h, w); searches write into it
    valid: Flags | None = None  # (kh, kw): 0 for keys that can't be matches
    weights: Weights | None = None  # (kh, kw): factors of the squared distances, or terms added to them
    adds: bool = False  # whether weights are added
    active: Flags | None = None  # (h, w): 0 for patches whose matches stay
    seed: int = 0
    guides: tuple[Pixels, Pixels] | None = None  # of the sizes of target and keys: their patches are compared, too
    scores: Scores = field(init=False)  # (h, w): squared distances over 4 x 49 numbers, weighted
    passes: int = field(init=False, default=0)  # of ``search`` so far

    def __post_init__(self) -> None:
        self.scores = np.zeros(self.matches.shape, np.float32)

    def _run(self, name: str, *numbers: int) -> None:
        """Call a function of the compiled code, or of ``plain``."""
        if (code := compiled()) is None:
            getattr(plain, name)(self, *numbers)
            return
        arrays = (self.target, self.keys, self.valid, self.weights, self.active, *(self.guides or (None, None)))
        target, keys, valid, weights, active, *guides = map(Array.from_param, arrays)
        struct = SearchStruct(
            *(target, *self.target.shape[:2], keys, *self.keys.shape[:2]),
            *(valid, weights, active, self.adds, torch.get_num_threads(), *guides),
        )
        getattr(code, name)(struct, self.matches, self.scores, *numbers)

    def measure(self) -> None:
        """Compute ``scores`` of the active patches; needed after a change of the pictures or the weights."""
        self._run("measure_field")

    def search_all(self) -> None:
        """Find the best match of each active patch among all valid keys."""
        self._run("search_all")

    def search(self, passes: int, radius: int, samples: int) -> None:
        """Improve the matches of the active patches by PatchMatch: propagation, then random search, in each pass.

        Arguments:
            passes: number of passes.
            radius: of the first window round the best match, in pixels; each further one is half as large.
            samples: random matches to try for each patch, at most.
        """
        for _ in range(passes):
            self._run("search_once", self.seed, self.passes, radius, samples)
            self.passes += 1


def pack(index: npt.NDArray[np.int64], width: int) -> Matches:
    """Indices of keys, ``width`` in a row, as matches."""
    return (index // width << 16 | index % width).astype(np.int32)


def random_matches(size: Size, keys: Size, valid: Flags | None, seed: int) -> Matches:
    """A field of ``size`` with random matches among the ``valid`` ones of ``keys``."""
    rng, count = np.random.default_rng(seed), size[0] * size[1]
    if valid is None:
        chosen = rng.integers(0, keys[0] * keys[1], count)
    else:
        allowed = np.flatnonzero(valid)
        chosen = allowed[rng.integers(0, len(allowed), count)]
    return pack(chosen, keys[1]).reshape(size)


def squared_distances(picture: Pixels, keys: Pixels, channels: int) -> torch.Tensor:
    """The squared distances (M, N) of all patches of ``picture`` (H, W, 4) to all of ``keys`` (H', W', 4).

    All numbers are integers below 2^24: exact, in whatever order they are added.
    """
    patches = []
    for each in (picture, keys):
        centred = torch.from_numpy(np.ascontiguousarray(each[..., :channels].transpose(2, 0, 1))).float() - 128
        patches.append(F.unfold(centred[None], PATCH)[0])
    norms = [rows.square().sum(dim=0) for rows in patches]
    return torch.addmm(norms[1], patches[0].T, patches[1], alpha=-2) + norms[0][:, None]


def vote(
    matches: Matches, values: Pixels, weights: VoteWeights, mask: Flags | None = None, known: Pixels | None = None
) -> Pixels:
    """The picture (h + 6, w + 6, 4) in which each pixel is the weighted mean over the matches of its patches.

    Arguments:
        matches: (h, w), at least of the patches with a pixel in ``mask``.
        values: the picture whose patches are the matches.
        weights: (49,) of a patch's pixels; their sum is at most 257.
        mask: (H, W), 1 where pixels are computed; None: everywhere.
        known: (H, W, 4), the other pixels.
    """
    result = blank(matches.shape[0] + PATCH - 1, matches.shape[1] + PATCH - 1)
    known = result if known is None else known
    if (code := compiled()) is None:
        plain.vote(matches, values, weights, mask, known, result)
    else:
        sizes, threads = result.shape[:2], torch.get_num_threads()
        code.vote(matches, *sizes, values, values.shape[1], weights, mask, known, result, threads)
    return result


def vote_floats(
    matches: Matches,
    values: Scores,
    weights: VoteWeights,
    mask: Flags | None = None,
    known: Scores | None = None,
    rounds: bool = False,
) -> Scores:
    """As ``vote``, of ``values`` (H', W', C) of any number of channels: weighted means (H, W, C), added up in float64.

    With ``rounds`` they are rounded to whole numbers, halves upwards. A pixel for which all patches name one source
    pixel has its value, to the bit.
    """
    size, channels = (matches.shape[0] + PATCH - 1, matches.shape[1] + PATCH - 1), values.shape[2]
    result = np.zeros((*size, channels), np.float32)
    known = result if known is None else known
    if (code := compiled()) is None:
        plain.vote_floats(matches, values, weights, mask, known, rounds, result)
    else:
        threads, width = torch.get_num_threads(), values.shape[1]
        code.vote_floats(matches, *size, values, width, channels, weights, mask, known, rounds, result, threads)
    return result


def vote_labels(
    matches: Matches,
    labels: Labels | None,
    weights: VoteWeights,
    mask: Flags | None = None,
    known: Labels | None = None,
) -> Labels:
    """The label (H, W) with most weight at each pixel, of those that its patches' matches have there.

    Of equal ones it is the smallest: no label appears that is not in ``labels`` (H', W').

    Arguments:
        matches: as for ``vote``.
        labels: None: each pixel's place, row << 16 | column.
        weights: as for ``vote``.
        mask: as for ``vote``.
        known: (H, W), the other labels.
    """
    size = matches.shape[0] + PATCH - 1, matches.shape[1] + PATCH - 1
    result = np.full(size, -1, np.int32)
    known = result if known is None else known
    if (code := compiled()) is None:
        plain.vote_labels(matches, labels, weights, mask, known, result)
    else:
        width, threads = 0 if labels is None else labels.shape[1], torch.get_num_threads()
        code.vote_labels(matches, *size, labels, width, weights, mask, known, result, threads)
    return result


def mark_changed(before: Pixels, after: Pixels, threshold: int = 0, within: Flags | None = None) -> Flags:
    """Mark the patches (h, w), of those ``within``, with a pixel that changed by more than ``threshold`` levels."""
    if (code := compiled()) is None:
        return plain.mark(np.abs(before.astype(np.int16) - after).max(axis=2) > threshold, within)
    marks = np.empty(field_size(before), np.uint8)
    code.mark_changed(before, after, *before.shape[:2], threshold, within, marks, torch.get_num_threads())
    return marks


def mark_touching(mask: Flags) -> Flags:
    """Mark the patches (h, w) with a pixel in ``mask`` (H, W)."""
    if (code := compiled()) is None:
        return plain.mark(mask > 0)
    marks = np.empty(field_size(mask), np.uint8)
    code.mark_holding(mask, *mask.shape, marks, torch.get_num_threads())
    return marks


def mark_outside(mask: Flags) -> Flags:
    """Mark the patches (h, w) without a pixel in ``mask`` (H, W)."""
    return np.asarray(1 - mark_touching(mask), np.uint8)


def carry(
    coarse: Matches, size: Size, keys: Size, factors: tuple[float, float], origins: tuple[Size, Size] = ((0, 0), (0, 0))
) -> Matches:
    """The field ``coarse`` (h, w) at a finer level: offsets are multiplied by ``factors``, matches stay inside.

    Arguments:
        coarse: matches of the coarser level.
        size: of the finer field, in patches.
        keys: the number of keys down and across at the finer level.
        factors: the finer level's height and width over the coarser one's.
        origins: row and column of the first patch of ``coarse`` and of the finer field, in their levels.
    """
    if (code := compiled()) is None:
        return plain.carry(coarse, origins[0], size, origins[1], keys, factors)
    fine = np.empty(size, np.int32)
    places = (*size, *origins[1], *keys, *factors, torch.get_num_threads())
    code.carry(coarse, *coarse.shape, *origins[0], fine, *places)
    return fine


def vote_weights(sigma: float | None = None) -> VoteWeights:
    """Weights (49,) of a vote: a Gaussian of ``sigma`` half widths, at least 1 and in sum at most 257; None: all 1."""
    if sigma is None:
        return np.ones(PATCH**2, np.uint16)
    line = np.linspace(-1, 1, PATCH)
    bump = np.exp(-(line[:, None] ** 2 + line**2) / (2 * sigma**2))
    return np.asarray(np.maximum(1, np.rint(220 * bump / bump.sum())), np.uint16).ravel()
