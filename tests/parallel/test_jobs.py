"""Many pictures in one command: their names, their slots, and results equal to those of single runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import main_train
import random_samples
from SinGAN.parallel.jobs import Job, Slot, describe_exit, find_pictures, make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.parallel.queue import Listener, Outcome
from SinGAN.terminal.several import PER_JOB_FLAGS, remove_flags
from tests.workspace import SMALL, Capture, Workspace, refusal

CPU = torch.device("cpu")
SCRIPT = Path(main_train.__file__)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.jpg", "d[1].png", "notes.txt", "._a.png"):
        (folder / name).write_bytes(b"")
    (folder / "e.png").mkdir()
    return folder


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["b.png", "a.png"], ["b.png", "a.png"]),
        (["missing.png"], ["missing.png"]),  # reading it tells what is wrong
        (["*.png"], ["a.png", "b.png", "d[1].png"]),
        (["?.*"], ["a.png", "b.png", "c.jpg"]),
        (["[ab].png", "b.png", "c.jpg"], ["a.png", "b.png", "c.jpg"]),
        (["d[1].png"], ["d[1].png"]),
        (["ALBUM/a.png", "ALBUM/c.jpg"], ["a.png", "c.jpg"]),  # what a shell makes of ALBUM/*
        (["ALBUM/*.jpg"], ["c.jpg"]),
    ],
)
def test_names_patterns_and_paths(album: Path, names: list[str], meant: list[str]) -> None:
    named = [name.replace("ALBUM", str(album)) for name in names]
    assert find_pictures(named, album) == [album / name for name in meant]
    assert find_pictures([str(album / "[ab].png")], album.parent) == [album / "a.png", album / "b.png"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["*.gif"], "`input_name` *.gif matches no file in"),
        (["../album/a.png", "../secret/*.png"], "../secret/*.png matches no file in ../secret"),
        (["a.png", "a.jpg"], "a.jpg would share one folder of results"),
        (["a.png", "elsewhere/a.tif"], "elsewhere/a.tif would share one folder of results"),
        ([".."], "is not a file name"),
        (["a.png", ""], "is not a file name"),
    ],
)
def test_names_that_are_refused(album: Path, names: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        find_pictures(names, album)


def test_threads_are_divided_and_gpus_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_slots(CPU, jobs=2, per_gpu=1, threads=9) == [Slot("cpu", 4)] * 2
    assert make_slots(CPU, jobs=4, per_gpu=1, threads=2) == [Slot("cpu", 1)] * 4
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    devices = [slot.device for slot in make_slots(torch.device("cuda"), jobs=3, per_gpu=2, threads=8)]
    assert devices == ["cuda:0", "cuda:1", "cuda:0"]
    assert [slot.device for slot in make_slots(torch.device("cuda:1"), 2, 2, 8)] == ["cuda:1", "cuda:1"]
    with pytest.raises(ValueError, match="`jobs` 3 on 2 GPUs with `jobs_per_gpu` 1: raise `jobs_per_gpu`"):
        make_slots(torch.device("cuda"), jobs=3, per_gpu=1, threads=8)


def test_flags_of_the_whole_command_are_taken_away() -> None:
    argv = [
        "--input_name",
        "a.png",
        "b.png",
        "--out=/my folder",
        "--jobs",
        "2",
        "--lr_g",
        "1e-3",
        "--device=cpu",
        "--x=-1",
    ]
    assert remove_flags(PER_JOB_FLAGS, argv) == ("--out=/my folder", "--lr_g", "1e-3", "--x=-1")


def test_why_a_run_failed() -> None:
    assert describe_exit(0, "anything") == ""
    assert describe_exit(2, "main_train.py: error: no such picture") == "no such picture"
    assert describe_exit(1, "KeyError: 3") == "exit status 1: KeyError: 3"
    assert describe_exit(-9, "") == "killed by signal 9"


def together(workspace: Workspace, names: list[str], *more: str) -> int:
    """Train on ``names`` in one command; returns the exit status."""
    flags = ["--input_dir", str(workspace.inputs), "--out", str(workspace.out), *SMALL, "--num_samples", "2"]
    with pytest.raises(SystemExit) as stop:
        main_train.main(["--input_name", *names, *flags, *more])
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.mark.usefixtures("whole_plots")
@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_many_pictures_give_what_single_runs_give(tmp_path: Path, capsys: Capture, count: int) -> None:
    alone, many = Workspace(tmp_path / "alone"), Workspace(tmp_path / "many")
    for workspace in (alone, many):
        for index in range(count):
            workspace.draw(f"p{index}.png", height=20 + index)
    for index in range(count):
        alone.train(name=f"p{index}.png")
    capsys.readouterr()
    assert together(many, ["p?.png"], "--jobs", "2") == 0
    assert many.results() == alone.results()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[-count - 1 :]] == [
        ["picture", "state"],
        *([f"p{index}.png", "done"] for index in range(count)),
    ]
    assert any(re.match(r"p1.png: .* left, scale 0 of 0\.\.2 ", line) for line in lines)
    assert not any("{" in line for line in lines)


def test_no_process_is_started_for_existing_results(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, started = Workspace(tmp_path), list[str]()
    for name in ("y.png", "new.png", "broken.png", "changed.png"):
        workspace.draw(name)
    workspace.train()
    for name in ("y", "broken", "changed"):  # the same picture
        for kind in ("TrainedModels", "RandomSamples"):
            shutil.copytree(workspace.out / kind / "x", workspace.out / kind / name)
    (workspace.model("broken") / "Zs.pth").unlink()
    workspace.draw("changed.png", height=22)

    def start(self: LocalRunner, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        started.append(job.name)
        threading.Thread(target=listener, args=(Outcome("", 1.0),)).start()
        return lambda: None

    monkeypatch.setattr(LocalRunner, "start", start)
    capsys.readouterr()
    names = ["x.png", "y.png", "new.png", "broken.png", "changed.png"]
    assert together(workspace, names) == 0
    assert started == ["new.png", "broken.png", "changed.png"]
    out = capsys.readouterr().out
    assert f"x.png: already there: {workspace.model('x')}\n" in out
    assert [line.split()[0] for line in out.splitlines()[-5:]] == names
    for more in (["--overwrite"], ["--niter", "3"], ["--num_samples", "9"], ["--scale_factor", "0.6"]):
        started.clear()
        together(workspace, ["x.png", "y.png"], *more)
        assert started == ["x.png", "y.png"], more
    started.clear()
    together(workspace, ["x.png", "y.png"], "--jobs", "2")
    assert started == []


@pytest.mark.slow
def test_one_failure_stops_no_other_and_a_second_run_does_the_rest(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    (workspace.inputs / "bad.png").write_bytes(b"no picture")
    workspace.draw("y.png")
    assert together(workspace, ["x.png", "bad.png", "y.png"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("can't be read as a picture") == 2  # when it happens, and in the table
    rows = out[out.rindex("picture ") :].splitlines()
    assert [row.split()[1] for row in rows[1:]] == ["done", "failed", "done"]
    assert "bad.png" in rows[2]
    assert "can't be read as a picture" in rows[2]
    assert not (workspace.out / "TrainedModels" / "bad").exists()
    before = {path: path.stat().st_mtime_ns for path in workspace.model("x").rglob("*")}
    workspace.draw("bad.png")
    assert together(workspace, ["x.png", "bad.png", "y.png"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in workspace.model("x").rglob("*")}
    assert workspace.model("bad").exists()
    assert "x.png: already there" in capsys.readouterr().out


@pytest.mark.slow
def test_other_scripts_take_several_pictures_too(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.draw("y.png")
    for name in ("x.png", "y.png"):
        workspace.train(name=name)
    flags = [
        "--input_dir",
        str(workspace.inputs),
        "--out",
        str(workspace.out),
        "--not_cuda",
        "--mode",
        "random_samples",
    ]
    with pytest.raises(SystemExit) as stop:
        random_samples.main(["--input_name", "x.png", "y.png", *flags, "--gen_start_scale", "1"])
    assert stop.value.code == 0
    for name in ("x", "y"):
        assert (workspace.out / "RandomSamples" / name / "gen_start_scale=1" / "grid.png").exists()


def test_bad_flags_are_reported_before_anything_starts(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.draw("y.png")
    flags = ["--input_name", "x.png", "y.png", "--input_dir", str(workspace.inputs), "--out", str(workspace.out)]
    line = refusal(capsys, lambda: main_train.main([*flags, "--not_cuda", "--niter", "0"]))
    assert "--niter" in line
    assert not workspace.out.exists()


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.slow
def test_an_interrupt_ends_all_jobs_and_the_command_resumes(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.draw("y.png")
    flags = ["--input_dir", str(workspace.inputs), "--out", str(workspace.out), *SMALL, "--checkpoint_every", "0"]
    flags += ["--Gsteps", "1", "--Dsteps", "1", "--num_samples", "2"]  # short iterations
    command = [sys.executable, str(SCRIPT), "--input_name", "x.png", "y.png", *flags, "--niter", "30", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    models = [workspace.model(name) for name in ("x", "y")]
    deadline = time.monotonic() + 180
    while not all(list(model.glob("checkpoint*.pth")) for model in models) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "main_train.py: interrupted"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "resuming after iteration" in done.stdout or "resuming with the next" in done.stdout
