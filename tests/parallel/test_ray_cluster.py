"""Pictures on a Ray cluster: what travels, and the results with workers lost on the way."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import main_train
from SinGAN.options.growing import TRAIN_MODES
from SinGAN.parallel.archives import pack, put_in_place, unpack
from SinGAN.parallel.ray_cluster import Lines, local_files, run_command, run_on_worker, send_regularly
from tests.cuts import bits
from tests.workspace import MODEL, SMALL, Capture, Workspace, refusal

SCRIPT = Path(main_train.__file__)


def test_an_archive_brings_back_what_it_holds(tmp_path: Path) -> None:
    one = tmp_path / "one"
    (one / "a" / "0").mkdir(parents=True)
    (one / "a" / "0" / "net.pth").write_bytes(b"net")
    (one / "a" / "list.pth").write_bytes(b"list")
    (one / "a" / ".x.lock").write_bytes(b"")
    unpack(pack(one, [one / "a", one / "missing"]), tmp_path / "other")
    found = {str(path.relative_to(tmp_path / "other")) for path in (tmp_path / "other").rglob("*") if path.is_file()}
    assert found == {"a/0/net.pth", "a/list.pth"}
    assert (tmp_path / "other" / "a" / "0" / "net.pth").read_bytes() == b"net"
    unpack(b"", tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())


def test_the_lists_are_read_after_the_nets(tmp_path: Path) -> None:
    """They make a scale count, and the trainer writes them last."""
    (tmp_path / "m" / "0").mkdir(parents=True)
    for name in ("Zs.pth", "0/netG.pth", "checkpoint.pth"):
        (tmp_path / "m" / name).write_bytes(b"")
    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path, [tmp_path / "m"]))) as archive:
        assert archive.getnames() == ["m/0/netG.pth", "m/Zs.pth", "m/checkpoint.pth"]


def test_results_land_whole_and_leave_other_pictures_alone(tmp_path: Path) -> None:
    far, out = tmp_path / "far", tmp_path / "out"
    for place, text in ((far, "new"), (out, "old")):
        (place / "RandomSamples" / "x" / "gen_start_scale=0").mkdir(parents=True)
        (place / "RandomSamples" / "x" / "gen_start_scale=0" / f"{text}.png").write_text(text)
    (out / "RandomSamples" / "y").mkdir()
    for folder in ("m", ".m.new"):  # a model, and what shall replace it
        (far / "TrainedModels" / "x" / folder).mkdir(parents=True)
        (far / "TrainedModels" / "x" / folder / "manifest.json").write_text(folder)
    (far / "TrainedModels" / "x" / ".m.12.tmp").mkdir()
    (far / "TrainedModels" / "x" / ".m.12.tmp" / "half").write_text("")
    put_in_place(pack(far, [far]), out)
    assert [path.name for path in (out / "RandomSamples" / "x").rglob("*.png")] == ["new.png"]
    assert (out / "RandomSamples" / "y").exists()
    models = out / "TrainedModels" / "x"
    assert sorted(path.name for path in models.iterdir()) == [".m.new", "m"]
    (far / "TrainedModels" / "x" / ".m.new" / "manifest.json").unlink()
    put_in_place(pack(far, [far]), out)
    assert [path.name for path in models.iterdir()] == ["m"]


def test_lines_are_reported_whole() -> None:
    seen: list[str] = []
    print("one", "two", sep="\n", end="", file=Lines(seen.append))
    file = Lines(seen.append)
    file.write("th")
    file.write("ree\nfour\nfi")
    assert seen == ["one", "three", "four"]


def test_a_run_on_a_worker_tells_its_error(tmp_path: Path) -> None:
    seen: list[str] = []
    error = run_command("train", ["--input_name", "none.png", "--input_dir", str(tmp_path)], seen.append)
    assert "none.png" in error
    assert "Traceback" not in error


def test_results_are_sent_regularly(tmp_path: Path) -> None:
    sent: list[bytes] = []
    with send_regularly(tmp_path, 0, sent.append):
        (tmp_path / "file").write_text("x")
        deadline = time.monotonic() + 20
        while not sent and time.monotonic() < deadline:
            time.sleep(0.02)
    count = len(sent)
    assert count
    time.sleep(0.5)
    assert len(sent) == count


def test_without_ray_or_with_other_scripts_it_is_one_line(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    flags = [*workspace.flags(), *SMALL, "--ray"]
    for own in (["--netG", str(SCRIPT)], [f"--netD={SCRIPT}"], ["--vgg_weights", str(SCRIPT)]):
        line = refusal(capsys, partial(main_train.main, [*flags, *own]))
        assert "omit --ray, or the files (--netG, --netD, ..)" in line
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install ray" in refusal(capsys, lambda: main_train.main(flags))
    assert not workspace.out.exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999999", "127.0.0.1:port"])
def test_where_nothing_answers_it_is_one_line(tmp_path: Path, capsys: Capture, address: str) -> None:
    pytest.importorskip("ray")
    workspace = Workspace(tmp_path)
    line = refusal(capsys, lambda: main_train.main([*workspace.flags(), *SMALL, "--ray", address]))
    assert f"no Ray cluster answers at --ray {address}" in line
    assert not workspace.out.exists()


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The address of a cluster of this machine: two nodes, each with room for one run."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


def trainers() -> list[int]:
    """The processes of Ray's workers that run a task of ours."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"ray::{run_on_worker.__name__}".encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds Ray's workers in /proc")
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("whole_plots")
def test_on_two_nodes_with_a_worker_killed_the_results_are_those_of_single_runs(tmp_path: Path, two_nodes: str) -> None:
    alone, many = Workspace(tmp_path / "alone"), Workspace(tmp_path / "many")
    names = [f"p{index}.png" for index in range(4)]
    for workspace in (alone, many):
        for index, name in enumerate(names):
            workspace.draw(name, height=20 + index)
    more = ["--niter", "150", "--checkpoint_every", "0.5"]
    for name in names:
        alone.train(*more, name=name)
    flags = ["--input_dir", str(many.inputs), "--out", str(many.out), *SMALL, "--num_samples", "2", *more]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--input_name", *names, *flags, "--ray", two_nodes],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    for line in process.stdout:  # until a scale is done, so that there is something to go on from
        lines.append(line)
        if "scale 0 of" in line:
            break
    time.sleep(3)  # it has gone home
    victims = trainers()
    assert victims, process.communicate()
    os.kill(victims[0], signal.SIGKILL)
    out, err = process.communicate(timeout=400)
    out = "".join(lines) + out
    assert process.returncode == 0, out + err
    assert "resuming after iteration" in out or "resuming with the next" in out
    assert bits(many) == bits(alone)
    assert json.loads((many.out / "TrainedModels" / "p0" / MODEL / "manifest.json").read_text())["threads"] == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", TRAIN_MODES)
def test_a_cluster_of_this_machine_is_started_where_no_address_is_given(tmp_path: Path, mode: str) -> None:
    pytest.importorskip("ray")
    workspace = Workspace(tmp_path)
    (workspace.inputs / "bad.png").write_bytes(b"no picture")
    flags = ["--input_dir", str(workspace.inputs), "--out", str(workspace.out), *SMALL, "--num_samples", "2"]
    flags += ["--train_mode", mode]
    command = [sys.executable, str(SCRIPT), "--input_name", "x.png", "bad.png", *flags, "--ray"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = [line.split()[:2] for line in done.stdout.splitlines()[-2:]]
    assert rows == [["x.png", "done"], ["bad.png", "failed"]]
    assert f"--out {workspace.out}" in done.stdout  # not the worker's own folder
    assert [file.parent.name for file in workspace.out.glob("RandomSamples/x/**/grid.png")] == ["gen_start_scale=0"]
    (model,) = workspace.out.glob("TrainedModels/x/*/manifest.json")
    assert json.loads(model.read_text())["options"]["train_mode"] == mode
    assert not (workspace.out / "TrainedModels" / "bad").exists()


def test_words_for_critics_are_no_files() -> None:
    assert local_files(["--netD", "multiscale", "--netD=sesame", "--niter", "2"]) == []
    assert local_files(["--netD", "D.pth", "--vgg_weights=v.pth"]) == ["D.pth", "v.pth"]
