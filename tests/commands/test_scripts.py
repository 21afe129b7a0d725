"""The scripts, from flags to files, on a tiny picture."""

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SinGAN.pictures import images
from tests.cuts import forked
from tests.storage.test_files import everything
from tests.workspace import SMALL, Capture, Workspace, refusal

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.usefixtures("whole_plots")
def test_training_writes_the_model_and_samples(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    out = capsys.readouterr().out
    assert str(workspace.model()) in out
    assert "trained in" in out
    assert "peak memory" in out
    assert "python random_samples.py" in out
    assert (workspace.model() / "manifest.json").exists()
    samples = workspace.out / "RandomSamples" / "x" / "gen_start_scale=0"
    assert everything(samples) == ["0.png", "1.png", "grid.png"]
    assert images.read(samples / "0.png").shape == (1, 3, 18, 24)
    assert everything(workspace.inputs) == ["x.png"]  # nothing is ever written there


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_one_seed_gives_the_same_files(workspace: Workspace) -> None:
    workspace.train()
    first = workspace.results()
    workspace.train("--overwrite")
    assert workspace.results() == first


@pytest.mark.usefixtures("trained")
def test_an_existing_model_is_kept(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.results()
    workspace.train()
    assert "the trained model is already there" in capsys.readouterr().out
    assert workspace.results() == before


@pytest.mark.usefixtures("trained")
def test_another_training_of_the_same_name_is_refused(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.results()
    line = refusal(capsys, lambda: workspace.train("--niter", "3", "--beta1", "0.4", "--manualSeed", "8"))
    assert "--niter is 2, not 3; --beta1 is 0.5, not 0.4; --manualSeed is 1, not 8" in line
    workspace.draw("x.jpeg", 24, 20)
    assert "its picture is x.png" in refusal(capsys, lambda: workspace.train(name="x.jpeg"))
    assert workspace.results() == before


@pytest.mark.usefixtures("trained")
def test_an_incomplete_model_is_named_and_trained_to_its_end(workspace: Workspace, capsys: Capture) -> None:
    (workspace.model() / "1" / "netG.pth").unlink()
    before = (workspace.model() / "0" / "netG.pth").read_bytes()
    assert "incomplete, 1 of 3 scales" in refusal(capsys, workspace.sample)
    workspace.train()
    out = capsys.readouterr().out
    assert "is incomplete, 1 of 3 scales: resuming with the next" in out
    assert "scale 0" not in out
    assert (workspace.model() / "0" / "netG.pth").read_bytes() == before
    workspace.sample("--gen_start_scale", "1")


def test_no_model_yet(workspace: Workspace, capsys: Capture) -> None:
    assert "no trained model in" in refusal(capsys, workspace.sample)
    assert not workspace.out.exists()


@pytest.mark.parametrize("channels", ["1", "4"])
def test_grey_and_rgba_models(workspace: Workspace, channels: str) -> None:
    workspace.draw("y.png", mode="RGBA")
    workspace.train("--nc_im", channels, name="y.png")
    workspace.sample(name="y.png", mode="random_samples_arbitrary_sizes")
    for file in workspace.out.rglob("[0-9].png"):
        with Image.open(file) as picture:
            assert picture.mode == {"1": "L", "4": "RGBA"}[channels]


@pytest.mark.parametrize("name", ["my photo.v2.jpeg", "日本 é.webp", "grey.tiff", "palette.gif", "x.bmp"])
def test_any_picture_trains(workspace: Workspace, name: str) -> None:
    workspace.draw(name, mode={"g": "L", "p": "P"}.get(name[0], "RGB"))
    workspace.train(name=name)
    workspace.sample("--gen_start_scale", "1", name=name)
    assert len(list(workspace.out.rglob("gen_start_scale=1/*.png"))) == 4


@pytest.mark.parametrize(("height", "width"), [(12, 240), (240, 12)])
def test_very_wide_and_tall_pictures(workspace: Workspace, height: int, width: int) -> None:
    workspace.draw("w.png", height, width)
    workspace.train("--max_size", "240", "--niter", "1", name="w.png")
    sample = workspace.out / "RandomSamples" / "w" / "gen_start_scale=0" / "0.png"
    assert images.read(sample).shape == (1, 3, height, width)


def spoil(workspace: Workspace, kind: str) -> str:
    """Put a picture of ``kind`` that can't be trained on into the workspace; gives its name."""
    path = workspace.inputs / f"{kind}.png"
    if kind == "truncated":
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "text":
        path.write_text("no picture")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pixel":
        workspace.draw(path.name, 1, 1)
    elif kind == "thin":
        workspace.draw(path.name, 2, 400)
    return path.name


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no picture"),
        ("truncated", "can't be read as a picture"),
        ("text", "can't be read as a picture"),
        ("folder", "can't be read as a picture"),
        ("pixel", "receptive field of 11 pixels"),
        ("thin", "receptive field of 11 pixels"),
    ],
)
def test_pictures_that_can_not_be_trained_on(workspace: Workspace, capsys: Capture, kind: str, words: str) -> None:
    name = spoil(workspace, kind)
    line = refusal(capsys, lambda: workspace.train(name=name))
    assert words in line
    assert not workspace.out.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--num_layer", "8"], "receptive field of 17 pixels"),
        (["--nc_im", "4"], "no alpha channel"),
        (["--netG", "missing.pth"], "No such file or directory: missing.pth"),
        (["--device", "cuda:63"], "contradict each other"),
    ],
)
def test_trainings_that_can_not_start(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: workspace.train(*flags))
    assert not workspace.out.exists()


@pytest.mark.usefixtures("trained")
def test_weights_to_start_from(workspace: Workspace, capsys: Capture) -> None:
    weights = workspace.model() / "0" / "netG.pth"
    workspace.train("--netG", str(weights), "--alpha", "2")
    assert (workspace.model().with_name("scale_factor=0.750000,alpha=2") / "manifest.json").exists()
    line = refusal(capsys, lambda: workspace.train("--netG", str(weights), "--alpha", "3", "--nfc", "5"))
    assert "the weights given with --netG don't fit a net of 5 filters" in line
    assert not workspace.model().with_name("scale_factor=0.750000,alpha=3").exists()


def test_an_output_folder_that_can_not_be_written(workspace: Workspace, capsys: Capture) -> None:
    workspace.out.write_text("a file in the way")
    assert "out" in refusal(capsys, workspace.train)
    assert workspace.out.read_text() == "a file in the way"


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")
def test_a_full_disk(workspace: Workspace, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the first checkpoint can't be written."""
    import resource

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        with (tmp_path / "err").open("w") as err, contextlib.redirect_stderr(err):
            workspace.train()

    _, status = os.waitpid(forked(cramped), 0)
    told = (tmp_path / "err").read_text()
    assert os.waitstatus_to_exitcode(status) == 2, told
    assert told.count("\n") == 1
    assert "File too large" in told
    assert not workspace.out.exists()


@pytest.mark.slow
def test_ctrl_c_leaves_whole_scales(workspace: Workspace) -> None:
    command = [sys.executable, "main_train.py", *workspace.flags("x.png"), *SMALL, "--niter", "50"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while ", scale 0 of" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "main_train.py: interrupted\n"
    scales = sorted(path.name for path in workspace.model().iterdir() if path.is_dir())
    assert scales
    assert all((workspace.model() / scale / "netG.pth").exists() for scale in scales)
    assert not [path for path in everything(workspace.out) if path.endswith(("tmp", "new", "old"))]


@pytest.mark.parametrize("delay", [1.0, 2.0])
def test_ctrl_c_while_the_imports_run(workspace: Workspace, delay: float) -> None:
    """Sent while torch and the others are imported, which takes seconds: one line at any moment."""
    command = [sys.executable, "main_train.py", *workspace.flags("x.png"), *SMALL, "--niter", "500"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "main_train.py: interrupted\n")
    assert not workspace.out.exists()


def test_help() -> None:
    command = [sys.executable, "random_samples.py", "-h"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--input_name" in told
    assert "--num_samples" in told


def test_help_of_a_script_that_other_tests_start(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "argv", ["main_train.py", "-h"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "main_train.py"), run_name="__main__")
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "--input_name" in told
    assert "--num_samples" in told


def test_the_shipped_pictures_can_be_read() -> None:
    pictures = sorted((ROOT / "Input" / "Images").iterdir())
    names = ["autumn", "brook", "brook_LR", "coffee_LR", "dandelions", "galaxies", "mountains", "rocket"]
    large = {"larches.jpg", "peaks.jpg"}
    assert {picture.name for picture in pictures} == {f"{name}.png" for name in names} | large
    for picture in pictures:
        side = 1600 if picture.name in large else 90 if "LR" in picture.name else 250
        assert max(images.read(picture).shape[2:]) == side
        assert picture.stat().st_size < 500_000
