"""Flags made from options: the parser of every command."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import MISSING
from typing import Any, NoReturn, TypeVar

from SinGAN.options.model import ModelOptions
from SinGAN.options.option import Option, options_of
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.terminal.script import fail, program

Kind = TypeVar("Kind")
Flags = argparse.Namespace
GROUPS = ("run", "networks", "pyramid", "training")  # headings of the help that all commands share, in this order
BadFlag = argparse.ArgumentTypeError  # what a converter of a flag raises


class Parser(argparse.ArgumentParser):
    """Reports bad flags in one line, and tells which ones were given."""

    def __init__(self, description: str | None) -> None:
        super().__init__(prog=program(), description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (all flags: {self.prog} -h)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but for a value that it would drop."""
        for word in args or ():
            if word.startswith("-") and word.endswith("=--"):
                self.error(f"argument {word[:-3]}: -- is no value (a file of that name is ./--)")
        return super().parse_known_args(args, namespace)

    def parse_given(self, argv: Sequence[str]) -> tuple[Flags, frozenset[str]]:
        """The flags of ``argv``, and the names of those that stand in it."""
        defaults = {action.dest: action.default for action in self._actions if action.default is not argparse.SUPPRESS}
        for action in self._actions:
            action.default = argparse.SUPPRESS
        given = vars(self.parse_args(argv))
        return Flags(**{**defaults, **given}), frozenset(given)


def parser(
    description: str | None,
    modes: Sequence[str],
    input_name: str | None = None,
    task: Task = TRAIN,
    options: type | None = None,
) -> Parser:
    """The flags that all commands share, and those of ``options``, a dataclass of options.

    Arguments:
        description: what the command does.
        modes: the values of --mode; of several, one must be named.
        input_name: the picture where none is named. None: one must be named; "": none is needed.
        task: whose defaults hold.
        options: the command's own.
    """
    result = Parser(description)
    for title in GROUPS:
        result.add_argument_group(title)
    changes: dict[str, dict[str, Any]] = {"mode": {"choices": modes, "default": modes[0], "required": len(modes) > 1}}
    if input_name is not None:
        shown = f"{options_of(RunOptions)['input_name'].help} [{input_name}]".removesuffix(" []")
        changes["input_name"] = {"default": [input_name] if input_name else [], "required": False, "help": shown}
    add_options(result, RunOptions, changes)
    add_options(result, ModelOptions, {}, task)
    if options is not None:
        add_options(result, options, {})
    return result


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
        return {"dest": entry.name, "action": "store_true", "help": _escaped(entry.help)}
    result: dict[str, Any] = {"dest": entry.name, "type": _converter(entry), "help": _help(entry, default)}
    result |= {"required": True} if default is MISSING else {"default": default}
    if entry.choices and not entry.or_file:
        result["choices"] = entry.choices
    if entry.several:
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
