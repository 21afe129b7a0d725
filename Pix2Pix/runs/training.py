"""The training of a translation model: epochs of steps, from wherever they stopped."""

import itertools
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from Pix2Pix.losses.games import rate
from Pix2Pix.losses.step import Nets, train_step
from Pix2Pix.request import Request
from SinGAN.engines.engine import Engine, no_capture

MOST_WORKERS = 4  # processes that prepare batches for a GPU
MOST_SHAPES = 8  # of batches that a step is made ready for: each has a CUDA graph with memory of its own
READ_EVERY = 0.5  # seconds from one reading of the losses to the next
TIMES = ("time", "data")  # seconds of a step for each pair, and of drawing it: columns beside the losses


@dataclass
class Progress:
    """How far a training is: the epoch that is being trained, the steps of it that are done, and all losses so far."""

    epoch: int = 1
    step: int = 0
    rows: list[Tensor] = field(default_factory=list)  # of each step: its losses, then ``TIMES``, on the CPU


class Trainer:
    """Trains the nets of a request."""

    def __init__(self, asked: Request, nets: Nets, rng: torch.Generator, engine: Engine, progress: Progress) -> None:
        self.asked, self.nets, self.rng, self.engine, self.progress = asked, nets, rng, engine, progress
        self.names = asked.losses.names(nets.critic is not None)
        self.pending: list[tuple[Mapping[str, Tensor], float, float]] = []
        self.last_read = time.monotonic()
        self.repeat = Repeated(self)

    def run(self, stepped: Callable[[], object], epoch_done: Callable[[int], object]) -> None:
        """Train to the end; ``stepped`` is called after each step, ``epoch_done`` after each epoch.

        Raises:
            ValueError: a loss is no number any more.
        """
        progress, start, device = self.progress, self.asked.options, self.rng.device
        workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1)) if device.type == "cuda" else 0
        batches = self.asked.pairs.batches(
            progress.epoch, start.batch_size, progress.step, last=self.asked.epochs, workers=workers
        )
        while progress.epoch <= self.asked.epochs:
            self.nets.set_rate(rate(progress.epoch, start.lr, start.n_epochs, start.n_epochs_decay))
            began = time.monotonic()
            for a, b in itertools.islice(batches, self.asked.steps - progress.step):
                drawn = time.monotonic()
                losses = self.repeat(a.to(device, non_blocking=True), b.to(device, non_blocking=True))
                now = time.monotonic()
                self.pending.append((losses, (now - drawn) / len(a), (drawn - began) / len(a)))
                progress.step, began = progress.step + 1, now
                if now - self.last_read > READ_EVERY:
                    self.read()
                stepped()
            self.read()
            done, progress.epoch, progress.step = progress.epoch, progress.epoch + 1, 0
            epoch_done(done)

    def read(self) -> None:
        """Bring the losses of the last steps to the CPU.

        Raises:
            ValueError: one is no number any more.
        """
        self.last_read = time.monotonic()
        for losses, seconds, waiting in self.pending:
            row = [float(losses[name]) for name in self.names]
            for name, value in zip(self.names, row, strict=True):
                if not math.isfinite(value):
                    raise ValueError(
                        f"epoch {self.progress.epoch}: the loss {name} is no number, the training diverged; the last "
                        "checkpoint is kept: train anew with `overwrite` and a smaller `lr`"
                    )
            self.progress.rows.append(torch.tensor([*row, seconds, waiting], dtype=torch.float64))
        self.pending = []

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, and the losses so far."""
        self.read()
        rows = self.progress.rows
        columns = len(self.names) + len(TIMES)
        return {
            **{name: part.state_dict() for name, part in self._parts().items()},
            "rng": self.rng.get_state(),
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "names": list(self.names),
            "rows": torch.stack(rows) if rows else torch.zeros(0, columns, dtype=torch.float64),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``.

        Raises:
            ValueError: it does not fit.
        """
        try:
            if list(state["names"]) != list(self.names):
                raise ValueError(f"it has the losses {state['names']}")
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.nets.allow_capture()
            self.rng.set_state(state["rng"].cpu())
            rows = list(state["rows"].cpu())
            self.progress.epoch, self.progress.step, self.progress.rows = int(state["epoch"]), int(state["step"]), rows
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ValueError(f"the checkpoint does not fit the training: {error}; `overwrite` trains anew") from error

    def _parts(self) -> dict[str, Any]:
        nets = self.nets
        parts: dict[str, Any] = {"generator": nets.generator, "generator_optimizer": nets.generator_optimizer}
        return parts | (
            {} if nets.critic is None else {"critic": nets.critic, "critic_optimizer": nets.critic_optimizer}
        )


class Repeated:
    """The step, made ready by the engine for each shape of whole batches; a smaller batch is run as it is."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.ready: dict[torch.Size, tuple[tuple[Tensor, Tensor], Callable[[], Mapping[str, Tensor]]]] = {}

    def __call__(self, a: Tensor, b: Tensor) -> Mapping[str, Tensor]:
        """A step on the batch ``a``, ``b`` (B, C, H, W); returns its losses."""
        trainer = self.trainer
        is_new = a.shape not in self.ready
        if len(a) < trainer.asked.options.batch_size or (is_new and len(self.ready) == MOST_SHAPES):
            alone = replace(trainer.engine, prepare=no_capture)
            return alone.run(lambda: self._step(a, b), in_use(trainer.nets), trainer.rng, 1)()
        if is_new:
            buffers = a.clone(), b.clone()
            run = trainer.engine.run(partial(self._step, *buffers), in_use(trainer.nets), trainer.rng, 1)
            self.ready[a.shape] = buffers, run
        buffers, step = self.ready[a.shape]
        for buffer, given in zip(buffers, (a, b), strict=True):
            buffer.copy_(given)
        return step()

    def _step(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        trainer = self.trainer
        return train_step(trainer.nets, a, b, trainer.asked.losses, trainer.rng)


def in_use(nets: Nets) -> Sequence[nn.Module]:
    """All nets that a step looks through."""
    return [net for net in (nets.generator, nets.critic, nets.perceptual) if net is not None]
