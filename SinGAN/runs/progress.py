"""The progress of a training, and an estimate of the rest from the work that each scale is."""

import statistics
import sys
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from SinGAN.engines.estimates import scale_costs
from SinGAN.models import NetConfig
from SinGAN.planning import Plan
from SinGAN.runs.events import Progress

RECENT = 60.0  # seconds whose speed tells how long the rest takes: a machine's load changes
FEWEST = 8  # reports that are kept, though they be older
PAUSE = 10  # times as slow as most of them: the run stood still there, as after Ctrl-Z


class Pace:
    """The speed of a run in the last minute or so, but for pauses; from moments, and the work that was left then."""

    def __init__(self) -> None:
        self.seen: deque[tuple[float, float]] = deque()

    def report(self, now: float, left: float) -> None:
        """Take the work that is ``left`` at the moment ``now``, in seconds of any clock."""
        self.seen.append((now, left))
        while len(self.seen) > FEWEST and self.seen[1][0] <= now - RECENT:
            self.seen.popleft()

    def seconds_left(self) -> float | None:
        """The seconds that the work takes which was left at the last report; None: one report tells no speed."""
        if len(self.seen) < 2:
            return None
        steps = [(now - then, max(before - left, 1e-9)) for (then, before), (now, left) in pairwise(self.seen)]
        typical = statistics.median_low(seconds / work for seconds, work in steps)
        steady = [(seconds, work) for seconds, work in steps if seconds <= PAUSE * typical * work]
        return self.seen[-1][1] * sum(seconds for seconds, _ in steady) / sum(work for _, work in steady)


@dataclass
class Estimate:
    """Tells how far a training of some scales is; its clock starts when it is made."""

    plan: Plan
    net: NetConfig
    niter: int
    device: torch.device
    scales: Sequence[int]  # those to be trained
    every: Sequence[int] = ()  # these, and those that an earlier run has trained; none: only these
    skipped: int = 0  # iterations of the first of them that were done in an earlier run
    winograd: bool = False  # whether convolutions are Winograd's
    programmed: Collection[int] = ()  # scales that run compiled programs

    def __post_init__(self) -> None:
        self.start = self.scale_start = time.monotonic()
        self.costs = scale_costs(self.plan, self.net, self.device, self.winograd, self.programmed)
        self.last_report, self.pace = self.start, Pace()
        self.pace.report(self.start, self.left(self.scales[0], self.skipped))
        self.first = True  # no report came yet
        self.warming_up = True  # the first report of a scale may come after the compilation of its program
        self.pause = 0.0  # seconds up to the first reports of scales, so far

    def at(self, scale: int, iterations: int) -> Progress:
        """The progress of the run when ``iterations`` of ``scale`` are done."""
        return Progress(
            scale=scale,
            last_scale=self.plan.stop_scale,
            size=self.plan.sizes[scale],
            filters=self.net.at(scale).filters,
            iterations=iterations,
            niter=self.niter,
            share=1 - self.left(scale, iterations),
            seconds=time.monotonic() - self.scale_start,
            seconds_left=self.seconds_left(scale, iterations),
        )

    def next_scale(self) -> None:
        """Start the clock of the next scale."""
        self.scale_start = time.monotonic()
        self.warming_up = True

    def seconds_left(self, scale: int, iterations: int) -> float | None:
        """Estimated seconds to the end of the run, at the speed of the last minute or so; None: not known yet.

        The time up to a scale's first report tells no speed: its program may have been compiled then.
        """
        now = time.monotonic() - self.pause
        if self.warming_up and iterations < self.niter:
            self.pause += now - self.last_report
            now = self.last_report
            if self.first:  # of the run: what was done till then took a time unknown
                self.pace = Pace()
        self.warming_up = self.first = False
        self.last_report = now
        self.pace.report(now, self.left(scale, iterations))
        return self.pace.seconds_left()

    def left(self, scale: int, iterations: int) -> float:
        """The share of all the work that is left when ``iterations`` of ``scale`` are done."""
        later = sum(self.costs[index] for index in self.scales if index > scale)
        rest_of_scale = self.costs[scale] * (1 - iterations / self.niter)
        return (later + rest_of_scale) / sum(self.costs[index] for index in self.every or self.scales)


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
