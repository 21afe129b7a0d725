"""Votes: the engine's own pictures to the bit, and maps that stay aligned with them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from SinGAN.patches import plain, search
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.levels import Levels
from SinGAN.patches.votes import Layer, Votes
from tests.cases import mostly_slow
from tests.patches.plain import seeded
from tests.patches.test_instant import difference, ellipse, photo
from tests.patches.test_search import KEYS, TARGET, compiled, field, numpy_only

Voted = list[tuple[Levels, Votes]]
SIZE = 48, 60


def edited(levels: Levels) -> tuple[Tensor, Tensor]:
    """The photo with a part of it moved elsewhere, (1, C, H, W), and the mask of the place where it is now."""
    result, mask = levels.copy(), np.zeros((1, 1, *levels.shape[:2]), np.uint8)
    result[8:30, 36:58] = levels[20:42, 4:26]
    mask[..., 8:30, 36:58] = 1
    return as_image(result), torch.from_numpy(mask)


def retouched(engine: Instant, count: int) -> Iterator[Tensor]:
    image, mask = edited(as_levels(engine.real))
    return (each for _, _, each in engine.retouch(image, mask, [1, 2], seeded(), count).pictures)


TASKS: dict[str, Callable[[Instant], Iterator[Tensor]]] = {
    "sample": lambda engine: engine.sample(seeded(), 2),
    "sample larger": lambda engine: engine.sample(seeded(), 1, enlargement=(1.2, 1.4)),
    "retouch": lambda engine: retouched(engine, 2),
    "paint": lambda engine: engine.paint(engine.real.flip(-1), 1, seeded(), 2),
    "paint finest": lambda engine: engine.paint(engine.real.flip(-1), len(engine) - 1, seeded()),
    "retarget": lambda engine: engine.retarget(seeded(), 2, (1.0, 1.5)),
    "inpaint": lambda engine: engine.inpaint(ellipse(*engine.size), None, seeded(), 2),
    "inpaint filled": lambda engine: engine.inpaint(ellipse(*engine.size), engine.colour((90,)), seeded()),
    "outpaint": lambda engine: engine.outpaint((9, 0, 20, 3), seeded(), 2),
    "analogy": lambda engine: engine.analogy(engine.real.flip(-2), seeded()),
    "tile": lambda engine: engine.tile(seeded(), 2),
}
"""Every task of the engine."""
OFTEN = {"retouch", "paint finest", "retarget", "inpaint", "outpaint", "analogy", "tile"}
"""Those of the quick tests: the others are like one of them, and slower."""
SHIFTED = {"inpaint", "outpaint"}  # whose colours are shifted, at last, to meet the photo's
LARGE = photo(300, 320)  # whose finest level is lifted


def voted(task: str, levels: Levels) -> Voted:
    """The results of a task, each with its votes."""
    found: list[Votes] = []
    engine = replace(Instant.of(levels), voted=found.append)
    return [(as_levels(image), votes) for image, votes in zip(TASKS[task](engine), found, strict=True)]


@compiled
@pytest.mark.parametrize("weights", [search.vote_weights(), search.vote_weights(0.35)], ids=["flat", "sharp"])
@pytest.mark.parametrize("masked", [False, True])
def test_compiled_and_plain_votes_are_the_same(weights: search.VoteWeights, masked: bool) -> None:
    rng, matches, mask = np.random.default_rng(0), field().matches, None
    values = rng.standard_normal((*KEYS.shape[:2], 5)).astype(np.float32)
    labels = rng.integers(-3, 3, KEYS.shape[:2]).astype(np.int32)
    known = rng.standard_normal((*TARGET.shape[:2], 5)).astype(np.float32), np.full(TARGET.shape[:2], 9, np.int32)
    if masked:
        mask = np.zeros(TARGET.shape[:2], np.uint8)
        mask[10:30, 20:50] = 1
        matches[search.mark_touching(mask) == 0] = -1

    def rendered() -> list[np.ndarray]:
        return [
            search.vote_floats(matches, values, weights, mask, known[0]),
            search.vote_floats(matches, np.rint(100 * values), weights, mask, known[0], rounds=True),
            search.vote_labels(matches, labels, weights, mask, known[1]),
            search.vote_labels(matches, None, weights, mask, known[1]),
        ]

    ours = rendered()
    with numpy_only():
        plain = rendered()
    assert all(np.array_equal(*pair) for pair in zip(ours, plain, strict=True))
    whole = np.ascontiguousarray(KEYS, np.float32), TARGET.astype(np.float32)
    exact = search.vote_floats(matches, whole[0], weights, mask, whole[1], rounds=True)
    assert np.array_equal(exact, search.vote(matches, KEYS, weights, mask, TARGET))


def of_edit(votes: Votes, values: np.ndarray) -> np.ndarray | None:
    """The edited photo's ``values``, for an edit."""
    if votes.paste is None:
        return None
    result: np.ndarray = values.copy()
    result[8:30, 36:58] = values[20:42, 4:26]
    return result


@pytest.mark.parametrize("task", mostly_slow(TASKS, OFTEN))
@pytest.mark.parametrize(
    "levels", [photo(*SIZE), pytest.param(LARGE, marks=pytest.mark.slow)], ids=["solved", "lifted"]
)
def test_votes_give_the_engines_picture_to_the_bit(task: str, levels: Levels) -> None:
    plain = [as_levels(image) for image in TASKS[task](Instant.of(levels))]
    results = voted(task, levels)
    assert all(np.array_equal(one, picture) for one, (picture, _) in zip(plain, results, strict=True))
    for picture, votes in results:
        edited = of_edit(votes, levels)
        assert votes.size == picture.shape[:2]
        assert np.array_equal(votes.picture(levels, edited=edited), picture)
        if votes.shifted is None:
            assert np.array_equal(votes.means(levels, edited=edited), picture)
            wide = votes.means(levels.astype(np.uint16) * 257, edited=of_edit(votes, levels.astype(np.uint16) * 257))
            assert wide.dtype == np.uint16
            assert np.abs(wide / 257 - picture).max() <= 0.5
            assert len(np.unique(wide)) > 256


@pytest.mark.parametrize("task", mostly_slow(TASKS, OFTEN))
def test_hard_votes_copy_whole_pixels_so_that_functions_of_them_stay(task: str) -> None:
    levels = photo(*SIZE)
    labels = (levels.astype(int).sum(axis=2) > 380).astype(np.uint8) * 200
    for picture, votes in voted(task, levels):
        edited = of_edit(votes, levels), of_edit(votes, labels)
        hard = votes.copies(levels, edited=edited[0])
        assert np.array_equal(votes.copies(labels, edited=edited[1]), (hard.astype(int).sum(axis=2) > 380) * 200)
        row, column, source = np.moveaxis(votes.coordinates, 2, 0)
        assert not source.any()
        assert np.array_equal(levels[row, column], hard)  # of the edit, too, which was cut out of the photo
        assert difference(hard, picture) < 6


@pytest.mark.parametrize("task", mostly_slow(TASKS, OFTEN))
def test_where_one_pixel_votes_the_coordinates_give_picture_and_maps_to_the_bit(task: str) -> None:
    levels, rng = photo(*SIZE), np.random.default_rng(0)
    depth = rng.standard_normal((*SIZE, 2)).astype(np.float32)
    for picture, votes in voted(task, levels):
        row, column, _ = np.moveaxis(votes.coordinates, 2, 0)
        alone = one_votes(votes)
        means = votes.means(depth, edited=of_edit(votes, depth))
        assert alone.mean() > 0.02
        assert np.array_equal(means[alone], depth[row, column][alone])
        unshifted = alone if votes.shifted is None else alone & (votes.shifted == 0)
        assert np.array_equal(picture[unshifted], levels[row, column][unshifted])
        assert not np.array_equal(means, depth[row, column])


def one_votes(votes: Votes) -> np.ndarray:
    """The pixels (H, W) for which all patches that hold them name one source pixel, or that are copied."""
    (layer,), result = votes.layers, np.ones(votes.size, bool)
    canvas = layer.matches.shape[0] + 6, layer.matches.shape[1] + 6
    numbers, _ = plain.votes_of(layer.matches, layer.weights, slice(0, canvas[0]), canvas)
    agree = (numbers.max(axis=0) == np.where(numbers < 0, 1 << 40, numbers).min(axis=0)) | (numbers.max(axis=0) < 0)
    inside, outer = layer.overlap(votes.size)
    result[inside] = agree[outer] if layer.mask is None else (agree | (layer.mask == 0))[outer]
    return result


def test_labels_are_those_with_most_weight_and_never_new_ones() -> None:
    levels, kinds = photo(*SIZE), np.array([-70000, 3, 2**40], np.int64)
    labels = kinds[np.digitize(levels[..., 0], [90, 150])]
    picture, votes = voted("retarget", levels)[0]
    found = votes.labels(labels)
    assert found.dtype == np.int64
    assert {*np.unique(found)} == {*kinds}
    shares = [votes.means((labels == kind).astype(np.float32)) for kind in kinds]
    assert np.array_equal(kinds[np.argmax(shares, axis=0)], found)
    assert (np.digitize(picture[..., 0], [90, 150]) == np.digitize(found, kinds[1:])).mean() > 0.95
    flags = votes.labels(labels == 3)
    assert flags.dtype == np.bool_


def test_floats_are_scaled_and_permuted_like_their_sources() -> None:
    levels, rng = photo(*SIZE), np.random.default_rng(1)
    maps = rng.standard_normal((*SIZE, 7)).astype(np.float32)
    (_, votes), order = voted("sample", levels)[0], rng.permutation(7)
    means = votes.means(maps)
    assert np.array_equal(votes.means(maps[..., order]), means[..., order])
    assert np.array_equal(votes.means(1024 * maps), 1024 * means)
    assert np.allclose(votes.means(1000 * maps), 1000 * means, rtol=1e-5, atol=1e-3)
    assert np.array_equal(votes.means(maps[..., 0]), means[..., 0])
    for kind in (np.int8, np.int16, np.float16, np.float64):
        assert votes.means((9 * maps).astype(kind)).dtype == kind
    eleven = np.concatenate([levels, levels[..., :2], levels, levels], axis=2)
    assert np.array_equal(votes.means(eleven)[..., 5:8], votes.means(levels))


@pytest.mark.parametrize("task", sorted(SHIFTED))
def test_continuous_maps_are_shifted_like_the_colours_if_a_unit_is_given(task: str) -> None:
    levels = photo(*SIZE)
    picture, votes = voted(task, levels)[0]
    floats = levels.astype(np.float32) / 1000
    unshifted, shifted = votes.means(floats), votes.means(floats, unit=0.001)
    assert not np.array_equal(unshifted, shifted)
    assert np.abs(1000 * shifted - picture).max() < 15
    assert difference(1000 * shifted, picture) < min(0.5, difference(1000 * unshifted, picture))
    outside = votes.shifted == 0
    assert np.array_equal(unshifted[outside], shifted[outside])


def test_maps_of_the_wrong_type_are_refused() -> None:
    _, votes = voted("sample", photo(*SIZE))[0]
    with pytest.raises(TypeError, match="means are of 8 or 16 bits or floats, not of int64: declare the map a label"):
        votes.means(np.zeros(SIZE, np.int64))
    with pytest.raises(TypeError, match="labels are whole numbers, not float32: declare the map continuous"):
        votes.labels(np.zeros(SIZE, np.float32))


def test_votes_from_several_pictures_tell_them_apart() -> None:
    one, other = np.full((9, 12), 5, np.uint8), np.full((8, 15), 7, np.uint8)
    matches = np.full((1, 4), 1 << 16 | 2, np.int32)
    matches[:, 2:] = 9 << 16 | 8
    votes = Votes((7, 10), (one.shape, other.shape), (Layer(matches, search.vote_weights()),))
    assert np.array_equal(votes.labels(one, other)[:, [0, -1]], [[5, 7]] * 7)
    assert votes.coordinates[0, 0].tolist() == [1, 2, 0]
    assert votes.coordinates[6, 9].tolist() == [6, 14, 1]
    assert votes.shares == [(votes.labels(one, other) == kind).mean() for kind in (5, 7)]
