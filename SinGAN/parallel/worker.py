"""The part of a Ray job that runs elsewhere: on a worker, and in an actor on the caller's node."""

import contextlib
import importlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from SinGAN.parallel.archives import pack, unpack
from SinGAN.parallel.jobs import Job, failure


def import_ray() -> Any:
    """Import the package ray, or raise a ValueError if it is not installed."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ValueError("`ray` needs the package ray: pip install ray") from error
    return ray


class ResultStore:
    """The latest results of each job, by its id, and the lines that the jobs print: an actor on the caller's node."""

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.lines: list[tuple[str, str]] = []

    def keep(self, job_id: str, archive: bytes) -> None:
        """Replace the results of a job by ``archive``."""
        self.archives[job_id] = archive

    def latest(self, job_id: str) -> bytes:
        """The latest results of a job; b"" if there are none yet."""
        return self.archives.get(job_id, b"")

    def report(self, job_id: str, line: str) -> None:
        """Record a line that a job printed."""
        self.lines.append((job_id, line))

    def news(self) -> list[tuple[str, str]]:
        """The lines since the last call."""
        lines, self.lines = self.lines, []
        return lines


def run_on_worker(
    job: Job, picture: bytes, before: bytes, store: Any, every: float, threads: int, environment: dict[str, str]
) -> tuple[str, float, bytes]:
    """Run ``job`` on a worker, in a temporary folder; returns its error, its seconds and an archive of its results.

    Arguments:
        job: the command and its flags.
        picture: the content of the picture's file.
        before: an archive of earlier results, from which the job resumes; those in ``store`` are newer.
        store: the actor that receives results and printed lines.
        every: seconds between two transfers of results.
        threads: CPU threads of the job.
        environment: variables to set.
    """
    ray, start = import_ray(), time.monotonic()
    os.environ.update(environment)
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as temporary:
        inputs, out = Path(temporary) / "in", Path(temporary) / "out"
        inputs.mkdir()
        (inputs / job.picture.name).write_bytes(picture)
        unpack(ray.get(store.latest.remote(job.id)) or before, out)
        flags = [*job.flags, f"--input_name={job.picture.name}", f"--input_dir={inputs}", f"--out={out}"]
        home = str(job.folder.parents[2])  # the caller's folder of results: printed lines name it
        with send_regularly(out, every, lambda archive: store.keep.remote(job.id, archive)):
            error = run_command(
                job.command, flags, lambda line: store.report.remote(job.id, line.replace(str(out), home))
            )
        return error, time.monotonic() - start, pack(out, [out])


def run_command(command: str, flags: list[str], report: Callable[[str], object]) -> str:
    """Run ``command`` with ``flags`` in this process; returns why it failed, "" if it succeeded."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(Lines(report)), contextlib.redirect_stderr(errors):
        try:
            importlib.import_module("SinGAN.__main__").main([command, *flags])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
            return failure(status, (errors.getvalue().splitlines() or [""])[-1])
    return ""


class Lines(io.TextIOBase):
    """A text file that calls ``report`` with each complete line that is written to it."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self.report, self.unfinished = report, ""

    def write(self, text: str) -> int:
        *whole, self.unfinished = (self.unfinished + text).split("\n")
        for line in whole:
            self.report(line)
        return len(text)


@contextlib.contextmanager
def send_regularly(folder: Path, every: float, send: Callable[[bytes], object]) -> Iterator[None]:
    """Call ``send`` with an archive of ``folder`` every ``every`` seconds while the block runs."""
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
