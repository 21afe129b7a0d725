"""The queue of trainings: who may do what, and what a restart of the server finds."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from SinGAN.parallel.jobs import Display, Job, Outcome, Slot
from SinGAN.parallel.local import LocalRunner
from SinGAN.runs.events import Message
from SinGAN.studio import trainings as trainings_module
from SinGAN.studio.trainings import DONE, FAILED, RUNNING, STOPPED, WAITING, Training, Trainings
from SinGAN.studio.workspace import Chosen
from SinGAN.terminal.watchers import watched
from tests.workspace import Workspace

PURPOSE = "new pictures, edits, paints"


class Pretended(LocalRunner):
    """Runs nothing: a job ends when the test says so."""

    def __init__(self) -> None:
        super().__init__([Slot("cpu", 1)], {})
        self.ends, self.error, self.turn = threading.Event(), "", threading.Lock()

    def run(self, job: Job, display: Display) -> Outcome:
        with self.turn:
            if job in self.barred:
                return Outcome(job, "interrupted", 0.0)
            display.report(job, Message("iteration", 0.5, "half", {"D_total": 1.0}, 7.0).encoded())
            self.ends.wait(10)
        return Outcome(job, self.error, 1.0)

    def stop(self, job: Job) -> None:
        super().stop(job)
        self.error = "exit status 130"
        self.ends.set()


@pytest.fixture
def chosen(tmp_path: Path) -> Chosen:
    return Chosen(Workspace(tmp_path).inputs / "x.png", "x")


def state_is(training: Training, state: str) -> bool:
    """Whether ``training`` soon is in ``state``."""
    end = time.monotonic() + 10
    while training.state != state and time.monotonic() < end:
        time.sleep(0.01)
    return training.state == state


def test_a_training_is_followed_to_its_end(tmp_path: Path, chosen: Chosen) -> None:
    runner = Pretended()
    trainings = Trainings(runner, tmp_path / "out")
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 3, "no_residual": True})
    assert {"--niter=3", "--no_residual"} <= set(training.job.flags)
    assert state_is(training, RUNNING)
    assert (training.share, training.text, training.seconds_left) == (0.5, "half", 7.0)
    assert training.curve == [(0, {"D_total": 1.0})]
    with pytest.raises(ValueError, match="being trained already"):
        trainings.begin("you", chosen, PURPOSE, {})
    runner.ends.set()
    assert state_is(training, DONE)
    assert training.share == 1
    assert trainings.of("me") == [training]
    assert trainings.of("you") == []


def test_others_can_neither_stop_it_nor_go_on(tmp_path: Path, chosen: Chosen) -> None:
    trainings = Trainings(Pretended(), tmp_path / "out")
    training = trainings.begin("me", chosen, PURPOSE, {})
    for act in (trainings.stop, trainings.go_on):
        with pytest.raises(ValueError, match="no such training of yours"):
            act("you", training.number)
    trainings.stop("me", training.number)
    assert training.state == STOPPED


def test_one_that_was_stopped_or_failed_goes_on(tmp_path: Path, chosen: Chosen) -> None:
    runner = Pretended()
    trainings = Trainings(runner, tmp_path / "out")
    training = trainings.begin("me", chosen, PURPOSE, {})
    assert state_is(training, RUNNING)
    trainings.stop("me", training.number)
    runner.ends.clear()
    runner.error = "there is no room"
    trainings.go_on("me", training.number)
    assert state_is(training, RUNNING)
    runner.ends.set()
    assert state_is(training, FAILED)
    assert training.text == "there is no room"


def test_the_queue_is_a_queue(tmp_path: Path, chosen: Chosen) -> None:
    runner = Pretended()
    trainings = Trainings(runner, tmp_path / "out")
    first = trainings.begin("me", chosen, PURPOSE, {})
    assert state_is(first, RUNNING)
    second = trainings.begin("me", chosen, PURPOSE, {"alpha": 2})
    assert second.job.folder != first.job.folder
    time.sleep(0.05)
    assert second.state == WAITING
    runner.ends.set()
    assert state_is(first, DONE)
    assert state_is(second, DONE)


def test_one_that_was_stopped_while_it_waited_runs_once(
    tmp_path: Path, chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainings_module, "PATIENCE", 0.05)
    runner = Pretended()
    trainings = Trainings(runner, tmp_path / "out")
    first = trainings.begin("me", chosen, PURPOSE, {})
    assert state_is(first, RUNNING)
    second = trainings.begin("me", chosen, PURPOSE, {"alpha": 2})
    second.state = STOPPED
    runner.barred.add(second.job)
    thread = trainings.threads[second.number]
    trainings.go_on("me", second.number)
    assert trainings.threads[second.number] is thread
    runner.ends.set()
    assert state_is(second, DONE)


def test_a_server_that_starts_again_knows_them(tmp_path: Path, chosen: Chosen) -> None:
    trainings = Trainings(Pretended(), tmp_path / "out")
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 2})
    assert state_is(training, RUNNING)
    (known,) = Trainings(Pretended(), tmp_path / "out").of("me")
    assert (known.number, known.job, known.title) == (training.number, training.job, "x")
    assert known.state == STOPPED
    trainings.close()
    assert training.state == STOPPED
    for content in ("no json", json.dumps([{"owner": "me"}]), "[1]"):
        trainings.file.write_text(content)
        assert Trainings(Pretended(), tmp_path / "out").of("me") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"niter": 0}, "`niter` must be"),
        ({"out": "/tmp"}, "unknown option `out`"),
        ({"netD": "/etc/passwd"}, "`netD` can't name a file"),
        ({"netG": __file__}, "`netG` can't name a file"),
    ],
)
def test_flags_of_other_kinds_are_refused(
    tmp_path: Path, chosen: Chosen, options: dict[str, object], words: str
) -> None:
    trainings = Trainings(Pretended(), tmp_path / "out")
    with pytest.raises(ValueError, match=words):
        trainings.begin("me", chosen, PURPOSE, options)
    assert trainings.of("me") == []


def test_long_curves_are_thinned() -> None:
    training = Training("me", "x", Job(Path("x.png"), "train", (), Path("x")))
    for _ in range(5000):
        training.heard(Message("iteration", 0.1, losses={"D_total": 0.0}))
    assert 200 <= len(training.curve) <= 401
    assert training.curve[-1][0] >= 4980


@pytest.mark.slow
def test_a_real_training_is_stopped_and_goes_on(tmp_path: Path, chosen: Chosen) -> None:
    trainings = Trainings(LocalRunner([Slot("cpu", 1)], watched()), tmp_path / "out")
    options = {"niter": 400, "nfc": 4, "min_nfc": 4, "max_size": 24, "min_size": 12}
    training = trainings.begin("me", chosen, PURPOSE, options)
    wait(lambda: training.share > 0.02)
    trainings.stop("me", training.number)
    trainings.threads[training.number].join(30)
    assert not (training.job.folder / "Zs.pth").exists() or training.share < 1
    trainings.go_on("me", training.number)
    wait(lambda: training.state == DONE)
    assert len(training.scales()) >= 4


def wait(condition: Callable[[], bool]) -> None:
    """Wait until ``condition``."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()
