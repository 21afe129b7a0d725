"""Guides: labels, or amounts, that say what comes where, as pictures that are compared beside the colours.

As in "texture by numbers" (Hertzmann, Jacobs, Oliver, Curless, Salesin, *Image Analogies*, SIGGRAPH 2001, Sect. 4.5).
"""

import itertools

import numpy as np
import numpy.typing as npt
import scipy

from SinGAN.patches.levels import to_pixels
from SinGAN.patches.search import Pixels

STEP = 85.0  # levels between two labels' codes in each byte that differs, for a weight of 1
BYTES = 4  # of a code
NEAREST = 4  # pixels of the photo with the most similar codes, of which a first guess takes one


def scale_of(weight: float) -> float:
    """The range of a code's bytes, for a ``weight`` of 0 to 9, the whole byte; distances grow with its square."""
    return float(STEP * np.sqrt(weight))


def label_codes(count: int, weight: float) -> npt.NDArray[np.uint8]:
    """The codes (count, 4) of so many labels, up to 256: as far from each other as they can be."""
    steps = max(2, int(np.ceil(count ** (1 / BYTES) - 1e-9)))
    points = np.array([*itertools.product(np.linspace(0, 1, steps), repeat=BYTES)])
    chosen, nearest = [0], np.square(points - points[0]).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(axis=1))
    return np.rint(points[chosen] * scale_of(weight)).astype(np.uint8)


def label_guide(labels: npt.NDArray[np.int32], count: int, weight: float) -> Pixels:
    """The guide (H, W, 4) of ``labels`` (H, W), numbers below ``count``."""
    return np.ascontiguousarray(label_codes(count, weight)[labels])


def amount_guide(amounts: npt.NDArray[np.float64], weight: float) -> Pixels:
    """The guide (H, W, 4) of ``amounts`` (H, W, C) in [0, 1], of which at most the first four channels count."""
    return to_pixels(np.rint(np.clip(amounts[..., :BYTES], 0, 1) * scale_of(weight)).astype(np.uint8))


def first_guess(guide: Pixels, keys: Pixels, values: Pixels, usable: npt.NDArray[np.bool_], seed: int) -> Pixels:
    """A picture (H, W, 4) of ``guide`` (H, W, 4): each pixel is one of ``values`` that has a similar code.

    Arguments:
        guide: of the result.
        keys: (h, w, 4), the guide of ``values``.
        values: (h, w, 4).
        usable: (h, w), whether a pixel can be taken.
        seed: of the choice.
    """
    rng, codes = np.random.default_rng(seed), keys[usable].astype(np.float64)
    order = rng.permutation(len(codes))  # of equal codes, any
    tree = scipy.spatial.cKDTree(codes[order])
    kinds, which = np.unique(guide.reshape(-1, BYTES), axis=0, return_inverse=True)
    found = np.zeros(len(which), np.int64)
    for number, kind in enumerate(kinds.astype(np.float64)):
        here = np.flatnonzero(which.ravel() == number)
        _, near = tree.query(kind, k=min(NEAREST, len(codes)))
        same = np.flatnonzero((codes[order] == codes[order[np.atleast_1d(near)[0]]]).all(axis=1))
        among = same if len(same) > NEAREST else np.atleast_1d(near)
        found[here] = order[among[rng.integers(0, len(among), len(here))]]
    return np.ascontiguousarray(values[usable][found].reshape(*guide.shape[:2], BYTES))
