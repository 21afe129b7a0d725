"""Masks: the pixels of a reference to harmonize or edit, and how softly they blend (paper, Sect. 4)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy
import skimage as ski
import torch
from torch import Tensor

from SinGAN.pictures import arrays, images
from SinGAN.pictures.rasters import is_raster

Marks = npt.NDArray[np.bool_]  # (H, W)

HARMONIZATION_RADIUS = 7  # pixels of dilation
EDITING_RADIUS = 20
SIGMA = 5.0  # pixels, of the Gaussian that softens the dilated mask
JPEG_NOISE = 25  # levels: smaller differences between reference and training picture are ignored
MOST = 0.5  # of the picture: a mask guessed from differences may not cover more
OPAQUE = 128  # alpha: a pixel with less is erased


def soft_mask(marks: Marks, radius: int) -> Tensor:
    """Dilate ``marks`` by a disk of ``radius``, blur them, and stretch them to 0 .. 1: (1, 1, H, W)."""
    grown = scipy.ndimage.binary_dilation(marks, ski.morphology.disk(radius))
    soft = ski.filters.gaussian(grown.astype(np.float64), sigma=SIGMA, mode="nearest", truncate=4.0)
    span = soft.max() - soft.min()
    stretched = (soft - soft.min()) / span if span else grown.astype(np.float64)
    return torch.from_numpy(stretched).float()[None, None]


def exact_mask(marks: Marks) -> Tensor:
    """``marks`` (H, W) as an 8-bit mask (1, 1, H, W) of 0 and 1."""
    return torch.from_numpy(marks.astype(np.uint8))[None, None]


def find_marks(reference: Path, image: Tensor, real: Tensor) -> tuple[Marks, str]:
    """The pixels to change in the file ``reference``, and a line about their origin.

    They are those of its mask file, if it has one; else those where ``image``, the reference, differs from ``real``
    (both (1, C, H, W)).

    Raises:
        ValueError: no pixel or every pixel is marked, or the guess covers most of the picture.
    """
    file = find_mask(reference)
    if file is not None:
        return check_marks(read_marks(images.read_like(file, real, channels=3)), str(file)), f"mask: {file}"
    missing = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
    marks = check_difference(
        image, real, str(reference), f"mark what to change, white on black, in a mask file {missing}"
    )
    share = float(marks.mean())
    return marks, f"no mask file {missing}: the mask is where the reference differs, {share:.1%} of the picture"


def check_marks(marks: Marks, name: str) -> Marks:
    """Return ``marks``; raise a ValueError about the mask ``name`` if they mark no pixel or every pixel."""
    if not marks.any():
        raise ValueError(f"the mask {name} marks no pixel: draw what to change in white, level 255")
    if marks.all():
        raise ValueError(
            f"the mask {name} marks every pixel: draw what to keep in black (transparent pixels count by their colour)"
        )
    return marks


def check_difference(image: Tensor, real: Tensor, name: str, remedy: str) -> Marks:
    """The pixels (H, W) where ``image`` and ``real`` differ.

    Arguments:
        image: the reference, (1, C, H, W).
        real: the training picture, likewise.
        name: of the reference, for messages.
        remedy: for messages.

    Raises:
        ValueError: the pictures differ nowhere, or on most of the picture.
    """
    marks = difference(image, real)
    share = float(marks.mean())
    if share == 0:
        raise ValueError(f"{name} does not differ from the training picture, and has no mask: {remedy}")
    if share > MOST:
        raise ValueError(f"{name} differs from the training picture on {share:.0%} of it: {remedy}")
    return marks


def find_erased(picture: arrays.Picture, channels: int) -> Marks | None:
    """The pixels (H, W) that are erased in the alpha channel of ``picture``, a file or an array; None without any.

    Of a picture that is used with 4 ``channels`` alpha is a part, and nothing is erased.
    """
    if channels == 4:
        return None
    if arrays.is_file(picture) and (is_raster(path := arrays.path_of(picture)) or not images.has_alpha(path)):
        return None
    marks = np.asarray(arrays.levels_of(picture, 4, opaque=True)[:, :, 3] < OPAQUE)
    return marks if marks.any() else None


def find_mask(reference: Path) -> Path | None:
    """The file ``<reference>_mask`` beside ``reference``, preferably with the same extension, or None."""
    same = reference.with_name(f"{reference.stem}_mask{reference.suffix}")
    if same.exists():
        return same
    others = [path for path in reference.parent.iterdir() if path.stem == f"{reference.stem}_mask"]
    return min(others, default=None)


def read_marks(mask: Tensor) -> Marks:
    """The pixels (H, W) of ``mask`` (1, 3, H, W) where any colour is at least 128."""
    return np.asarray(images.to_levels(mask).max(axis=2) >= 128)


def difference(image: Tensor, real: Tensor) -> Marks:
    """The pixels (H, W) where two pictures (1, C, H, W) differ by more than JPEG noise, without single specks."""
    colours, real_colours = (images.to_levels(picture)[:, :, :3].astype(np.int16) for picture in (image, real))
    gap = np.abs(colours - real_colours).max(axis=2)
    return np.asarray(scipy.ndimage.binary_opening(gap > JPEG_NOISE, ski.morphology.disk(1)))
