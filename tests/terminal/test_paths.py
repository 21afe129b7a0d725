"""Flags that name a file take it in one way: a path from here, an absolute one, one with ~, a name in its folder."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import analogy
import editing
import inpaint
import retarget
import SR
from SinGAN.storage.layout import locate
from SinGAN.terminal import export
from tests.workspace import Capture, Workspace, refusal

FORMS = ("a name", "from here", "absolute", "~")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Path]:
    """A workspace with a picture, and a folder of other pictures, the home folder, with the file of each flag."""
    workspace, home = Workspace(tmp_path / "w"), tmp_path / "home of me"
    workspace.draw("x.png", 32, 40)
    (home / "pictures").mkdir(parents=True)
    picture = np.asarray(Image.open(workspace.inputs / "x.png").convert("RGB")).copy()
    picture[10:20, 10:20] = 255 - picture[10:20, 10:20]
    mask = np.zeros((32, 40), np.uint8)
    mask[10:20, 10:20] = 255
    for name, levels in (("edit.png", picture), ("edit_mask.png", mask), ("truth.png", picture)):
        Image.fromarray(levels).save(home / "pictures" / name)
    monkeypatch.setenv("HOME", str(home))
    return workspace, home


def written(name: str, form: str, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The value of a flag that names ``home / "pictures" / name``; for a plain name, the file lies in ``folder``."""
    file = home / "pictures" / name
    if form == "a name":
        folder.mkdir(parents=True, exist_ok=True)
        for each in file.parent.iterdir():
            shutil.copy(each, folder)
        file.unlink()
        return name
    if form == "from here":
        monkeypatch.chdir(home)
        return os.path.join("pictures", name)  # noqa: PTH118  # os.path is what is tested
    return str(file) if form == "absolute" else f"~/pictures/{name}"


COMMANDS: dict[str, tuple[Callable[[Sequence[str]], None], str, str]] = {
    "mask": (inpaint.main, "edit_mask.png", "Inpaint"),
    "ref_name": (editing.main, "edit.png", "Editing"),
    "structure": (analogy.main, "edit.png", "Analogy"),
    "input_name": (retarget.main, "edit.png", "Retarget"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flag", COMMANDS)
def test_every_flag_takes_every_form(
    places: tuple[Workspace, Path], flag: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace, home), (command, name, results) = places, COMMANDS[flag]
    folder = workspace.inputs if flag in ("mask", "input_name") else workspace.inputs / "references"
    value = written(name, form, folder, home, monkeypatch)
    own = {"mask": ["--mask", value], "input_name": ["--scale_h", "1.2"]}
    flags = own.get(flag, ["--ref_name", value, "--ref_dir", str(workspace.inputs / "references")])
    flags += ["--method", "instant"] if flag == "ref_name" else []
    picture = value if flag == "input_name" else "x.png"
    command([*workspace.flags(picture), "--not_cuda", "--num_samples", "1", *flags])
    assert list((workspace.out / results).rglob("*.png"))


@pytest.mark.parametrize("form", FORMS)
def test_the_true_picture_and_a_models_name(
    places: tuple[Workspace, Path], form: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    workspace, home = places
    value = written("truth.png", form, workspace.inputs, home, monkeypatch)
    flags = [*workspace.flags(), "--not_cuda"]
    assert "the true picture" in refusal(capsys, lambda: SR.main([*flags, "--ground_truth", value]))  # was found
    line = refusal(capsys, lambda: SR.main([*flags, "--model_name", value, "--min_size", "99"]))
    assert "is 32 x 40" in line  # the picture that it names was read, and is too small


def test_weights_and_folders_with_a_home(
    places: tuple[Workspace, Path], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    _, home = places
    assert f"no folder {home}/none" in refusal(capsys, lambda: export.main(["~/none", "--to", "onnx"]))


def test_a_name_is_looked_for_in_its_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate("x.png", folder) == folder / "x.png"  # neither is there
    Path("x.png").touch()
    assert locate("x.png", folder) == Path("x.png")
    (folder / "x.png").touch()
    assert locate("x.png", folder) == folder / "x.png"
    assert locate("./folder/x.png", folder) == folder / "x.png"
    assert locate("other/x.png", folder) == Path("other/x.png")
