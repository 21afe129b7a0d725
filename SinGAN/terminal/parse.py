"""From a command line to runs: the pictures that it names, their device and their seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from SinGAN.engines.engine import EngineSettings, choose_device
from SinGAN.options.model import ModelOptions
from SinGAN.options.run import RunOptions
from SinGAN.parallel.jobs import find_pictures
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.terminal.flags import Flags, Parser, read_options


@dataclass(frozen=True)
class ParsedCommand:
    """A parsed command line."""

    runs: tuple[Run, ...]  # one for each picture
    args: Flags  # the values of all options
    argv: tuple[str, ...]  # the flags that were given, with their values
    device: torch.device

    @property
    def run(self) -> Run:
        """The first run."""
        return self.runs[0]

    @property
    def anywhere(self) -> bool:
        """Whether the program may choose the device."""
        return self.args.device is None and not self.args.not_cuda


def parse(parser: Parser, argv: Sequence[str]) -> ParsedCommand:
    """Parse ``argv``.

    Raises:
        ValueError: flags contradict each other, or name something that this machine lacks.
        SystemExit: of status 2, after one line on stderr, if a flag is unknown or has a bad value.
    """
    args, given = parser.parse_given(argv)
    settings, options = read_options(RunOptions, args), read_options(ModelOptions, args).complete(given, parser.recipe)
    files = find_pictures(settings.input_name, settings.input_dir)
    if settings.maps and len(files) > 1:
        raise ValueError(f"`maps` belong to one picture, and there are {len(files)}: name one")
    if getattr(args, "ref_name", None) is not None:
        reference = layout.locate(args.ref_name, args.ref_dir)
        layout.stem(reference.name, "ref_name")
        keep_inside(reference.parent, [reference])
        if reference.parent != args.ref_dir:
            args.ref_dir, given = reference.parent, given | {"ref_dir"}
        args.ref_name = reference.name
    device = choose_device(settings.device, settings.not_cuda)
    EngineSettings(settings.engine, settings.precision, settings.recompute, settings.winograd).check(device)
    seed = random.SystemRandom().randrange(2**31) if settings.manualSeed is None else settings.manualSeed
    runs = tuple(
        Run(file.name, device, seed, options, replace(settings, input_dir=file.parent), given) for file in files
    )
    return ParsedCommand(runs, args, parser.to_words(args, given), device)
