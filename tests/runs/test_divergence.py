"""Trainings that diverge."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

import main_train
from SinGAN.runs.recorder import Recorder
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage.checkpoints import TrainingState
from tests.workspace import Capture, Workspace, refusal

Losses = Mapping[str, torch.Tensor]
State = Callable[[], TrainingState]


@pytest.mark.parametrize("mode", ["sequential", "concurrent"])
def test_a_training_that_diverges_stops_with_one_line(
    mode: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, watch = Workspace(tmp_path), Recorder.watch

    def spoilt(self: Recorder, scale: int, iteration: int, losses: Losses, state: State) -> None:
        if (scale, iteration) == (1, 3):
            losses = {**losses, "D_total": torch.tensor(float("nan"))}
        watch(self, scale, iteration, losses, state)

    monkeypatch.setattr(Recorder, "watch", spoilt)
    flags = ["--not_cuda", "--nfc", "4", "--min_size", "12", "--max_size", "24", "--niter", "5", "--checkpoint_every=0"]
    flags += ["--train_mode", mode, *(["--min_nfc", "4"] if mode == "sequential" else ["--train_stages", "3"])]
    error = refusal(capsys, lambda: main_train.main([*workspace.flags(), *flags]))
    assert "scale 1: the loss D_total is NaN or infinite in iteration 3" in error
    assert "--overwrite" in error
    (folder,) = (workspace.out / "TrainedModels" / "x").iterdir()
    assert (folder / "checkpoint.pth").exists()
    assert Manifest.read(folder).options["niter"] == 5


def test_a_weight_that_is_not_finite_is_never_saved(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, watch = Workspace(tmp_path), Recorder.watch

    def spoilt(self: Recorder, scale: int, iteration: int, losses: Losses, state: State) -> None:
        now = state()
        if iteration == 1:
            next(iter(now.states["generator"].values())).fill_(float("nan"))
        watch(self, scale, iteration, losses, lambda: now)

    monkeypatch.setattr(Recorder, "watch", spoilt)
    flags = ["--not_cuda", "--nfc", "4", "--min_nfc", "4", "--max_size", "24", "--min_size", "12", "--niter", "3"]
    error = refusal(capsys, lambda: main_train.main([*workspace.flags(), *flags, "--checkpoint_every", "0"]))
    assert "a weight of the generator is NaN or infinite" in error
