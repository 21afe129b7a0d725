"""Sketches of images, and pyramids that learn them."""

import pytest
import torch

from SinGAN.planning import PyramidConfig, build_reals, plan_scales
from SinGAN.variants.sketches import sketch
from tests.workspace import stripes


def test_a_plain_image_is_grey_paper() -> None:
    for level in (-1.0, 0.3):
        assert torch.allclose(sketch(torch.full((1, 3, 20, 20), level)), torch.zeros(1, 3, 20, 20), atol=1e-6)


def test_an_edge_is_drawn_dark_and_light_on_its_sides() -> None:
    image = torch.full((1, 3, 24, 24), 0.5)
    image[..., 12:] = -0.5
    drawn = sketch(image)
    assert drawn.shape == image.shape
    assert torch.equal(drawn[:, 0], drawn[:, 1])
    row = drawn[0, 0, 12]
    assert float(row[11]) == float(row.max()) == pytest.approx(0.8)
    assert float(row[12]) == float(row.min()) == pytest.approx(-0.8)
    assert float(torch.cat([row[:8], row[16:]]).abs().max()) < 0.05


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images(channels: int) -> None:
    image = torch.cat([stripes(), torch.linspace(-1, 1, 32).expand(1, 1, 24, 32)], dim=1)[:, :channels]
    drawn = sketch(image)
    assert drawn.shape == image.shape
    assert float(drawn[:, 0].min()) < 0
    if channels == 4:
        assert torch.equal(drawn[:, 3], image[:, 3])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_scales_below_the_finest_are_sketches(count: int) -> None:
    image = stripes(48, 64)
    plain = build_reals(image, plan_scales(48, 64, PyramidConfig(max_size=64)))
    plan = plan_scales(48, 64, PyramidConfig(max_size=64, sketch_scales=count))
    reals = build_reals(image, plan)
    assert torch.equal(reals[-1], plain[-1])
    kinds = [torch.equal(real, same) for real, same in zip(reals, plain, strict=True)]
    assert kinds == [True] * (len(plain) - 1 - count) + [False] * count + [True]
    for index in range(len(plain) - 1 - count, len(plain) - 1):
        assert torch.equal(reals[index], sketch(plain[index]))


def test_more_sketches_than_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="`sketch_scales` 9 is above 4, the number of scales below the finest"):
        plan_scales(48, 64, PyramidConfig(max_size=64, sketch_scales=9))
