"""The progress of a training: a bar on a terminal, a line a minute in a file or a pipe."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

from Pix2Pix.runs.training import Trainer
from SinGAN.runs.progress import Pace, duration

EVERY = 60.0  # seconds between two lines


class Watch:
    """Follows a training of ``epochs`` epochs of ``steps`` steps, for the block."""

    def __init__(self, epochs: int, steps: int) -> None:
        self.epochs, self.total, self.steps = epochs, epochs * steps, steps
        self.bar = tqdm(total=self.total, unit="step", dynamic_ncols=True, disable=not sys.stderr.isatty())
        self.began, self.pace = False, Pace()
        self.told = time.monotonic()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def __call__(self, trainer: Trainer) -> None:
        """Show the progress of ``trainer`` after a step."""
        progress, now = trainer.progress, time.monotonic()
        done = (progress.epoch - 1) * self.steps + progress.step
        self.pace.report(now, self.total - done)  # the first one comes after the preparations
        if not self.began:
            self.began, self.bar.initial = True, done  # those of an earlier run
        if self.bar.disable and now - self.told < EVERY:
            return
        values = progress.rows[-1].tolist() if progress.rows else []
        losses = {name: f"{value:.3f}" for name, value in zip(trainer.names, values, strict=False)}
        title = f"epoch {progress.epoch} of {self.epochs}"
        self.bar.set_postfix(losses, refresh=False)
        self.bar.set_description_str(title, refresh=False)
        self.bar.update(done - self.bar.n)
        left = self.pace.seconds_left() if self.bar.disable else None
        if left is not None:
            words = ", ".join(f"{name} {value}" for name, value in losses.items())
            print(f"{duration(left)} left, {title}: {words}", flush=True)
            self.told = now
