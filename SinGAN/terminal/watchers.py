"""A training as a person sees it on a terminal: a bar and an estimate; elsewhere lines."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from torch import Tensor
from tqdm import tqdm

from SinGAN.engines.estimates import SHARED, threads_are_said
from SinGAN.runs.events import Losses, Message, Progress, Watcher
from SinGAN.runs.progress import duration
from SinGAN.terminal.script import program, with_flags

EVERY = 60.0  # seconds from one line to the next, where there is no bar
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}{postfix}"  # what stands last is cut off first
BAR_WIDTH = 40  # of the bar and its numbers
REPORTS = "SINGAN_REPORTS"  # in the environment of a process that another one watches: that one's name


def watcher() -> Watcher:
    """The watcher of this process's trainings: it shows them to the process that watches this one, else to a person."""
    return ParentProcess() if REPORTS in os.environ else Terminal()


def watched() -> dict[str, str]:
    """The variables in the environment of a process that this one watches."""
    named = {REPORTS: os.environ.get(REPORTS, program())}
    return named if threads_are_said() else {**named, SHARED: "1"}


def command_line(command: str, script: str) -> str:
    """The words that start ``command`` as this process was started: as a script, or as the installed program."""
    started = os.environ.get(REPORTS, program())
    return f"singan {command}" if started.startswith("singan") else f"{interpreter()} {script}"


def interpreter() -> str:
    """The words that start the Python that runs: its path, where ``python`` would start another one."""
    running = Path(sys.executable)
    found = shutil.which("python")
    if found and Path(found).parent.resolve() == running.parent.resolve():
        return "python"
    inside = running.is_relative_to(Path.cwd())
    return shlex.quote(str(running.relative_to(Path.cwd()) if inside else running))


def summary(progress: Progress, losses: Losses) -> str:
    """A line on a scale that is done."""
    took = duration(progress.seconds)
    return f"{left(progress)}{progress.title()} done: {progress.niter} iterations in {took}, {progress.brief(losses)}"


def state(progress: Progress, losses: Losses) -> str:
    """A line on a scale that is being trained."""
    return f"{left(progress)}{progress.title()}: {progress.iterations} of {progress.niter}, {progress.brief(losses)}"


def left(progress: Progress) -> str:
    """The time that is left, where it is known, in words; it stands first: a narrow terminal does not cut it off."""
    return "" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left, "


class Now:
    """Tells when it is time for a line again: a person who looks at a pipe or a log must see that it lives."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        due = now - self.last >= EVERY
        if due:
            self.last = now
        return due


class Terminal:
    """A bar on a terminal; elsewhere a line for each scale, and each minute."""

    def __init__(self) -> None:
        self.bar: tqdm[NoReturn] | None = None
        self.now = Now()

    def note(self, text: str) -> None:
        print(with_flags(text), flush=True)

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        if not sys.stderr.isatty():
            if self.now():
                print(state(progress, losses[-1]), flush=True)
            return
        title, values = f"{left(progress)}{progress.title()}", progress.brief(losses[-1])
        has_room = shutil.get_terminal_size().columns >= len(title) + len(values) + BAR_WIDTH
        if self.bar is None:
            first = progress.iterations - len(losses)  # those of an earlier run tell nothing about the speed
            self.bar = tqdm(total=progress.niter, initial=first, desc=title, bar_format=BAR, dynamic_ncols=True)
        self.bar.set_description_str(title, refresh=False)
        self.bar.set_postfix_str(values if has_room else "", refresh=False)
        self.bar.update(progress.iterations - self.bar.n)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        if self.bar is not None:
            self.close()
        else:
            print(summary(progress, losses), flush=True)
            self.now = Now()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class ParentProcess:
    """Sends every event as a line of JSON to the process that reads this one's output."""

    def __init__(self) -> None:
        self.now = Now()

    def note(self, text: str) -> None:
        self._send(Message("note", text=with_flags(text)))

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        text = state(progress, losses[-1]) if self.now() else ""
        shown = progress.shown(losses[-1])
        self._send(Message("iteration", progress.share, text, shown, progress.seconds_left))

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        self._send(Message("scale_done", share=progress.share, text=summary(progress, losses)))

    def close(self) -> None:
        pass

    def _send(self, message: Message) -> None:
        print(message.encoded(), flush=True)
