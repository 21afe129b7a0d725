"""The parts of a picture: painted, read from label maps, and told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SinGAN.studio import canvas, parts

LABELS = np.repeat(np.array([[0, 0, 1, 2]], np.uint8), 3, axis=0)  # (3, 4)
GREY, RED, GREEN = ([0x8C] * 3, [0xE6, 0x19, 0x4B], [0x3C, 0xB4, 0x4B])  # the first of our colours


def write(folder: Path, kind: str) -> Path:
    """A file with the label map, stored in one of many ways."""
    file = folder / f"{kind}.png"
    if kind == "numbers":
        Image.fromarray(LABELS).save(file)
    if kind == "palette":
        picture = Image.fromarray(LABELS).convert("P")
        picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        picture.save(file)
    if kind in ("colours", "alpha"):
        shown = Image.fromarray(np.array([[1, 2, 3], [10, 20, 30], [11, 20, 30]], np.uint8)[LABELS])
        (shown if kind == "colours" else shown.convert("RGBA")).save(file)
    if kind == "array":
        np.save(file := folder / "array.npy", LABELS.astype(np.int32) * 1000 - 7)
    return file


@pytest.mark.parametrize(
    ("kind", "colours"),
    [
        ("numbers", [GREY, RED, GREEN]),
        ("palette", [[9, 9, 9], [200, 0, 0], [0, 200, 0]]),
        ("colours", [[1, 2, 3], [10, 20, 30], [11, 20, 30]]),
        ("alpha", [[1, 2, 3], [10, 20, 30], [11, 20, 30]]),
        ("array", [GREY, RED, GREEN]),
    ],
)
def test_a_label_map_is_shown_in_colours_that_are_told_apart(
    kind: str, colours: list[list[int]], tmp_path: Path
) -> None:
    levels, names = parts.read_map(write(tmp_path, kind), (300, 400), (6, 8))
    assert parts.levels_of(names).tolist() == colours
    assert np.array_equal(parts.numbers_of(levels, names), LABELS.repeat(2, axis=0).repeat(2, axis=1))


def test_what_is_no_label_map_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "photo.png")
    (tmp_path / "letter.png").write_text("Dear all")
    for name, size, words in (
        ("photo.png", (8, 8), "^photo.png has 64 different values: a label map has at most 32"),
        ("photo.png", (8, 12), "^photo.png has 8 x 8 pixels, the picture 12 x 8: it must fit it"),
        ("letter.png", (8, 8), "^letter.png"),
    ):
        with pytest.raises(ValueError, match=words):
            parts.read_map(tmp_path / name, size, size)


def test_a_soft_edge_belongs_to_the_nearest_part() -> None:
    painted = np.array([[[0, 0, 0], [60, 60, 60], [200, 190, 210], [255, 255, 255]]], np.uint8)
    assert parts.numbers_of(painted, ["#000000", "#ffffff"]).tolist() == [[0, 0, 1, 1]]


def test_parts_have_colours_of_their_own() -> None:
    colours = parts.colours_of(parts.MOST)
    assert len(set(colours)) == parts.MOST
    levels = parts.levels_of(colours).astype(int)
    apart = np.abs(levels[:, None] - levels).sum(axis=2) + 999 * np.eye(parts.MOST, dtype=int)
    assert apart.min() >= 15


def test_numbers_are_resized_by_their_middles() -> None:
    numbers = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(parts.resize(numbers, (6, 8)), numbers.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(parts.resize(parts.resize(numbers, (9, 12)), (3, 4)), numbers)


def test_label_maps_are_known_by_their_names() -> None:
    files = [Path(name) for name in ("lake.jpg", "lake_labels.png", "my_labels.png", "hill.png")]
    pictures, maps = parts.split_maps(files)
    assert [file.name for file in pictures] == ["lake.jpg", "my_labels.png", "hill.png"]
    assert {picture.name: file.name for picture, file in maps.items()} == {"lake.jpg": "lake_labels.png"}


def test_an_arrangement_comes_from_the_canvas() -> None:
    levels = np.zeros((3, 4, 3), np.uint8)
    levels[:, 2:] = 255
    black = canvas.encode_url(np.zeros_like(levels))
    sent = {"size": [4, 3], "colours": ["#000000", "#ffffff"], "now": canvas.encode_url(levels), "wanted": black}
    drawing = canvas.decode(json.dumps(sent))
    assert drawing.arrangement is not None
    assert not drawing.is_empty
    assert drawing.arrangement.now.tolist() == [[0, 0, 1, 1]] * 3
    drawing.arrangement.check()
    assert canvas.decode(json.dumps({**sent, "wanted": ""})).is_empty
    swapped = canvas.decode(json.dumps({**sent, "now": black, "wanted": sent["now"]})).arrangement
    assert swapped is not None
    with pytest.raises(ValueError, match="a colour that your photo has not"):
        swapped.check()
    for colours in (None, [], ["red"], [7], ["#00000g"], ["#000000"] * 33, "#000000"):
        with pytest.raises(ValueError, match="load the page again"):
            canvas.decode(json.dumps({**sent, "colours": colours}))
