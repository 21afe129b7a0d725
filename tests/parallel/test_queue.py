"""The queue of jobs: its states, and what happens when something fails."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import main_train
from SinGAN.parallel import local
from SinGAN.parallel.jobs import Job, Slot
from SinGAN.parallel.local import LocalRunner
from SinGAN.parallel.queue import DONE, FAILED, RUNNING, STOPPED, WAITING, Entry, Event, Listener, Outcome, Queue
from SinGAN.runs.events import Message
from tests.workspace import SMALL, Workspace

FINE, FAILURE, INTERRUPTED = Outcome("", 1.0), Outcome("no room", 1.0), Outcome("exit status 130: ", 1.0)


class ManualRunner:
    """Runs nothing: the test reports the events of the jobs that the queue starts."""

    def __init__(self, slots: int = 1) -> None:
        self.slots = [Slot(f"cuda:{index}", 1) for index in range(slots)]
        self.listeners: dict[Job, Listener] = {}
        self.started: list[Job] = []
        self.places: list[str] = []
        self.interrupted: list[Job] = []
        self.error: Exception | None = None

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        if self.error is not None:
            raise self.error
        self.listeners[job] = listener
        self.started.append(job)
        self.places.append(slot.device)
        return lambda: self.interrupted.append(job)


def new_entry() -> Entry:
    """An entry of a job with the same fields as all others."""
    return Entry(Job(Path("x.png"), "train", (), Path("model")))


def queue_of(runner: ManualRunner) -> tuple[Queue, list[tuple[Entry, Event]]]:
    """A queue, and the events that its listener receives."""
    events: list[tuple[Entry, Event]] = []
    return Queue(runner, lambda entry, event: events.append((entry, event))), events


def test_jobs_run_in_turn_in_free_slots() -> None:
    runner = ManualRunner(slots=2)
    queue, events = queue_of(runner)
    entries = [new_entry() for _ in range(4)]
    for entry in entries:
        queue.submit(entry)
    assert [entry.state for entry in entries] == [RUNNING, RUNNING, WAITING, WAITING]
    runner.listeners[entries[1].job](FINE)
    assert [entry.state for entry in entries] == [RUNNING, DONE, RUNNING, WAITING]
    runner.listeners[entries[0].job](FAILURE)
    assert (entries[0].state, entries[0].error) == (FAILED, "no room")
    assert runner.started == [entry.job for entry in entries]
    assert runner.places == ["cuda:0", "cuda:1", "cuda:1", "cuda:0"]
    assert events == [(entries[1], FINE), (entries[0], FAILURE)]


def test_lines_and_messages_are_recorded() -> None:
    runner = ManualRunner()
    queue, events = queue_of(runner)
    entry = new_entry()
    queue.submit(entry)
    report = runner.listeners[entry.job]
    report("a line")
    report(Message("iteration", 0.5, "half", {"loss": 1.0}, 7.0).encode())
    assert (entry.share, entry.seconds_left, entry.text, entry.error) == (0.5, 7.0, "half", "")
    report(FINE)
    assert (entry.state, entry.share, entry.seconds) == (DONE, 1.0, 1.0)
    assert events == [(entry, "a line"), (entry, "half"), (entry, FINE)]


def test_a_job_that_waits_is_stopped_and_never_starts() -> None:
    runner = ManualRunner()
    queue, _ = queue_of(runner)
    first, second = new_entry(), new_entry()
    queue.submit(first)
    queue.submit(second)
    queue.stop(second)
    runner.listeners[first.job](FINE)
    assert second.state == STOPPED
    assert runner.started == [first.job]
    assert runner.interrupted == []


def test_a_stopped_job_does_not_count_as_failed() -> None:
    runner = ManualRunner()
    queue, _ = queue_of(runner)
    entry = new_entry()
    queue.submit(entry)
    queue.stop(entry)
    queue.stop(entry)
    assert runner.interrupted == [entry.job]
    runner.listeners[entry.job](INTERRUPTED)
    assert (entry.state, entry.error) == (STOPPED, "")


def test_resumed_while_its_process_ends_it_starts_once_after_that() -> None:
    runner = ManualRunner(slots=2)
    queue, _ = queue_of(runner)
    entry = new_entry()
    queue.submit(entry)
    queue.stop(entry)
    queue.resume(entry)
    queue.resume(entry)
    assert entry.state == WAITING
    assert len(runner.started) == 1
    other = new_entry()
    queue.submit(other)  # takes the other slot, past the one that waits
    assert other.state == RUNNING
    runner.listeners[entry.job](INTERRUPTED)
    assert entry.state == RUNNING
    assert runner.started == [entry.job, other.job, entry.job]


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_job_that_succeeds_in_spite_of_stop_is_done(is_resumed: bool) -> None:
    runner = ManualRunner()
    queue, _ = queue_of(runner)
    entry = new_entry()
    queue.submit(entry)
    queue.stop(entry)
    if is_resumed:
        queue.resume(entry)
    runner.listeners[entry.job](FINE)
    assert entry.state == DONE
    assert runner.started == [entry.job]


def test_a_stopped_job_does_not_bar_an_equal_one() -> None:
    runner = ManualRunner()
    queue, _ = queue_of(runner)
    first, second = new_entry(), new_entry()
    queue.submit(first)
    queue.stop(first)
    runner.listeners[first.job](INTERRUPTED)
    queue.submit(second)
    assert second.state == RUNNING


def test_a_job_that_cannot_start_fails_and_the_next_one_runs() -> None:
    runner = ManualRunner()
    queue, events = queue_of(runner)
    runner.error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    first, second = new_entry(), new_entry()
    queue.submit(first)
    assert (first.state, first.error) == (FAILED, "Cannot allocate memory")
    assert len(events) == 1
    runner.error = None
    queue.submit(second)
    queue.resume(first)
    assert second.state == RUNNING
    runner.listeners[second.job](FINE)
    assert first.state == RUNNING


def test_a_listener_that_fails_does_not_stop_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    def fail(entry: Entry, event: Event) -> None:
        raise MemoryError

    runner = ManualRunner()
    queue, entries = Queue(runner, fail), [new_entry() for _ in range(4)]
    for entry in entries[:2]:
        queue.submit(entry)
    runner.listeners[entries[0].job]("a line")
    runner.listeners[entries[0].job](FINE)
    assert [entry.state for entry in entries[:2]] == [DONE, RUNNING]
    runner.error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    queue.submit(entries[2])
    runner.listeners[entries[1].job](FINE)
    assert entries[2].state == FAILED
    runner.error = None
    queue.submit(entries[3])
    assert entries[3].state == RUNNING
    assert "an event of x.png is lost" in caplog.text


def test_after_close_nothing_starts() -> None:
    runner = ManualRunner()
    queue, _ = queue_of(runner)
    entries = [new_entry() for _ in range(3)]
    for entry in entries[:2]:
        queue.submit(entry)
    closing = threading.Thread(target=queue.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()  # it waits for the process
    runner.listeners[entries[0].job](INTERRUPTED)
    closing.join(10)
    assert not closing.is_alive()
    queue.submit(entries[2])
    assert [entry.state for entry in entries] == [STOPPED, STOPPED, WAITING]
    assert len(runner.started) == 1


def ended(entry: Entry) -> Entry:
    """Wait until ``entry`` is no longer active."""
    end = time.monotonic() + 30
    while entry.is_active and time.monotonic() < end:
        time.sleep(0.01)
    return entry


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that takes the place of the program that jobs run."""
    monkeypatch.setattr(local, "PROGRAM", tmp_path / "program.py")
    return tmp_path / "program.py"


def local_queue() -> Queue:
    """A queue with one process."""
    return Queue(LocalRunner([Slot("cpu", 3)], {"SPECIAL": "yes"}), lambda entry, event: None)


def test_a_process_gets_its_flags_and_its_threads(program: Path) -> None:
    shown = "sys.argv[1:], os.environ['OMP_NUM_THREADS'], os.environ['SPECIAL']"
    program.write_text(f"import os, sys\nsys.exit('error: ' + str([{shown}]))")
    queue, entry = local_queue(), new_entry()
    queue.submit(entry)
    assert ended(entry).error == "[['train', '--input_name=x.png', '--input_dir=.', '--device=cpu'], '3', 'yes']"


def test_a_process_that_is_killed_fails(program: Path) -> None:
    program.write_text("import os\nos.kill(os.getpid(), 9)")
    queue, entry = local_queue(), new_entry()
    queue.submit(entry)
    assert ended(entry).error == "killed by signal 9"


def test_a_message_that_makes_no_sense_fails_the_job(program: Path) -> None:
    program.write_text(f"import time\nprint('''{Message('note', 'odd').encode()}''')\ntime.sleep(600)")  # type: ignore[arg-type]  # a share that is not a number
    queue, entry = local_queue(), new_entry()
    queue.submit(entry)
    assert "'>' not supported between" in ended(entry).error
    queue.submit(other := new_entry())
    queue.close(patience=20)
    assert other.state == STOPPED
    assert not queue.running


@pytest.mark.parametrize("error", [OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)), RuntimeError("odd\n words")])
def test_an_error_of_popen_fails_the_job(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **details: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "Popen", refuse)
    queue, entry = local_queue(), new_entry()
    queue.submit(entry)
    assert entry.state == FAILED
    assert entry.error in ("Resource temporarily unavailable", "odd words")


def test_without_a_thread_no_process_is_left(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text(f"import time\nopen({str(program.with_suffix('.pid'))!r}, 'w')\ntime.sleep(600)")

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    queue, entry = local_queue(), new_entry()
    queue.submit(entry)  # would wait for ten minutes if the process had not been killed
    assert entry.error == "can't start new thread"


def test_threads_end_with_their_jobs(program: Path) -> None:
    program.write_text("")
    queue, before = local_queue(), threading.active_count()
    entries = [new_entry() for _ in range(20)]
    for entry in entries:
        queue.submit(entry)
        assert threading.active_count() <= before + 2  # one that ends, one that begins
    assert [ended(entry).state for entry in entries] == [DONE] * len(entries)
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_faults_of_real_processes_leave_nothing_behind(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some can't be started, get no thread, print what makes no sense, fail, die, or are stopped."""
    odd = Message("iteration", "odd").encode()  # type: ignore[arg-type]  # a share that is not a number
    ends = ["", "raise SystemExit(3)", "os.kill(os.getpid(), 9)", f"print({odd!r}, flush=True)\ntime.sleep(600)",
            "os.write(1, bytes(range(256)) * 999)", "os.close(1)\ntime.sleep(0.2)", "time.sleep(600)"]  # fmt: skip
    chance, before = random.Random(5), threading.active_count()
    popen, start = subprocess.Popen, threading.Thread.start

    def faulty(*words: Any, **details: Any) -> Any:
        if chance.random() < 0.2:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return popen(*words, **details)

    def faulty_start(self: threading.Thread) -> None:
        if chance.random() < 0.1:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(subprocess, "Popen", faulty)
    monkeypatch.setattr(threading.Thread, "start", faulty_start)
    program.write_text(f"import os, sys, time\nexec({ends!r}[int(sys.argv[2])])")
    queue = Queue(LocalRunner([Slot("cpu", 1)] * 3, {}), lambda entry, event: None)
    entries = [Entry(Job(Path("x.png"), "train", (f"{chance.randrange(len(ends))}",), Path("m"))) for _ in range(100)]
    for index, entry in enumerate(entries):
        queue.submit(entry)
        for move in (queue.stop, queue.resume):
            if chance.random() < 0.3:
                move(chance.choice(entries[: index + 1]))
    for entry in entries:
        if entry.job.flags in (("3",), ("6",)):  # the others end by themselves
            queue.stop(entry)
    wait_until(lambda: not queue.running)
    assert {entry.state for entry in entries} <= {DONE, FAILED, STOPPED}
    assert queue.waiting == []
    assert len(queue.free) == 3
    wait_until(lambda: threading.active_count() <= before)
    assert children(os.getpid()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.draw("y.png")
    flags = ["--input_dir", str(workspace.inputs), "--out", str(workspace.out), *SMALL, "--niter", "100000"]
    words = [sys.executable, main_train.__file__, "--input_name", "x.png", "y.png", "--jobs", "2", *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as parent:
        assert parent.stdout is not None
        wait_until(lambda: len(children(parent.pid)) == 2)
        time.sleep(10)  # they train
        orphans = children(parent.pid)
        assert len(orphans) == 2
        parent.send_signal(signal.SIGKILL)
        parent.stdout.close()
    wait_until(lambda: not any(Path(f"/proc/{orphan}/cmdline").exists() for orphan in orphans))


def children(parent: int) -> list[int]:
    """The processes that ``parent`` has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` is true."""
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()
