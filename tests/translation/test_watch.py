"""How a training's progress is shown."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from Pix2Pix import watch
from Pix2Pix.runs.training import Progress
from Pix2Pix.watch import Watch
from tests.workspace import Capture


def trainer(epoch: int, step: int) -> Any:
    """A training that has come so far."""
    return SimpleNamespace(names=("G_L1",), progress=Progress(epoch, step, [torch.tensor([0.25, 0.0, 0.0])]))


def test_a_pipe_gets_a_line_a_minute(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now))
    with Watch(epochs=11, steps=100) as shown:
        for step in range(1, 101):
            now += 31.0 if step == 1 else 1.0  # the first one makes ready
            shown(trainer(5, step))
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"^(.*) left, epoch 5 of 11: G_L1 0.250$", r"\1", line) for line in lines] == ["11 min", "10 min"]
    assert capsys.readouterr().err == ""


def test_a_training_that_stood_still_is_not_taken_for_a_slow_one(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now))
    with Watch(epochs=10, steps=100) as shown:
        for step in range(1, 41):
            now += 7200.0 if step == 30 else 1.0  # Ctrl-Z, and two hours later fg
            shown(trainer(1, step))
    assert [line.split(" left")[0] for line in capsys.readouterr().out.splitlines()] == ["16 min"]
