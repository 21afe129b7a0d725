"""Estimates for a scale: memory, disk space, time, number of threads, and whether compilation pays off."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from SinGAN.engines.winograd import MULTIPLE
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import Plan, Size

VALUES_KEPT = 7  # per filter of each block and pixel, at the peak of an eager iteration
WITHOUT_NORM = 0.75  # share of these values in nets without BatchNorm
VGG_VALUES = 270  # per pixel, of a VGG
SHARE = 0.7  # of the memory that activations may take
LIMIT = Path("/sys/fs/cgroup/memory.max")  # memory limit of a container
COMPILING = 60.0  # seconds, to compile the programs of a scale on two cores
SAVED = 2e-9  # seconds per iteration and byte of activations that programs save at least
OVERHEAD = {"cpu": 4e7, "cuda": 1e10}
"""The cost of an iteration besides its arithmetic, in multiplications of a generator pass (CPU: with two threads)."""
WINOGRAD = 1.22  # cost of an output of Winograd's convolutions per input filter
BESIDE = 160  # filters that cost as much as norm, transforms and memory traffic
PROGRAMMED = 0.8  # time of a compiled iteration, relative to an eager one
PLAIN = 0.55  # time of a pass through a net without BatchNorm, relative to one with it
GRAIN = 5e6
"""The cost of an iteration (``scale_cost``) that justifies one more thread.

On two cores, two threads are faster than one from a cost of 7e6 on. If each further doubling of the threads adds as
much overhead (not measured), the best number of threads leaves each of them 1 / (2 ln 2) of that cost.
"""
USER_THREADS, SHARED = "OMP_NUM_THREADS", "SINGAN_SHARED_THREADS"
"""Environment variables; the second is set if a parent process, not the user, set the first."""


@dataclass(frozen=True)
class ScaleSetting:
    """A scale to be trained."""

    net: NetConfig
    size: Size
    device: torch.device
    training: TrainConfig


def bytes_needed(net: NetConfig, size: Size, uses_vgg: bool = False) -> int:
    """An estimate of the bytes of activations that an eager fp32 iteration with nets of ``net`` keeps.

    Further blocks of a growing generator that train together add little, because their images are smaller.
    """
    streams, (height, width), filters = 2 if net.conditional else 1, size, sum(net.block_filters())
    kept = VALUES_KEPT * (1 if net.batch_norm else WITHOUT_NORM) * streams * filters
    return int(4 * height * width * (kept + VGG_VALUES * uses_vgg))


def bytes_on_disk(plan: Plan, net: NetConfig) -> int:
    """An upper estimate of the bytes of a training's folder: nets, maps, and two checkpoints."""
    nets = [net.at(index) for index in range(len(plan.sizes))]
    weights = [4 * (max(1, config.stages) + config.critics) * config.weights_per_pixel() for config in nets]
    channels = net.filters if net.stages else net.channels
    maps = sum(4 * channels * height * width for height, width in plan.sizes)
    return sum(weights) + 5 * maps + 8 * max(weights) + 2**20


def available_memory(device: torch.device) -> int:
    """The bytes of memory available to a process; 0: unknown.

    On a CPU these are all of the machine's, so that the same machine always decides alike. On a GPU, where results need
    not be bit-identical, they are those that other processes leave.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device)
    if not hasattr(os, "sysconf"):
        return 0  # Windows: Python's standard library can't tell
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed = LIMIT.read_text().strip() if LIMIT.is_file() else "max"
    return min(whole, int(allowed)) if allowed.isdigit() else whole


def pays_to_compile(setting: ScaleSetting) -> bool:
    """Whether compiling the programs of a scale takes less time than they save.

    The decision depends on the setting, not on a clock, so that the same machine always decides alike.
    """
    training = setting.training
    steps = training.niter * (training.Gsteps + training.Dsteps) / 6
    return SAVED * bytes_needed(setting.net, setting.size) * steps > COMPILING


def scale_costs(
    plan: Plan, net: NetConfig, device: torch.device, winograd: bool = False, programmed: Collection[int] = ()
) -> list[float]:
    """The relative time of an iteration at each scale, from its pixels, filters and threads.

    Threads speed up the arithmetic only. The scales ``programmed`` run compiled programs.
    """
    costs = [scale_cost(net.at(index), size, winograd) for index, size in enumerate(plan.sizes)]
    if device.type == "cpu":
        costs = [cost * 2 / choose_threads(cost) for cost in costs]
    whole = [cost + OVERHEAD[device.type] for cost in costs]
    return [cost * (PROGRAMMED if index in programmed else 1) for index, cost in enumerate(whole)]


def scale_cost(net: NetConfig, size: Size, winograd: bool = False) -> float:
    """The relative time of the arithmetic of an iteration with nets of ``net`` on an image of ``size``.

    With Winograd's convolutions, it is about proportional to the number of activations, not of multiplications.
    """
    blocks = net.block_filters()
    if winograd and net.ker_size == 3 and not any(filters % MULTIPLE for filters in blocks):
        each = WINOGRAD * sum(filters * (filters + BESIDE) for filters in blocks)
    else:
        each = net.weights_per_pixel()
    if net.stages:
        each *= growing_cost(net.stages)
    return each * (1 if net.batch_norm else PLAIN) * size[0] * size[1]


def choose_threads(cost: float) -> int:
    """The number of CPU threads for an iteration of ``cost``: from one to all that PyTorch may use.

    If the user sets OMP_NUM_THREADS, all of them.
    """
    most = torch.get_num_threads()
    return most if user_set_threads() else max(1, min(most, round(cost / GRAIN)))


def user_set_threads() -> bool:
    """Whether the user, not a parent process of this program, set the number of threads."""
    return USER_THREADS in os.environ and SHARED not in os.environ


def growing_cost(stages: int) -> float:
    """The time of an iteration with a growing generator of ``stages``, relative to one with the paper's generator.

    It is counted in passes through a net: a step of a critic takes 12, one of a generator 8. Here the generator takes
    one step instead of three, through the blocks that train together, and all blocks compute the fake image.
    """
    sequential = TrainConfig.Dsteps * 13 + TrainConfig.Gsteps * 8
    return (TrainConfig.Dsteps * 12 + stages + 6 * min(stages, TrainConfig.train_depth) + 2) / sequential
