"""The pictures and models of the page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import SinGAN
from SinGAN.options.tasks import ANIMATION
from SinGAN.studio import workspace
from SinGAN.studio.workspace import UNTRAINED, Chosen
from tests import workspace as scripts


@pytest.fixture
def place(tmp_path: Path) -> workspace.Workspace:
    scripts.Workspace(tmp_path)
    return workspace.Workspace(tmp_path / "out", tmp_path / "in")


def test_an_upload_is_named_by_its_content(place: workspace.Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "..photo; rm -rf.webp"
    Image.new("RGB", (30, 20), "red").save(upload)
    chosen = place.take(upload)
    assert chosen.file.parent == place.pictures
    assert chosen.file.name.startswith("picture_")
    assert "photo" not in chosen.file.name
    assert place.take(upload) == chosen
    with Image.open(chosen.file) as kept:
        assert kept.size == (30, 20)


def test_large_uploads_are_refused(place: workspace.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "PIXELS", 500)
    upload = tmp_path / "x.png"
    Image.new("RGB", (30, 20)).save(upload)
    with pytest.raises(ValueError, match="30 x 20 pixels"):
        place.take(upload)
    monkeypatch.setattr(workspace, "BYTES", 10)
    with pytest.raises(ValueError, match="larger than"):
        place.take(upload)
    assert not place.pictures.exists()


def test_an_upload_that_is_no_picture_is_refused(place: workspace.Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "x.png"
    upload.write_text("not a picture")
    with pytest.raises(ValueError, match="none of PNG"):
        place.take(upload)
    assert not place.pictures.exists()


def test_examples_are_named_by_the_page_alone(place: workspace.Workspace) -> None:
    assert place.example("x.png") == Chosen(place.inputs / "x.png", "x")
    with pytest.raises(ValueError, match="no example"):
        place.example("../out/secret.png")


def test_hidden_files_are_no_examples(place: workspace.Workspace) -> None:
    names = [path.name for path in place.examples()]
    (place.inputs / "._x.png").write_bytes(b"\0")
    assert [path.name for path in place.examples()] == names


def test_photos_of_any_kind_are_examples(place: workspace.Workspace) -> None:
    Image.new("RGB", (40, 30), (90, 120, 60)).save(place.inputs / "photo.JPG")
    (place.inputs / "notes.txt").write_text("no picture")
    assert [path.name for path in place.examples()] == ["photo.JPG", "x.png"]


def test_models_are_listed_and_used(place: workspace.Workspace, tmp_path: Path) -> None:
    assert [model for model in place.models() if model.folder.is_relative_to(place.out)] == []
    scripts.Workspace(tmp_path).train()
    (found,) = (model for model in place.models() if model.folder.is_relative_to(place.out))
    assert found.title.startswith("trained: x, 24 x 18")
    assert place.of_picture(place.example("x.png")) == [found]
    assert place.of_picture(place.example("x.png"), ANIMATION.name) == []
    assert place.picture_of(found) == place.example("x.png")
    assert isinstance(place.maker(place.example("x.png"), found.key), type(SinGAN.load(found.folder)))
    (place.inputs / "x.png").unlink()
    rest = place.picture_of(found)  # the picture at the finest scale
    with Image.open(rest.file) as kept:
        assert kept.size == (24, 18)


def test_the_device_is_told_once(
    place: workspace.Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    workspace.device.cache_clear()
    with caplog.at_level("INFO", logger="SinGAN"):
        for method in UNTRAINED:
            place.maker(place.example("x.png"), method)
    assert [note.message for note in caplog.records if "CPU" in note.message] == [
        "no CUDA device found: running on the CPU"
    ]


def test_what_is_kept_lies_in_folders_of_its_own(place: workspace.Workspace) -> None:
    picture = np.zeros((3, 4, 3), np.uint8)
    first, second = (place.keep("../lake of mine", [picture, picture]) for _ in range(2))
    assert first == place.out / "Studio" / "Kept" / "___lake_of_mine_1"
    assert second.name == "___lake_of_mine_2"
    assert sorted(path.name for path in first.iterdir()) == ["0.png", "1.png"]


@pytest.mark.parametrize("key", ["", "TrainedModels/../../x", "/etc/passwd", *UNTRAINED])
def test_what_names_no_model_is_refused(place: workspace.Workspace, key: str) -> None:
    with pytest.raises(ValueError, match="choose"):
        place.trained(key)
