"""Estimates for a scale: the bytes that its training needs, the time it takes, and whether compiling pays."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from SinGAN.engines.winograd import MULTIPLE
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import Plan, Size

VALUES_KEPT = 7  # by an eager iteration at its peak, for each filter of each block and each pixel
VGG_VALUES = 270  # by a VGG, for each pixel
SHARE = 0.7  # of a machine's memory that they may take
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
COMPILING = 60.0  # seconds that the programs of a scale take to compile on two cores
SAVED = 2e-9  # seconds that they save in an iteration, at least, for each byte of its activations
OVERHEAD = {"cpu": 4e7, "cuda": 1e10}
"""The cost of an iteration beside its arithmetic, in multiplications of one generator pass, on a CPU by two threads."""
WINOGRAD = 235  # multiplications that take as long as all of an activation, where Winograd's convolutions make it
WIDE = 64  # filters, from which on their multiplications outweigh the rest
PLAIN = 0.55  # the time of a pass through a net without BatchNorm, in those of one with it


@dataclass(frozen=True)
class ScaleSetting:
    """A scale that is to be trained."""

    net: NetConfig
    size: Size
    device: torch.device
    training: TrainConfig


def bytes_needed(net: NetConfig, size: Size, uses_vgg: bool = False, train_depth: int = TrainConfig.train_depth) -> int:
    """About how many bytes of activations an eager fp32 iteration with nets of ``net`` keeps."""
    streams, (height, width), filters = 2 if net.conditional else 1, size, sum(net.block_filters())
    if net.stages:  # the blocks that train together
        filters += (min(net.stages, train_depth) - 1) * sum(net.block_filters()[1:])
    return 4 * height * width * (VALUES_KEPT * streams * filters + VGG_VALUES * uses_vgg)


def bytes_on_disk(plan: Plan, net: NetConfig) -> int:
    """About how many bytes the folder of a training takes at most: nets, maps, a checkpoint and the one before it."""
    nets = [net.at(index) for index in range(len(plan.sizes))]
    weights = [4 * (max(1, config.stages) + config.critics) * config.weights_per_pixel() for config in nets]
    channels = net.filters if net.stages else net.channels
    maps = sum(4 * channels * height * width for height, width in plan.sizes)
    return sum(weights) + 5 * maps + 8 * max(weights) + 2**20


def memory_of(device: torch.device) -> int:
    """The bytes of memory that ``device`` has in all, so that one machine always decides alike; 0: unknown."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
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
    needed = bytes_needed(setting.net, setting.size, train_depth=training.train_depth)
    return SAVED * needed * steps > COMPILING


def scale_costs(plan: Plan, net: NetConfig, device: torch.device, winograd: bool = False) -> list[float]:
    """The relative time that an iteration of each scale takes, from its pixels and filters.

    With convolutions by Winograd's method it is about proportional to the number of activations, not of
    multiplications. More threads do the arithmetic sooner, and not the rest.
    """
    nets = [net.at(index) for index in range(len(plan.sizes))]
    fits = winograd and net.ker_size == 3 and not any(filters % MULTIPLE for filters in nets[0].block_filters())
    each = [of_activations(config) if fits else config.weights_per_pixel() for config in nets]
    if net.stages:
        each = [cost * share_of_growing(config.stages) for cost, config in zip(each, nets, strict=True)]
    if not net.batch_norm:
        each = [cost * PLAIN for cost in each]
    if device.type == "cpu":
        each = [cost * 2 / torch.get_num_threads() for cost in each]
    return [
        pixel * height * width + OVERHEAD[device.type] for pixel, (height, width) in zip(each, plan.sizes, strict=True)
    ]


def of_activations(net: NetConfig) -> float:
    """The cost of a pixel where Winograd's convolutions make its activations."""
    return WINOGRAD * sum(filters * max(1.0, (filters + WIDE) / (2 * WIDE)) for filters in net.block_filters())


def share_of_growing(stages: int) -> float:
    """The time of an iteration with a generator of so many ``stages``, in those of one with the paper's.

    Counted in passes of a net: a step of a critic takes 12, one of a generator 8; here it steps once for three, through
    the blocks that train together, and all blocks make the fake image.
    """
    sequential = TrainConfig.Dsteps * 13 + TrainConfig.Gsteps * 8
    return (TrainConfig.Dsteps * 12 + stages + 6 * min(stages, TrainConfig.train_depth) + 2) / sequential
