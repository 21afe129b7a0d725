"""Studies of sequential and concurrent training."""

import json
from pathlib import Path

import pytest

import study
from tests.workspace import Capture, Workspace

STUDY = ["--not_cuda", "--nfc", "4", "--min_size", "12", "--max_size", "24", "--niter", "2"]


def test_a_study_of_all_modes(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    study.main([*workspace.flags(), *STUDY, "--study", "train_mode", "--dry_run"])
    assert "3 trainings" in capsys.readouterr().out


@pytest.mark.slow
def test_a_study_within_concurrent_training(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    study.main(
        [
            *workspace.flags(),
            *STUDY,
            "--train_mode",
            "concurrent",
            "--vary",
            "batch_norm=True,False",
            "--num_samples",
            "2",
        ]
    )
    trainings = workspace.out / "Studies" / "x" / "trainings"
    options = [json.loads(path.read_text())["options"] for path in trainings.rglob("manifest.json")]
    assert sorted(each["batch_norm"] for each in options) == [False, True]
