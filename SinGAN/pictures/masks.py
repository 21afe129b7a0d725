"""Masks: which pixels of a reference are to be harmonized or edited, and how softly (paper, Sect. 4)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage import filters, morphology
from torch import Tensor

from SinGAN.pictures import images

Marks = npt.NDArray[np.bool_]  # (H, W)

HARMONIZATION_RADIUS = 7  # pixels that a mask grows by
EDITING_RADIUS = 20
SIGMA = 5.0  # of the Gaussian that softens the grown mask
JPEG_NOISE = 25  # levels: smaller differences between reference and training picture don't count
MOST = 0.5  # of the picture: a guessed mask larger than that is no use


def soft_mask(marks: Marks, radius: int) -> Tensor:
    """``marks`` grown by a disk of ``radius``, blurred, and stretched to 0 .. 1: (1, 1, H, W)."""
    grown = ndimage.binary_dilation(marks, morphology.disk(radius))
    soft = filters.gaussian(grown.astype(np.float64), sigma=SIGMA, mode="nearest", truncate=4.0)
    span = soft.max() - soft.min()
    stretched = (soft - soft.min()) / span if span else grown.astype(np.float64)
    return torch.from_numpy(stretched).float()[None, None]


def marks_of(reference: Path, image: Tensor, real: Tensor) -> tuple[Marks, str]:
    """The marked pixels of ``reference``, and a line on where they come from.

    From its mask file, if it has one; else from where ``image``, the reference, differs from
    ``real`` (both (1, C, H, W)).

    Raises:
        ValueError: no pixel or every pixel is marked, or the guess covers most of the picture.
    """
    file = find_mask(reference)
    if file is None:
        marks = difference(image, real)
        share = float(marks.mean())
        wanted = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
        if share == 0:
            raise ValueError(f"{reference} does not differ from the training picture, and has no mask file {wanted}")
        if share > MOST:
            raise ValueError(
                f"{reference} differs from the training picture on {share:.0%} of it: "
                f"mark what to change, white on black, in a mask file {wanted}"
            )
        return marks, f"no mask file {wanted}: the mask is where the reference differs, {share:.1%} of the picture"
    marks = marked(images.read_like(file, real, channels=3))
    if not marks.any():
        raise ValueError(f"the mask {file} marks no pixel: draw what to change in white")
    if marks.all():
        raise ValueError(f"the mask {file} marks every pixel: draw what to keep in black")
    return marks, f"mask: {file}"


def find_mask(reference: Path) -> Path | None:
    """``<reference>_mask`` beside ``reference``, of its own or else of another kind of file."""
    same = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
    if same.exists():
        return same
    others = [path for path in reference.parent.iterdir() if path.stem == f"{reference.stem}_mask"]
    return min(others, default=None)


def marked(mask: Tensor) -> Marks:
    """The pixels (H, W) of ``mask`` (1, 3, H, W) where any colour is at least half of the range."""
    return np.asarray(images.to_levels(mask).max(axis=2) >= 128)


def difference(image: Tensor, real: Tensor) -> Marks:
    """Where two pictures (1, C, H, W) visibly differ: beyond JPEG noise, and without specks."""
    gap = np.abs(images.to_levels(image).astype(int) - images.to_levels(real))[:, :, :3].max(axis=2)  # alpha is ignored
    return np.asarray(ndimage.binary_opening(gap > JPEG_NOISE, morphology.disk(1)))
