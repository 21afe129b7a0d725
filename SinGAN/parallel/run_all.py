"""A script for several pictures at once: by processes of this machine, or on a Ray cluster."""

from collections.abc import Sequence

import torch

from SinGAN.parallel import jobs as dispatch
from SinGAN.parallel import ray_cluster as cluster
from SinGAN.parallel.jobs import Task
from SinGAN.runs.run import Run

OURS = ("--input_name", "--input_dir", "--device", "--jobs", "--jobs_per_gpu", "--ray")
"""Flags that the processes are not given as they stand."""


def run_all(
    runs: Sequence[Run], tasks: list[Task], jobs: int, per_gpu: int, address: str | None, anywhere: bool
) -> int:
    """Do ``tasks``, one of each of ``runs``, ``jobs`` at once; returns the exit status.

    Here, or on the Ray cluster at ``address`` if there is one.
    ``anywhere``: the cluster may use GPUs even where this machine has none.
    """
    first, jobs, threads = runs[0], min(jobs, len(tasks)), torch.get_num_threads()
    if not address:
        places = dispatch.slots(first.device, jobs, per_gpu, threads)
        return dispatch.run_all(tasks, dispatch.Here(places))
    for run in runs:
        run.check_links()
    gpus = first.device.type == "cuda" or anywhere
    own = (max(1, threads // jobs), per_gpu, gpus, first.checkpoint_every, first.out)
    return dispatch.run_all(tasks, cluster.OnRay(address, *own))
