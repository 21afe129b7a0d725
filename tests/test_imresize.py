"""The resize between scales: what must hold for any picture (its numbers are in test_golden)."""

import torch

from SinGAN.imresize import from_levels, imresize, imresize_to, to_levels
from tests.workspace import stripes


def test_factor_one_only_truncates() -> None:
    image = stripes()
    assert torch.equal(imresize(image, 1.0), from_levels(to_levels(image).double()))


def test_truncation_never_raises_a_level_and_can_lower_one() -> None:
    levels = torch.arange(256, dtype=torch.float64)
    again = to_levels(from_levels(levels))
    assert torch.all((levels - again >= 0) & (levels - again <= 1))
    assert not torch.equal(levels.float(), again)


def test_a_flat_image_stays_flat_at_every_factor() -> None:
    flat = from_levels(torch.full((1, 3, 11, 17), 200.0, dtype=torch.float64))
    for scale in (0.3, 0.75, 1.0, 1.5, 4.0):
        levels = (imresize(flat, scale) + 1) * 127.5
        assert float(levels.max() - levels.min()) < 1e-4


def test_the_size_is_rounded_up() -> None:
    assert imresize(stripes(11, 17), 0.75).shape == (1, 3, 9, 13)
    assert imresize_to(stripes(11, 17), (5, 40)).shape == (1, 3, 5, 40)


def test_a_batch_is_resized_like_its_images() -> None:
    images = torch.cat([stripes(), stripes().flip(3)])
    torch.testing.assert_close(imresize(images, 1.3)[1:], imresize(images[1:], 1.3))


def test_extreme_factors_give_no_nan() -> None:
    image = stripes(40, 6)
    assert torch.isfinite(imresize(image, 0.02)).all()
    assert torch.isfinite(imresize_to(image, (10, 60))).all()  # the kernel of the width is narrowed too
