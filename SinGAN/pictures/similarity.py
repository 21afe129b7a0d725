"""How near a picture is to the true one."""

from typing import NamedTuple

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from SinGAN.pictures.images import to_levels
from SinGAN.planning import Size


class Score(NamedTuple):
    """Likeness of two pictures of 8-bit levels."""

    psnr: float  # in dB
    ssim: float  # mean structural similarity, 1 for equal pictures (Wang et al. 2004)
    rmse: float  # in levels


def check_sizes(size: Size, wanted: Size) -> None:
    """Raise a ValueError unless an enlarged picture of ``size`` can show what a true one of ``wanted`` shows."""
    if any(abs(a - b) > max(16, 0.1 * b) for a, b in zip(size, wanted, strict=True)):
        raise ValueError(
            f"the true picture is {wanted[0]} x {wanted[1]}, the enlarged one {size[0]} x {size[1]}: "
            "they don't show the same"
        )


def compare(image: Tensor, truth: Tensor) -> Score:
    """The likeness of ``image`` and ``truth``, both (1, C, H, W) in [-1, 1], where both are.

    Sizes may differ by some pixels, as those of an enlarged picture do from its original's.

    Raises:
        ValueError: they differ by more than 16 pixels or a tenth.
    """
    size, wanted = (image.shape[-2], image.shape[-1]), (truth.shape[-2], truth.shape[-1])
    check_sizes(size, wanted)
    height, width = min(size[0], wanted[0]), min(size[1], wanted[1])
    ours, theirs = (to_levels(picture)[:height, :width] for picture in (image, truth))
    error = float(np.sqrt(np.mean((ours.astype(float) - theirs) ** 2)))
    window = min(7, (min(height, width) - 1) // 2 * 2 + 1)
    return Score(
        psnr=float(peak_signal_noise_ratio(theirs, ours, data_range=255)) if error else float("inf"),
        ssim=float(structural_similarity(theirs, ours, win_size=window, channel_axis=-1, data_range=255)),
        rmse=error,
    )
