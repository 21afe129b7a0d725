"""The pictures and models of the page."""

import importlib.util
import re
from pathlib import Path

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


def test_an_upload_keeps_a_name_that_speaks(place: workspace.Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "..my lake; rm -rf.webp"
    Image.new("RGB", (30, 20), "red").save(upload)
    chosen = place.take(upload)
    assert chosen.file.parent == place.pictures
    assert re.fullmatch(r"my_lake_rm_rf_[0-9a-f]{8}\.png", chosen.file.name)
    assert chosen.title == "..my lake; rm -rf"
    assert place.take(upload) == chosen
    with Image.open(chosen.file) as kept:
        assert kept.size == (30, 20)


def test_too_large_and_too_small_uploads_are_refused(
    place: workspace.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = tmp_path / "x.png"
    Image.new("RGB", (1, 1)).save(upload)
    with pytest.raises(ValueError, match=r"x\.png is too small, 1 x 1 pixels: 16 are needed"):
        place.take(upload)
    monkeypatch.setattr(workspace, "BYTES", 10)
    with pytest.raises(ValueError, match="larger than"):
        place.take(upload)
    assert not place.pictures.exists()


def test_a_huge_photo_is_reduced_and_says_so(place: workspace.Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "huge.jpg"
    Image.new("RGB", (10_000, 5_200), "green").save(upload)
    chosen = place.take(upload)
    assert chosen.note == "reduced from 10000 x 5200 to 2500 x 1300 pixels"
    with Image.open(chosen.file) as kept:
        assert kept.size == (2500, 1300)


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="the package pillow-heif is not installed")
def test_heic_photos_are_opened(place: workspace.Workspace, tmp_path: Path) -> None:
    import pillow_heif

    upload = tmp_path / "IMG_1.heic"
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(str(upload))
    chosen = place.take(upload)
    assert chosen.title == "IMG 1"
    with Image.open(chosen.file) as kept:
        assert kept.size == (64, 48)


@pytest.mark.parametrize(
    "name", ["a<b>.png", "x\u202ey.png", "\x1b[31m.png", "...png", "%2e.png", "\u00e9" * 200 + ".png"]
)
def test_odd_names_are_harmless(place: workspace.Workspace, tmp_path: Path, name: str) -> None:
    upload = tmp_path / "x.png"
    Image.new("RGB", (30, 20), "red").save(upload)
    chosen = place.take(upload, name)
    assert chosen.file.parent == place.pictures
    assert chosen.title.isprintable()
    assert len(chosen.title) <= 60


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


def test_the_view_is_small_and_made_once(place: workspace.Workspace) -> None:
    Image.new("RGB", (3000, 90), "green").save(place.inputs / "wide.png")
    view = place.view(place.example("wide.png"))
    with Image.open(view) as shown:
        assert shown.size == (2048, 61)
    stamp = view.stat().st_mtime_ns
    assert place.view(place.example("wide.png")) == view
    assert view.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("file", ["/etc/passwd", "nowhere.png", "out/Studio/trainings.json", "in/../secret.png"])
def test_a_picture_that_is_not_the_studios_is_not_opened(place: workspace.Workspace, file: str, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="is gone"):
        place.picture_at(str(tmp_path / file), "x")
    assert place.picture_at(str(place.inputs / "x.png"), "x") == Chosen(place.inputs / "x.png", "x")


@pytest.mark.parametrize("key", ["", "TrainedModels/../../x", "/etc/passwd", *UNTRAINED])
def test_what_names_no_model_is_refused(place: workspace.Workspace, key: str) -> None:
    with pytest.raises(ValueError, match="choose"):
        place.trained(key)
