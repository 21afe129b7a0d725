"""PSNR, SSIM and RMSE: the similarity of a picture to the true one."""

from typing import NamedTuple

import numpy as np
from skimage.measure import blur_effect
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from SinGAN.pictures.images import to_levels
from SinGAN.planning import Size


class Score(NamedTuple):
    """The similarity of two pictures of 8-bit levels."""

    psnr: float  # in dB
    ssim: float  # mean structural similarity, 1 for equal pictures (Wang et al. 2004)
    rmse: float  # in levels


def check_sizes(size: Size, true_size: Size) -> None:
    """Raise a ValueError if an enlarged picture of ``size`` and the true one differ too much in size."""
    if any(abs(a - b) > max(16, 0.1 * b) for a, b in zip(size, true_size, strict=True)):
        raise ValueError(
            f"the true picture is {true_size[0]} x {true_size[1]}, the enlarged one {size[0]} x {size[1]}: "
            "they don't show the same"
        )


def blur(image: Tensor) -> float:
    """The blur of ``image`` (1, C, H, W) in [-1, 1], without reference: 0 is sharp, 1 blurred (Crete et al. 2007)."""
    levels = to_levels(image) / 255.0
    return float(blur_effect(levels[..., :3], channel_axis=-1) if levels.shape[2] >= 3 else blur_effect(levels[..., 0]))


def compare(image: Tensor, truth: Tensor) -> Score:
    """The similarity of ``image`` and ``truth``, both (1, C, H, W) in [-1, 1].

    Sizes may differ by some pixels, as for enlarged pictures; then the common part is compared.

    Raises:
        ValueError: they differ by more than 16 pixels and by more than a tenth.
    """
    size, true_size = (image.shape[-2], image.shape[-1]), (truth.shape[-2], truth.shape[-1])
    check_sizes(size, true_size)
    height, width = min(size[0], true_size[0]), min(size[1], true_size[1])
    levels, true_levels = (to_levels(picture)[:height, :width] for picture in (image, truth))
    error = float(np.sqrt(np.mean((levels.astype(float) - true_levels) ** 2)))
    window = min(7, (min(height, width) - 1) // 2 * 2 + 1)
    return Score(
        psnr=float(peak_signal_noise_ratio(true_levels, levels, data_range=255)) if error else float("inf"),
        ssim=float(structural_similarity(true_levels, levels, win_size=window, channel_axis=-1, data_range=255)),
        rmse=error,
    )
