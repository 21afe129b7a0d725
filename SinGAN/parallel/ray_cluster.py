"""Runs jobs on a Ray cluster: pictures, flags and results travel through Ray, so that no disk is shared.

Ray places the jobs, restarts those of a lost worker, and carries bytes. Each job regularly sends its results to the
caller; a job that is restarted resumes from them.
"""

import contextlib
import importlib
import io
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import SIFID
import SinGAN
from SinGAN.options.model import CRITICS
from SinGAN.options.run import RAY_HERE
from SinGAN.parallel.archives import pack, put_in_place, unpack
from SinGAN.parallel.jobs import Job, Slot, describe_error, describe_exit
from SinGAN.parallel.queue import Listener, Outcome
from SinGAN.storage import layout
from SinGAN.storage.layout import work_folder

RETRIES = 10  # of a job whose worker is lost
FILE_FLAGS = {"--netG", "--netD", "--vgg_weights"}
POLL = 0.5  # seconds between two looks at the cluster


@dataclass(eq=False)
class RayRunner:
    """Runs jobs on the Ray cluster at ``address``; Ray decides how many run at the same time.

    Raises:
        ValueError: Ray is not installed, can't run such jobs, or nothing answers at the address.
    """

    address: str  # of the cluster's head, or RAY_HERE
    jobs: Sequence[Job]  # all that will be started
    threads: int  # CPUs for each job
    per_gpu: int  # jobs on one GPU
    use_gpus: bool  # if the cluster has any
    every: float  # seconds between two transfers of results
    out: Path  # the folder of the results
    environment: Mapping[str, str]  # variables that the jobs get in addition to those of their worker

    def __post_init__(self) -> None:
        if any(local_files(job.flags) for job in self.jobs) or {job.command for job in self.jobs} != {"train"}:
            raise ValueError(
                "`ray` supports only trainings without files of weights: omit `ray`, or the files (`netG`, `netD`, ..)"
            )
        self.ray = ray = import_ray()
        check_address(self.address)
        extra: dict[str, Any] = {"include_dashboard": False} if self.address == RAY_HERE else {}
        code = {"py_modules": [str(Path(package.__file__ or "").parent) for package in (SinGAN, SIFID)]}
        ray.init(self.address, runtime_env=code, log_to_driver=False, logging_level="error", **extra)
        gpus = 1 / self.per_gpu if self.use_gpus and ray.cluster_resources().get("GPU") else 0
        cpus = min([self.threads, *(int(node["Resources"].get("CPU", 0)) or self.threads for node in ray.nodes())])
        self.slots = [Slot("", cpus)] * len(self.jobs)
        self.remote = ray.remote(run_on_worker).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self.store = ray.remote(ResultStore).options(num_cpus=0, scheduling_strategy=here).remote()
        self.lock = threading.Lock()
        self.running: dict[Any, tuple[Job, Listener, float]] = {}  # by Ray's reference: job, listener, start
        self.is_closed = threading.Event()
        self.thread = threading.Thread(target=self._poll, daemon=True)
        self.thread.start()

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        """Submit ``job`` to Ray, with its picture and its earlier results."""
        samples = layout.random_samples(self.out, job.picture.stem, 0)
        before = pack(self.out, [job.folder, work_folder(job.folder), samples])
        how = self.every, slot.threads, dict(self.environment)
        reference = self.remote.remote(job, job.picture.read_bytes(), before, self.store, *how)
        with self.lock:
            self.running[reference] = job, listener, time.monotonic()
        return partial(self.ray.cancel, reference, force=True)

    def close(self) -> None:
        """Disconnect from the cluster."""
        self.is_closed.set()
        self.thread.join()
        self.ray.shutdown()

    def _poll(self) -> None:
        """Report the lines and the outcomes of all jobs until ``close``."""
        while not self.is_closed.wait(POLL):
            with self.lock:
                running = dict(self.running)
            if not running:
                continue
            outcomes = {}
            try:
                ready, _ = self.ray.wait(list(running), num_returns=len(running), timeout=0)
                listeners = {job.id: listener for job, listener, _ in running.values()}
                for job_id, line in self.ray.get(self.store.news.remote()):
                    if job_id in listeners:
                        listeners[job_id](line)
                for reference in ready:
                    outcomes[reference] = self._outcome(reference, *running[reference])
            except Exception as error:  # the cluster is lost: no job must wait for it
                outcomes |= {
                    reference: Outcome(describe_error(error)[:200], 0.0) for reference in running.keys() - outcomes
                }
            with self.lock:
                for reference in outcomes:
                    del self.running[reference]
            for reference, outcome in outcomes.items():
                running[reference][1](outcome)

    def _outcome(self, reference: Any, job: Job, _: Listener, start: float) -> Outcome:
        """The outcome of a job that ended; puts its results into place, or the last ones sent if its worker is lost."""
        try:
            error, seconds, archive = self.ray.get(reference)
        except self.ray.exceptions.RayError as lost:
            error, seconds = describe_error(getattr(lost, "cause", lost))[:200], time.monotonic() - start
            archive = self.ray.get(self.store.latest.remote(job.id))
        try:
            put_in_place(archive, self.out)
        except (ValueError, OSError) as failed:
            error = error or describe_error(failed)
        return Outcome(error, seconds)


def local_files(flags: Sequence[str]) -> list[str]:
    """The files of this machine that ``flags``, the words of a command line, name."""
    words = [word for flag in flags for word in flag.split("=", 1)]
    return [value for name, value in pairwise(words) if name in FILE_FLAGS and value not in CRITICS]


def check_address(address: str) -> None:
    """Raise a ValueError if nothing answers at ``address``; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # local, or auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(
            f"no Ray cluster answers at `ray` {address} ({error}): start it with ray start --head"
        ) from error


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

    ``picture`` is the content of the picture's file, ``before`` an archive of results from which the job resumes. The
    actor ``store`` receives printed lines and, every ``every`` seconds, the results; it may hold newer ones.
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
            return describe_exit(status, (errors.getvalue().splitlines() or [""])[-1])
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
