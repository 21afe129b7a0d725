"""The search: compiled code against NumPy's, threads, and fields that are known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from SinGAN.native import build
from SinGAN.patches import search
from SinGAN.patches.levels import to_pixels
from SinGAN.patches.search import (
    Field,
    Matches,
    Pixels,
    carry,
    field_size,
    mark_changed,
    mark_touching,
    random_matches,
    vote,
    vote_weights,
)
from SinGAN.patches.solver import usage_weights
from SinGAN.pictures.images import to_levels
from tests.cases import mostly_slow
from tests.patches.plain import scene

Patch = pytest.MonkeyPatch
compiled = pytest.mark.skipif(isinstance(build.SEARCH.load(), str), reason="needs g++")
KEYS = to_pixels(to_levels(scene(40, 46)))
TARGET = to_pixels(to_levels(scene(48, 90)[..., :80].flip(-1)))
GUIDES = np.ascontiguousarray(TARGET[::-1, :, ::-1]), np.ascontiguousarray(KEYS[:, ::-1])


@contextmanager
def numpy_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "compiled", lambda: None)
        yield


def field(**more: object) -> Field:
    """A field with random matches."""
    matches = random_matches(field_size(TARGET), field_size(KEYS), None, 3)
    result = Field(TARGET, KEYS, matches, seed=7, **more)  # type: ignore[arg-type]
    result.measure()
    return result


def options() -> dict[str, dict[str, object]]:
    rng, keys = np.random.default_rng(0), field_size(KEYS)
    weights = (rng.random(keys) + 0.5).astype(np.float32)
    valid = (rng.random(keys) > 0.3).astype(np.uint8)
    active = (rng.random(field_size(TARGET)) > 0.4).astype(np.uint8)
    return {
        "plain": {},
        "weighted": {"weights": weights},
        "added": {"weights": weights * 10000, "adds": True},
        "guided": {"guides": GUIDES},
        "guided, weighted": {"guides": GUIDES, "weights": weights, "valid": valid},
        "some": {"valid": valid, "active": active, "weights": weights},
    }


def slow_distances(target: Pixels, keys: Pixels) -> npt.NDArray[np.int64]:
    """Squared distances (M, N) of all patches to all keys, one by one."""
    patches = [
        np.stack([
            picture[y : y + 7, x : x + 7].astype(np.int64).ravel()
            for y in range(picture.shape[0] - 6)
            for x in range(picture.shape[1] - 6)
        ])
        for picture in (target, keys)
    ]  # fmt: skip
    return np.stack([np.square(one - patches[1]).sum(axis=1) for one in patches[0]])


@compiled
@pytest.mark.parametrize("kind", options())
@pytest.mark.parametrize("threads", mostly_slow([1, 3], {3}))
def test_compiled_and_plain_code_give_the_same_bits(kind: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for exact in (False, True):
            ours = field(**options()[kind])
            ours.search_all() if exact else ours.search(3, 40, 6)
            with numpy_only():
                plain = field(**options()[kind])
                plain.search_all() if exact else plain.search(3, 40, 6)
            assert np.array_equal(ours.matches, plain.matches)
            assert np.array_equal(ours.scores, plain.scores)
    finally:
        torch.set_num_threads(before)


@compiled
@pytest.mark.parametrize(
    "weights", [vote_weights(), vote_weights(0.35), vote_weights(1.7)], ids=["flat", "sharp", "wide"]
)
def test_compiled_and_plain_votes_masks_and_fields_are_the_same(weights: npt.NDArray[np.uint16]) -> None:
    matches = field().matches
    made = np.zeros(TARGET.shape[:2], np.uint8)
    made[10:30, 20:50] = 1
    moved = TARGET.copy()
    moved[12, 30] += 9
    calls: list[Callable[[], npt.NDArray[Any]]] = [
        lambda: vote(matches, KEYS, weights),
        lambda: vote(matches, KEYS, weights, made, TARGET),
        lambda: mark_changed(TARGET, moved, 4, mark_touching(made)),
        lambda: mark_touching(made),
        lambda: carry(matches, (91, 140), (70, 80), (2.02, 1.97), ((3, 4), (6, 7))),
    ]
    for call in calls:
        ours = call()
        with numpy_only():
            assert np.array_equal(ours, call())


@pytest.mark.parametrize("kind", ["plain", "added", "guided"])
def test_an_exact_search_finds_the_nearest_of_all(kind: str) -> None:
    ours = field(**options()[kind])
    ours.search_all()
    scores = slow_distances(TARGET, KEYS).astype(np.float32)
    if kind == "guided":
        scores += slow_distances(*GUIDES)
    if kind == "added":
        weights = options()[kind]["weights"]
        assert isinstance(weights, np.ndarray)
        scores += weights.ravel()
    assert np.array_equal(ours.scores.ravel(), scores.min(axis=1))
    width = field_size(KEYS)[1]
    assert np.array_equal((ours.matches >> 16).ravel() * width + (ours.matches & 0xFFFF).ravel(), scores.argmin(axis=1))


def test_a_few_passes_find_most_of_the_nearest() -> None:
    few, exact = field(), field()
    few.search(6, 40, 8)
    exact.search_all()
    assert float(few.scores.mean()) < 1.15 * float(exact.scores.mean())
    assert all(value >= least for value, least in zip(few.scores.ravel(), exact.scores.ravel(), strict=True))


def test_a_picture_in_itself_is_found_where_it_is() -> None:
    part = np.ascontiguousarray(KEYS[5:30, 8:40])
    one = Field(part, KEYS, random_matches(field_size(part), field_size(KEYS), None, 1))
    one.measure()
    one.search(8, 40, 8)
    rows, columns = np.indices(one.matches.shape)
    assert np.array_equal(one.matches, (rows + 5) << 16 | (columns + 8))
    assert np.array_equal(vote(one.matches, KEYS, vote_weights(0.35)), part)


def test_keys_that_are_not_valid_are_never_found() -> None:
    valid = np.zeros(field_size(KEYS), np.uint8)
    valid[10:14, 5:9] = 1
    matches = random_matches(field_size(TARGET), field_size(KEYS), valid, 3)
    one = Field(TARGET, KEYS, matches, valid=valid)
    one.measure()
    one.search(4, 40, 8)
    assert valid[one.matches >> 16, one.matches & 0xFFFF].all()


@pytest.mark.parametrize(("factors", "size"), [((2.0, 2.0), (88, 168)), ((1.33, 1.34), (58, 113))])
def test_carried_fields_stay_inside(factors: tuple[float, float], size: tuple[int, int]) -> None:
    keys = field_size(KEYS)
    fine_keys = int(keys[0] * factors[0]), int(keys[1] * factors[1])
    fine = carry(field().matches, size, fine_keys, factors)
    assert ((fine >> 16) >= 0).all()
    assert ((fine >> 16) < fine_keys[0]).all()
    assert ((fine & 0xFFFF) < fine_keys[1]).all()


def test_a_shift_is_carried_as_a_shift() -> None:
    rows, columns = np.indices((20, 30))
    coarse = (rows + 4 << 16 | columns + 3).astype(np.int32)
    rows, columns = np.indices((40, 60))
    fine = carry(coarse, (40, 60), (200, 200), (2.0, 2.0))
    assert np.array_equal(fine, (rows + 8) << 16 | (columns + 6))
    without = carry(np.full((20, 30), -1, np.int32), (40, 60), (200, 200), (2.0, 2.0))
    assert (without == -1).all()


def test_patches_hold_the_marked_pixels() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[10, 15] = mask[0, 0] = 1
    expected = np.zeros((14, 24), np.uint8)
    expected[4:11, 9:16] = expected[0, 0] = 1
    assert np.array_equal(mark_touching(mask), expected)


def test_weights_grow_with_the_uses_of_a_key() -> None:
    """Two parts of the keys match the target equally well; used ones get dearer, until both are used."""
    half = KEYS[:, :20]
    keys = np.ascontiguousarray(np.concatenate([half, half], axis=1))
    target = np.ascontiguousarray(np.concatenate([half] * 3, axis=1))
    size, kinds = field_size(target), field_size(keys)
    one = Field(target, keys, random_matches(size, kinds, None, 2))

    def shares() -> list[float]:
        one.measure()
        one.search_all()
        columns = one.matches & 0xFFFF
        return [float((columns < 14).mean()), float((columns >= 20).mean())]

    target += 1  # no distance is 0, which no weight can change
    left, right = shares()
    assert right < 0.01 < left  # of equal ones the first
    one.weights = usage_weights(one.matches, None, kinds, 1.0)
    again = shares()
    assert again[1] > 0.5
    reverse = Field(keys, target, random_matches(kinds, size, None, 2))
    reverse.measure()
    reverse.search_all()
    one.weights = np.float32(1) / (1 + reverse.scores)  # GPNN's completeness, which the counts stand for
    by_field = shares()
    assert by_field[0] == pytest.approx(left, abs=0.05)  # all keys are as near to the target: nothing changes


def test_a_field_of_few_patches_works(monkeypatch: Patch) -> None:
    small = np.ascontiguousarray(KEYS[:7, :7])
    one: Matches = random_matches((1, 1), field_size(KEYS), None, 0)
    field = Field(small, KEYS, one)
    field.measure()
    field.search_all()
    assert field.matches.tolist() == [[0]]


def test_without_a_compiler_a_line_says_so(monkeypatch: Patch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(build.Library, "load", lambda self: "a C++ compiler, as g++: install it")
    search.compiled.cache_clear()
    try:
        with caplog.at_level("INFO"):
            one = field()
            one.search_all()
        assert caplog.messages == [
            "the search for patches runs in NumPy, some 30 times as slow: it needs a C++ compiler, as g++: install it"
        ]
    finally:
        search.compiled.cache_clear()
