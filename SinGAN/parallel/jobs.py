"""Jobs, one per picture, and the slots that they run in."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from SinGAN.storage import layout


@dataclass(frozen=True)
class Slot:
    """The device and the number of CPU threads of a running job."""

    device: str
    threads: int


@dataclass(frozen=True, eq=False)
class Job:
    """A command for one picture, run by a process of its own. Jobs with equal fields are different jobs."""

    picture: Path
    command: str  # of `singan <command>`
    flags: tuple[str, ...]  # except those that name the picture and the device
    folder: Path  # of the model
    label: str = ""  # the job's name, if several jobs share one picture
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def name(self) -> str:
        """The name of the job on the screen."""
        return self.label or self.picture.name

    def arguments(self, slot: Slot) -> list[str]:
        """The command with all its flags, for the job in ``slot``."""
        named = [f"--input_name={self.picture.name}", f"--input_dir={self.picture.parent}", f"--device={slot.device}"]
        return [self.command, *self.flags, *named]


def find_pictures(names: Sequence[str], folder: Path) -> list[Path]:
    """The files that ``names`` select. File names and patterns refer to ``folder``, paths to their own folder.

    Raises:
        ValueError: a pattern matches no file, a name is not a file name, or two files share one stem.
    """
    files: dict[Path, None] = {}
    for name in names:
        path = layout.locate(name, folder)
        place = path.parent
        layout.stem(path.name)
        if not path.exists() and any(mark in path.name for mark in "*?["):
            matches = sorted(file for file in place.glob(path.name) if file.is_file() and file.name[0] != ".")
            if not matches:
                raise ValueError(f"`input_name` {name} matches no file in {place}: set `input_dir` to another folder")
            files.update(dict.fromkeys(matches))
        else:
            files[path] = None
    stems: dict[str, Path] = {}
    for picture in files:
        other = stems.setdefault(layout.stem(picture.name), picture)
        if other != picture:
            raise ValueError(f"{other} and {picture} would share one folder of results: rename one, or leave it out")
    return list(files)


def make_slots(device: torch.device, jobs: int, per_gpu: int, threads: int) -> list[Slot]:
    """Slots for ``jobs`` parallel jobs, which share ``threads`` evenly; each GPU gets at most ``per_gpu`` of them.

    Raises:
        ValueError: the GPUs have fewer slots than ``jobs``.
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


def describe_exit(status: int, last: str) -> str:
    """Why a process failed, by its exit ``status`` and its ``last`` line; "" if it succeeded."""
    if status == 0:
        return ""
    if status < 0:
        return f"killed by signal {-status}"
    return last.partition("error: ")[2] or f"exit status {status}: {last}"


def describe_error(error: BaseException) -> str:
    """``error`` in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__
