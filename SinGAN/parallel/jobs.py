"""Many pictures: each a run of its own, some at once, with one progress display and one table at the end."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from SinGAN.runs.progress import REPORTS, SHARE, duration
from SinGAN.storage import layout


@dataclass(frozen=True)
class Task:
    """One picture's run: a script and its flags."""

    picture: Path
    script: Path
    flags: tuple[str, ...]  # all but the picture and the device
    folder: Path  # of the model
    label: str = ""  # where several are of one picture

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        return self.label or self.picture.name

    def command(self, slot: "Slot") -> list[str]:
        named = [f"--input_name={self.picture.name}", f"--input_dir={self.picture.parent}", f"--device={slot.device}"]
        return [sys.executable, str(self.script), *self.flags, *named]


@dataclass(frozen=True)
class Slot:
    """What one run has for itself."""

    device: str
    threads: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    task: Task
    error: str  # "" where all went well
    seconds: float


Report = Callable[[Task, str], None]
"""Called with each line that a run prints."""


def pictures(names: Sequence[str], folder: Path) -> list[str]:
    """The file names in ``folder`` that ``names`` mean: plain names, patterns, or paths into ``folder``.

    Raises:
        ValueError: a pattern meets nothing, a name leads out of ``folder``, or two have one stem.
    """
    found: dict[str, None] = {}
    for name in names:
        within = Path(name)
        if within.parent != Path() and within.parent.resolve() == folder.resolve():
            within = Path(within.name)  # what a shell makes of Input/Images/*.png
        if not (folder / within).exists() and any(mark in name for mark in "*?["):
            layout.stem(str(within))
            matches = sorted(path.name for path in folder.glob(within.name) if path.is_file() and path.name[0] != ".")
            if not matches:
                raise ValueError(f"--input_name {name} meets no file in {folder}: --input_dir names another folder")
            found.update(dict.fromkeys(matches))
        else:
            found[str(within)] = None
    stems: dict[str, str] = {}
    for picture in found:
        other = stems.setdefault(layout.stem(picture), picture)
        if other != picture:
            raise ValueError(f"{other} and {picture} would share their results: rename one, or leave it out")
    return list(found)


def without(flags: Sequence[str], argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` without ``flags`` and their values."""
    kept, dropping = [], False
    for word in argv:
        if word.startswith("--"):
            dropping = word.split("=")[0] in flags
        if not dropping:
            kept.append(word)
    return tuple(kept)


def slots(device: torch.device, jobs: int, per_gpu: int, threads: int) -> list[Slot]:
    """Places for ``jobs`` runs at once: the GPUs one after the other, ``per_gpu`` on each; ``threads`` are divided.

    Raises:
        ValueError: there are not as many.
    """
    each = max(1, threads // jobs)
    if device.type == "cpu":
        return [Slot("cpu", each)] * jobs
    gpus = range(torch.cuda.device_count()) if device.index is None else [device.index]
    places = [Slot(f"cuda:{gpu}", each) for _ in range(per_gpu) for gpu in gpus]
    if jobs > len(places):
        raise ValueError(
            f"--jobs {jobs} on {len(gpus)} GPUs with --jobs_per_gpu {per_gpu}: raise --jobs_per_gpu or lower --jobs"
        )
    return places[:jobs]


class Display:
    """One bar over all runs on a terminal; elsewhere each line that a run prints, after its picture's name."""

    def __init__(self, count: int) -> None:
        self.shares: dict[Task, float] = {}
        self.lock = threading.Lock()
        form = "{l_bar}{bar}| {n:.1f} of {total} pictures [{elapsed}, {remaining} left{postfix}]"
        self.bar = tqdm(total=count, bar_format=form, disable=not sys.stderr.isatty(), dynamic_ncols=True)

    def report(self, task: Task, line: str) -> None:
        """Take one line that the run of ``task`` printed."""
        with self.lock:
            if line.startswith(SHARE):
                self._advance(task, float(line.removeprefix(SHARE)))
            elif self.bar.disable:
                print(f"{task.name}: {line}", flush=True)

    def ended(self, outcome: Outcome) -> None:
        with self.lock:
            self._advance(outcome.task, 1.0)
            if outcome.error:
                tqdm.write(f"{outcome.task.name}: {outcome.error}", file=sys.stderr)

    def _advance(self, task: Task, share: float) -> None:
        self.bar.update(share - self.shares.get(task, 0.0))
        self.shares[task] = share

    def close(self) -> None:
        self.bar.close()


class Here:
    """Runs tasks as processes of this machine."""

    def __init__(self, places: Sequence[Slot]) -> None:
        self.free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in places:
            self.free.put(slot)
        self.workers = len(places)
        self.running: set[subprocess.Popen[str]] = set()
        self.lock = threading.Lock()  # on what runs, and on whether anything more may
        self.stopped = False

    def __call__(self, tasks: Sequence[Task], display: Display) -> list[Outcome]:
        """Run all ``tasks``; returns their outcomes, in their order."""
        outcomes = {}
        pool = ThreadPoolExecutor(self.workers)
        try:
            for future in as_completed([pool.submit(self.run, task, display.report) for task in tasks]):
                outcome = future.result()
                outcomes[outcome.task] = outcome
                display.ended(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with self.lock:
                self.stopped = True
                for process in self.running:
                    process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            raise
        finally:
            pool.shutdown()
        return [outcomes[task] for task in tasks]

    def run(self, task: Task, report: Report) -> Outcome:
        """Run ``task`` where there is room, and wait for it."""
        slot, last, start = self.free.get(), "", time.monotonic()
        own = {"OMP_NUM_THREADS": str(slot.threads), REPORTS: "1", "PYTHONUNBUFFERED": "1"}
        try:
            with self.lock:
                if self.stopped:
                    return Outcome(task, "interrupted", 0.0)
                process = subprocess.Popen(
                    task.command(slot),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    env={**os.environ, **own},
                    start_new_session=True,  # Ctrl-C reaches it through us, once
                )
                self.running.add(process)
            with process:
                for line in process.stdout or ():
                    last = line.rstrip("\n")
                    report(task, last)
            with self.lock:
                self.running.discard(process)
            return Outcome(task, reason(process.returncode, last), time.monotonic() - start)
        finally:
            self.free.put(slot)


def reason(status: int, last: str) -> str:
    """Why a run failed that left with ``status``, its ``last`` line told; "" where it did not."""
    if status == 0:
        return ""
    if status < 0:
        return f"killed by signal {-status}"
    return last.partition("error: ")[2] or f"exit status {status}: {last}"


def run_all(tasks: Sequence[Task], runner: Callable[[Sequence[Task], Display], list[Outcome]]) -> int:
    """Run all ``tasks`` by ``runner``, print a table of the outcomes; returns the exit status: 1 where any failed."""
    display = Display(len(tasks))
    try:
        outcomes = runner(tasks, display)
    finally:
        display.close()
    print(table(outcomes))
    return int(any(outcome.error for outcome in outcomes))


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each run: picture, state, time and the model's folder."""
    rows = [("picture", "state", "time", "model")]
    for outcome in outcomes:
        state = "failed" if outcome.error else "done"
        folder = outcome.error or str(outcome.task.folder)
        rows.append((outcome.task.name, state, duration(outcome.seconds), folder))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
