"""The arguments of functions and methods in Python, all checked here by declared options."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from SinGAN.engines.engine import EngineSettings
from SinGAN.options.applications import COUNT
from SinGAN.options.option import Option, get_options, option, plain
from SinGAN.options.run import KINDS as MAP_KINDS
from SinGAN.options.tasks import ANIMATION, SUPER_RESOLUTION, TRAIN
from SinGAN.runs.events import Watcher

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments that are not options of a command."""

    seed: int | None = option(None, "of the random numbers", least=0, most=2**63 - 1)
    iterations: int = option(1000, "of a fine-tuning", **COUNT)
    task: str = option("train", "of a model", choices=(TRAIN.name, SUPER_RESOLUTION.name, ANIMATION.name))
    engine: EngineSettings = option(EngineSettings(), "what runs the iterations")
    watcher: Watcher | None = option(None, "receives the progress of a training")
    watch: Callable[..., Any] | None = option(None, "receives each level's picture")
    vgg_weights: Path | None = option(None, "a file of VGG16's weights")
    folder: Path = option(Path(), "of a model")
    blend: bool | None = option(True, "whether an edit is blended")
    map_kinds: tuple[str, ...] = option((), "of each map", choices=MAP_KINDS)
    progress: bool = option(True, "whether a bar is shown")
    overwrite: bool = option(False, "whether an existing model is replaced")
    compact: bool = option(False, "whether only the parts that generate pictures are saved")


def checked(*declared: type) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """A decorator: the function's arguments are checked by ``Arguments`` and the dataclasses ``declared``."""

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*values: Given.args, **named: Given.kwargs) -> Result:
            given = signature.bind(*values, **named)
            check_arguments(signature, declared, given.arguments)
            return function(*given.args, **given.kwargs)

        return call

    return decorate


def check_arguments(signature: inspect.Signature, declared: Sequence[type], arguments: dict[str, Any]) -> None:
    """Check ``arguments`` by name, and convert them: numbers of NumPy to those of Python, texts to paths.

    Raises:
        ValueError: an argument has another type or is out of range; the message names it.
    """
    known = options_by_argument(declared)
    for name, value in arguments.items():
        if name in known:
            try:
                arguments[name] = _check(known[name], value, signature.parameters[name].default)
            except ValueError as error:
                raise ValueError(f"`{name}` {error}") from None


def options_by_argument(declared: Sequence[type]) -> dict[str, Option]:
    """The options that check arguments, by their names; a command's files are pictures here, checked as such."""
    known: dict[str, Option] = {}
    for entry in (entry for kind in declared for entry in get_options(kind).values() if entry.kind is not Path):
        known |= {entry.name: entry, entry.argument or entry.name: entry}
    return known | get_options(Arguments)


def _check(entry: Option, value: Any, default: Any) -> Any:
    """The ``value`` of an argument with this ``default``, which takes several values unless that is a number."""
    value = plain(value)
    if (value is None and default is None) or (entry.name == "seed" and isinstance(value, torch.Generator)):
        return value
    if entry.kind is str and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # as a margin in pixels
    if isinstance(default, int | float):
        return replace(entry, every="").check(value)
    if entry.several and isinstance(value, Sequence | np.ndarray | torch.Tensor) and not isinstance(value, str):
        return tuple(entry.check(part) for part in value)
    return (entry.check(value),) if default == () else entry.check(value)
