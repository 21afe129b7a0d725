"""The training of a translation model: epochs of steps, which resume at any step."""

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from Pix2Pix.losses.games import learning_rate
from Pix2Pix.losses.step import D_TOTAL, G_GAN, G_L1, Nets, train_step
from Pix2Pix.request import Request
from SinGAN.engines.engine import Engine, no_capture
from SinGAN.kinds.kind import Headline, LossColumns, LossPanel, Unit
from SinGAN.runs.events import NOBODY, Watcher
from SinGAN.runs.loss_log import LossLog
from SinGAN.runs.progress import Estimate

MOST_WORKERS = 4  # processes that prepare batches for a GPU
MOST_SHAPES = 8  # of batches with a prepared step: each has a CUDA graph with memory of its own
TIMES = ("time", "data")  # seconds of a step for each pair, and of drawing it: columns beside the losses
HEADLINES = (Headline(D_TOTAL, "D", "critic"), Headline(G_GAN, "G", "generator"), Headline(G_L1, "L1", "difference"))


class EpochLog(LossLog):
    """The losses of a training of epochs, which is one unit."""

    def __init__(self, asked: Request, watcher: Watcher, rows: Sequence[Tensor] = ()) -> None:
        """``rows``: losses (n,) of the steps that were done in earlier runs."""
        names = asked.losses.names(asked.critic is not None)
        by_net = {"generator": [name for name in names if name[0] == "G"], "critic": [n for n in names if n[0] == "D"]}
        columns = LossColumns(
            names=names,
            unweighted=dict,  # translation shows losses with their weights, as pix2pix does
            weights={},
            panels=tuple(LossPanel(title, tuple(losses)) for title, losses in by_net.items() if losses),
            overview=(),
            headlines=tuple(one for one in HEADLINES if one.name in names),
            remedy="a smaller `lr`",
        )
        epochs = asked.epochs - asked.first_epoch + 1
        title = f"{epochs} epochs of {asked.steps} steps"
        unit = Unit("training", title, epochs * asked.steps, "")
        estimate = Estimate([unit], [1.0], [0], skipped=len(rows), headlines=columns.headlines)
        super().__init__(columns, estimate, watcher, rows)
        self.steps, self.first, self.further = asked.steps, asked.first_epoch, asked.first_epoch > 1

    def diverged(self, unit: int, finding: str) -> ValueError:
        """The error of a training that diverged, as the ``finding`` shows; it names the epoch."""
        epoch, again = len(self.rows) // self.steps + self.first, "" if self.further else "`overwrite` and "
        return ValueError(
            f"epoch {epoch}: {finding}, the training diverged; the last checkpoint is kept: train again with {again}"
            f"{self.columns.remedy}"
        )


class Trainer:
    """Trains the nets of a request.

    Attributes:
        epoch: the epoch that is being trained, counted from 1.
        step: the steps of it that are done.
        log: the losses so far.
        times: the values of ``TIMES`` of each step.
    """

    def __init__(
        self, asked: Request, nets: Nets, rng: torch.Generator, engine: Engine, watcher: Watcher = NOBODY
    ) -> None:
        self.asked, self.nets, self.rng, self.engine, self.watcher = asked, nets, rng, engine, watcher
        self.epoch, self.step, self.times = asked.first_epoch, 0, list[tuple[float, float]]()
        self.log = EpochLog(asked, watcher)
        self.repeat = PreparedStep(self)

    def run(self, stepped: Callable[[], object], epoch_done: Callable[[int], object]) -> None:
        """Train to the end; ``stepped`` is called after each step, ``epoch_done`` after each epoch.

        Raises:
            ValueError: a loss is NaN or infinite.
        """
        options, device = self.asked.options, self.rng.device
        workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1)) if device.type == "cuda" else 0
        batches = self.asked.pairs.batches(
            self.epoch, options.batch_size, self.step, last=self.asked.epochs, workers=workers
        )
        while self.epoch <= self.asked.epochs:
            self.nets.set_rate(learning_rate(self.epoch, options.lr, options.n_epochs, options.n_epochs_decay))
            began = time.monotonic()
            for a, b in itertools.islice(batches, self.asked.steps - self.step):
                drawn = time.monotonic()
                losses = self.repeat(a.to(device, non_blocking=True), b.to(device, non_blocking=True))
                now = time.monotonic()
                self.times.append(((now - drawn) / len(a), (drawn - began) / len(a)))
                self.step, began = self.step + 1, now
                self.log.add(0, losses)
                stepped()
            self.log.read(0)
            done, self.epoch, self.step = self.epoch, self.epoch + 1, 0
            epoch_done(done)

    def rows(self) -> Tensor:
        """The losses and ``TIMES`` of all steps so far, (steps, columns) on the CPU."""
        self.log.read(0)
        times = torch.tensor(self.times, dtype=torch.float64).reshape(-1, len(TIMES))
        return torch.cat([self.log.curves().double(), times], dim=1)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, and the losses so far."""
        rows = self.rows()
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        others = {"epoch": self.epoch, "step": self.step, "names": list(self.log.columns.names), "rows": rows}
        return {**parts, "rng": self.rng.get_state(), **others}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume from ``state``.

        Raises:
            ValueError: it does not fit.
        """
        names = list(self.log.columns.names)
        try:
            if list(state["names"]) != names:
                raise ValueError(f"it has the losses {state['names']}")
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.nets.allow_capture()
            self.rng.set_state(state["rng"].cpu())
            losses, times = state["rows"].cpu().split([len(names), len(TIMES)], dim=1)
            self.epoch, self.step, self.times = int(state["epoch"]), int(state["step"]), times.tolist()
            self.log = EpochLog(self.asked, self.watcher, list(losses.float()))
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ValueError(f"the checkpoint does not fit the training: {error}; `overwrite` trains again") from error

    def _parts(self) -> dict[str, Any]:
        nets = self.nets
        parts: dict[str, Any] = {"generator": nets.generator, "generator_optimizer": nets.generator_optimizer}
        return parts | (
            {} if nets.critic is None else {"critic": nets.critic, "critic_optimizer": nets.critic_optimizer}
        )


class PreparedStep:
    """The step, prepared by the engine for each shape of whole batches; smaller batches are run unprepared."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.ready: dict[torch.Size, tuple[tuple[Tensor, Tensor], Callable[[], Mapping[str, Tensor]]]] = {}

    def __call__(self, a: Tensor, b: Tensor) -> Mapping[str, Tensor]:
        """A step on the batch ``a``, ``b`` (B, C, H, W); returns its losses."""
        trainer = self.trainer
        is_new = a.shape not in self.ready
        if len(a) < trainer.asked.options.batch_size or (is_new and len(self.ready) == MOST_SHAPES):
            alone = replace(trainer.engine, prepare=no_capture)
            return alone.run(lambda: self._step(a, b), list_nets(trainer.nets), trainer.rng, 1)()
        if is_new:
            buffers = a.clone(), b.clone()
            run = trainer.engine.run(partial(self._step, *buffers), list_nets(trainer.nets), trainer.rng, 1)
            self.ready[a.shape] = buffers, run
        buffers, step = self.ready[a.shape]
        for buffer, given in zip(buffers, (a, b), strict=True):
            buffer.copy_(given)
        return step()

    def _step(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        trainer = self.trainer
        return train_step(trainer.nets, a, b, trainer.asked.losses, trainer.rng)


def list_nets(nets: Nets) -> Sequence[nn.Module]:
    """All nets that a step runs."""
    return [net for net in (nets.generator, nets.critic, nets.perceptual) if net is not None]
