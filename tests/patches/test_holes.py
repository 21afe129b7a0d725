"""Holes and extensions: what they leave alone, what comes into them, and their colours."""

import numpy as np
import pytest
import torch

from SinGAN.patches import holes, seams
from SinGAN.patches.instant import Instant, as_levels
from SinGAN.patches.levels import Photo, add_texture
from tests.patches.plain import seeded
from tests.patches.test_instant import difference, ellipse, photo


@pytest.mark.parametrize("size", [(60, 80), (400, 520)])
def test_inpainting_leaves_every_other_byte(size: tuple[int, int]) -> None:
    levels, hole = photo(*size), ellipse(*size)
    outside = hole[0, 0].numpy() == 0
    first, second = (as_levels(each) for each in Instant.of(levels).inpaint(hole, None, seeded(), 2))
    for picture in (first, second):
        assert np.array_equal(picture[outside], levels[outside])
        assert difference(picture[~outside], levels[~outside]) > 1
    assert not np.array_equal(first, second)
    everything = torch.ones_like(hole)
    with pytest.raises(ValueError, match="no whole patch"):
        next(Instant.of(levels).inpaint(everything, None, seeded()))


def test_filling_a_hole_of_a_transparent_photo_leaves_the_photo_as_it_is() -> None:
    engine, hole = Instant.of(photo(40, 50, channels=4)), ellipse(40, 50)
    before = engine.photo.pixels.copy()
    first, second = engine.inpaint(hole, None, seeded(), 2)
    assert not torch.equal(first, second)
    assert np.array_equal(engine.photo.pixels, before)


def test_a_hole_in_a_periodic_texture_is_filled_periodically() -> None:
    y, x = np.indices((90, 110))
    levels = np.stack([(y % 10) * 20, (x % 10) * 22, (y + x) % 10 * 25], axis=2).astype(np.uint8)
    filled = as_levels(next(Instant.of(levels).inpaint(ellipse(90, 110), None, seeded())))
    assert difference(filled, levels) < 0.2


@pytest.mark.parametrize("size", [(60, 80), (400, 520)])
def test_outpainting_keeps_the_photo_and_continues_it(size: tuple[int, int]) -> None:
    levels, margins = photo(*size), (6, 0, size[1] // 4, size[1] // 2)
    first, second = (as_levels(each) for each in Instant.of(levels).outpaint(margins, seeded(), 2))
    for picture in (first, second):
        assert picture.shape == (size[0] + 6, size[1] + size[1] // 4 + size[1] // 2, 3)
        assert np.array_equal(picture[6:, size[1] // 4 : -(size[1] // 2)], levels)
    assert not np.array_equal(first, second)
    with pytest.raises(ValueError, match="100080 x 60 pixels: extend it by less"):
        Instant.of(photo(60, 80)).outpaint((0, 0, 0, 100000), seeded())


def test_a_periodic_picture_is_continued_periodically() -> None:
    y, x = np.indices((80, 100))
    levels = np.stack([(y % 10) * 20, (x % 10) * 22, (y + x) % 10 * 25], axis=2).astype(np.uint8)
    wider = as_levels(next(Instant.of(levels).outpaint((0, 0, 0, 40), seeded())))
    y, x = np.indices((80, 140))
    expected = np.stack([(y % 10) * 20, (x % 10) * 22, (y + x) % 10 * 25], axis=2).astype(np.uint8)
    assert difference(wider, expected) < 2


def test_colours_of_a_filled_part_meet_those_around_it() -> None:
    rng = np.random.default_rng(0)
    levels = np.clip(120 + rng.normal(0, 6, (300, 400, 4)), 0, 255).astype(np.uint8)
    mask = np.zeros((300, 400), np.uint8)
    mask[60:240, 100:300] = 1
    brighter = levels.copy()
    brighter[mask > 0, :3] += 10
    seams.match_colours(brighter, mask)
    assert np.array_equal(brighter[mask == 0], levels[mask == 0])
    assert np.array_equal(brighter[..., 3], levels[..., 3])
    around = levels[..., :3].mean()
    assert abs(brighter[60:64, 110:290, :3].mean() - around) < 3  # of 10 levels, at the border
    assert brighter[145:155, 195:205, :3].mean() - around > 5  # deep inside
    other = levels.copy()
    other[mask > 0, :3] += 60  # another object: it is left
    before = other.copy()
    seams.match_colours(other, mask)
    assert np.array_equal(other, before)


def test_the_fill_decides_what_comes_into_a_hole() -> None:
    levels = np.full((60, 80, 3), 30, np.uint8)
    levels[30:] = 220
    levels = np.clip(levels + np.random.default_rng(0).normal(0, 12, levels.shape), 0, 255).astype(np.uint8)
    engine, hole = Instant.of(levels), torch.zeros(1, 1, 60, 80, dtype=torch.uint8)
    hole[..., 12:48, 24:60] = 1
    inside = hole[0, 0].numpy() > 0
    dark, light = (
        as_levels(next(engine.inpaint(hole, engine.colour([level]), seeded())))[inside].mean() for level in (20, 235)
    )
    assert dark < light
    assert engine.colour([0, 127, 255]).flatten().tolist() == [0, 127, 255]
    with pytest.raises(ValueError, match="3 levels of 0 to 255, as 90 140 60, not 2"):
        engine.colour([1, 2])


def test_a_smooth_part_and_a_rough_one_of_one_colour_differ_in_texture() -> None:
    rough = np.random.default_rng(0).integers(90, 111, (40, 40, 3)).astype(np.uint8)
    levels = np.concatenate([np.full((40, 40, 3), 100, np.uint8), rough], axis=1)
    texture = add_texture(Photo.of(levels).pixels, 3)[..., 3]
    assert texture[:, :36].max() == 0
    assert texture[:, 44:].min() > 10


def test_holes_start_where_they_are_a_few_patches_wide() -> None:
    mask = np.zeros((400, 600), np.uint8)
    mask[100:300, 200:400] = 1
    assert holes.largest_radius(mask) == pytest.approx(100, rel=0.05)
    assert holes.coarsest_scale(mask) == pytest.approx(0.05, rel=0.05)
    sizes, solved = holes.hole_sizes(mask, 0.05)
    assert sizes[-1] == (400, 600)
    assert sizes[solved - 1] == (200, 300)
    assert min(sizes[0]) >= 14
    thin = np.zeros((40, 60), np.uint8)
    thin[20, 10:50] = 1
    assert holes.coarsest_scale(thin) == 1
    assert holes.hole_sizes(thin, 1.0) == ([(40, 60)], 1)
