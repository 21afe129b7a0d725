"""The losses of a training: read from the device now and then, and told to a watcher, without their weights."""

import math
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from SinGAN.losses.terms import loss_names, unweighted
from SinGAN.losses.train_config import TrainConfig
from SinGAN.pyramid import Pyramid, Scale
from SinGAN.runs.events import Losses, Watcher
from SinGAN.runs.progress import Estimate

READ_EVERY = 0.5  # seconds


class LossLog:
    """Collects the losses of one scale after the other."""

    def __init__(
        self, config: TrainConfig, estimate: Estimate, watcher: Watcher, curves: Sequence[Tensor] = ()
    ) -> None:
        """``curves``: rows (n,) of the first scale's earlier iterations, on the CPU."""
        self.config, self.estimate, self.watcher = config, estimate, watcher
        self.names = loss_names(config)
        self.pending: list[Mapping[str, Tensor]] = []  # losses of iterations, still on the device
        self.rows = list(curves)
        self.last_read = time.monotonic()

    def add(self, scale: int, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of one iteration of ``scale``."""
        self.pending.append(losses)
        if time.monotonic() - self.last_read > READ_EVERY:
            self.read(scale)

    def read(self, scale: int) -> None:
        """Bring the pending losses to the CPU, and tell the watcher.

        Raises:
            ValueError: one is no number any more.
        """
        self.last_read = time.monotonic()
        if self.pending:
            stacked = [torch.stack([losses[name] for name in self.names]) for losses in self.pending]
            rows = list(torch.stack(stacked).cpu())
            check_finite(self.names, rows, scale, len(self.rows))
            self.rows += rows
            self.pending = []
            self.watcher.iteration(self.estimate.at(scale, len(self.rows)), [self._named(row) for row in rows])

    def _named(self, row: Tensor) -> Losses:
        return unweighted(dict(zip(self.names, row.tolist(), strict=True)), self.config)

    def curves(self) -> Tensor:
        """The losses of the scale so far as they are minimised, (iterations, n) on the CPU."""
        return torch.stack(self.rows)

    def shown(self) -> list[Losses]:
        """The losses of the scale so far without their weights."""
        return [self._named(row) for row in self.rows]

    def end_scale(self, scale: int, pictures: Mapping[str, Tensor]) -> None:
        """Tell that ``scale`` is done, with its ``pictures``, and begin with the next one."""
        self.watcher.scale_done(self.estimate.at(scale, self.estimate.niter), self._named(self.rows[-1]), pictures)
        self.estimate.next_scale()
        self.rows = []


def check_finite(names: Sequence[str], rows: Sequence[Tensor], scale: int, done: int) -> None:
    """Raise a ValueError where a loss in ``rows``, those after ``done`` iterations of ``scale``, is no number."""
    for index, row in enumerate(rows, done):
        if not row.isfinite().all():
            name = next(name for name, value in zip(names, row.tolist(), strict=True) if not math.isfinite(value))
            raise diverged(scale, f"the loss {name} is no number in iteration {index}")


def diverged(scale: int, what: str) -> ValueError:
    """The error of a training whose nets hold no numbers any more."""
    return ValueError(
        f"scale {scale}: {what}, the training diverged; the last checkpoint is kept: train anew with `overwrite` and "
        "smaller `lr_g` and `lr_d` (`train_mode` concurrent: a smaller `lr_scale`, or `batch_norm`)"
    )


def snapshots(pyramid: Pyramid[Scale], scale: int, seed: int) -> dict[str, Tensor]:
    """Pictures of ``scale`` by file name: the real one, a sample and the reconstruction, (1, C, H, W)."""
    coarser, real = pyramid.below(scale + 1), pyramid.scales[scale].real
    rng = torch.Generator(real.device).manual_seed(seed)
    return {
        "real_scale": real,
        "fake_sample": coarser.generate(coarser.draw(rng)),
        "G(z_opt)": coarser.generate(coarser.z_rec()),
    }
