"""A measure of copying that is invariant to shifts: regions of a sample that occur anywhere in the picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.measure import label
from torch import Tensor

from SinGAN.patches.neighbours import Keys
from SinGAN.patches.windows import rows

PATCH = 11  # pixels: the default nets' receptive field, as for ``metrics.copy_score``
LARGE = 1 / 50  # of a sample's patches: the least size of a copied region
MEASURED = 20  # samples at most, because the search for each patch is slow


@dataclass(frozen=True)
class Regions:
    """Shares of patches in coherent regions of the picture, 0 to 1, averaged over samples."""

    coherent: float  # the patches in large regions
    largest: float  # the patches in the largest region


@torch.no_grad()
def copied_regions(samples: Tensor, real: Tensor) -> Regions:
    """The regions of the first ``MEASURED`` of ``samples`` (B, C, H, W) that are copied from ``real`` (1, C, h, w).

    For each patch of 11 x 11 pixels, the most similar one of ``real`` is searched; neighbours with the same offset to
    it form a region. The picture itself, even if shifted, is one region; its mirror image has hardly any.
    """
    patch = min(PATCH, *samples.shape[-2:], *real.shape[-2:])
    keys = Keys.of(real, patch)
    found = [
        measure_regions(source_offsets(sample, keys, patch, real.shape[-1])) for sample in samples[:MEASURED].split(1)
    ]
    return Regions(*(float(np.mean(values)) for values in zip(*found, strict=True)))


def source_offsets(sample: Tensor, keys: Keys, patch: int, width: int) -> npt.NDArray[np.int64]:
    """A number (h, w) for each patch of ``sample`` (1, C, H, W) that identifies its offset to the most similar key."""
    across = sample.shape[-1] - patch + 1
    places = keys.places[keys.nearest(rows(sample, patch))].cpu().numpy().reshape(-1, across)
    down, right = np.divmod(places, width - patch + 1)
    own_down, own_right = np.indices(places.shape)
    span = 2 * max(width, across)
    return np.asarray((down - own_down + places.shape[0]) * span + (right - own_right + across) + 1)


def measure_regions(numbers: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The share of places (h, w) in large connected regions of equal ``numbers``, and that of the largest region."""
    sizes = np.bincount(label(numbers, connectivity=1, background=-1).ravel())
    shares = sizes / numbers.size
    return float(shares[shares >= LARGE].sum()), float(shares.max())
