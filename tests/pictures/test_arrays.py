"""Arrays as pictures: which are taken, and what is said of the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from SinGAN.pictures import arrays, images

LEVELS = (np.arange(5 * 7 * 3) % 256).astype(np.uint8).reshape(5, 7, 3)


@pytest.mark.parametrize(
    "picture",
    [
        LEVELS,
        LEVELS.astype(np.uint16) * 257,
        LEVELS / 255,
        (LEVELS / 255).astype(np.float32),
        np.dstack([LEVELS, np.full((5, 7), 9, np.uint8)]),
        Image.fromarray(LEVELS),
        LEVELS.tolist() and np.ascontiguousarray(LEVELS[:, ::-1])[:, ::-1],  # strides of its own
    ],
)
def test_all_kinds_of_one_picture_are_one(picture: Any) -> None:
    assert torch.equal(arrays.to_image(picture), images.to_tensor(LEVELS))


def test_files_are_pictures_too(tmp_path: Path) -> None:
    Image.fromarray(LEVELS).save(tmp_path / "x.png")
    for name in (tmp_path / "x.png", str(tmp_path / "x.png")):
        assert torch.equal(arrays.to_image(name), images.to_tensor(LEVELS))


def test_grey_and_masks() -> None:
    grey = LEVELS[:, :, 0]
    assert arrays.to_image(grey).shape == (1, 3, 5, 7)
    assert arrays.to_image(grey, 1).shape == (1, 1, 5, 7)
    assert torch.equal(arrays.to_image(grey), arrays.to_image(grey[:, :, None]))
    assert set(arrays.to_image(grey > 10).unique().tolist()) == {-1.0, 1.0}
    palette = Image.fromarray(LEVELS).convert("P")
    assert torch.equal(arrays.to_image(palette), images.to_tensor(np.asarray(palette.convert("RGB"))))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (LEVELS.astype(float), "`it` has floats from 0 to 104: they must be in 0..1; divide levels of 0..255 by 255"),
        (LEVELS / 255 - 0.5, "they must be in 0..1"),
        (np.full((4, 4), np.nan), "they must be in 0..1"),
        (LEVELS.astype(int) + 200, "`it` has whole numbers of type int64 from 200 to 304: they must be in 0..255"),
        (LEVELS.transpose(2, 0, 1), "`it` has the shape (3, 5, 7)"),
        (LEVELS[None], "`it` has the shape (1, 5, 7, 3)"),
        (LEVELS[:0], "`it` has the shape (0, 7, 3)"),
        (np.zeros((4, 4, 5), np.uint8), "a picture is an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"),
        (np.array([["a"]]), "values of type <U1"),
    ],
)
def test_what_is_no_picture_is_said(picture: Any, words: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        arrays.to_image(picture, name="it")
    assert words in str(error.value)


def test_alpha_is_asked_for() -> None:
    with pytest.raises(ValueError, match="`it` has no alpha channel, and `nc_im` 4 needs one"):
        arrays.to_image(LEVELS, 4, "it")
    assert float(arrays.to_image(LEVELS, 4, opaque=True)[0, 3].min()) == 1


def test_what_goes_out_is_what_came_in() -> None:
    batch = torch.cat([images.to_tensor(LEVELS)] * 2)
    assert np.array_equal(arrays.from_images(batch), np.stack([LEVELS, LEVELS]))
    assert np.array_equal(arrays.from_image(batch[:1]), LEVELS)
