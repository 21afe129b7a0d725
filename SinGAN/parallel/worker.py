"""The part of a Ray cluster's jobs that runs elsewhere: on a worker, and in an actor beside the caller."""

import contextlib
import importlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from SinGAN.parallel.archives import pack, unpack
from SinGAN.parallel.jobs import Job, reason


def import_ray() -> Any:
    """The package ray; a ValueError where it is lacking."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ValueError("`ray` needs the package ray: pip install ray") from error
    return ray


class ResultStore:
    """The newest results of each job, and the lines that the jobs print: an actor on the caller's node."""

    def __init__(self) -> None:
        self.archives: dict[Job, bytes] = {}
        self.lines: list[tuple[Job, str]] = []

    def keep(self, job: Job, archive: bytes) -> None:
        """Keep ``archive``, the newest results of ``job``."""
        self.archives[job] = archive

    def latest(self, job: Job) -> bytes:
        """The newest results of ``job``, b"" where there are none yet."""
        return self.archives.get(job, b"")

    def report(self, job: Job, line: str) -> None:
        """Keep a line that ``job`` printed."""
        self.lines.append((job, line))

    def news(self) -> list[tuple[Job, str]]:
        """The lines since the last call."""
        lines, self.lines = self.lines, []
        return lines


@dataclass(frozen=True)
class Limits:
    """The interval, the threads and the environment of a job on a worker."""

    every: float  # seconds from one sending of results to the next
    threads: int
    environment: dict[str, str]


def run_on_worker(job: Job, picture: bytes, before: bytes, store: Any, limits: Limits) -> tuple[str, float, bytes]:
    """Run ``job`` on a worker, in a temporary folder; returns its error, its seconds and its results.

    Arguments:
        job: what to run.
        picture: the content of its picture's file.
        before: an archive of the caller's earlier results, to begin with; those in ``store`` are newer.
        store: the actor that takes results and printed lines.
        limits: how often to send results, and what the job may use.
    """
    ray, start = import_ray(), time.monotonic()
    os.environ.update(limits.environment)
    torch.set_num_threads(limits.threads)
    with tempfile.TemporaryDirectory() as temporary:
        inputs, out = Path(temporary) / "in", Path(temporary) / "out"
        inputs.mkdir()
        (inputs / job.picture.name).write_bytes(picture)
        unpack(ray.get(store.latest.remote(job)) or before, out)
        flags = [*job.flags, f"--input_name={job.picture.name}", f"--input_dir={inputs}", f"--out={out}"]
        home = str(job.folder.parents[2])  # the caller's folder of results, which the printed lines are to name
        with send_regularly(out, limits.every, lambda archive: store.keep.remote(job, archive)):
            error = run_command(job.command, flags, lambda line: store.report.remote(job, line.replace(str(out), home)))
        return error, time.monotonic() - start, pack(out, [out])


def run_command(command: str, flags: list[str], report: Callable[[str], object]) -> str:
    """Run ``command`` with ``flags`` in this process; returns the reason why it failed, "" where it did not."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(Lines(report)), contextlib.redirect_stderr(errors):
        try:
            importlib.import_module("SinGAN.__main__").main([command, *flags])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
            return reason(status, (errors.getvalue().splitlines() or [""])[-1])
    return ""


class Lines(io.TextIOBase):
    """A text file that passes each whole line written to it on to ``report``."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self.report, self.unfinished = report, ""

    def write(self, text: str) -> int:
        *whole, self.unfinished = (self.unfinished + text).split("\n")
        for line in whole:
            self.report(line)
        return len(text)


@contextlib.contextmanager
def send_regularly(folder: Path, every: float, send: Callable[[bytes], object]) -> Iterator[None]:
    """While the block runs, ``send`` an archive of ``folder`` every ``every`` seconds."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(max(every, 0.2)):
            send(pack(folder, [folder]))

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
