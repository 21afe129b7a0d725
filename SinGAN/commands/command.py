"""A command: options, and work on one picture; the same code serves `singan <name>` and a script."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from SinGAN.engines.engine import precision_of
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.runs.run import Run
from SinGAN.terminal.flags import parser, values_of
from SinGAN.terminal.parse import parse
from SinGAN.terminal.script import script
from SinGAN.terminal.several import run_several

Options = TypeVar("Options")


@dataclass(frozen=True)
class Command(Generic[Options]):
    """A command that works on pictures, one by one."""

    name: str  # of `singan <name>`
    description: str
    options: type[Options]  # a dataclass: its own options
    work: Callable[[Run, Options], None]
    modes: tuple[str, ...]
    task: Task = TRAIN  # of the models that it trains
    input_name: str | None = None  # the picture where none is named
    flags: Mapping[str, str] = field(default_factory=dict)  # options that have another name on the command line

    def __call__(self, argv: Sequence[str] | None = None) -> None:
        """Run the command with the flags ``argv``, those of the process where there are none."""
        script(self._run, **self.flags)(argv)

    def _run(self, argv: Sequence[str]) -> None:
        flags = parser(self.description, self.modes, self.input_name, self.task, self.options)
        asked = parse(flags, argv)
        if len(asked.runs) > 1 or asked.run.settings.ray:
            raise SystemExit(run_several(asked, self.name, argv))
        asked.run.check_links()
        with precision_of(asked.run.settings.precision, asked.run.device):
            self.work(asked.run, values_of(self.options, asked.args))
