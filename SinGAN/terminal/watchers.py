"""A training as a person sees it on a terminal: a bar and an estimate; elsewhere a line for each scale."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from torch import Tensor
from tqdm import tqdm

from SinGAN.runs.events import Losses, Message, Progress, Watcher
from SinGAN.runs.progress import duration
from SinGAN.terminal.script import program, with_flags

REPORTS = "SINGAN_REPORTS"  # in the environment of a process that another one watches: that one's name


def watcher() -> Watcher:
    """The watcher of this process's trainings: it shows them to the process that watches this one, else to a person."""
    return ParentProcess() if REPORTS in os.environ else Terminal()


def watched() -> dict[str, str]:
    """The variables in the environment of a process that this one watches."""
    return {REPORTS: os.environ.get(REPORTS, program())}


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


def brief(losses: Losses) -> str:
    """The losses that tell most."""
    return f"D {losses['D_total']:.3f}, G {losses['G_adversarial']:.3f}, rec {losses['reconstruction']:.3f}"


def summary(progress: Progress, losses: Losses) -> str:
    """A line on a scale that is done."""
    took, left = duration(progress.seconds), duration(progress.seconds_left)
    return f"{progress.title()}: {progress.niter} iterations in {took}, {brief(losses)}, run: {left} left"


class Terminal:
    """A bar on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self.bar: tqdm[NoReturn] | None = None

    def note(self, text: str) -> None:
        print(with_flags(text), flush=True)

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        if not sys.stderr.isatty():
            return
        if self.bar is None:
            self.bar = tqdm(total=progress.niter, desc=progress.title(), unit="it", dynamic_ncols=True)
        self.bar.set_postfix_str(f"{brief(losses[-1])}, run: {duration(progress.seconds_left)} left")
        self.bar.update(progress.iterations - self.bar.n)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        if self.bar is not None:
            self.close()
        else:
            print(summary(progress, losses), flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class ParentProcess:
    """Sends every event as a line of JSON to the process that reads this one's output."""

    def note(self, text: str) -> None:
        self._send(Message("note", text=with_flags(text)))

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        self._send(Message("iteration", share=progress.share))

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        self._send(Message("scale_done", share=progress.share, text=summary(progress, losses)))

    def close(self) -> None:
        pass

    def _send(self, message: Message) -> None:
        print(message.encoded(), flush=True)
