"""Results that people look at, and what a training says of its picture."""

from pathlib import Path

import pytest
import torch

import main_train
from SinGAN.pictures import images, sheets
from SinGAN.runs.results import name_by_scale, write_results
from tests.workspace import SMALL, Capture, Workspace


def test_a_sheet_begins_with_the_original_and_each_tile_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []
    tile = sheets.tile

    def recorded(image: torch.Tensor, label: str = "") -> images.Levels:
        labels.append(label)
        return tile(image, label)

    monkeypatch.setattr(sheets, "tile", recorded)
    picture = torch.zeros(1, 3, 20, 28)
    pictures = dict(name_by_scale([(1, picture), (1, picture), (2, picture)])) | dict(
        name_by_scale([(2, picture)], "_masked")
    )
    write_results(tmp_path, {"original": picture, "reference": picture}, pictures)
    assert labels == ["original", "reference", "scale 1", "scale 1, 1", "scale 2", "scale 2, masked"]
    assert max(images.read_size(tmp_path / "grid.png")) > 3 * 140  # large enough to judge


def test_a_training_says_to_what_the_picture_is_reduced(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.draw("x.png", 40, 56)
    main_train.main([*workspace.flags(), *SMALL, "--num_samples", "1"])
    out = capsys.readouterr().out
    line = "the picture is reduced from 56 x 40 to 24 x 18 pixels (--max_size 24)"
    assert line in out
    assert out.index(line) < out.index("scale 0 of")
    workspace.draw("y.png", 18, 24)
    main_train.main([*workspace.flags("y.png"), *SMALL, "--num_samples", "1"])
    assert "is reduced" not in capsys.readouterr().out
