"""Several pictures: what their processes are told."""

import io
from pathlib import Path
from typing import Any

import pytest

import main_train
from SinGAN.terminal import several
from tests.workspace import SMALL, Workspace


@pytest.mark.parametrize(("device", "told"), [(["--device", "cpu"], True), (["--not_cuda"], True), ([], False)])
def test_workers_of_a_cluster_must_leave_gpus_alone(
    tmp_path: Path, device: list[str], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's machine may have a GPU where the caller's has none."""
    workspace, flags = Workspace(tmp_path), list[tuple[str, ...]]()
    workspace.draw("y.png")

    def run_all(jobs: Any, *rest: object) -> int:
        flags.extend(job.flags for job in jobs)
        return 0

    monkeypatch.setattr(several, "run_all", run_all)
    monkeypatch.setattr(several, "RayRunner", lambda *words, **details: io.StringIO())  # it can be closed
    names = ["--input_name", "x.png", "y.png", "--input_dir", str(workspace.inputs), "--out", str(workspace.out)]
    with pytest.raises(SystemExit):
        main_train.main([*names, *[flag for flag in SMALL if flag != "--not_cuda"], "--ray", *device])
    assert len(flags) == 2
    assert all(("--not_cuda" in each) is told and "--device" not in each for each in flags)
