"""A measure of copying that a shift does not fool: regions of a sample that are a region of the picture, anywhere."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.measure import label
from torch import Tensor

from SinGAN.patches.neighbours import Keys
from SinGAN.patches.windows import rows

PATCH = 11  # pixels: the default nets' receptive field, as for ``metrics.copy_score``
LARGE = 1 / 50  # of a sample's patches: a connected region of so many with one offset is called copied
MEASURED = 20  # samples that are looked at, at most: a search for each patch takes its time


@dataclass(frozen=True)
class Regions:
    """What samples hold of coherent regions of the picture, in parts of their patches, 0 to 1; means over samples."""

    coherent: float  # the patches in large regions
    largest: float  # the patches in the largest region


@torch.no_grad()
def copied_regions(samples: Tensor, real: Tensor) -> Regions:
    """The regions of the first ``MEASURED`` of ``samples`` (B, C, H, W) that come whole from ``real`` (1, C, h, w).

    For each patch of 11 x 11 pixels the most alike one of ``real`` is found; neighbours with the same offset to it form
    a region. A picture has one region, wherever it is shifted to; its mirror image has none to speak of.
    """
    patch = min(PATCH, *samples.shape[-2:], *real.shape[-2:])
    keys = Keys.of(real, patch)
    found = [regions_of(offsets(sample, keys, patch, real.shape[-1])) for sample in samples[:MEASURED].split(1)]
    return Regions(*(float(np.mean(values)) for values in zip(*found, strict=True)))


def offsets(sample: Tensor, keys: Keys, patch: int, width: int) -> npt.NDArray[np.int64]:
    """For each patch of ``sample`` (1, C, H, W) a number (h, w) that stands for its offset to the most alike key."""
    across = sample.shape[-1] - patch + 1
    places = keys.places[keys.nearest(rows(sample, patch))].cpu().numpy().reshape(-1, across)
    down, right = np.divmod(places, width - patch + 1)
    own_down, own_right = np.indices(places.shape)
    span = 2 * max(width, across)
    return np.asarray((down - own_down + places.shape[0]) * span + (right - own_right + across) + 1)


def regions_of(numbers: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The share of places (h, w) in large connected regions of one number, and that of the largest region."""
    sizes = np.bincount(label(numbers, connectivity=1, background=-1).ravel())
    shares = sizes / numbers.size
    return float(shares[shares >= LARGE].sum()), float(shares.max())
