"""The instant engine: samples are never the photo, and nothing outside a mask changes."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.patches import layouts, search
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.layouts import largest_region
from SinGAN.patches.levels import Levels, Photo, halvings, limit_levels
from SinGAN.patches.makers import Refiner
from SinGAN.patches.samples import LEAST_DIFFERENCE, NoVarietyError, Sampler
from SinGAN.patches.votes import Votes
from SinGAN.pictures.images import to_levels
from tests.patches.plain import scene, seam_ratio, seeded

Patch = pytest.MonkeyPatch


def photo(height: int = 44, width: int = 56, channels: int = 3) -> Levels:
    """A photo with structure at all scales, (height, width, channels)."""
    levels = to_levels(scene(height, width))
    alpha = np.full_like(levels[..., :1], 200)
    return np.ascontiguousarray(np.concatenate([levels, alpha], axis=2)[..., :channels])


def difference(one: Levels, other: Levels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def samples(levels: Levels, count: int = 1, seed: int = 1, **more: object) -> list[Levels]:
    variety = more.pop("variety", "medium")
    engine = Instant.of(levels, str(variety))
    return [as_levels(image) for image in engine.sample(seeded(seed), count, **more)]  # type: ignore[arg-type]


def ellipse(height: int, width: int) -> Tensor:
    """A mask (1, 1, height, width) of an ellipse in the middle, 8 bits."""
    y, x = torch.arange(height)[:, None] / height - 0.5, torch.arange(width) / width - 0.5
    return (y.square() + x.square() < 0.03).to(torch.uint8)[None, None]


@pytest.mark.parametrize(
    "variety", [pytest.param("low", marks=pytest.mark.slow), "medium", pytest.param("high", marks=pytest.mark.slow)]
)
def test_no_sample_is_the_photo_or_another_sample(variety: str) -> None:
    levels = photo(60, 80)
    found = samples(levels, 4, variety=variety)
    assert len(found) == 4
    pictures = [levels, *found]
    for index, one in enumerate(pictures):
        assert one.shape == levels.shape
        assert all(difference(one, other) >= LEAST_DIFFERENCE for other in pictures[:index])


def test_a_picture_that_allows_no_variety_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    for flat in (np.full((40, 50, 3), 90, np.uint8), np.full((12, 12, 1), 90, np.uint8)):
        with pytest.raises(NoVarietyError, match="allows no variety: no sample was found that would differ by 6 grey"):
            samples(flat)
    rows = np.indices((24, 24)).sum(axis=0)[..., None]
    few = (120 + 12 * (rows // 6 % 2)).astype(np.uint8)  # all that differ are each other's negative
    with caplog.at_level("INFO"):
        found = samples(few, 5)
    assert 1 <= len(found) < 5
    assert f"{len(found)} of 5 samples: the picture allows no more that differ by 6 grey levels" in caplog.text


def test_a_tiny_picture_has_samples_or_says_why() -> None:
    assert samples(photo(20, 24))[0].shape == (20, 24, 3)
    assert samples(photo(9, 30))[0].shape == (9, 30, 3)
    with pytest.raises(ValueError, match=r"the picture has 20 x 6 pixels, and a patch 7 x 7: enlarge it"):
        samples(photo(6, 20))


def test_the_first_samples_do_not_depend_on_the_count_and_equal_seeds_give_equal_ones() -> None:
    levels = photo()
    two, one, other = samples(levels, 2), samples(levels, 1), samples(levels, 1, seed=2)
    assert np.array_equal(two[0], one[0])
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("channels", [1, 4])
def test_samples_of_grey_and_transparent_pictures(channels: int) -> None:
    (sample,) = samples(photo(40, 52, channels))
    assert sample.shape == (40, 52, channels)
    if channels == 4:
        assert np.abs(sample[..., 3].astype(int) - 200).max() <= 1


def test_samples_of_other_sizes() -> None:
    assert [sample.shape for sample in samples(photo(), 2, enlargement=(0.8, 1.5))] == [(35, 84, 3)] * 2
    with pytest.raises(ValueError, match="raise `scale_h`, `scale_v` or `size`"):
        samples(photo(), enlargement=(0.1, 1.0))
    with pytest.raises(ValueError, match="`start_scale` above 0 keep the photo's layout"):
        samples(photo(), start=1)


def test_the_number_of_threads_changes_no_bit() -> None:
    levels, threads, results = photo(60, 72), torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(samples(levels)[0])
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(results[0], results[1])


def test_numpy_gives_the_same_pictures(monkeypatch: Patch) -> None:
    engine, hole = Instant.of(photo(30, 36)), ellipse(30, 36)
    ours = samples(photo(30, 36))[0], as_levels(next(engine.inpaint(hole, None, seeded())))
    monkeypatch.setattr(search, "compiled", lambda: None)
    plain = samples(photo(30, 36))[0], as_levels(next(engine.inpaint(hole, None, seeded())))
    assert all(np.array_equal(*pair) for pair in zip(ours, plain, strict=True))


def test_a_sample_of_a_checkerboard_is_a_checkerboard() -> None:
    board = (np.indices((96, 120)) // 12).sum(axis=0) % 2
    levels = np.where(board[..., None] > 0, [220, 60, 40], [20, 90, 200]).astype(np.uint8)
    for sample in samples(levels):
        to_colours = np.abs(sample[:, :, None].astype(int) - [[220, 60, 40], [20, 90, 200]]).max(axis=3).min(axis=2)
        assert float((to_colours < 30).mean()) > 0.9  # two colours,
        kinds = (sample[..., 0] > 120).astype(int)
        changes = [np.abs(np.diff(kinds, axis=axis)).sum() / kinds.size for axis in (0, 1)]
        assert changes == pytest.approx([1 / 12, 1 / 12], rel=0.35)  # in cells of about the same size


@pytest.mark.parametrize(("height", "width"), [(150, 200), (600, 520)])
def test_every_level_is_shown_and_the_last_is_the_result(height: int, width: int) -> None:
    shown: list[Levels] = []
    engine = replace(Instant.of(photo(height, width)), watch=shown.append)
    (sample,) = engine.sample(seeded(), 1)
    sizes = engine.photo.sizes
    layouts = sum(levels.shape[:2] == sizes[0] for levels in shown)
    assert layouts >= 1
    assert [levels.shape[:2] for levels in shown] == [sizes[0]] * layouts + sizes[2:]
    assert np.array_equal(shown[-1], as_levels(sample))
    assert as_levels(sample).shape == (height, width, 3)


def test_large_pictures_are_solved_small_and_lifted() -> None:
    assert halvings((300, 200)) == [(300, 200)]
    assert halvings((3001, 2000)) == [(188, 125), (376, 250), (751, 500), (1501, 1000), (3001, 2000)]
    assert Photo.of(photo(600, 520)).solved == len(Photo.of(photo(600, 520)).sizes) - 3 + 1
    assert min(Photo.of(photo(60, 700)).sizes[0]) < 24  # a layout never has many more pixels than 24 x 32


@pytest.mark.slow
def test_a_sample_that_is_near_the_photo_after_all_is_followed_by_another(monkeypatch: Patch) -> None:
    """The check at full size, of which the first two finished samples fail."""
    asked: list[int] = []
    difference_to_photo = Sampler._difference

    def near_at_first(sampler: Sampler, picture: Levels, level: int) -> float:
        if level == len(sampler.sizes) - 1:
            asked.append(level)
            return 5.0 if len(asked) <= 2 else 9.0
        return difference_to_photo(sampler, picture, level)

    monkeypatch.setattr(Sampler, "_difference", near_at_first)
    levels = photo(300, 280)
    (sample,) = samples(levels)
    assert len(asked) == 3
    assert sample.shape == levels.shape
    monkeypatch.setattr(Sampler, "_difference", lambda sampler, *_: 5.0 if _[1] == len(sampler.sizes) - 1 else 90.0)
    with pytest.raises(NoVarietyError):
        samples(levels)


def test_a_lifted_sample_is_as_sharp_as_the_photo() -> None:
    levels = photo(500, 600)
    rough = np.random.default_rng(0).normal(0, 20, levels.shape)
    levels = np.clip(levels + rough, 0, 255).astype(np.uint8)
    (sample,) = samples(levels)
    sharpness = [np.abs(np.diff(each.astype(int), axis=1)).mean() for each in (levels, sample)]
    assert sharpness[1] > 0.75 * sharpness[0]


@pytest.mark.parametrize("size", [(60, 80), (400, 520)])
def test_an_edit_leaves_every_byte_outside_its_rim(size: tuple[int, int]) -> None:
    levels, engine = photo(*size), Instant.of(photo(*size))
    reference, mask = levels.copy(), torch.zeros(1, 1, *size, dtype=torch.uint8)
    top, left, height, width = (int(part * side) for part, side in zip((0.3, 0.4, 0.3, 0.2), size * 2, strict=True))
    box = slice(top, top + height), slice(left, left + width)
    reference[box] = [250, 20, 230]
    mask[0, 0][box] = 1
    scale = engine.injection_scale
    result = engine.retouch(as_image(reference), mask, [scale], seeded(), 2)
    changes = result.mask[0, 0].numpy() > 0
    assert mask[0, 0].numpy()[changes].mean() > 0.5
    for _, _, picture in result.pictures:
        edited = as_levels(picture)
        assert np.array_equal(edited[~changes], levels[~changes])
        rim = round(0.04 * max(size)) + 2
        inner = slice(top + rim, top + height - rim), slice(left + rim, left + width - rim)
        assert difference(edited[inner], reference[inner]) < 30 < 60 < difference(edited[inner], levels[inner])


def test_a_foreign_object_keeps_its_colours_and_its_outline() -> None:
    levels = photo(120, 150)
    disc = (np.indices((120, 150)) - np.array([60, 75])[:, None, None]).astype(float)
    disc = np.hypot(*disc) < 25
    reference = levels.copy()
    reference[disc] = [250, 10, 240]
    mask = torch.from_numpy(disc.astype(np.uint8))[None, None]
    engine = Instant.of(levels)
    ((_, _, picture),) = engine.retouch(as_image(reference), mask, [engine.injection_scale], seeded()).pictures
    inner = np.hypot(*(np.indices((120, 150)) - np.array([60, 75])[:, None, None])) < 20
    assert difference(as_levels(picture)[inner], reference[inner]) < 8


def test_a_pasted_rectangle_loses_its_border() -> None:
    """The gradient across the border of a rectangle pasted from elsewhere, over that inside: the seam hides it."""
    levels = np.full((100, 140, 3), 60, np.uint8)
    levels[:, 70:] = 170
    levels = np.clip(levels + np.random.default_rng(0).normal(0, 10, levels.shape), 0, 255).astype(np.uint8)
    y, x = np.indices((100, 140))
    levels[np.hypot(y - 50, x - 105) < 14] = [220, 200, 30]
    reference = levels.copy()
    reference[25:75, 10:60] = levels[25:75, 80:130]  # the disc with the light ground round it, on dark ground
    mask = np.zeros((100, 140), np.uint8)
    mask[25:75, 10:60] = 1
    engine = Instant.of(levels)
    result = engine.retouch(as_image(reference), torch.from_numpy(mask)[None, None], [4], seeded())
    ((_, _, picture),) = result.pictures
    edited = as_levels(picture)

    def border(picture: Levels) -> float:
        steps = np.abs(np.diff(picture.astype(int), axis=1)).mean(axis=2)
        return float((steps[30:70, 9].mean() + steps[30:70, 59].mean()) / 2)

    assert border(reference) > 50
    assert border(edited) < 0.5 * border(reference)
    assert difference(edited[45:56, 30:41], np.broadcast_to([220, 200, 30], (11, 11, 3))) < 25  # the disc is there


def test_a_paint_becomes_patches_of_the_photo() -> None:
    levels = photo(60, 80)
    strokes = np.full_like(levels, 100)
    strokes[:30] = 180
    engine = Instant.of(levels)
    (painted,) = (as_levels(each) for each in engine.paint(as_image(strokes), 2, seeded()))
    assert painted.shape == levels.shape
    assert painted[:30].mean() > painted[30:].mean()
    assert (
        np.abs(np.diff(painted.astype(int), axis=1)).mean() > 0.5 * np.abs(np.diff(levels.astype(int), axis=1)).mean()
    )


def test_retargeting_and_analogies_have_the_sizes_asked_for() -> None:
    engine = Instant.of(photo())
    assert [as_levels(each).shape for each in engine.retarget(seeded(), 2, (1.0, 1.6))] == [(44, 90, 3)] * 2
    assert [as_levels(each).shape for each in engine.retarget(seeded(), 1, (0.9, 0.8))] == [(40, 45, 3)]
    with pytest.raises(ValueError, match="and a patch has 7 x 7: raise `scale_h`"):
        next(engine.retarget(seeded(), 1, (1.0, 0.1)))
    for height, width in ((40, 50), (33, 50)):
        (other,) = engine.analogy(as_image(np.ascontiguousarray(photo()[:height, :width])), seeded())
        assert other.shape == (1, 3, height, width)
    with pytest.raises(ValueError, match="enlarge the structure"):
        next(engine.analogy(as_image(photo()[:5]), seeded()))


def test_a_wider_picture_repeats_no_part_much_more_often_than_others() -> None:
    levels = photo(60, 80)
    wide = as_levels(next(Instant.of(levels).retarget(seeded(), 1, (1.0, 2.0))))
    assert abs(float(wide.mean()) - float(levels.mean())) < 8
    halves = wide[:, :80], wide[:, 80:]
    assert difference(*halves) > 10


@pytest.mark.parametrize("size", [(60, 80), (300, 400)])
def test_the_seam_of_a_tile_is_as_smooth_as_its_inside(size: tuple[int, int]) -> None:
    levels = photo(*size)
    tile = as_levels(next(Instant.of(levels).tile(seeded()))).astype(int)
    assert tile.shape == levels.shape
    for axis in (0, 1):
        steps = np.abs(tile - np.roll(tile, 1, axis)).mean(axis=(1 - axis, 2))
        assert steps[0] <= 1.5 * np.median(steps[1:])
        plain = np.abs(levels.astype(int) - np.roll(levels.astype(int), 1, axis)).mean(axis=(1 - axis, 2))
        assert plain[0] > 2 * np.median(plain[1:])


def test_refining_keeps_the_layout_and_takes_the_photos_detail_and_size() -> None:
    image = scene(44, 56)
    blurred = imresize_to(imresize_to(image, (22, 28)), (44, 56))
    refined = Refiner(image)(torch.cat([blurred, blurred.flip(-1)]))
    assert refined.shape == (2, 3, 44, 56)
    gap = difference(as_levels(refined[:1]), to_levels(image))
    assert gap < 0.7 * difference(to_levels(blurred), to_levels(image))
    assert Refiner(image)(blurred[..., :40, :]).shape[2:] == (40, 56)
    large = to_levels(scene(132, 168))
    small = imresize_to(scene(132, 168), (44, 56))
    lifted = Refiner(small, large)(small)
    assert lifted.shape == (1, 3, 132, 168)
    assert difference(as_levels(lifted), large) < 12


def test_completed_levels_are_gpnns_with_completeness(monkeypatch: Patch) -> None:
    """Against distances one by one, and a small alpha uses more of the photo."""
    monkeypatch.setattr(layouts, "REPEATS", 1)
    real, guess = Photo.of(photo(16, 20)).pixels, Photo.of(photo(24, 22)[::-1, ::-1]).pixels
    patches = [
        np.stack([
            each[y : y + 7, x : x + 7, :3].astype(float).ravel()
            for y in range(each.shape[0] - 6)
            for x in range(each.shape[1] - 6)
        ])
        for each in (guess, real)
    ]  # fmt: skip
    distances = np.square(patches[0][:, None] - patches[1]).sum(axis=2)
    found = search.squared_distances(guess, real, 3).numpy()
    assert np.array_equal(found, distances)  # to the bit
    used = []
    for alpha in (0.0001, 1000.0):
        _, matches = layouts.solve_exactly(guess, real, real, 3, alpha)
        scores = distances / (alpha * 255**2 * 147 + distances.min(axis=0))
        assert np.mean((matches >> 16) * 14 + (matches & 0xFFFF) == scores.argmin(axis=1).reshape(matches.shape)) > 0.99
        used.append(len(np.unique(matches)))
    assert used[0] > 1.5 * used[1]


def test_the_largest_region_is_the_part_that_moves_as_a_whole() -> None:
    rows, columns = np.indices((10, 20))
    matches = (rows + 2 << 16 | columns + 1).astype(np.int32)
    assert largest_region(matches) == 1
    matches[:, 5:] += 1
    assert largest_region(matches) == pytest.approx(0.75)
    matches[:, 12] += 3
    assert largest_region(matches) == pytest.approx(0.35)


def test_pictures_are_limited_to_a_size_and_never_enlarged() -> None:
    assert limit_levels(photo(40, 60), 30).shape == (20, 30, 3)
    assert limit_levels(photo(40, 60), 100).shape == (40, 60, 3)


def moved_half(levels: Levels) -> Levels:
    return np.ascontiguousarray(np.roll(levels, (levels.shape[0] // 2, levels.shape[1] // 2), (0, 1)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_all_tiles_of_a_set_fit_each_other_at_every_edge(channels: int) -> None:
    levels, found = photo(72, 90, channels), list[Votes]()
    engine = replace(Instant.of(levels), voted=found.append)
    tiles = [as_levels(image) for image in engine.tile_set(seeded(), 4, (0.9, 1.1))]
    border = tiles[0].shape[0] // 24
    for index, (tile, votes) in enumerate(zip(tiles, found, strict=True)):
        assert tile.shape == (65, 99, channels)
        assert np.array_equal(votes.picture(levels), tile)
        for axis in (0, 1):
            edges = np.moveaxis(tile, axis, 0), np.moveaxis(tiles[0], axis, 0)
            for part in (slice(border), slice(-border, None)):
                assert np.array_equal(edges[0][part], edges[1][part])
        assert all(difference(tile[..., :3], other[..., :3]) > 4 for other in tiles[:index])
    ratios = [seam_ratio(one, other, axis) for one in tiles for other in tiles for axis in (0, 1)]
    assert statistics.median(ratios) <= 1.0


def test_the_first_tiles_of_a_set_do_not_depend_on_the_count() -> None:
    engine = Instant.of(photo(40, 50))
    one, three = ([as_levels(image) for image in engine.tile_set(seeded(), count)] for count in (1, 3))
    assert np.array_equal(one[0], three[0])


@pytest.mark.parametrize("seed", range(6))
def test_the_edges_of_a_set_lie_where_its_gradient_is_least(seed: int) -> None:
    tile = as_levels(next(Instant.of(photo(40, 50)).tile_set(seeded(seed), 1)))
    for axis in (0, 1):
        steps = np.abs(tile.astype(int) - np.roll(tile, 1, axis)).mean(axis=(1 - axis, 2))
        assert steps[0] == steps.min()


def test_a_closed_tile_fits_itself_better_than_an_open_one() -> None:
    """The patches that cross an edge are the same on both sides."""
    ratios = []
    for make in (Instant.tile, Instant.tile_set):
        tiles = [as_levels(next(make(Instant.of(photo(60, 80)), seeded(seed), 1))) for seed in range(5)]
        ratios.append(np.median([seam_ratio(tile, tile, axis) for tile in tiles for axis in (0, 1)]))
    assert ratios[1] < ratios[0]


def test_the_ratio_of_a_seam_is_that_of_its_step() -> None:
    ramp = np.arange(20, dtype=np.uint8)[:, None, None] * np.uint8(3) + np.zeros((1, 9, 1), np.uint8)
    assert seam_ratio(ramp, ramp + 60, 0) == pytest.approx(1.0)  # 57, then 60
    assert seam_ratio(ramp, ramp, 0) == pytest.approx(19.0)
    assert seam_ratio(moved_half(ramp), moved_half(ramp), 0) < 1
