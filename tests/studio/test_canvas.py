"""What goes to the canvas and comes back; parts that are moved at the picture's own resolution."""

import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from SinGAN.pictures.images import Levels
from SinGAN.studio import canvas

BOX = [[10, 8], [20, 8], [20, 16], [10, 16]]
GREEN, RED = (60, 130, 70), (230, 20, 30)


def photo(times: int = 1) -> Levels:
    """A green picture of 50 x 40 with a red box, enlarged."""
    levels = np.full((40, 50, 3), GREEN, np.uint8)
    levels[8:16, 10:20] = RED
    return levels.repeat(times, axis=0).repeat(times, axis=1)


def sent(parts: list[dict[str, Any]], marked: list[tuple[slice, slice]]) -> str:
    """A drawing as the canvas sends it, with so much marked."""
    mask = np.zeros((40, 50, 3), np.uint8)
    for place in marked:
        mask[place] = 255
    return json.dumps({"size": [50, 40], "mask": canvas.encode_url(mask), "parts": parts})


def part(**values: Any) -> dict[str, Any]:
    return {"object": "", "outline": BOX, "x": 35, "y": 27, "w": 10, "h": 8, "angle": 0, "cut": False, **values}


def red(levels: Levels) -> np.ndarray[Any, Any]:
    return np.asarray((levels == RED).all(axis=2))


@pytest.mark.parametrize("times", [1, 4])
def test_a_copy_is_exact_at_any_resolution(times: int) -> None:
    """The marks are the part's outline, also where its pixels are those that were there."""
    crude = canvas.decode(sent([part()], [(slice(23, 31), slice(30, 40))])).compose(photo(times))
    expected = photo()
    expected[23:31, 30:40] = RED
    assert np.array_equal(crude.picture, expected.repeat(times, axis=0).repeat(times, axis=1))
    assert crude.pasted[23 * times : 31 * times, 30 * times : 40 * times].mean() > 250
    assert crude.pasted.astype(bool).sum() == pytest.approx(80 * times**2, rel=0.1)
    assert not crude.holes.any()


def test_a_part_on_pixels_like_its_own_is_marked_as_a_whole() -> None:
    flat = np.full((40, 50, 3), GREEN, np.uint8)
    crude = canvas.decode(sent([part()], [(slice(23, 31), slice(30, 40))])).compose(flat)
    assert crude.pasted.astype(bool).sum() == 80


def test_a_move_leaves_a_hole_that_can_be_filled_before() -> None:
    marked = [(slice(23, 31), slice(30, 40)), (slice(8, 16), slice(10, 20))]
    drawing = canvas.decode(sent([part(cut=True)], marked))
    crude = drawing.compose(photo())
    assert red(crude.picture).sum() == 80
    assert (crude.picture[8:16, 10:20] == GREEN).all(), "the colour around, until the hole is filled"
    assert (crude.holes[8:16, 10:20] == 255).all()
    assert crude.holes.astype(bool).sum() == 80
    behind = photo()
    behind[8:16, 10:20] = (1, 2, 3)
    filled = drawing.compose(photo(), behind)
    assert (filled.picture[8:16, 10:20] == (1, 2, 3)).all()
    assert red(filled.picture[23:31, 30:40]).all()


def test_a_part_is_scaled_and_turned() -> None:
    turned = canvas.decode(sent([part(angle=math.pi / 2)], [(slice(0, 40), slice(0, 50))])).compose(photo())
    place = np.argwhere(red(turned.picture[20:, 25:]))
    assert np.ptp(place, axis=0) == pytest.approx([9, 7], abs=1)
    larger = canvas.decode(sent([part(w=20, h=16)], [(slice(0, 40), slice(0, 50))])).compose(photo())
    assert red(larger.picture[20:, 25:]).sum() > 250


def test_an_object_is_put_in_with_its_outline() -> None:
    ball = np.zeros((8, 8, 4), np.uint8)
    ball[2:6, 2:6] = (0, 0, 255, 255)
    url = canvas.encode_url(ball)
    drawing = canvas.decode(sent([part(object=url, outline=[], w=8, h=8)], [(slice(25, 29), slice(33, 37))]))
    assert drawing.has_objects
    crude = drawing.compose(photo())
    assert (crude.picture[25:29, 33:37] == (0, 0, 255)).all()
    assert crude.pasted.astype(bool).sum() == 16
    assert np.array_equal(np.delete(crude.picture, range(25, 29), axis=0), np.delete(photo(), range(25, 29), axis=0))


def test_what_is_unmarked_by_hand_stays() -> None:
    crude = canvas.decode(sent([part()], [(slice(23, 27), slice(30, 40))])).compose(photo())
    assert crude.pasted.astype(bool).sum() == 40


def test_marks_are_enlarged_with_smooth_edges() -> None:
    drawing = canvas.decode(sent([], [(slice(10, 20), slice(10, 30))]))
    large = drawing.mask_for((400, 500))
    assert large.shape == (400, 500)
    assert set(np.unique(large)) == {0, 255}
    assert (large > 0).sum() == pytest.approx(200 * 100, rel=0.05)


def test_the_palette_begins_with_the_commonest_colour() -> None:
    levels = np.zeros((10, 10, 3), np.uint8)
    levels[:7] = (200, 10, 20)
    levels[7:] = (0, 0, 255)
    given = json.loads(canvas.describe(levels, "x.jpg", "key"))
    assert given["palette"] == ["#c80a14", "#0000ff"]
    assert given["ground"] == "#c80a14"
    assert (given["width"], given["height"]) == (10, 10)


@pytest.mark.parametrize("shape", [(1500, 2000, 3), (9, 7, 1), (8, 8, 4)])
def test_a_large_picture_is_drawn_on_at_a_smaller_size(shape: tuple[int, int, int]) -> None:
    given = json.loads(canvas.describe(np.full(shape, 90, np.uint8), "x.jpg", "key"))
    assert max(given["width"], given["height"]) == min(max(shape[:2]), canvas.WORK)
    assert given["width"] / given["height"] == pytest.approx(shape[1] / shape[0], rel=0.01)


def test_an_empty_drawing_is_known() -> None:
    assert canvas.decode(sent([], [])).is_empty
    assert canvas.decode(json.dumps({"size": [5, 5], "picture": "", "mask": ""})).is_empty
    assert not canvas.decode(sent([], [(slice(3, 5), slice(3, 5))])).is_empty


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "{}", '{"size": [5, 5], "picture": 1}', "[" * 100_000,
     '{"size": [5, 5], "picture": "data:image/png;base64,AAAA"}', '{"size": [5, 5], "mask": "data:image/png;base64,!"}',
     '{"size": [5, 5], "picture": "http://elsewhere/x.png"}', '{"size": [5]}', '{"size": [0, 5]}',
     '{"size": [1e9, 5]}', '{"size": ["5", 5]}', '{"size": [5, 5], "parts": [{}]}', '{"size": [5, 5], "parts": [3]}'],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no drawing yet|can't be read"):
        canvas.decode(text)


@pytest.mark.parametrize(
    "values",
    [{"x": "1"}, {"w": 0}, {"h": -3}, {"angle": 1e9}, {"outline": []}, {"outline": [[1, 2]]}, {"outline": [[1]] * 3},
     {"object": "data:image/gif;base64,AAAA"}, {"x": True}, {"outline": [[1, 2]] * 6000}],
)  # fmt: skip
def test_hostile_parts_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        canvas.decode(sent([part(**values)], []))


@pytest.mark.parametrize("values", [{"w": 9000.0, "h": 9000.0}, {"outline": [[90, 90], [95, 90], [95, 95]]}])
def test_parts_without_sense_are_one_line(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"make it smaller|outside the picture"):
        canvas.decode(sent([part(**values)], [])).compose(photo())


def test_a_large_drawing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "PIXELS", 10)
    with pytest.raises(ValueError, match="4 x 4 pixels: that is too large"):
        canvas.decode(json.dumps({"size": [4, 4], "picture": canvas.encode_url(np.zeros((4, 4, 3), np.uint8))}))


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="101 parts"):
        canvas.decode(sent([part()] * 101, []))


def test_a_drawing_may_be_a_jpeg() -> None:
    content = canvas.encode_url(photo())
    assert isinstance(
        Image.fromarray(canvas.decode(json.dumps({"size": [50, 40], "picture": content})).picture), Image.Image
    )


def test_flat_strokes_on_the_photo_get_noise() -> None:
    """A textured drawing from a file has its own texture, and a painting on a plain colour stays as it is."""
    noisy = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for shown, textured in ((photo(), False), (noisy, True)):
        levels = shown.repeat(4, axis=0).repeat(4, axis=1)
        drawn = levels.copy()
        drawn[20:60, 100:180] = 128
        if textured:
            drawn[20:60, 100:180] = np.random.default_rng(1).integers(100, 160, (40, 80, 3))
        words = {"size": [200, 160], "on": "photo", "picture": canvas.encode_url(drawn)}
        found = canvas.decode(json.dumps(words))
        made = found.add_noise(levels, 1)
        inside = made[22:58, 102:178].astype(int)
        assert np.array_equal(made, found.add_noise(levels, 1))
        changed = (made != drawn).any(axis=2)
        assert not changed[:20].any()
        assert not changed[:, :100].any()
        if textured:
            assert not changed.any()
            continue
        assert inside.std() == pytest.approx(canvas.NOISE, rel=0.3)
        assert not np.array_equal(made, found.add_noise(levels, 2))
        assert (inside == inside[..., :1]).all(), "the stroke's colour is lighter or darker, no other one"
        plain = canvas.decode(json.dumps({**words, "on": "#808080"}))
        assert np.array_equal(plain.add_noise(levels, 1), drawn)
