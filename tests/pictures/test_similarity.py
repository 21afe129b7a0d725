"""Likeness of pictures, on values known beforehand."""

import math

import pytest
import torch

from SinGAN.pictures import similarity as measures
from tests.workspace import stripes


def test_equal_pictures() -> None:
    assert measures.compare(stripes(), stripes()) == (math.inf, 1, 0)


def test_a_known_difference() -> None:
    score = measures.compare(torch.zeros(1, 3, 20, 20), torch.full((1, 3, 20, 20), 20 / 255))
    assert score.rmse == pytest.approx(10)
    assert score.psnr == pytest.approx(20 * math.log10(255 / 10))


def test_sizes_may_differ_by_a_little() -> None:
    assert measures.compare(stripes(30, 40)[:, :, :29], stripes(30, 40)).rmse == 0
    with pytest.raises(ValueError, match="don't show the same"):
        measures.compare(stripes(30, 40), stripes(60, 80))


def test_tiny_pictures_have_a_likeness() -> None:
    assert measures.compare(stripes(3, 4), stripes(3, 4)).ssim == 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_blurred_picture_has_more_blur(channels: int) -> None:
    sharp = torch.rand(1, channels, 40, 60, generator=torch.Generator().manual_seed(1)) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, stride=1)
    assert 0 < measures.blur(sharp) < measures.blur(blurred) < 1
