"""Jobs, one for each of several pictures, and the slots that some of them run in at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from SinGAN.storage import layout


@dataclass(frozen=True)
class Slot:
    """The device and the CPU threads of one job."""

    device: str
    threads: int


@dataclass(frozen=True)
class Job:
    """A command for one picture, run by a process of its own."""

    picture: Path
    command: str  # of `singan <command>`
    flags: tuple[str, ...]  # except those that name the picture and the device
    folder: Path  # of the model
    label: str = ""  # its name, where several jobs are of one picture

    @property
    def name(self) -> str:
        """The name of the job on the screen."""
        return self.label or self.picture.name

    def arguments(self, slot: Slot) -> list[str]:
        """The command with all its flags, for the job in ``slot``."""
        named = [f"--input_name={self.picture.name}", f"--input_dir={self.picture.parent}", f"--device={slot.device}"]
        return [self.command, *self.flags, *named]


@dataclass(frozen=True)
class Outcome:
    """The end of a job."""

    job: Job
    error: str  # "" where all went well
    seconds: float


class Display(Protocol):
    """A display of how far the jobs are."""

    def report(self, job: Job, line: str) -> None:
        """Receive a line that ``job`` printed."""

    def ended(self, outcome: Outcome) -> None:
        """Receive the outcome of a job."""


def pictures(names: Sequence[str], folder: Path) -> list[Path]:
    """The files that ``names`` stand for: of file names and patterns, those in ``folder``; of paths, those there.

    Raises:
        ValueError: a pattern matches nothing, a name is no file's, or two have one stem.
    """
    files: dict[Path, None] = {}
    for name in names:
        path = Path(name).expanduser() if name.startswith("~/") else Path(name)
        layout.stem(path.name)
        named = path.parent == Path() and ((folder / path).exists() or not path.exists())  # else it lies here
        place = folder if named or path.parent.resolve() == folder.resolve() else path.parent
        if not (place / path.name).exists() and any(mark in path.name for mark in "*?["):
            matches = sorted(file for file in place.glob(path.name) if file.is_file() and file.name[0] != ".")
            if not matches:
                raise ValueError(f"`input_name` {name} meets no file in {place}: `input_dir` names another folder")
            files.update(dict.fromkeys(matches))
        else:
            files[place / path.name] = None
    stems: dict[str, Path] = {}
    for picture in files:
        other = stems.setdefault(layout.stem(picture.name), picture)
        if other != picture:
            raise ValueError(f"{other} and {picture} would share their results: rename one, or leave it out")
    return list(files)


def slots(device: torch.device, jobs: int, per_gpu: int, threads: int) -> list[Slot]:
    """Slots for ``jobs`` at once: up to ``per_gpu`` on each GPU, filled in turn; all share ``threads`` evenly.

    Raises:
        ValueError: the GPUs have too few slots.
    """
    share = max(1, threads // jobs)
    if device.type == "cpu":
        return [Slot("cpu", share)] * jobs
    gpus = range(torch.cuda.device_count()) if device.index is None else [device.index]
    places = [Slot(f"cuda:{gpu}", share) for _ in range(per_gpu) for gpu in gpus]
    if jobs > len(places):
        raise ValueError(
            f"`jobs` {jobs} on {len(gpus)} GPUs with `jobs_per_gpu` {per_gpu}: raise `jobs_per_gpu` or lower `jobs`"
        )
    return places[:jobs]


def reason(status: int, last: str) -> str:
    """The reason why a process failed, from its exit ``status`` and its ``last`` line; "" where it did not fail."""
    if status == 0:
        return ""
    if status < 0:
        return f"killed by signal {-status}"
    return last.partition("error: ")[2] or f"exit status {status}: {last}"
