"""Which labels a pixel may have: those that training pixels of nearly its values have.

The channels of a trained model decide among these. Thus a label that is a function of the pixel stays that function.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

TOLERANCE = 1 / 255  # of values in [-1, 1]: half a grey level beyond the most similar training pixel
COMPARED = 6  # channels, at most: of more, principal components

Pixels = npt.NDArray[np.float32]  # (N, C), in [-1, 1]


@dataclass(frozen=True, eq=False)
class Possible:
    """The training pixels of each label of a map."""

    directions: npt.NDArray[np.float64]  # (C, at most 6): what is compared of a pixel's channels
    trees: tuple[scipy.spatial.cKDTree | None, ...]  # of each label; None: no training pixel has it

    @classmethod
    def of(cls, pixels: Pixels, numbers: npt.NDArray[np.intp], count: int) -> "Possible":
        """The training ``pixels`` (N, C) by the ``numbers`` (N,) of their labels, of which there are ``count``."""
        directions = np.eye(pixels.shape[1])
        if pixels.shape[1] > COMPARED:
            directions = np.linalg.eigh(np.cov(pixels.astype(np.float64), rowvar=False))[1][:, : -COMPARED - 1 : -1]
        compared = pixels @ directions
        of_labels = (np.unique(compared[numbers == number], axis=0) for number in range(count))
        return cls(directions, tuple(scipy.spatial.cKDTree(each) if len(each) else None for each in of_labels))

    def mask(self, pixels: Pixels) -> npt.NDArray[np.bool_]:
        """Whether each of ``pixels`` (N, C) may have each label: (N, labels)."""
        different, places = np.unique(pixels @ self.directions, axis=0, return_inverse=True)
        far = np.full(len(different), np.inf)
        gaps = np.stack([far if tree is None else tree.query(different)[0] for tree in self.trees], axis=1)
        return np.asarray((gaps <= gaps.min(axis=1, keepdims=True) + TOLERANCE)[places.ravel()])
