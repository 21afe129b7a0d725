"""Flags made from options: the parser of every command.

This module stays light: a script's -h, or a typo, is answered before PyTorch is imported.
"""

import argparse
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING
from typing import Any, NoReturn, TypeVar

from SinGAN.options.growing import GENERATION
from SinGAN.options.measures import SifidOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import Option, options_of
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.tasks import tasks
from SinGAN.terminal.script import fail, program

Kind = TypeVar("Kind")
Flags = argparse.Namespace
GROUPS = (
    "run",
    "networks",
    "pyramid",
    "training",
    "concurrent training",
)  # headings of the help that all commands share, in this order
BadFlag = argparse.ArgumentTypeError  # what a converter of a flag raises
# of the model's options, those that count without a training, and of the run's, those that don't
NAMING, NEEDLESS = ("scale_factor", "alpha", "train_mode", "recipe", "nc_im", "max_size"), ("jobs_per_gpu", "ray")
KNOWN_AS = {
    "seed": "manualSeed", "image": "input_name", "input": "input_name", "picture": "input_name", "epochs": "niter",
    "iterations": "niter", "iters": "niter", "output": "out", "gpu": "device", "cpu": "not_cuda", "n": "num_samples",
    "samples": "num_samples", "start_scale": "gen_start_scale", "lr": "lr_g", "force": "overwrite",
    "reference": "ref_name",
}  # fmt: skip
"""What people who come from other programs call a flag."""


class Parser(argparse.ArgumentParser):
    """Reports bad flags in one line, and tells which ones were given."""

    recipe = GENERATION  # of models of concurrent training, where none is given

    def __init__(self, description: str | None) -> None:
        super().__init__(prog=program(), description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (all flags: {self.prog} -h)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but for a value that it would drop, and with a hint for a flag that is unknown."""
        self._check(args or ())
        return super().parse_known_args(args, namespace)

    def _check(self, words: Sequence[str]) -> None:
        for word in words:
            if word.startswith("-") and word.endswith("=--"):
                self.error(f"argument {word[:-3]}: -- is no value (a file of that name is ./--)")
            flag = word.partition("=")[0]
            if flag.startswith("--") and len(flag) > 2 and flag not in self._option_string_actions:
                self.error(f"unrecognized arguments: {flag}{self._nearest(flag)}")

    def _nearest(self, flag: str) -> str:
        """Words on the flag that ``flag`` may be meant to be."""
        name = flag.strip("-").replace("-", "_").lower()
        known = {entry.strip("-").lower(): entry for entry in self._option_string_actions}
        near = known.get(KNOWN_AS.get(name, name).lower())
        near = near or next((known[one] for one in difflib.get_close_matches(name, known, n=1)), None)
        return f": do you mean {near}?" if near else ""

    def parse_given(self, argv: Sequence[str]) -> tuple[Flags, frozenset[str]]:
        """The flags of ``argv``, and the names of those that stand in it."""
        defaults = {action.dest: action.default for action in self._actions if action.default is not argparse.SUPPRESS}
        for action in self._actions:
            action.default = argparse.SUPPRESS
        given = vars(self.parse_args(self.with_named_pictures(argv)))
        return Flags(**{**defaults, **given}), frozenset(given)

    def with_named_pictures(self, argv: Sequence[str]) -> list[str]:
        """``argv`` with the words that belong to no flag as pictures: photo.jpg is --input_name photo.jpg."""
        self._check(argv)
        words = list(argv)
        alone = [place for place in self._alone(words) if words[place]]
        if not alone or "--input_name" not in self._option_string_actions:
            return words
        pictures = [words[place] for place in alone]
        if any(word.partition("=")[0] == "--input_name" for word in words):
            self.error(
                f"unrecognized arguments: {' '.join(pictures)} beside --input_name: name all pictures in one way"
            )
        return [*(word for place, word in enumerate(words) if place not in alone), "--input_name", *pictures]

    def _alone(self, words: list[str]) -> Iterator[int]:
        """The places of the ``words`` that are neither flags nor values of flags."""
        free = 0  # values that the flag before takes still: infinitely many of several
        for place, word in enumerate(words):
            action = self._option_string_actions.get(word.partition("=")[0])
            if action is not None and word.startswith("-"):
                takes = 0 if action.nargs == 0 else len(words) if action.nargs == "+" else 1
                free = 0 if "=" in word else takes
            elif free:
                free -= 1
            elif not word.startswith("-"):
                yield place


def parser(
    description: str | None,
    modes: Sequence[str],
    input_name: str | None = None,
    task: Task = TRAIN,
    options: type | None = None,
    trains: bool = True,
) -> Parser:
    """The flags that all commands share, and those of ``options``, a dataclass of options, which come first.

    Arguments:
        description: what the command does.
        modes: the values of --mode; of several, one must be named.
        input_name: the picture where none is named. None: one must be named; "": none is needed.
        task: whose defaults hold.
        options: the command's own.
        trains: whether the options of trainings count; else the help leaves them out.
    """
    result = Parser(description)
    changes: dict[str, dict[str, Any]] = {"mode": {"choices": modes, "default": modes[0], "required": len(modes) > 1}}
    if input_name is not None:
        shown = f"{options_of(RunOptions)['input_name'].help} [{input_name}]".removesuffix(" []")
        changes["input_name"] = {"default": [input_name] if input_name else [], "required": False, "help": shown}
    own = vars(options).get("__annotations__", {}) if options else {}  # these come before those that are inherited
    titles = [entry.group for name, entry in options_of(options).items() if name in own] if options else []
    for title in dict.fromkeys((*titles, *GROUPS)):
        result.add_argument_group(title)
    if options is not None:
        add_options(result, options, {})
    hidden: dict[str, dict[str, Any]] = {}
    if not trains:
        names = {name for name in options_of(ModelOptions) if name not in NAMING} | set(NEEDLESS)
        names |= {name for name, entry in options_of(RunOptions).items() if entry.group == "training"}
        hidden = {name: {"help": argparse.SUPPRESS} for name in names}
        result.epilog = (
            "The flags of main_train.py that shape a model are taken, too, and have no effect: a model keeps its own."
        )
    add_options(result, RunOptions, {**hidden, **changes})
    add_options(result, ModelOptions, hidden, task)
    return result


def parser_of(command: str) -> Parser:
    """The parser of ``command``: a task's, or that of "sifid"."""
    if command == "sifid":
        result = Parser("SIFID: how far generated pictures are from real ones in the statistics of Inception features.")
        add_options(result, SifidOptions)
        return result
    asked = tasks()[command]
    result = parser(asked.description, asked.modes, asked.input_name, asked.purpose, asked.options, asked.trains)
    result.recipe = asked.recipe
    return result


def check(command: str, argv: Sequence[str]) -> None:
    """Leave with the help, or with one line, where ``argv`` asks for it or has a bad flag; nothing slow is imported."""
    if command == "sifid" or tasks()[command].options is not None:
        parser_of(command).parse_given(argv)


def add_options(
    parser: Parser, kind: type, changes: dict[str, dict[str, Any]] | None = None, task: Task = TRAIN
) -> None:
    """Add a flag for each option of the dataclass ``kind``, with ``changes`` by name."""
    groups = {group.title: group for group in parser._action_groups}
    for entry in options_of(kind).values():
        group = groups.get(entry.group) or parser.add_argument_group(entry.group)
        groups[entry.group] = group
        flags = [*([f"-{entry.short}"] if entry.short else []), f"--{entry.flag or entry.name}"]
        group.add_argument(*flags, **{**_argument(entry, task), **(changes or {}).get(entry.name, {})})


def _argument(entry: Option, task: Task) -> dict[str, Any]:
    """The arguments of argparse for the flag of an option."""
    default = entry.in_tasks.get(task.name, entry.default)
    if entry.kind is bool and entry.bare is None:
        return {"dest": entry.name, "action": "store_true", "default": False, "help": _escaped(entry.help)}
    result: dict[str, Any] = {"dest": entry.name, "type": _converter(entry), "help": _help(entry, default)}
    result |= {"required": True} if default is MISSING else {"default": default}
    if entry.choices and not entry.or_file:
        result["choices"] = entry.choices
    if entry.repeated:
        result |= {"action": "append"}
    elif entry.several:
        result["nargs"] = "+"
    if entry.bare is not None:
        result |= {"nargs": "?", "const": entry.bare}
    return result


def _converter(entry: Option) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        if entry.choices and not entry.or_file:
            return entry.kind(text)  # argparse names the choices
        try:
            return entry.parse(text)
        except ValueError as error:
            raise BadFlag(str(error)) from None

    convert.__name__ = entry.kind.__name__
    return convert


def _help(entry: Option, default: Any) -> str:
    """The help of an option, its ``default`` in brackets."""
    shown = entry.unset if default is None else "" if default is MISSING else _shown(default)
    return _escaped(entry.help) + (f" [{_escaped(shown)}]" if shown else "")


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(_shown, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def values_of(kind: Callable[..., Kind], args: Flags) -> Kind:
    """The dataclass of options ``kind`` from the flags ``args``."""
    values = {name: getattr(args, name) for name in options_of(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
