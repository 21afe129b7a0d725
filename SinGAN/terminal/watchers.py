"""Watchers that print the progress of a training: a bar on a terminal, lines elsewhere."""

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

from SinGAN.engines.estimates import SHARED, user_set_threads
from SinGAN.runs.events import Losses, Message, Progress, Watcher
from SinGAN.runs.progress import duration
from SinGAN.storage.escaping import escape_controls
from SinGAN.terminal.messages import program, say, with_flags

EVERY = 60.0  # seconds between two lines, where there is no bar
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}{postfix}"  # a narrow terminal cuts off the end
BAR_WIDTH = 40  # columns of the bar and its numbers
REPORTS = "SINGAN_REPORTS"  # environment variable of a watched process: the name of the process that watches it


def watcher() -> Watcher:
    """Return the watcher of this process's trainings: it reports to the process that watches this one, else prints."""
    return ParentProcess() if REPORTS in os.environ else Terminal()


def watched_environment() -> dict[str, str]:
    """Return the environment variables for a process that this one watches."""
    named = {REPORTS: os.environ.get(REPORTS, program())}
    return named if user_set_threads() else {**named, SHARED: "1"}


def command_line(command: str, script: str) -> str:
    """Return the words that start ``command``, as a script or as the installed program, like this process."""
    started = os.environ.get(REPORTS, program())
    return f"singan {command}" if started.startswith("singan") else f"{interpreter()} {script}"


def interpreter() -> str:
    """Return the word that starts the running Python: its path, if ``python`` starts another one."""
    running = Path(sys.executable)
    found = shutil.which("python")
    if found and Path(found).parent.resolve() == running.parent.resolve():
        return "python"
    inside = running.is_relative_to(Path.cwd())
    return shlex.quote(str(running.relative_to(Path.cwd()) if inside else running))


def describe_finished_unit(progress: Progress, losses: Losses) -> str:
    """Return a line about a completed scale."""
    took = duration(progress.seconds)
    return (
        f"{time_left(progress)}{progress.title()} done: {progress.niter} iterations in {took}, {progress.brief(losses)}"
    )


def describe_unit(progress: Progress, losses: Losses) -> str:
    """Return a line about a unit in training."""
    return (
        f"{time_left(progress)}{progress.title()}: {progress.iterations} of {progress.niter}, {progress.brief(losses)}"
    )


def time_left(progress: Progress) -> str:
    """Format the time left, if it is known; it comes first, so that a narrow terminal does not cut it off."""
    return "" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left, "


class RateLimiter:
    """Returns True at most once every ``EVERY`` seconds, for lines of progress in a pipe or a log."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        is_due = now - self.last >= EVERY
        if is_due:
            self.last = now
        return is_due


class Terminal:
    """Shows a bar on a terminal; elsewhere prints a line for each scale, and each minute."""

    def __init__(self) -> None:
        self.bar: tqdm[NoReturn] | None = None
        self.is_due = RateLimiter()

    def note(self, text: str) -> None:
        say(with_flags(text))

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        if not sys.stderr.isatty():
            if self.is_due():
                say(describe_unit(progress, losses[-1]))
            return
        title, values = f"{time_left(progress)}{progress.title()}", progress.brief(losses[-1])
        has_room = shutil.get_terminal_size().columns >= len(title) + len(values) + BAR_WIDTH
        if self.bar is None:
            first = progress.iterations - len(losses)  # iterations of an earlier run don't count for the speed
            self.bar = tqdm(total=progress.niter, initial=first, desc=title, bar_format=BAR, dynamic_ncols=True)
        self.bar.set_description_str(title, refresh=False)
        self.bar.set_postfix_str(values if has_room else "", refresh=False)
        self.bar.update(progress.iterations - self.bar.n)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        if self.bar is not None:
            self.close()
        else:
            say(describe_finished_unit(progress, losses))
            self.is_due = RateLimiter()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class ParentProcess:
    """Prints every event as a line of JSON, for the process that reads this one's output."""

    def __init__(self) -> None:
        self.is_due = RateLimiter()

    def note(self, text: str) -> None:
        self._send(Message("note", text=escape_controls(with_flags(text))))

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        text = describe_unit(progress, losses[-1]) if self.is_due() else ""
        shown = progress.shown(losses[-1])
        self._send(Message("iteration", progress.share, text, shown, progress.seconds_left))

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        self._send(Message("scale_done", share=progress.share, text=describe_finished_unit(progress, losses)))

    def close(self) -> None:
        pass

    def _send(self, message: Message) -> None:
        say(message.encode())
