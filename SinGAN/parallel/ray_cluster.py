"""Many pictures on a Ray cluster: pictures, flags and results travel through Ray, so that no disk is shared.

Ray places the runs, starts those of a lost worker again, and carries bytes. Each run sends what it has
made home now and then, and one that starts again begins with that.
"""

import contextlib
import importlib
import io
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from SinGAN.options.model import CRITICS
from SinGAN.parallel.archives import land, pack, unpack
from SinGAN.parallel.jobs import Display, Outcome, Task, reason
from SinGAN.runs.progress import REPORTS
from SinGAN.runs.recorder import work_folder
from SinGAN.storage import layout

LOCAL = "local"  # the address of a cluster that is started on this machine, for this command
RETRIES = 10  # of a run whose worker is lost
ROOT = Path(__file__).parent.parent.parent
FILE_FLAGS = {"--netG", "--netD", "--vgg_weights"}
NOT_SENT = [".git", ".venv", "Input", "Output", "docs", "tests"]


@dataclass(frozen=True)
class OnRay:
    """Runs tasks on the Ray cluster at ``address``."""

    address: str
    threads: int  # CPUs for each run
    per_gpu: int  # runs on one GPU
    use_gpus: bool  # where the cluster has any
    every: float  # seconds from one sending home to the next
    out: Path

    def __call__(self, tasks: Sequence[Task], display: Display) -> list[Outcome]:
        """Run all ``tasks``; their results land in ``out``. Returns their outcomes, in their order.

        Raises:
            ValueError: Ray is not installed, can't serve what is asked, or nothing answers at the address.
        """
        if any(files_named(task.flags) for task in tasks) or {task.script.stem for task in tasks} != {"main_train"}:
            raise ValueError(
                "--ray serves main_train.py, without files of weights: leave it or them (--netG, --netD, ..) out"
            )
        ray = imported()
        check_address(self.address)
        own: dict[str, Any] = {"include_dashboard": False} if self.address == LOCAL else {}
        code = {"working_dir": str(ROOT), "excludes": NOT_SENT}
        ray.init(self.address, runtime_env=code, log_to_driver=False, logging_level="error", **own)
        try:
            return self._run(ray, tasks, display)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, tasks: Sequence[Task], display: Display) -> list[Outcome]:
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        keeper = ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=here).remote()
        gpus = 1 / self.per_gpu if self.use_gpus and ray.cluster_resources().get("GPU") else 0
        cpus = min([self.threads, *(int(node["Resources"].get("CPU", 0)) or self.threads for node in ray.nodes())])
        remote = ray.remote(work).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
        started = time.monotonic()
        waiting, outcomes = {}, {}
        for task in tasks:
            samples = layout.random_samples(self.out, task.picture.stem, 0)
            before = pack(self.out, [task.folder, work_folder(task.folder, overwrite=True), samples])
            try:
                waiting[remote.remote(task, task.picture.read_bytes(), before, keeper, self.every, cpus)] = task
            except OSError as error:
                outcomes[task] = Outcome(task, f"{error.strerror}: {task.picture}", 0.0)
                display.ended(outcomes[task])
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), timeout=0.5)
                for task, line in ray.get(keeper.news.remote()):
                    display.report(task, line)
                for reference in ready:
                    task = waiting.pop(reference)
                    outcomes[task] = self._land(ray, task, reference, keeper, time.monotonic() - started)
                    display.ended(outcomes[task])
        except BaseException:
            for reference, task in waiting.items():
                ray.cancel(reference, force=True)
                with contextlib.suppress(ValueError, OSError):
                    land(ray.get(keeper.latest.remote(task)), self.out)
            raise
        return [outcomes[task] for task in tasks]

    def _land(self, ray: Any, task: Task, reference: Any, keeper: Any, seconds: float) -> Outcome:
        """Put the results of a run that ended into place; of one that is lost, what came home of it."""
        try:
            error, seconds, archive = ray.get(reference)
        except ray.exceptions.RayError as failure:
            error, archive = " ".join(str(failure).split())[:200], ray.get(keeper.latest.remote(task))
        try:
            land(archive, self.out)
        except (ValueError, OSError) as failure:
            error = error or str(failure)
        return Outcome(task, error, seconds)


def files_named(flags: Sequence[str]) -> list[str]:
    """The files of this machine that ``flags``, of a command line, name."""
    words = [word for flag in flags for word in flag.split("=", 1)]
    return [value for name, value in pairwise(words) if name in FILE_FLAGS and value not in CRITICS]


def check_address(address: str) -> None:
    """Raise a ValueError where nothing answers at ``address``: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # local, or auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(
            f"no Ray cluster answers at --ray {address} ({error}): begin it with ray start --head"
        ) from error


def imported() -> Any:
    """The package ray; a ValueError where it is lacking."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ValueError("--ray needs the package ray: pip install ray") from error
    return ray


class Keeper:
    """Lives beside the caller: keeps the newest results of each run, and what the runs print."""

    def __init__(self) -> None:
        self.archives: dict[Task, bytes] = {}
        self.lines: list[tuple[Task, str]] = []

    def keep(self, task: Task, archive: bytes) -> None:
        self.archives[task] = archive

    def latest(self, task: Task) -> bytes:
        """The newest results of ``task``, b"" where there are none yet."""
        return self.archives.get(task, b"")

    def report(self, task: Task, line: str) -> None:
        self.lines.append((task, line))

    def news(self) -> list[tuple[Task, str]]:
        """The lines since the last call."""
        lines, self.lines = self.lines, []
        return lines


def work(
    task: Task, picture: bytes, before: bytes, keeper: Any, every: float, threads: int
) -> tuple[str, float, bytes]:
    """Run ``task`` in a folder of its own, on a worker; returns its error, its seconds and its results.

    It begins with what was sent home when it ran before, else with ``before``.
    """
    ray, start = imported(), time.monotonic()
    os.environ[REPORTS] = "1"
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as home:
        inputs, out = Path(home) / "in", Path(home) / "out"
        inputs.mkdir()
        (inputs / task.picture.name).write_bytes(picture)
        unpack(ray.get(keeper.latest.remote(task)) or before, out)
        flags = [*task.flags, f"--input_name={task.picture.name}", f"--input_dir={inputs}", f"--out={out}"]
        with sending(out, every, lambda archive: keeper.keep.remote(task, archive)):
            error = run_main(task.script.stem, flags, lambda line: keeper.report.remote(task, line))
        return error, time.monotonic() - start, pack(out, [out])


def run_main(script: str, flags: list[str], report: Callable[[str], object]) -> str:
    """Call ``main`` of ``script`` with ``flags``; returns why it failed, "" where it did not."""
    sys.argv = [f"{script}.py"]  # what error messages begin with
    errors = io.StringIO()
    with contextlib.redirect_stdout(Lines(report)), contextlib.redirect_stderr(errors):
        try:
            importlib.import_module(script).main(flags)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
            return reason(status, (errors.getvalue().splitlines() or [""])[-1])
    return ""


class Lines(io.TextIOBase):
    """A text file that gives each whole line that is written to ``report``."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self.report, self.begun = report, ""

    def write(self, text: str) -> int:
        *whole, self.begun = (self.begun + text).split("\n")
        for line in whole:
            self.report(line)
        return len(text)


@contextlib.contextmanager
def sending(folder: Path, every: float, send: Callable[[bytes], object]) -> Iterator[None]:
    """Within the block, ``send`` what ``folder`` holds every ``every`` seconds."""
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
