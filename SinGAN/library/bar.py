"""A progress bar for a notebook or an interactive session."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from SinGAN.runs.events import Losses, Progress
from SinGAN.runs.progress import duration
from SinGAN.storage.escaping import escape_controls

FORMAT = "{l_bar}{bar}| {elapsed}{postfix}"


class Bar:
    """Shows a training as one bar over all its scales."""

    def __init__(self) -> None:
        self.bar: Any = None

    def note(self, text: str) -> None:
        """Show ``text`` above the bar."""
        tqdm.write(escape_controls(text.replace("`", "")), file=sys.stderr)

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        """Move the bar."""
        if self.bar is None:
            self.bar = tqdm(total=1.0, bar_format=FORMAT)
        self.bar.set_description(progress.title(), refresh=False)
        if progress.seconds_left is not None:
            self.bar.set_postfix_str(f"{duration(progress.seconds_left)} left", refresh=False)
        self.bar.update(progress.share - self.bar.n)

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, Tensor]) -> None:
        """The next iteration moves the bar."""

    def close(self) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
