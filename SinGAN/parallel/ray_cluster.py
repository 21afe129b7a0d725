"""Jobs on a Ray cluster: pictures, flags and results travel through Ray, so that no disk is shared.

Ray places the jobs, restarts those of a lost worker, and carries bytes. Each job sends its results to the caller
now and then; a job that is restarted begins with those.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import SIFID
import SinGAN
from SinGAN.options.model import CRITICS
from SinGAN.options.run import RAY_HERE
from SinGAN.parallel.archives import pack, put_in_place
from SinGAN.parallel.jobs import Display, Job, Outcome
from SinGAN.parallel.worker import Limits, ResultStore, import_ray, run_on_worker
from SinGAN.storage import layout
from SinGAN.storage.layout import work_folder

RETRIES = 10  # of a job whose worker is lost
FILE_FLAGS = {"--netG", "--netD", "--vgg_weights"}


@dataclass(frozen=True)
class RayRunner:
    """Runs jobs on the Ray cluster at ``address``."""

    address: str
    threads: int  # CPUs for each job
    per_gpu: int  # jobs on one GPU
    use_gpus: bool  # where the cluster has GPUs
    every: float  # seconds from one sending of results to the next
    out: Path  # where the results go
    environment: Mapping[str, str]  # variables that the jobs get in addition to their worker's

    def __call__(self, jobs: Sequence[Job], display: Display) -> list[Outcome]:
        """Run all ``jobs``; returns their outcomes in the order of ``jobs``.

        Raises:
            ValueError: Ray is not installed, can't run such jobs, or nothing answers at the address.
        """
        if any(local_files(job.flags) for job in jobs) or {job.command for job in jobs} != {"train"}:
            raise ValueError(
                "`ray` serves trainings, without files of weights: leave it or them (`netG`, `netD`, ..) out"
            )
        ray = import_ray()
        check_address(self.address)
        extra: dict[str, Any] = {"include_dashboard": False} if self.address == RAY_HERE else {}
        code = {"py_modules": [str(Path(package.__file__ or "").parent) for package in (SinGAN, SIFID)]}
        ray.init(self.address, runtime_env=code, log_to_driver=False, logging_level="error", **extra)
        try:
            return self._run(ray, jobs, display)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, jobs: Sequence[Job], display: Display) -> list[Outcome]:
        store = start_store(ray)
        start, started = self._starter(ray, store), time.monotonic()
        waiting, outcomes = {}, {}
        for job in jobs:
            try:
                picture = job.picture.read_bytes()
            except OSError as error:
                outcomes[job] = Outcome(job, f"{error.strerror}: {job.picture}", 0.0)
                display.ended(outcomes[job])
            else:
                waiting[start(job, picture)] = job
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), timeout=0.5)
                for job, line in ray.get(store.news.remote()):
                    display.report(job, line)
                for reference in ready:
                    job = waiting.pop(reference)
                    outcomes[job] = self._outcome(ray, job, reference, store, time.monotonic() - started)
                    display.ended(outcomes[job])
        except BaseException:
            self._cancel(ray, waiting, store)
            raise
        return [outcomes[job] for job in jobs]

    def _starter(self, ray: Any, store: Any) -> Callable[[Job, bytes], Any]:
        """A function that starts a job with the content of its picture, and returns Ray's reference to its results."""
        gpus = 1 / self.per_gpu if self.use_gpus and ray.cluster_resources().get("GPU") else 0
        cpus = min([self.threads, *(int(node["Resources"].get("CPU", 0)) or self.threads for node in ray.nodes())])
        remote = ray.remote(run_on_worker).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
        limits = Limits(self.every, cpus, dict(self.environment))

        def start(job: Job, picture: bytes) -> Any:
            samples = layout.random_samples(self.out, job.picture.stem, 0)
            before = pack(self.out, [job.folder, work_folder(job.folder), samples])
            return remote.remote(job, picture, before, store, limits)

        return start

    def _cancel(self, ray: Any, waiting: Mapping[Any, Job], store: Any) -> None:
        """Stop the jobs that are ``waiting`` for their end, and put their newest results into place."""
        for reference, job in waiting.items():
            ray.cancel(reference, force=True)
            with contextlib.suppress(ValueError, OSError):
                put_in_place(ray.get(store.latest.remote(job)), self.out)

    def _outcome(self, ray: Any, job: Job, reference: Any, store: Any, seconds: float) -> Outcome:
        """The outcome of a job that ended; puts its results into place, or the last ones sent where it is lost."""
        try:
            error, seconds, archive = ray.get(reference)
        except ray.exceptions.RayError as failure:
            error, archive = " ".join(str(failure).split())[:200], ray.get(store.latest.remote(job))
        try:
            put_in_place(archive, self.out)
        except (ValueError, OSError) as failure:
            error = error or str(failure)
        return Outcome(job, error, seconds)


def start_store(ray: Any) -> Any:
    """A ``ResultStore`` as an actor on the caller's node."""
    beside_caller = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    return ray.remote(ResultStore).options(num_cpus=0, scheduling_strategy=beside_caller).remote()


def local_files(flags: Sequence[str]) -> list[str]:
    """The files of this machine that are named in ``flags``, the words of a command line."""
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
            f"no Ray cluster answers at `ray` {address} ({error}): begin it with ray start --head"
        ) from error
