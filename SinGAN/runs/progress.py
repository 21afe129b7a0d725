"""The progress of a training, and an estimate of the rest from the work of each unit."""

import statistics
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from SinGAN.kinds.kind import Headline, Unit
from SinGAN.runs.events import Progress

RECENT = 60.0  # seconds over which the speed is measured: a machine's load changes
FEWEST = 8  # reports that are kept even if they are older
PAUSE = 10  # times as slow as the typical step: the run was suspended, as by Ctrl-Z


class Pace:
    """The speed of a run in the last minute or so, without pauses, from reports of the remaining work."""

    def __init__(self) -> None:
        self.seen: deque[tuple[float, float]] = deque()

    def report(self, now: float, left: float) -> None:
        """Take the work that is ``left`` at the moment ``now``, in seconds of any clock."""
        self.seen.append((now, left))
        while len(self.seen) > FEWEST and self.seen[1][0] <= now - RECENT:
            self.seen.popleft()

    def seconds_left(self) -> float | None:
        """The seconds for the work that was left at the last report; None: a single report gives no speed."""
        if len(self.seen) < 2:
            return None
        steps = [(now - then, max(before - left, 1e-9)) for (then, before), (now, left) in pairwise(self.seen)]
        typical = statistics.median_low(seconds / work for seconds, work in steps)
        steady = [(seconds, work) for seconds, work in steps if seconds <= PAUSE * typical * work]
        return self.seen[-1][1] * sum(seconds for seconds, _ in steady) / sum(work for _, work in steady)


@dataclass
class Estimate:
    """Estimates the progress of a training; its clock starts when it is created."""

    units: Sequence[Unit]  # all of the model's
    costs: Sequence[float]  # the relative time of an iteration of each
    wanted: Sequence[int]  # the units to be trained
    every: Sequence[int] = ()  # these, and those that an earlier run has trained; none: only these
    skipped: int = 0  # iterations of the first of them that were done in an earlier run
    headlines: tuple[Headline, ...] = ()

    def __post_init__(self) -> None:
        self.start = self.scale_start = time.monotonic()
        self.work = [cost * unit.iterations for cost, unit in zip(self.costs, self.units, strict=True)]
        self.last_report, self.pace = self.start, Pace()
        self.pace.report(self.start, self.left(self.wanted[0], self.skipped))
        self.first = True  # no report came yet
        self.warming_up = True  # the first report of a unit may come after the compilation of its program
        self.pause = 0.0  # seconds up to the first reports of units, so far

    def at(self, scale: int, iterations: int) -> Progress:
        """The progress of the run when ``iterations`` of the unit ``scale`` are done."""
        return Progress(
            scale=scale,
            unit=self.units[scale],
            iterations=iterations,
            share=1 - self.left(scale, iterations),
            seconds=time.monotonic() - self.scale_start,
            seconds_left=self.seconds_left(scale, iterations),
            headlines=self.headlines,
        )

    def next_scale(self) -> None:
        """Start the clock of the next unit."""
        self.scale_start = time.monotonic()
        self.warming_up = True

    def seconds_left(self, scale: int, iterations: int) -> float | None:
        """Estimated seconds to the end of the run, at the speed of the last minute or so; None: not known yet.

        The time before a unit's first report does not count: its program may have been compiled then.
        """
        now = time.monotonic() - self.pause
        if self.warming_up and iterations < self.units[scale].iterations:
            self.pause += now - self.last_report
            now = self.last_report
            if self.first:  # of the run: the time of the work before it is unknown
                self.pace = Pace()
        self.warming_up = self.first = False
        self.last_report = now
        self.pace.report(now, self.left(scale, iterations))
        return self.pace.seconds_left()

    def left(self, scale: int, iterations: int) -> float:
        """The share of all the work that is left when ``iterations`` of ``scale`` are done."""
        later = sum(self.work[index] for index in self.wanted if index > scale)
        rest_of_scale = self.work[scale] * (1 - iterations / self.units[scale].iterations)
        return (later + rest_of_scale) / sum(self.work[index] for index in self.every or self.wanted)


def duration(seconds: float) -> str:
    """``seconds`` as text: 8 s, 12 min, 3 h 05 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def peak_memory(device: torch.device) -> int:
    """The most bytes used so far: of the GPU's memory on CUDA, else of this process (0: unknown)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0  # Python's standard library does not know it
    import resource  # absent on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
