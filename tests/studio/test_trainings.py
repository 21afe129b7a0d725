"""The trainings of the page: who may do what, what a restart of the server finds, and what fails."""

import errno
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SinGAN.losses import perceptual
from SinGAN.parallel.jobs import Job, Slot
from SinGAN.parallel.local import LocalRunner
from SinGAN.parallel.queue import DONE, FAILED, RUNNING, STATES, STOPPED, WAITING, Listener, Outcome
from SinGAN.runs.events import Message
from SinGAN.storage import pretrained
from SinGAN.storage.files import whole_file
from SinGAN.studio import trainings as trainings_module
from SinGAN.studio.trainings import LISTED, POINTS, Training, Trainings, plain_words
from SinGAN.studio.workspace import Chosen
from SinGAN.terminal.watchers import watched_environment
from tests.parallel.test_queue import FINE, INTERRUPTED, ManualRunner
from tests.workspace import Workspace

PURPOSE = "new pictures, edits, paints"
HALF = Message("iteration", 0.5, "half", {"D_total": 1.0}, 7.0).encode()


@pytest.fixture
def chosen(tmp_path: Path) -> Chosen:
    return Chosen(Workspace(tmp_path).inputs / "x.png", "x")


@pytest.fixture
def runner() -> ManualRunner:
    return ManualRunner()


@pytest.fixture
def trainings(runner: ManualRunner, tmp_path: Path) -> Trainings:
    return Trainings(runner, tmp_path / "out")


def test_a_training_is_followed_to_its_end(runner: ManualRunner, trainings: Trainings, chosen: Chosen) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 3, "no_residual": True})
    assert {"--niter=3", "--no_residual"} <= set(training.job.flags)
    assert training.state == RUNNING
    runner.listeners[training.job](HALF)
    assert (training.share, training.text, training.seconds_left) == (0.5, "half", 7.0)
    assert training.curve == [(0, {"D_total": 1.0})]
    with pytest.raises(ValueError, match="being trained already"):
        trainings.begin("you", chosen, PURPOSE, {})
    runner.listeners[training.job](FINE)
    assert (training.state, training.share) == (DONE, 1.0)
    assert trainings.of("me") == [training]
    assert trainings.of("you") == []


def test_train_pressed_twice_is_one_training(runner: ManualRunner, trainings: Trainings, chosen: Chosen) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 3})
    assert trainings.begin("me", chosen, PURPOSE, {"niter": 3}) is training
    assert trainings.of("me") == [training]
    assert runner.started == [training.job]


def test_a_training_for_films_is_one(trainings: Trainings, chosen: Chosen) -> None:
    assert not trainings.begin("me", chosen, PURPOSE, {}).is_for_films
    assert trainings.begin("me", chosen, "animations", {}).is_for_films


def test_a_model_with_other_settings_is_replaced_or_kept(trainings: Trainings, chosen: Chosen, tmp_path: Path) -> None:
    assert trainings.differences(chosen, PURPOSE, {"niter": 5}) == []
    Workspace(tmp_path).train()
    differences = trainings.differences(chosen, PURPOSE, {"niter": 5})
    assert any("niter" in line for line in differences)
    replacing = trainings.begin("me", chosen, PURPOSE, {"niter": 5}, overwrite=True)
    assert "--overwrite" in replacing.job.flags
    second = trainings.second(chosen, PURPOSE, {"niter": 5}, tmp_path / "pictures")
    assert second.title == "x 2"
    assert second.file.read_bytes() == chosen.file.read_bytes()
    both = trainings.begin("me", second, PURPOSE, {"niter": 5})
    assert both.job.folder != replacing.job.folder
    assert trainings.differences(second, PURPOSE, {"niter": 5}) == []


def test_a_failed_training_shows_no_earlier_pictures_and_speaks_no_flags(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen
) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 3})
    old = training.job.folder / "0" / "fake_sample.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    os.utime(old, (1, 1))
    runner.listeners[training.job](Outcome("main_train.py: error: x.png is 5 x 5: raise --max_size or --min_size", 1.0))
    assert training.scales() == []
    assert plain_words(training.text) == "x.png is 5 x 5: raise the size of results or min size"
    (old.parent / "G(z_opt).png").write_bytes(b"")
    assert [words for _, words in training.scales()] == ["rebuilt 0"]


def test_others_can_neither_stop_nor_resume_it(trainings: Trainings, chosen: Chosen) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {})
    for act in (trainings.stop, trainings.resume):
        with pytest.raises(ValueError, match="no such training of yours"):
            act("you", training.job.id)
    trainings.stop("me", training.job.id)
    assert training.state == STOPPED


def test_one_that_was_stopped_or_failed_is_resumed(runner: ManualRunner, trainings: Trainings, chosen: Chosen) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {})
    trainings.stop("me", training.job.id)
    runner.listeners[training.job](INTERRUPTED)
    trainings.resume("me", training.job.id)
    runner.listeners[training.job](Outcome("there is no room", 1.0))
    assert (training.state, training.text) == (FAILED, "there is no room")
    trainings.resume("me", training.job.id)
    assert training.state == RUNNING


def test_the_queue_is_a_queue(runner: ManualRunner, trainings: Trainings, chosen: Chosen) -> None:
    first, second = (trainings.begin("me", chosen, PURPOSE, {"alpha": alpha}) for alpha in (1, 2))
    assert second.job.folder != first.job.folder
    assert (first.state, second.state) == (RUNNING, WAITING)
    trainings.stop("me", second.job.id)
    trainings.resume("me", second.job.id)
    runner.listeners[first.job](FINE)
    assert (first.state, second.state) == (DONE, RUNNING)
    assert runner.started == [first.job, second.job]


def test_after_stop_everybody_can_train_with_the_same_settings(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen
) -> None:
    first = trainings.begin("me", chosen, PURPOSE, {})
    trainings.stop("me", first.job.id)
    second = trainings.begin("you", chosen, PURPOSE, {})
    with pytest.raises(ValueError, match="being trained already"):
        trainings.resume("me", first.job.id)
    assert second.state == WAITING
    runner.listeners[first.job](INTERRUPTED)
    assert second.state == RUNNING
    runner.listeners[second.job](FINE)
    assert (first.state, second.state) == (STOPPED, DONE)


def test_one_that_cannot_start_fails_with_the_reason(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen
) -> None:
    runner.error = OSError(errno.ENOMEM, "Cannot allocate memory")
    training = trainings.begin("me", chosen, PURPOSE, {})
    assert (training.state, training.text) == (FAILED, "Cannot allocate memory")
    runner.error = None
    trainings.resume("me", training.job.id)
    assert training.state == RUNNING


def test_a_full_disk_loses_the_list_and_no_training(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(trainings_module, "whole_file", full)
        training = trainings.begin("me", chosen, PURPOSE, {})
        trainings.stop("me", training.job.id)
        runner.listeners[training.job](INTERRUPTED)
        trainings.resume("me", training.job.id)
        runner.listeners[training.job](FINE)
        assert training.state == DONE
    assert f"can't be written: No space left on device: {trainings.file}" in caplog.text
    other = trainings.begin("me", chosen, PURPOSE, {"alpha": 2})
    assert len(json.loads(trainings.file.read_text())) == 2
    assert other.state == RUNNING


def test_a_server_that_starts_again_knows_them(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen, tmp_path: Path
) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {"niter": 2})
    (known,) = Trainings(ManualRunner(), tmp_path / "out").of("me")
    fields = [(job.id, job.picture, job.command, job.flags, job.folder) for job in (known.job, training.job)]
    assert fields[0] == fields[1]
    assert (known.title, known.state) == ("x", STOPPED)
    closing = threading.Thread(target=trainings.close)
    closing.start()
    while training.state != STOPPED:
        time.sleep(0.01)
    runner.listeners[training.job](INTERRUPTED)
    closing.join(10)
    assert not closing.is_alive()


def test_lists_of_older_versions_are_read(trainings: Trainings, chosen: Chosen, tmp_path: Path) -> None:
    trainings.begin("me", chosen, PURPOSE, {})
    (entry,) = json.loads(trainings.file.read_text())
    assert set(entry) == {
        "owner", "title", "number", "state", "share", "text", "begun", "picture", "command", "flags", "folder",
    }  # fmt: skip
    del entry["begun"]  # which they lack
    trainings.file.write_text(json.dumps([{**entry, "state": "training", "share": 0.25}]))
    (known,) = Trainings(ManualRunner(), tmp_path / "out").of("me")
    assert (known.state, known.share) == (STOPPED, 0.25)


ODD: dict[str, Any] = {
    "owner": 3, "title": None, "number": ["x"], "text": {}, "picture": "a\0b", "command": "rm", "flags": "--niter=3",
    "folder": 1.5, "share": "much", "state": [],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("is_missing", [False, True])
def test_an_odd_entry_is_left_out_and_the_others_stay(
    name: str, is_missing: bool, trainings: Trainings, chosen: Chosen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for alpha in (1, 2):
        trainings.begin("me", chosen, PURPOSE, {"alpha": alpha})
    first, second = json.loads(trainings.file.read_text())
    odd = {key: value for key, value in first.items() if key != name} if is_missing else {**first, name: ODD[name]}
    trainings.file.write_text(json.dumps([odd, second]))
    known = Trainings(ManualRunner(), tmp_path / "out").of("me")
    assert [training.job.id for training in known] == [second["number"]]
    assert f"some entries of the list of trainings can't be read and are left out: {trainings.file}" in caplog.text


@pytest.mark.parametrize(
    "content", ["no json", '[{"owner": "me"}]', "[1]", "[null]", "3", "null", "{}", "[" * 100_000, "\xff", "[1e999]"]
)
def test_an_odd_list_does_not_stop_the_server(
    content: str, trainings: Trainings, chosen: Chosen, tmp_path: Path
) -> None:
    trainings.file.parent.mkdir(parents=True)
    trainings.file.write_bytes(content.encode("latin-1"))
    again = Trainings(ManualRunner(), tmp_path / "out")
    assert again.of("me") == []
    again.begin("me", chosen, PURPOSE, {})
    assert len(json.loads(trainings.file.read_text())) == 1


def test_a_folder_in_place_of_the_list_does_not_stop_the_server(trainings: Trainings, chosen: Chosen) -> None:
    trainings.file.mkdir(parents=True)
    again = Trainings(ManualRunner(), trainings.out)
    assert again.begin("me", chosen, PURPOSE, {}).state == RUNNING


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -3, 2])
def test_a_share_is_a_share(share: float, trainings: Trainings, chosen: Chosen) -> None:
    trainings.begin("me", chosen, PURPOSE, {})
    (entry,) = json.loads(trainings.file.read_text())
    trainings.file.write_text(json.dumps([{**entry, "share": share}]))
    (known,) = Trainings(ManualRunner(), trainings.out).of("me")
    assert 0 <= known.share <= 1


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
    trainings: Trainings, chosen: Chosen, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        trainings.begin("me", chosen, PURPOSE, options)
    assert trainings.of("me") == []


@pytest.mark.parametrize("name", ["perceptual_weight", "texture_weight"])
def test_nothing_is_downloaded(
    name: str, trainings: Trainings, chosen: Chosen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(pretrained.OFFLINE, "1")
    monkeypatch.setattr("torch.hub.download_url_to_file", None)
    with pytest.raises(FileNotFoundError, match=r"vgg16-397923af.pth are not on this machine, and nothing is downl"):
        trainings.begin("me", chosen, PURPOSE, {name: 1.0})
    with pytest.raises(FileNotFoundError, match="nothing is downloaded here"):  # nor by the process of a training
        perceptual.load_vgg_weights(None)
    assert trainings.of("me") == []
    assert not (tmp_path / "cache").exists()
    pretrained.cache_path(pretrained.VGG16).parent.mkdir(parents=True)
    pretrained.cache_path(pretrained.VGG16).touch()  # somebody has loaded it
    assert trainings.begin("me", chosen, PURPOSE, {name: 1.0}).state == RUNNING


def test_errors_of_trainings_name_no_paths_of_the_server(
    runner: ManualRunner, trainings: Trainings, chosen: Chosen
) -> None:
    training = trainings.begin("me", chosen, PURPOSE, {})
    runner.listeners[training.job](Outcome("No space left on device: /home/me/out/TrainedModels/x/netG.pth", 1.0))
    assert training.text == "No space left on device: netG.pth"


def test_long_curves_are_thinned() -> None:
    training = Training(job=Job(Path("x.png"), "train", (), Path("x")), owner="me", title="x")
    for _ in range(5000):
        training.on_message(Message("iteration", 0.1, losses={"D_total": 0.0}))
    assert POINTS / 2 <= len(training.curve) <= POINTS + 1
    assert training.curve[-1][0] >= 4980


def test_the_list_does_not_grow_for_ever(runner: ManualRunner, trainings: Trainings, chosen: Chosen) -> None:
    first = trainings.begin("me", chosen, PURPOSE, {"alpha": 1})
    runner.listeners[first.job](FINE)
    for _ in range(LISTED + 20):
        last = trainings.begin("me", chosen, PURPOSE, {"alpha": 2})
        runner.listeners[last.job](FINE)
    mine = trainings.of("me")
    assert len(mine) == LISTED == len(json.loads(trainings.file.read_text()))
    assert last in mine
    assert first not in mine


class QuickRunner:
    """Runs nothing: a thread reports some lines and the end of each job."""

    slots = (Slot("cpu", 1), Slot("cpu", 1))

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        interrupted = threading.Event()

        def follow() -> None:
            for _ in range(5):
                listener(HALF)
            listener(INTERRUPTED if interrupted.wait(0.001) else FINE)

        threading.Thread(target=follow, daemon=True).start()
        return interrupted.set


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Switch between threads a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_switches")
def test_many_people_at_the_same_time(tmp_path: Path, chosen: Chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in any thread fails the test: pytest reports it as a warning, and warnings are errors."""
    monkeypatch.setattr("SinGAN.storage.files._sync", lambda file: None)  # the disk is slow
    trainings = Trainings(QuickRunner(), tmp_path / "out")
    before, people, most, failures = threading.active_count(), 4, 0, list[BaseException]()

    def act(person: int) -> None:
        nonlocal most
        try:
            for index in range(75):
                mine = trainings.begin(f"{person}", chosen, PURPOSE, {"alpha": 1000 * person + index})
                if index % 3 == 0:
                    trainings.stop(f"{person}", mine.job.id)
                if index % 6 == 0:
                    trainings.resume(f"{person}", mine.job.id)
                assert all(training.state in STATES for training in trainings.of(f"{person}"))
                most = max(most, threading.active_count())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=act, args=(person,)) for person in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    wait(lambda: not trainings.queue.running)
    everything = [training for person in range(people) for training in trainings.of(f"{person}")]
    assert {training.state for training in everything} <= {DONE, STOPPED}
    assert len(everything) >= LISTED
    assert trainings.queue.waiting == []
    assert len(trainings.queue.free) == len(QuickRunner.slots)
    assert most <= before + people + 2 * len(QuickRunner.slots)  # of a slot, one that ends and one that begins
    wait(lambda: threading.active_count() <= before)


class FaultyRunner:
    """Runs nothing; a thread reports lines and the end of each job. Whatever can fail fails now and then."""

    def __init__(self, chance: random.Random) -> None:
        self.slots, self.chance = [Slot("cpu", 1)] * 3, chance

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        interrupted, odd = threading.Event(), Message("iteration", "odd").encode()  # type: ignore[arg-type]
        errors = [OSError(errno.EAGAIN, "no process"), RuntimeError("can't start new thread"), MemoryError()]
        if self.chance.random() < 0.2:
            raise self.chance.choice(errors)

        def follow() -> None:
            outcome = FINE
            try:
                for line in [HALF] * self.chance.randrange(5) + [odd] * (self.chance.random() < 0.2):
                    listener(line)
                if interrupted.wait(0.002 * self.chance.random()):
                    outcome = INTERRUPTED
            except Exception as error:  # as in ``local._follow``
                outcome = Outcome(str(error), 0.0)
            listener(outcome)

        def interrupt() -> None:
            if self.chance.random() < 0.2:
                raise PermissionError(errno.EPERM, "not permitted")
            interrupted.set()

        threading.Thread(target=follow, daemon=True).start()
        return interrupt


@pytest.mark.slow
@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("seed", range(5))
def test_faults_leave_no_state_for_ever(
    seed: int, tmp_path: Path, chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts and interrupts that fail, lines without sense, full disks and little memory, for six people at once."""
    chance = random.Random(seed)

    def faulty(path: Path) -> Any:
        if (number := chance.random()) < 0.3:
            raise OSError(errno.ENOSPC, "No space left on device") if number < 0.2 else MemoryError
        return whole_file(path)

    monkeypatch.setattr("SinGAN.storage.files._sync", lambda file: None)
    monkeypatch.setattr(trainings_module, "whole_file", faulty)
    trainings = Trainings(FaultyRunner(chance), tmp_path / "out")
    before, most, failures = threading.active_count(), 0, list[BaseException]()

    def act(person: str) -> None:
        nonlocal most
        for _ in range(100):
            try:
                numbers = [training.job.id for training in trainings.of(person)] or ["none"]
                begun = trainings.begin(person, chosen, PURPOSE, {"alpha": chance.randrange(40)})
                numbers.append(begun.job.id)
                for move in chance.choices((trainings.stop, trainings.resume), k=2):
                    move(person, chance.choice(numbers[-5:]))
            except (ValueError, OSError, MemoryError):
                pass
            except BaseException as error:
                failures.append(error)
            most = max(most, threading.active_count())

    people = [threading.Thread(target=act, args=(f"{person}",)) for person in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert failures == []
    wait(lambda: not trainings.queue.running and not trainings.queue.waiting)
    everything = list(trainings.all.values())
    assert {training.state for training in everything} <= {DONE, STOPPED, FAILED}
    assert len(everything) <= LISTED + 6
    assert len(trainings.queue.free) == 3
    assert most <= before + 6 + 2 * 3  # of a slot, one that ends and one that begins
    wait(lambda: threading.active_count() <= before)
    monkeypatch.undo()
    again = trainings.begin("last", chosen, PURPOSE, {})
    wait(lambda: again.state in (DONE, FAILED, STOPPED))


@pytest.mark.slow
def test_a_real_training_is_stopped_and_resumed(tmp_path: Path, chosen: Chosen) -> None:
    trainings = Trainings(LocalRunner([Slot("cpu", 1)], watched_environment()), tmp_path / "out")
    options = {"niter": 150, "nfc": 4, "min_nfc": 4, "max_size": 24, "min_size": 12}
    training = trainings.begin("me", chosen, PURPOSE, options)
    wait(lambda: training.share > 0.02)
    trainings.stop("me", training.job.id)
    wait(lambda: not trainings.queue.running)
    assert training.state == STOPPED
    assert training.share < 1
    trainings.resume("me", training.job.id)
    wait(lambda: training.state == DONE)
    assert len(training.scales()) >= 4


def wait(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` is true."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()
