"""A training's losses and snapshots as TensorBoard events."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from SinGAN.pictures import images
from SinGAN.runs.events import Losses, Progress


class TensorBoard:
    """A watcher that writes events into ``folder``, which the first one creates."""

    def __init__(self, folder: Path) -> None:
        """Raises a ValueError if the package tensorboard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError("`tensorboard` needs the package tensorboard: pip install tensorboard") from error
        self.open: Callable[[], Any] = lambda: SummaryWriter(folder)
        self.writer: Any = None

    def note(self, text: str) -> None:
        """Ignore notes."""

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        """Write the losses, a curve for each name and scale."""
        self.writer = self.writer or self.open()
        for iteration, row in enumerate(losses, progress.iterations - len(losses)):
            for name, value in row.items():
                self.writer.add_scalar(f"{_tag(progress)}/{name}", value, iteration)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        """Write the snapshots."""
        self.writer = self.writer or self.open()
        for name, image in pictures.items():
            levels = images.to_levels(image)
            self.writer.add_image(f"{_tag(progress)}/{name}", levels, dataformats="HWC")

    def close(self) -> None:
        """Close the file of events."""
        if self.writer:
            self.writer.close()


def _tag(progress: Progress) -> str:
    """The unit in the names of its events."""
    return progress.unit.name.replace(" ", "_")
