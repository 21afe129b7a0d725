"""Pairs: where they are found, in which order they come, and what is drawn for each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from Pix2Pix.data.layouts import PairFiles, find_pairs, read_sides
from Pix2Pix.data.pairs import PairSet, Preparation
from tests.translation.tiny import draw, side_by_side

SMALL = Preparation(load_size=36, crop_size=32, multiple=32)


def two_folders(left: Path, right: Path, names: tuple[str, ...], endings: tuple[str, str] = ("", "")) -> None:
    for folder, ending, side in ((left, endings[0], 0), (right, endings[1], 1)):
        for index, name in enumerate(names):
            path = folder / f"{name}{ending}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(index)[side]).save(path)


@pytest.mark.parametrize(
    ("left", "right", "endings"),
    [("A/train", "B/train", ("", "")), ("A/train", "B/train", ("_A", "_B")), ("trainA", "trainB", ("", "")),
     ("train_A", "train_B", ("", "")), ("train_label", "train_img", ("", ""))],
)  # fmt: skip
def test_layouts_of_two_folders(tmp_path: Path, left: str, right: str, endings: tuple[str, str]) -> None:
    two_folders(tmp_path / left, tmp_path / right, ("2", "10", "in/1"), endings)
    found = find_pairs(tmp_path, "train")
    assert [pair.name for pair in found] == ["2", "10", "in/1"]
    a, b = read_sides(found[0])
    assert np.array_equal(a, draw(0)[0])
    assert np.array_equal(b, draw(0)[1])


def test_side_by_side_comes_first(tmp_path: Path) -> None:
    side_by_side(tmp_path / "train", 11)
    two_folders(tmp_path / "trainA", tmp_path / "trainB", ("x",))
    found = find_pairs(tmp_path, "train")
    assert [pair.name for pair in found] == [str(index) for index in range(11)]
    a, b = read_sides(found[3])
    assert np.array_equal(a, draw(3)[0])
    assert np.array_equal(b, draw(3)[1])


def test_invalid_data_sets_are_reported(tmp_path: Path) -> None:
    side_by_side(tmp_path / "val", 1)
    with pytest.raises(ValueError, match=r"no pictures of the phase train .*\(phases there: val\).*side by side; or"):
        find_pairs(tmp_path, "train")
    two_folders(tmp_path / "trainA", tmp_path / "trainB", ("x", "y"))
    (tmp_path / "trainB" / "y.png").unlink()
    with pytest.raises(ValueError, match=r"y.png has no partner in .*trainB"):
        find_pairs(tmp_path, "train")
    Image.fromarray(draw(0)[1]).save(tmp_path / "trainB" / "y.png")
    Image.fromarray(draw(0)[1]).save(tmp_path / "trainB" / "y.jpg")
    with pytest.raises(ValueError, match="have the same name"):
        find_pairs(tmp_path, "train")


def test_sides_of_two_sizes_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (9, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match="must have the same size"):
        read_sides(PairFiles("a", tmp_path / "a.png", tmp_path / "b.png"))


def test_what_is_drawn_depends_on_seed_epoch_and_place_alone(tmp_path: Path) -> None:
    side_by_side(tmp_path / "train", 5)
    pairs = PairSet(find_pairs(tmp_path, "train"), replace(SMALL, augment="tps"), 3, 5)
    singles = list(pairs.batches(2, 1))
    for size in (2, 3):
        joined = [torch.cat(parts) for parts in zip(*pairs.batches(2, size), strict=True)]
        assert torch.equal(joined[0], torch.cat([a for a, _ in singles]))
    _, later = next(pairs.batches(2, 2, done=1))
    assert torch.equal(later, torch.cat([b for _, b in singles[2:4]]))
    assert sorted(pairs.order(2)) == list(range(5))
    assert pairs.order(2) != pairs.order(3)
    assert not torch.equal(singles[0][0], next(pairs.batches(3, 1))[0])


def test_batches_of_several_epochs_by_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side_by_side(tmp_path / "train", 5)
    pairs = PairSet(find_pairs(tmp_path, "train"), replace(SMALL, augment="tps"), 3, 5)
    expected = [*pairs.batches(2, 2, done=1), *pairs.batches(3, 2), *pairs.batches(4, 2)]
    assert len(expected) == 8
    before = torch.get_rng_state()
    for workers in (0, 2):
        found = list(pairs.batches(2, 2, done=1, last=4, workers=workers))
        assert len(found) == 8
        assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(found, expected, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    (tmp_path / "train" / "3.png").write_bytes(b"no picture")
    for workers in (0, 2):
        with pytest.raises(ValueError, match=r"^\S*3.png can't be read as a picture: .*$"):
            list(pairs.batches(2, 2, workers=workers))

    assert replace(pairs, epoch_size=12, in_order=True).order(1) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize(
    ("preprocess", "size"),
    [("resize_and_crop", (32, 32)), ("crop", (32, 32)), ("scale_width", (32, 32)),
     ("scale_width_and_crop", (32, 32)), ("none", (64, 96))],
)  # fmt: skip
def test_sizes(preprocess: str, size: tuple[int, int]) -> None:
    a = np.zeros((60, 100, 3), np.uint8)
    x, y = replace(SMALL, preprocess=preprocess)(a, a, np.random.default_rng(0))
    assert tuple(x.shape[1:]) == tuple(y.shape[1:]) == size


def test_labels_stay_labels() -> None:
    a, b = draw(1)
    x, _ = replace(SMALL, label_maps=True, augment="tps")(a, b, np.random.default_rng(0))
    colours = {tuple(colour) for colour in ((x * 0.5 + 0.5) * 255).round().int().flatten(1).T.tolist()}
    assert colours == {(30, 60, 120), (220, 30, 30)}


def test_both_sides_are_warped_and_mirrored_alike() -> None:
    a, _ = draw(2)
    for seed in range(6):
        x, y = replace(SMALL, augment="tps")(a, a, np.random.default_rng(seed))
        assert torch.equal(x, y)


def test_a_test_leaves_nothing_to_chance() -> None:
    a, b = draw(3)
    prepared = replace(SMALL, augment="tps").for_test()
    assert torch.equal(prepared(a, b)[0], prepared(a, b)[0])
    assert (prepared.load_size, prepared.mirror, prepared.augment) == (32, False, "none")


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="`crop_size` 40 is not a multiple of 32, which the net needs: use 32"):
        replace(SMALL, load_size=40, crop_size=40).check()
    with pytest.raises(ValueError, match="`crop_size` 64 is above `load_size` 36"):
        replace(SMALL, crop_size=64).check()
    with pytest.raises(ValueError, match="20 x 50 pixels is smaller than `crop_size` 32"):
        replace(SMALL, preprocess="crop")(np.zeros((50, 20, 3), np.uint8), np.zeros((50, 20, 3), np.uint8))


def test_a_batch_has_pairs_of_one_size() -> None:
    sizes = [(32, 32) if index % 3 else (32, 64) for index in range(11)]
    plain = PairSet([PairFiles(str(index), Path(), None) for index in range(11)], SMALL, 3, 22)
    pairs = replace(plain, sizes=sizes)
    for epoch in range(1, 5):
        batches = list(pairs.draws(range(epoch, epoch + 1), 4, 0))
        assert all(len({sizes[index] for _, _, index in batch}) == 1 for batch in batches)
        assert sorted(draw for batch in batches for draw in batch) == [
            (epoch, place, index) for place, index in enumerate(pairs.order(epoch))
        ]
        assert len(batches) == pairs.steps(4) == 6  # 8 and 14 pairs
        assert [len(batch) for batch in batches].count(4) == 5
        for done in range(7):
            assert list(pairs.draws(range(epoch, epoch + 1), 4, done)) == batches[done:]
    for size in (1, 4, 5):  # of one size they come as they are drawn
        drawn = [(1, place, index) for place, index in enumerate(plain.order(1))]
        expected = [drawn[start : start + size] for start in range(0, 22, size)]
        assert list(plain.draws(range(1, 2), size, 0)) == expected
        assert list(replace(plain, sizes=[(32, 32)] * 11).draws(range(1, 2), size, 0)) == expected
