"""The losses of a training: read from the device now and then, and reported to a watcher, without their weights."""

import math
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from SinGAN.kinds.kind import LossColumns
from SinGAN.runs.events import Losses, Watcher
from SinGAN.runs.progress import Estimate

READ_EVERY = 0.5  # seconds


class LossLog:
    """Collects the losses of one unit after the other."""

    def __init__(
        self, columns: LossColumns, estimate: Estimate, watcher: Watcher, curves: Sequence[Tensor] = ()
    ) -> None:
        """``curves``: rows (n,) of the first unit's earlier iterations, on the CPU."""
        self.columns, self.estimate, self.watcher = columns, estimate, watcher
        self.pending: list[Mapping[str, Tensor]] = []  # losses of iterations, still on the device
        self.rows = list(curves)
        self.last_read = time.monotonic()

    def add(self, unit: int, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of one iteration of ``unit``."""
        self.pending.append(losses)
        if time.monotonic() - self.last_read > READ_EVERY:
            self.read(unit)

    def read(self, unit: int) -> None:
        """Bring the pending losses to the CPU, and report them to the watcher.

        Raises:
            ValueError: one is NaN or infinite.
        """
        self.last_read = time.monotonic()
        if not self.pending:
            return
        names = self.columns.names
        rows = list(torch.stack([torch.stack([losses[name] for name in names]) for losses in self.pending]).cpu())
        for iteration, row in enumerate(rows, len(self.rows)):
            for name, value in zip(names, row.tolist(), strict=True):
                if not math.isfinite(value):
                    raise self.diverged(unit, f"the loss {name} is NaN or infinite in iteration {iteration}")
        self.rows += rows
        self.pending = []
        self.watcher.iteration(self.estimate.at(unit, len(self.rows)), [self._named(row) for row in rows])

    def _named(self, row: Tensor) -> Losses:
        return self.columns.unweighted(dict(zip(self.columns.names, row.tolist(), strict=True)))

    def curves(self) -> Tensor:
        """The losses of the unit so far as they are minimised, (iterations, n) on the CPU."""
        return torch.stack(self.rows)

    def table(self) -> list[Losses]:
        """The losses of the unit so far without their weights."""
        return [self._named(row) for row in self.rows]

    def end_unit(self, unit: int, pictures: Mapping[str, Tensor]) -> None:
        """Report that ``unit`` is done, with its ``pictures``, and begin with the next one."""
        done = self.estimate.at(unit, self.estimate.units[unit].iterations)
        self.watcher.scale_done(done, self._named(self.rows[-1]), pictures)
        self.estimate.next_scale()
        self.rows = []

    def check_weights(self, unit: int, states: Mapping[str, object]) -> None:
        """Raise a ValueError where a weight in ``states``, state dicts of nets and others by name, is not finite."""
        for part, state in states.items():
            for value in state.values() if isinstance(state, Mapping) else ():
                if isinstance(value, Tensor) and not value.isfinite().all():
                    raise self.diverged(unit, f"a weight of the {part} is NaN or infinite")

    def diverged(self, unit: int, finding: str) -> ValueError:
        """The error of a training that diverged, as the ``finding`` shows."""
        return ValueError(
            f"{self.estimate.units[unit].name}: {finding}, the training diverged; the last checkpoint is kept: "
            f"train again with `overwrite` and {self.columns.remedy}"
        )
