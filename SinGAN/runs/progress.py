"""What a person sees of a training: a bar and an estimate on a terminal, a line per scale elsewhere."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor
from tqdm import tqdm

from SinGAN.engines.winograd import MULTIPLE
from SinGAN.losses.iteration import LOSSES
from SinGAN.models import NetConfig
from SinGAN.planning import Plan

REPORTS = "SINGAN_REPORTS"  # set in the environment of a run that another process watches
SHARE = "@ "  # such a run prints lines that begin so, with the share of it that is done

OVERHEAD = {"cpu": 4e7, "cuda": 1e10}
"""What an iteration costs beside its arithmetic, in multiplications of one generator pass."""
WINOGRAD = 235  # multiplications that take as long as all of an activation, where Winograd's convolutions make it


def scale_costs(plan: Plan, net: NetConfig, device: torch.device, winograd: bool = False) -> list[float]:
    """The relative time that an iteration of each scale takes, from its pixels and filters.

    With convolutions by Winograd's method it goes with the number of activations, not of multiplications.
    """
    nets = [net.at(index) for index in range(len(plan.sizes))]
    fits = winograd and net.ker_size == 3 and not any(filters % MULTIPLE for filters in nets[0].block_filters())
    each = [WINOGRAD * sum(own.block_filters()) if fits else own.weights_per_pixel() for own in nets]
    return [
        pixel * height * width + OVERHEAD[device.type] for pixel, (height, width) in zip(each, plan.sizes, strict=True)
    ]


@dataclass
class Progress:
    """Shows how far a training is; ``show`` after some iterations, ``scale_done`` after each scale."""

    plan: Plan
    net: NetConfig
    niter: int
    device: torch.device
    scales: Sequence[int]  # those to be trained
    skipped: int = 0  # iterations of the first of them that were done in an earlier run
    winograd: bool = False  # whether convolutions are Winograd's
    bar: "tqdm[NoReturn] | None" = None

    def __post_init__(self) -> None:
        self.start = self.scale_start = time.monotonic()

    def show(self, scale: int, iteration: int, losses: Tensor) -> None:
        """Show that ``iteration`` of ``scale`` is done, with its ``losses`` (n,) on the CPU."""
        if REPORTS in os.environ:
            print(f"{SHARE}{1 - self.left(scale, iteration + 1):.4f}", flush=True)
        if not sys.stderr.isatty():
            return
        if self.bar is None:
            self.bar = tqdm(total=self.niter, desc=self._title(scale), unit="it", dynamic_ncols=True)
        self.bar.set_postfix_str(f"{_brief(losses)}, run: {duration(self.remaining(scale, iteration + 1))} left")
        self.bar.update(iteration + 1 - self.bar.n)

    def scale_done(self, scale: int, losses: Tensor) -> None:
        """Close the scale's bar, or print its line."""
        if self.bar is not None:
            self.close()
        else:
            took = duration(time.monotonic() - self.scale_start)
            left = duration(self.remaining(scale, self.niter))
            print(f"{self._title(scale)}: {self.niter} iterations in {took}, {_brief(losses)}, run: {left} left")
            sys.stdout.flush()
        self.scale_start = time.monotonic()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def remaining(self, scale: int, iterations: int) -> float:
        """Estimated seconds to the end of the run, when ``iterations`` of ``scale`` are done."""
        before = self.left(self.scales[0], self.skipped)
        left = self.left(scale, iterations)
        return (time.monotonic() - self.start) * left / max(before - left, 1e-9)

    def left(self, scale: int, iterations: int) -> float:
        """The share of the work on ``scales`` that is left when ``iterations`` of ``scale`` are done."""
        costs = scale_costs(self.plan, self.net, self.device, self.winograd)
        later = sum(costs[index] for index in self.scales if index > scale)
        here = costs[scale] * (1 - iterations / self.niter)
        return (later + here) / sum(costs[index] for index in self.scales)

    def _title(self, scale: int) -> str:
        height, width = self.plan.sizes[scale]
        return f"scale {scale} of 0..{self.plan.stop_scale} ({height} x {width}, {self.net.at(scale).filters} filters)"


def _brief(losses: Tensor) -> str:
    value = dict(zip(LOSSES, losses.tolist(), strict=False))
    return f"D {value['D_total']:.3f}, G {value['G_adversarial']:.3f}, rec {value['reconstruction']:.3f}"


def duration(seconds: float) -> str:
    """``seconds`` as people say it: 8 s, 12 min, 3 h 05 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def peak_memory(device: torch.device) -> int:
    """The most bytes used so far: of the GPU's memory on CUDA, else of this process (0: unknown)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0  # Python's own library can't tell there
    import resource  # absent on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
