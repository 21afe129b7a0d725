"""Masks: from a file, or from where the reference differs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from SinGAN.pictures import images, masks
from tests.workspace import stripes

WHITE = (255, 255, 255)
REAL = images.to_tensor(images.to_levels(stripes()))  # of 24 x 32 pixels


def edited(rows: slice, columns: slice) -> torch.Tensor:
    image = REAL.clone()
    image[:, :, rows, columns] *= -1
    image[:, :, rows, columns] += 0.5
    return image.clamp(-1, 1)


def save_mask(folder: Path, name: str, height: int = 24, width: int = 32, colour: tuple[int, ...] = WHITE) -> None:
    levels = np.zeros((height, width, len(colour)), np.uint8)
    levels[:, : width // 2] = colour
    Image.fromarray(levels).save(folder / name)


def test_any_colour_marks_a_pixel_and_alpha_does_not(tmp_path: Path) -> None:
    for colour in ((255, 0, 0), (0, 0, 130), (200, 200, 200, 0)):
        save_mask(tmp_path, "a_mask.png", colour=colour)
        marks, line = masks.find_marks(tmp_path / "a.png", REAL, REAL)
        assert marks.shape == (24, 32)
        assert marks[:, :16].all()
        assert not marks[:, 16:].any()
        assert line == f"mask: {tmp_path / 'a_mask.png'}"


def test_faint_pixels_do_not_count(tmp_path: Path) -> None:
    save_mask(tmp_path, "a_mask.png", colour=(100, 120, 90))
    with pytest.raises(ValueError, match="marks no pixel"):
        masks.find_marks(tmp_path / "a.png", REAL, REAL)


def test_a_mask_that_marks_everything_is_refused(tmp_path: Path) -> None:
    Image.new("L", (32, 24), 255).save(tmp_path / "a_mask.png")
    with pytest.raises(ValueError, match="marks every pixel"):
        masks.find_marks(tmp_path / "a.png", REAL, REAL)


def test_masks_of_other_size_and_kind_of_file(tmp_path: Path) -> None:
    save_mask(tmp_path, "a_mask.jpeg", 72, 96)
    marks, _ = masks.find_marks(tmp_path / "a.png", REAL, REAL)
    assert marks.shape == (24, 32)
    assert marks[:, :15].all()
    assert not marks[:, 17:].any()


def test_grey_models_see_colours_of_the_mask(tmp_path: Path) -> None:
    save_mask(tmp_path, "a_mask.png", colour=(0, 0, 255))
    marks, _ = masks.find_marks(tmp_path / "a.png", REAL[:, :1], REAL[:, :1])
    assert marks[:, :16].all()


def test_without_a_file_the_mask_is_where_the_reference_differs(tmp_path: Path) -> None:
    image = edited(slice(5, 12), slice(8, 20))
    image[0, 0, 20, 3] *= -1  # a speck
    noisy = (image + 8 / 255 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    marks, line = masks.find_marks(tmp_path / "a.png", noisy, REAL)
    wanted = np.zeros((24, 32), bool)
    wanted[5:12, 8:20] = True
    assert (marks & ~wanted).sum() == 0
    assert (marks & wanted).sum() > 0.8 * wanted.sum()
    assert "no mask file" in line


def test_alpha_is_no_difference() -> None:
    real, image = (torch.cat([REAL, torch.full_like(REAL[:, :1], alpha)], dim=1) for alpha in (-1.0, 1.0))
    assert not masks.difference(image, real).any()


def test_useless_guesses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not differ"):
        masks.find_marks(tmp_path / "a.png", REAL, REAL)
    with pytest.raises(ValueError, match=r"differs .* on \d+% of it: mark what to change"):
        masks.find_marks(tmp_path / "a.png", edited(slice(0, 24), slice(0, 30)), REAL)


def test_soft_masks_run_from_0_to_1() -> None:
    marks = np.zeros((90, 120), bool)
    marks[40:50, 50:70] = True
    soft = masks.soft_mask(marks, masks.HARMONIZATION_RADIUS)
    assert soft.shape == (1, 1, 90, 120)
    assert (float(soft.min()), float(soft.max())) == (0, 1)
    assert float(soft[0, 0, 45, 60]) > 0.95
    assert float(soft[0, 0, 0, 0]) == 0


def test_a_mask_grown_over_everything_is_all_ones() -> None:
    marks = np.zeros((20, 20), bool)
    marks[10, 10] = True
    assert masks.soft_mask(marks, 20).unique().tolist() == [1]
