"""How a training's progress is shown."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from Pix2Pix.runs.training import EpochLog
from Pix2Pix.study import parse_request
from SinGAN.runs import loss_log, progress
from SinGAN.runs.events import Message
from SinGAN.terminal import watchers
from tests.translation.tiny import TINY, data_set
from tests.workspace import Capture

LOSSES = ("G_GAN", "G_L1", "G_total", "D_real", "D_fake", "D_total")


class Clock:
    """A clock that the modules read in place of the machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (loss_log, progress, watchers):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def log(home: Path, epochs: int, done: int = 0) -> EpochLog:
    """The log of a training with epochs of 100 steps, of which ``done`` were done in an earlier run."""
    size = ["--epoch_size", "100", "--n_epochs", str(epochs), "--n_epochs_decay", "0"]
    asked = parse_request(["--dataroot", str(data_set(home / "squares")), *TINY, *size], 1)
    return EpochLog(asked, watchers.watcher(), [torch.zeros(len(LOSSES))] * done)


def test_a_pipe_gets_a_line_a_minute(tmp_path: Path, clock: Clock, capsys: Capture) -> None:
    shown = log(tmp_path, epochs=11, done=400)
    for step in range(1, 102):
        clock.now += 31.0 if step == 1 else 1.0  # the first one comes after the preparations
        shown.add(0, {name: torch.tensor(0.25) for name in LOSSES})
    lines = capsys.readouterr().out.splitlines()
    pattern = r"^(.*) left, 11 epochs of 100 steps: (.*) of 1100, D 0.250, G 0.250, L1 0.250$"
    assert [re.sub(pattern, r"\1 \2", line) for line in lines] == ["11 min 430", "10 min 490"]
    shown.end_unit(0, {})
    assert "11 epochs of 100 steps done: 1100 iterations in 2 min, D 0.250" in capsys.readouterr().out


def test_a_training_that_stood_still_is_not_taken_for_a_slow_one(tmp_path: Path, clock: Clock, capsys: Capture) -> None:
    shown = log(tmp_path, epochs=10)
    for step in range(1, 41):
        clock.now += 7200.0 if step == 30 else 1.0  # Ctrl-Z, and two hours later fg
        shown.add(0, {name: torch.tensor(0.25) for name in LOSSES})
    assert [line.split(" left")[0] for line in capsys.readouterr().out.splitlines()] == ["16 min"]


def test_a_study_receives_the_share(
    tmp_path: Path, clock: Clock, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(watchers.REPORTS, "translate_study.py")
    shown = log(tmp_path, epochs=2)
    for _ in range(50):
        clock.now += 1.0
        shown.add(0, {name: torch.tensor(0.25) for name in LOSSES})
    found = [Message.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert found[-1] is not None
    assert found[-1].share == pytest.approx(0.25)


def test_a_loss_that_is_nan_names_its_epoch(tmp_path: Path) -> None:
    shown = log(tmp_path, epochs=10, done=350)
    shown.pending.append({name: torch.tensor(float("nan")) for name in LOSSES})
    with pytest.raises(ValueError, match=r"^epoch 4: the loss G_GAN is NaN .* with `overwrite` and a smaller `lr`$"):
        shown.read(0)
