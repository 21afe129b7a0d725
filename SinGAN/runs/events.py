"""Events of a training, and those who may listen: a terminal, another process, TensorBoard, a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from torch import Tensor

from SinGAN.planning import Size


@dataclass(frozen=True)
class Progress:
    """The progress of a training."""

    scale: int
    last_scale: int  # the finest one's index
    size: Size  # of the scale's image: height, width
    filters: int
    iterations: int  # done in this scale
    niter: int  # to do in each scale
    share: float  # of the whole run that is done, 0 to 1
    seconds: float  # since the scale, or this run of it, began
    seconds_left: float | None  # to the end of the run, estimated; None: not known yet

    def title(self) -> str:
        """The scale in words."""
        height, width = self.size
        return f"scale {self.scale} of 0..{self.last_scale} ({width} x {height})"


Losses = Mapping[str, float]
"""The losses of one iteration by name."""


class Watcher(Protocol):
    """Someone who is told what happens in a training."""

    def note(self, text: str) -> None:
        """Take a line that a person should read; options stand in backticks."""

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        """Take the losses of the iterations since the last call, some times a second."""

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        """Take the last losses of a scale and its pictures, (1, C, H, W) in [-1, 1] by name."""

    def close(self) -> None:
        """End: nothing more comes."""


@dataclass(frozen=True)
class Watchers:
    """Several watchers as one."""

    watchers: tuple[Watcher, ...] = ()

    def note(self, text: str) -> None:
        for watcher in self.watchers:
            watcher.note(text)

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        for watcher in self.watchers:
            watcher.iteration(progress, losses)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        for watcher in self.watchers:
            watcher.scale_done(progress, losses, pictures)

    def close(self) -> None:
        for watcher in self.watchers:
            watcher.close()


NOBODY = Watchers()


@dataclass(frozen=True)
class Message:
    """An event on its way from one process to another: a line of JSON among the lines that the process prints."""

    event: str  # note, iteration or scale_done
    share: float = 0.0  # of the run that is done
    text: str = ""  # for a person
    losses: Mapping[str, float] = field(default_factory=dict)  # of the last iteration
    seconds_left: float | None = None  # to the end of the run, estimated

    def encoded(self) -> str:
        """The message as one line."""
        return json.dumps({"singan": asdict(self)}, ensure_ascii=False)

    @classmethod
    def decoded(cls, line: str) -> "Message | None":
        """The message in ``line``; None where it is any other line."""
        if not line.startswith('{"singan": '):
            return None
        try:
            return cls(**json.loads(line)["singan"])
        except (ValueError, TypeError):
            return None
