"""A command for several pictures at once: by processes of this machine, or on a Ray cluster."""

from collections.abc import Callable, Collection, Sequence

import torch

from SinGAN.options.applications import SINGAN
from SinGAN.parallel.jobs import Display, Job, Outcome, slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.parallel.ray_cluster import RayRunner
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.tasks import tasks
from SinGAN.terminal.display import Runner, run_all
from SinGAN.terminal.flags import Flags
from SinGAN.terminal.parse import Asked
from SinGAN.terminal.watchers import watched

OURS = ("--input_name", "--input_dir", "--device", "--jobs", "--jobs_per_gpu", "--ray")
"""Flags that the processes are not given as they stand."""


def run_several(asked: Asked, command: str, is_done: Callable[[Run], bool] = lambda run: False) -> int:
    """Run ``command`` for each of the pictures ``asked`` for, some at once; returns the exit status.

    No process is started for those that ``is_done`` says nothing is left to do for.
    """
    settings, flags = asked.run.settings, without(OURS, asked.argv)
    if settings.ray and settings.device == "cpu":
        flags = (*flags, "--not_cuda")  # a worker's machine may well have a GPU
    jobs = [job_of(run, command, flags, asked.args) for run in asked.runs]
    there = {job for job, run in zip(jobs, asked.runs, strict=True) if found_done(run, command, is_done)}
    at_once, threads = min(settings.jobs, len(jobs)), torch.get_num_threads()
    if not settings.ray:
        places = slots(asked.run.device, at_once, settings.jobs_per_gpu, threads)
        return run_all(jobs, without_done(there, LocalRunner(places, watched())))
    for run in asked.runs:
        check_links(run, command)
    cluster = RayRunner(
        address=settings.ray,
        threads=max(1, threads // at_once),
        per_gpu=settings.jobs_per_gpu,
        use_gpus=asked.run.device.type == "cuda" or asked.anywhere,
        every=settings.checkpoint_every,
        out=settings.out,
        environment=watched(),
    )
    return run_all(jobs, without_done(there, cluster))


def check_links(run: Run, command: str) -> None:
    """Raise a ValueError if a link leads the picture, its model or the results of ``command`` out of their folders."""
    run.check_links()
    keep_inside(run.out, (run.out / folder for folder in tasks()[command].folders))


def found_done(run: Run, command: str, is_done: Callable[[Run], bool]) -> bool:
    """Whether ``is_done`` says so; False where it fails: the run's own process tells why."""
    try:
        check_links(run, command)
        return is_done(run)
    except (OSError, ValueError):
        return False


def without_done(done: Collection[Job], runner: Runner) -> Runner:
    """``runner``, which is not given the jobs that are ``done``."""

    def run(jobs: Sequence[Job], display: Display) -> list[Outcome]:
        for job in jobs:
            if job in done:
                display.report(job, f"already there: {job.folder}")
                display.ended(Outcome(job, "", 0.0))
        left = [job for job in jobs if job not in done]
        outcomes = {outcome.job: outcome for outcome in runner(left, display)} if left else {}
        return [outcomes.get(job, Outcome(job, "", 0.0)) for job in jobs]

    return run


def job_of(run: Run, command: str, flags: tuple[str, ...], args: Flags) -> Job:
    """The job of one picture, with the folder of its results; ``flags`` are all but the picture and the device."""
    studies = layout.study(run.out, run.name, "")
    at_once = getattr(args, "method", SINGAN) != SINGAN  # no model is needed or made
    folder = {"train": run.model, "study": studies}.get(command, run.out if at_once else run.model.parent)
    return Job(run.picture, command, flags, folder)


def without(flags: Sequence[str], argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` without ``flags`` and their values."""
    kept, dropping = [], False
    for word in argv:
        if word.startswith("--"):
            dropping = word.split("=")[0] in flags
        if not dropping:
            kept.append(word)
    return tuple(kept)
