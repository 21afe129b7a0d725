"""Events of a training, and its observers: a terminal, another process, TensorBoard, a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from SinGAN.kinds.kind import Headline, Unit

Losses = Mapping[str, float]
"""The losses of one iteration by name."""


@dataclass(frozen=True)
class Progress:
    """The progress of a training."""

    scale: int  # the index of the unit that is being trained
    unit: Unit
    iterations: int  # done in this unit
    share: float  # of the whole run that is done, 0 to 1
    seconds: float  # since the unit, or this run of it, began
    seconds_left: float | None  # to the end of the run, estimated; None: not known yet
    headlines: tuple[Headline, ...] = ()  # the losses to show

    @property
    def niter(self) -> int:
        """The iterations of this unit."""
        return self.unit.iterations

    def title(self) -> str:
        """The title of the unit."""
        return self.unit.title

    def brief(self, losses: Losses) -> str:
        """The headline losses as short text."""
        return ", ".join(f"{one.short} {losses[one.name]:.{one.digits}f}" for one in self.headlines)

    def shown(self, losses: Losses) -> dict[str, float]:
        """The headline losses by their labels in the studio."""
        return {one.words: float(losses[one.name]) for one in self.headlines}


@runtime_checkable
class Watcher(Protocol):
    """An observer of a training."""

    def note(self, text: str) -> None:
        """Receive a line for the user; options are in backticks."""

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        """Receive the losses of the iterations since the last call, about twice a second."""

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        """Receive the last losses of a finished scale and its pictures, (1, C, H, W) in [-1, 1], by name."""

    def close(self) -> None:
        """Called once, after all other calls."""


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
    """An event that a process reports to another one: a line of JSON in its output."""

    event: str  # note, iteration or scale_done
    share: float = 0.0  # of the run that is done
    text: str = ""  # for a person
    losses: Mapping[str, float] = field(default_factory=dict)  # of the last iteration, by their labels in the studio
    seconds_left: float | None = None  # to the end of the run, estimated

    def encode(self) -> str:
        """The message as one line."""
        return json.dumps({"singan": asdict(self)}, ensure_ascii=False)

    @classmethod
    def decode(cls, line: str) -> "Message | None":
        """The message in ``line``; None where it is any other line."""
        if not line.startswith('{"singan": '):
            return None
        try:
            return cls(**json.loads(line)["singan"])
        except (ValueError, TypeError):
            return None
