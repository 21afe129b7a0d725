"""Estimates for a scale: the bytes that its training needs, its time, its threads, and whether compiling pays."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from SinGAN.engines.winograd import MULTIPLE
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import Plan, Size

VALUES_KEPT = 7  # by an eager iteration at its peak, for each filter of each block and each pixel
WITHOUT_NORM = 0.75  # of these values, by nets without BatchNorm
VGG_VALUES = 270  # by a VGG, for each pixel
SHARE = 0.7  # of a machine's memory that they may take
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
COMPILING = 60.0  # seconds that the programs of a scale take to compile on two cores
SAVED = 2e-9  # seconds that they save in an iteration, at least, for each byte of its activations
OVERHEAD = {"cpu": 4e7, "cuda": 1e10}
"""The cost of an iteration beside its arithmetic, in multiplications of one generator pass, on a CPU by two threads."""
WINOGRAD = 1.22  # the cost of an activation that Winograd's convolutions make, for each filter that goes into it
BESIDE = 160  # filters that would cost as much as the rest of it: norm, transforms and memory
PROGRAMMED = 0.8  # the time of an iteration by compiled programs, in those of an eager one
PLAIN = 0.55  # the time of a pass through a net without BatchNorm, in those of one with it
GRAIN = 5e6
"""The cost of an iteration, as ``scale_cost`` has it, that is worth a thread.

On two cores two threads are faster than one from a cost of 7e6 on. If each further
doubling of the threads costs as much time as that one, which was not measured, the best number is the one that
leaves each thread 1 / (2 ln 2) of that.
"""
SAID, SHARED = "OMP_NUM_THREADS", "SINGAN_SHARED_THREADS"  # in the environment; the second where we set the first


@dataclass(frozen=True)
class ScaleSetting:
    """A scale that is to be trained."""

    net: NetConfig
    size: Size
    device: torch.device
    training: TrainConfig


def bytes_needed(net: NetConfig, size: Size, uses_vgg: bool = False) -> int:
    """About how many bytes of activations an eager fp32 iteration with nets of ``net`` keeps.

    Blocks of a generator that grows which learn together add little: the images of the coarser ones are smaller.
    """
    streams, (height, width), filters = 2 if net.conditional else 1, size, sum(net.block_filters())
    kept = VALUES_KEPT * (1 if net.batch_norm else WITHOUT_NORM) * streams * filters
    return int(4 * height * width * (kept + VGG_VALUES * uses_vgg))


def bytes_on_disk(plan: Plan, net: NetConfig) -> int:
    """About how many bytes the folder of a training takes at most: nets, maps, a checkpoint and the one before it."""
    nets = [net.at(index) for index in range(len(plan.sizes))]
    weights = [4 * (max(1, config.stages) + config.critics) * config.weights_per_pixel() for config in nets]
    channels = net.filters if net.stages else net.channels
    maps = sum(4 * channels * height * width for height, width in plan.sizes)
    return sum(weights) + 5 * maps + 8 * max(weights) + 2**20


def memory_of(device: torch.device) -> int:
    """The bytes of memory that a process can have; 0: unknown.

    On a CPU it is all that the machine has, so that one machine always decides alike; on a GPU, where the bits are not
    promised, what other processes leave.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device)
    if not hasattr(os, "sysconf"):
        return 0  # Python's own library can't tell on Windows
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed = LIMIT.read_text().strip() if LIMIT.is_file() else "max"
    return min(whole, int(allowed)) if allowed.isdigit() else whole


def worth_compiling(setting: ScaleSetting) -> bool:
    """Whether compiling the programs of a scale takes less time than they save.

    The decision depends on the setting, not on a clock, so that one machine always decides alike.
    """
    training = setting.training
    steps = training.niter * (training.Gsteps + training.Dsteps) / 6
    return SAVED * bytes_needed(setting.net, setting.size) * steps > COMPILING


def scale_costs(
    plan: Plan, net: NetConfig, device: torch.device, winograd: bool = False, programmed: Collection[int] = ()
) -> list[float]:
    """The relative time that an iteration of each scale takes, from its pixels, filters and threads.

    More threads do the arithmetic sooner, and not the rest. The scales ``programmed`` run compiled programs.
    """
    costs = [scale_cost(net.at(index), size, winograd) for index, size in enumerate(plan.sizes)]
    if device.type == "cpu":
        costs = [cost * 2 / threads_worth(cost) for cost in costs]
    whole = [cost + OVERHEAD[device.type] for cost in costs]
    return [cost * (PROGRAMMED if index in programmed else 1) for index, cost in enumerate(whole)]


def scale_cost(net: NetConfig, size: Size, winograd: bool = False) -> float:
    """The relative time of the arithmetic of an iteration with nets of ``net`` on an image of ``size``.

    With convolutions by Winograd's method it is about proportional to the number of activations, not of
    multiplications.
    """
    fits = winograd and net.ker_size == 3 and not any(filters % MULTIPLE for filters in net.block_filters())
    each = of_activations(net) if fits else net.weights_per_pixel()
    if net.stages:
        each *= share_of_growing(net.stages)
    return each * (1 if net.batch_norm else PLAIN) * size[0] * size[1]


def threads_worth(cost: float) -> int:
    """How many threads of the CPU are worth an iteration of ``cost``: of all those that PyTorch may use, at least one.

    All of them where the environment says how many there shall be (OMP_NUM_THREADS).
    """
    most = torch.get_num_threads()
    return most if threads_are_said() else max(1, min(most, round(cost / GRAIN)))


def threads_are_said() -> bool:
    """Whether the user, and not one of our own processes, says how many threads there shall be."""
    return SAID in os.environ and SHARED not in os.environ


def of_activations(net: NetConfig) -> float:
    """The cost of a pixel where Winograd's convolutions make its activations."""
    return WINOGRAD * sum(filters * (filters + BESIDE) for filters in net.block_filters())


def share_of_growing(stages: int) -> float:
    """The time of an iteration with a generator of so many ``stages``, in those of one with the paper's.

    Counted in passes of a net: a step of a critic takes 12, one of a generator 8; here it steps once for three, through
    the blocks that train together, and all blocks make the fake image.
    """
    sequential = TrainConfig.Dsteps * 13 + TrainConfig.Gsteps * 8
    return (TrainConfig.Dsteps * 12 + stages + 6 * min(stages, TrainConfig.train_depth) + 2) / sequential
