"""Masks: which pixels of a reference are to be harmonized or edited, and how softly (paper, Sect. 4)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy
import skimage as ski
import torch
from torch import Tensor

from SinGAN.pictures import images

Marks = npt.NDArray[np.bool_]  # (H, W)

HARMONIZATION_RADIUS = 7  # pixels that a mask grows by
EDITING_RADIUS = 20
SIGMA = 5.0  # of the Gaussian that softens the grown mask
JPEG_NOISE = 25  # levels: smaller differences between reference and training picture don't count
MOST = 0.5  # of the picture: a larger guess is useless


def soft_mask(marks: Marks, radius: int) -> Tensor:
    """``marks`` grown by a disk of ``radius``, blurred, and stretched to 0 .. 1: (1, 1, H, W)."""
    grown = scipy.ndimage.binary_dilation(marks, ski.morphology.disk(radius))
    soft = ski.filters.gaussian(grown.astype(np.float64), sigma=SIGMA, mode="nearest", truncate=4.0)
    span = soft.max() - soft.min()
    stretched = (soft - soft.min()) / span if span else grown.astype(np.float64)
    return torch.from_numpy(stretched).float()[None, None]


def exact_mask(marks: Marks) -> Tensor:
    """``marks`` (H, W) as a mask (1, 1, H, W) of 0 and 1, of 8 bits."""
    return torch.from_numpy(marks.astype(np.uint8))[None, None]


def marks_of(reference: Path, image: Tensor, real: Tensor) -> tuple[Marks, str]:
    """The marked pixels of the file ``reference``, and a line that says where they come from.

    They come from its mask file, if it has one; else they are those where ``image``, the reference,
    differs from ``real`` (both (1, C, H, W)).

    Raises:
        ValueError: no pixel or every pixel is marked, or the guess covers most of the picture.
    """
    file = find_mask(reference)
    if file is not None:
        return checked(marked(images.read_like(file, real, channels=3)), str(file)), f"mask: {file}"
    missing = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
    marks = checked_difference(
        image, real, str(reference), f"mark what to change, white on black, in a mask file {missing}"
    )
    share = float(marks.mean())
    return marks, f"no mask file {missing}: the mask is where the reference differs, {share:.1%} of the picture"


def checked(marks: Marks, name: str) -> Marks:
    """``marks``, those of the mask called ``name``; a ValueError where they mark nothing, or everything."""
    if not marks.any():
        raise ValueError(f"the mask {name} marks no pixel: draw what to change in white")
    if marks.all():
        raise ValueError(
            f"the mask {name} marks every pixel: draw what to keep in black (what is transparent counts by its colour)"
        )
    return marks


def checked_difference(image: Tensor, real: Tensor, name: str, remedy: str) -> Marks:
    """The pixels (H, W) where ``image`` and ``real`` differ; a ValueError where these are none, or most.

    Arguments:
        image: the reference, (1, C, H, W).
        real: the training picture, likewise.
        name: of the reference, for messages.
        remedy: what the user may do, for messages.
    """
    marks = difference(image, real)
    share = float(marks.mean())
    if share == 0:
        raise ValueError(f"{name} does not differ from the training picture, and has no mask: {remedy}")
    if share > MOST:
        raise ValueError(f"{name} differs from the training picture on {share:.0%} of it: {remedy}")
    return marks


def find_mask(reference: Path) -> Path | None:
    """The file ``<reference>_mask`` beside ``reference``, of the same kind or else of another; None without one."""
    same = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
    if same.exists():
        return same
    others = [path for path in reference.parent.iterdir() if path.stem == f"{reference.stem}_mask"]
    return min(others, default=None)


def marked(mask: Tensor) -> Marks:
    """The pixels (H, W) of ``mask`` (1, 3, H, W) where any colour is at least half of the range."""
    return np.asarray(images.to_levels(mask).max(axis=2) >= 128)


def difference(image: Tensor, real: Tensor) -> Marks:
    """The pixels (H, W) where two pictures (1, C, H, W) differ by more than JPEG noise, without specks."""
    gap = np.abs(images.to_levels(image).astype(np.int16) - images.to_levels(real))[:, :, :3].max(
        axis=2
    )  # alpha is ignored
    return np.asarray(scipy.ndimage.binary_opening(gap > JPEG_NOISE, ski.morphology.disk(1)))
