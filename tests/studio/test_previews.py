"""Previews: what the page shows while pictures are computed, and how errors of a handler that yields are shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

import gradio as gr

import SinGAN
from SinGAN.studio.shared import WORKING, show_errors, with_previews


def levels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(Path(__file__).parent.parent.parent / "Input" / "Images" / "dandelions.png") as picture:
        return np.asarray(picture.convert("RGB").resize((160, 120)))


def test_levels_are_shown_from_coarse_to_fine_and_the_pictures_come_last() -> None:
    made = SinGAN.instant(levels(), device="cpu")
    *before, (pictures, is_done) = with_previews(made, lambda maker: maker.sample(2, seed=3))
    assert is_done
    assert np.array_equal(pictures, made.sample(2, seed=3))
    assert before
    assert not any(done for _, done in before)
    assert all(len(shown) == 1 and shown[0].shape[0] <= 120 for shown, _ in before)


def test_other_makers_show_only_their_pictures() -> None:
    made = SinGAN.instant(levels()[:40, :50], "patches", device="cpu")
    ((pictures, is_done),) = with_previews(made, lambda maker: maker.sample(1, seed=3))
    assert is_done
    assert len(pictures) == 1


def test_an_error_of_a_handler_that_yields_is_one_line() -> None:
    @show_errors
    def handler(value: int) -> Iterator[int]:
        yield value
        raise ValueError("`scale_h` must be above 0")

    shown = handler(3)
    assert next(shown) == 3
    assert WORKING
    with pytest.raises(gr.Error, match="scale_h must be above 0"):
        next(shown)
    assert not WORKING


def test_an_error_of_the_work_reaches_the_page() -> None:
    made = SinGAN.instant(levels(), device="cpu")
    with pytest.raises(ValueError, match="`count` must be at least 1"):
        list(with_previews(made, lambda maker: maker.sample(0)))
