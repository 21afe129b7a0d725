"""A command: options, and work on one picture; the same code serves `singan <name>` and a script."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from SinGAN.engines.engine import precision_of
from SinGAN.options.usages import USAGES
from SinGAN.runs.run import Run
from SinGAN.terminal.flags import parser_of, values_of
from SinGAN.terminal.parse import parse
from SinGAN.terminal.script import script
from SinGAN.terminal.several import run_several


@dataclass(frozen=True)
class Command:
    """A command that works on pictures, one by one."""

    name: str  # of `singan <name>`, and in USAGES
    work: Callable[[Run, Any], None]  # of a picture's run, and of the command's own options
    flags: Mapping[str, str] = field(default_factory=dict)  # options that have another name on the command line
    is_done: Callable[[Run, Any], bool] = lambda run, options: False  # whether nothing is left to do for a picture

    def __call__(self, argv: Sequence[str] | None = None) -> None:
        """Run the command with the flags ``argv``, those of the process where there are none."""
        script(self._run, **self.flags)(argv)

    def _run(self, argv: Sequence[str]) -> None:
        asked = parse(parser_of(self.name), argv)
        options = values_of(USAGES[self.name].options, asked.args)
        if len(asked.runs) > 1 or asked.run.settings.ray:
            raise SystemExit(run_several(asked, self.name, lambda run: self.is_done(run, options)))
        asked.run.check_links()
        with precision_of(asked.run.settings.precision, asked.run.device):
            self.work(asked.run, options)
