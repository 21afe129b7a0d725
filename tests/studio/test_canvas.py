"""What goes to the canvas and comes back."""

import json

import numpy as np
import pytest

from SinGAN.studio import canvas


def test_a_picture_goes_there_and_back() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    sent = json.loads(canvas.encode(levels))
    drawing = canvas.decode(json.dumps({"picture": sent["picture"], "mask": sent["picture"]}))
    assert np.array_equal(drawing.picture, levels)
    assert drawing.mask is not None
    assert np.array_equal(drawing.mask, levels)


def test_a_grey_picture_is_given_in_colour() -> None:
    sent = json.loads(canvas.encode(np.full((4, 4, 1), 9, np.uint8)))
    assert canvas.decode(json.dumps({**sent, "mask": ""})).picture.shape == (4, 4, 3)


def test_the_palette_begins_with_the_commonest_colour() -> None:
    levels = np.zeros((10, 10, 3), np.uint8)
    levels[:7] = (200, 10, 20)
    levels[7:] = (0, 0, 255)
    sent = json.loads(canvas.encode(levels, palette=True))
    assert sent["palette"] == ["#c80a14", "#0000ff"]
    assert sent["ground"] == "#c80a14"


def test_nothing_marked_is_told() -> None:
    picture = canvas.encode_url(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="nothing is marked yet: draw"):
        canvas.decode(json.dumps({"picture": picture, "mask": picture})).marked("draw")


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "{}", '{"picture": 1, "mask": ""}', '{"picture": "data:image/png;base64,AAAA", "mask": ""}',
     '{"picture": "data:image/png;base64,!", "mask": ""}', '{"picture": "http://elsewhere/x.png", "mask": ""}'],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no drawing yet|can't be read"):
        canvas.decode(text)


def test_a_large_drawing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "PIXELS", 10)
    with pytest.raises(ValueError, match="4 x 4 pixels: that is too large"):
        canvas.decode(json.dumps({"picture": canvas.encode_url(np.zeros((4, 4, 3), np.uint8)), "mask": ""}))
