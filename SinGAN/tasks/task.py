"""Tasks: their declaration, their call from the command line, and their results."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from SinGAN.options.applications import MethodOptions, PatchOptions
from SinGAN.options.growing import GENERATION
from SinGAN.options.option import get_options
from SinGAN.options.tasks import TRAIN
from SinGAN.options.tasks import Task as Purpose

if TYPE_CHECKING:
    import torch

    from SinGAN.runs.events import Watcher
    from SinGAN.runs.source import Source
    from SinGAN.tasks._types import Maker, Run, Seed, Tensor

OptionsT = TypeVar("OptionsT", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command: a row of `singan`, and its flags.

    ``method``, a function of a picture model, does the work; ``SinGAN.Model`` or ``SinGAN.instant`` have a method of
    its name. ``run`` gives results for the command line.
    """

    name: str  # of `singan <name>`
    row: str  # its description in the table of all commands
    options: type | None = None  # a dataclass of options, whose docstring begins the help; None: a parser of its own
    modes: Sequence[str] = ()  # the values of --mode; of several, one must be named
    trains: bool = False  # whether the options of a training have an effect
    purpose: Purpose = TRAIN  # of the models that it trains, whose defaults hold
    recipe: str = GENERATION  # of the models of concurrent training that it uses
    input_name: str | None = None  # the picture where none is named; None: one must be named; "": none is needed
    run: Callable[[Call[Any]], Iterable[Results]] | None = None  # gives results; None: those of ``method``
    is_done: Callable[[Call[Any]], bool] = lambda call: False  # whether a picture needs no work, for --jobs
    method: Callable[..., Results] | None = None
    folders: Sequence[str] = ()  # in the output folder, where results are written; the first by default
    results: str = "pictures"  # in the last line that the command prints
    module: str = ""  # has the function `main` of a command without ``run``

    def results_of(self, call: Call[Any]) -> Iterable[Results]:
        """The results for a ``call``: those of ``run``, or else those of ``method`` for the options."""
        if self.run is not None:
            return self.run(call)
        assert self.method is not None
        return [call.make(self.method)]

    @property
    def description(self) -> str:
        """The first paragraph of the help."""
        return (self.options.__doc__ or "").partition("\n")[0]

    @property
    def flags(self) -> dict[str, str]:
        """The flags of options that have another name in Python, and so in messages."""
        entries = get_options(self.options).values() if self.options is not None else ()
        return {entry.argument: entry.flag or entry.name for entry in entries if entry.argument}

    @property
    def models(self) -> tuple[str, ...]:
        """The picture models that do the task: "trained" ones, "patches" or both, as its options have a method."""
        if self.options is None or not issubclass(self.options, PatchOptions):
            return ("trained",)
        return ("trained", "patches") if issubclass(self.options, MethodOptions) else ("patches",)


@dataclass(frozen=True, eq=False)
class Results:
    """The pictures that a task makes, each (1, C, H, W), in [-1, 1] or, of 8 bits, in 0 .. 255."""

    pictures: Iterable[tuple[str, Tensor]]  # by file name without extension; may be computed as they are asked for
    firsts: Mapping[str, Tensor] = field(default_factory=dict)  # first on the contact sheet, by label
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # written beside the pictures, by file name
    count: int = 0  # of pictures that are computed as they are asked for: a progress bar counts them
    title: str = ""  # of their folder
    notes: Sequence[str] = ()  # lines that the command prints after writing them
    words: str = ""  # in the last line, in place of the task's own

    def compute_all(self) -> dict[str, Tensor]:
        """All pictures by name; a progress bar is shown on a terminal where they have to be computed."""
        from tqdm import tqdm

        if not self.count:
            return dict(self.pictures)
        return dict(tqdm(self.pictures, total=self.count, unit="picture", disable=None, leave=False))


def name_by_index(pictures: Iterable[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """``pictures``, each with its index as the file name."""
    return ((str(index), picture) for index, picture in enumerate(pictures))


@dataclass(frozen=True, eq=False)
class Call(Generic[OptionsT]):
    """A task that is called from the command line for one picture."""

    run: Run
    options: OptionsT
    watcher: Watcher  # of trainings
    command_line: Callable[[str, str], str] = lambda command, script: f"singan {command}"  # starts another command

    @cached_property
    def source(self) -> Source:
        """The picture model that the options ask for, and where it comes from.

        Raises:
            FileNotFoundError: there is no such model, or picture.
            ValueError: it can't be used, or options contradict each other.
        """
        from SinGAN.runs.source import choose_source, open_patches

        if isinstance(self.options, MethodOptions):
            return choose_source(self.run, self.options)
        assert isinstance(self.options, PatchOptions)
        return open_patches(self.run, self.options)

    @property
    def model(self) -> Maker:
        """The picture model."""
        return self.source.maker

    def make(self, function: Callable[..., Results], model: Maker | None = None, **changes: Any) -> Results:
        """The results of a task's ``function``, whose arguments are the options, but for ``changes``.

        Its ``seed`` is that of the run; a ``model`` takes the place of the call's own.
        """
        kind: Any = type(self.options)
        entries = get_options(kind).values()
        given = {entry.argument or entry.name: getattr(self.options, entry.name) for entry in entries}
        given |= {"seed": self.run.seed, **changes}
        values = {name: given[name] for name in inspect.signature(function).parameters if name in given}
        return function(self.model if model is None else model, **values)


def make_generator(model: Maker, seed: Seed) -> torch.Generator:
    """A random generator on the device of ``model``, at ``seed``; None: at a new one; a generator is returned as is."""
    import torch

    if isinstance(seed, torch.Generator):
        return seed
    chosen = random.SystemRandom().randrange(2**31) if seed is None else seed
    return torch.Generator(model.real.device).manual_seed(chosen)
