"""A command for several pictures: in parallel processes of this machine, or on a Ray cluster."""

from collections.abc import Callable, Sequence
from contextlib import closing

import torch

from SinGAN.options.applications import SINGAN
from SinGAN.parallel.jobs import Job, make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.parallel.ray_cluster import RayRunner
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.tasks import tasks
from SinGAN.terminal.display import run_all
from SinGAN.terminal.flags import Flags
from SinGAN.terminal.parse import ParsedCommand
from SinGAN.terminal.watchers import watched_environment

PER_JOB_FLAGS = ("--input_name", "--input_dir", "--device", "--jobs", "--jobs_per_gpu", "--ray")
"""Flags of the whole command, which each job gets with values of its own or not at all."""


def run_several(asked: ParsedCommand, command: str, is_done: Callable[[Run], bool] = lambda run: False) -> int:
    """Run ``command`` for each picture that ``asked`` names, in parallel processes; returns the exit status.

    Pictures for which ``is_done`` is true are skipped.
    """
    settings, flags = asked.run.settings, remove_flags(PER_JOB_FLAGS, asked.argv)
    if settings.ray and settings.device == "cpu":
        flags = (*flags, "--not_cuda")  # a worker's machine may have a GPU
    jobs = [make_job(run, command, flags, asked.args) for run in asked.runs]
    done = {job for job, run in zip(jobs, asked.runs, strict=True) if already_done(run, command, is_done)}
    parallel, threads = min(settings.jobs, len(jobs)), torch.get_num_threads()
    if len(done) == len(jobs):
        return run_all(jobs, LocalRunner((), {}), done)
    if not settings.ray:
        places = make_slots(asked.run.device, parallel, settings.jobs_per_gpu, threads)
        return run_all(jobs, LocalRunner(places, watched_environment()), done)
    for run in asked.runs:
        check_links(run, command)
    cluster = RayRunner(
        settings.ray,
        jobs,
        threads=max(1, threads // parallel),
        per_gpu=settings.jobs_per_gpu,
        use_gpus=asked.run.device.type == "cuda" or asked.anywhere,
        every=settings.checkpoint_every,
        out=settings.out,
        environment=watched_environment(),
    )
    with closing(cluster):
        return run_all(jobs, cluster, done)


def check_links(run: Run, command: str) -> None:
    """Raise a ValueError if a link leads the picture, its model or the results of ``command`` out of their folders."""
    run.check_links()
    for folder in tasks()[command].folders:
        keep_inside(run.out, [run.out / folder])


def already_done(run: Run, command: str, is_done: Callable[[Run], bool]) -> bool:
    """Whether ``is_done`` is true for ``run``; False if it raises an error, which the job itself will report."""
    try:
        check_links(run, command)
        return is_done(run)
    except (OSError, ValueError):
        return False


def make_job(run: Run, command: str, flags: tuple[str, ...], args: Flags) -> Job:
    """The job of one picture, with the folder of its results; ``flags`` are all but the picture and the device."""
    studies = layout.study(run.out, run.name, "")
    is_trained = getattr(args, "method", SINGAN) == SINGAN
    folder = {"train": run.model, "study": studies}.get(command, run.model.parent if is_trained else run.out)
    return Job(run.picture, command, flags, folder)


def remove_flags(flags: Sequence[str], argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` without ``flags`` and their values."""
    kept, is_dropped = [], False
    for word in argv:
        if word.startswith("--"):
            is_dropped = word.split("=")[0] in flags
        if not is_dropped:
            kept.append(word)
    return tuple(kept)
