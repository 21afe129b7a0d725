"""Command-line parsers, built from options.

This module imports nothing slow: -h and bad flags are answered before PyTorch is imported.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING
from typing import Any, NoReturn, TypeVar

from SinGAN.options.growing import GENERATION
from SinGAN.options.measures import SifidOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import Option, get_options
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.tasks import tasks
from SinGAN.terminal.messages import fail, program

Kind = TypeVar("Kind")
Flags = argparse.Namespace
GROUPS = ("run", "networks", "pyramid", "training", "concurrent training")  # headings of the help, in this order
# model options that have an effect without a training, and run options that have none
NAMING, NEEDLESS = ("scale_factor", "alpha", "train_mode", "recipe", "nc_im", "max_size"), ("jobs_per_gpu", "ray")
PICTURES = "input_name"  # the option that takes the words that belong to no flag
KNOWN_AS = {
    "seed": "manualSeed", "image": "input_name", "input": "input_name", "picture": "input_name", "epochs": "niter",
    "iterations": "niter", "iters": "niter", "output": "out", "gpu": "device", "cpu": "not_cuda", "n": "num_samples",
    "samples": "num_samples", "start_scale": "gen_start_scale", "lr": "lr_g", "force": "overwrite",
    "reference": "ref_name",
}  # fmt: skip
"""Names that other programs use for a flag."""


class Parser(argparse.ArgumentParser):
    """A parser that reports bad flags in one line, and returns which flags were given."""

    recipe = GENERATION  # of a concurrently trained model, if none is given

    def __init__(self, description: str | None) -> None:
        self.flags: dict[str, str] = {}  # lower-case names of the known flags, and the flags
        self.groups: dict[str, Any] = {}  # by heading
        self.defaults: dict[str, Any] = {}  # of optional options
        self.options: dict[str, Option] = {}
        super().__init__(prog=program(), description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (all flags: {self.prog} -h)")

    def add_argument(self, *names: Any, **details: Any) -> Any:
        """Add an argument that is no option of a dataclass."""
        self._know(names)
        return super().add_argument(*names, **details)

    def add_argument_group(self, title: Any = None, *arguments: Any, **details: Any) -> Any:
        """Return the group with the heading ``title``; create it if there is none."""
        if title not in self.groups:
            self.groups[title] = super().add_argument_group(title, *arguments, **details)
        return self.groups[title]

    def add_option(self, option: Option, task: Task, changes: dict[str, Any]) -> None:
        """Add the flag of ``option`` with the default of ``task``; ``changes`` are arguments of argparse."""
        names = [*([f"-{option.short}"] if option.short else []), f"--{option.flag or option.name}"]
        details = {**_argument(option, task), **changes}
        if not details.get("required"):
            self.defaults[option.name] = details["default"]
        if option.name == PICTURES:  # it may be given without its flag, see ``parse_given``
            details["required"] = False
        self._know(names)
        self.options[option.name] = option
        # argparse leaves out options that are not given; ``parse_given`` adds their defaults
        self.add_argument_group(option.group).add_argument(*names, **{**details, "default": argparse.SUPPRESS})

    def _know(self, names: Sequence[str]) -> None:
        self.flags |= {name.strip("-").lower(): name for name in names if name.startswith("-")}

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the values of all options and arguments."""
        return self.parse_given(sys.argv[1:] if args is None else args)[0]

    def parse_given(self, argv: Sequence[str]) -> tuple[Flags, frozenset[str]]:
        """Return the values of all options, and the names of those that are in ``argv``.

        Words that belong to no flag are pictures: photo.jpg means --input_name photo.jpg.
        """
        for word in argv:
            flag, equals, value = word.partition("=")
            if flag.startswith("-") and equals and value == "--":  # argparse would drop it
                self.error(f"argument {flag}: -- is not a value (a file of that name is ./--)")
            if flag.startswith("--") and len(flag) > 2 and flag not in self.flags.values():
                self.error(f"unrecognized arguments: {flag}{self._suggest(flag)}")
        namespace, words = self.parse_known_args(argv)
        given = vars(namespace)
        if words:
            unrecognized = f"unrecognized arguments: {' '.join(words)}"
            if PICTURES not in self.options or any(not word or word.startswith("-") for word in words):
                self.error(unrecognized)
            if PICTURES in given:
                self.error(
                    f"{unrecognized} in addition to --{PICTURES}: give all pictures with the flag, or all without it"
                )
            given[PICTURES] = words
        if PICTURES in self.options and not {PICTURES} & {*given, *self.defaults}:
            self.error(f"the following arguments are required: --{PICTURES}")
        return Flags(**{**self.defaults, **given}), frozenset(given)

    def _suggest(self, flag: str) -> str:
        """Return a hint at the flag that ``flag`` may mean, or ""."""
        name = flag.strip("-").replace("-", "_").lower()
        names = [KNOWN_AS.get(name, name).lower(), *difflib.get_close_matches(name, self.flags, n=1)]
        near = next((self.flags[name] for name in names if name in self.flags), None)
        return f": do you mean {near}?" if near else ""

    def to_words(self, args: Flags, given: frozenset[str]) -> tuple[str, ...]:
        """Return words that ``parse_given`` parses to the options ``given`` and their values in ``args``."""
        words: list[str] = []
        for option in (self.options[name] for name in self.options if name in given):
            flag, value = f"--{option.flag or option.name}", getattr(args, option.name)
            texts = [option.every if part is None else str(part) for part in (value if option.several else [value])]
            if option.kind is bool and option.bare is None:
                words.append(flag)
            elif option.several and not option.repeated:
                words += [flag, *texts]
            else:
                words += [word for text in texts for word in ([f"{flag}={text}"] if text[:1] == "-" else [flag, text])]
        return tuple(words)


def parser(
    description: str | None,
    modes: Sequence[str],
    input_name: str | None = None,
    task: Task = TRAIN,
    options: type | None = None,
    trains: bool = True,
) -> Parser:
    """Return a parser of the flags that all commands share, and of ``options``, which come first.

    Arguments:
        description: of the command.
        modes: the values of --mode; if there are several, the flag is required.
        input_name: the default picture. None: the flag is required; "": no picture is needed.
        task: whose defaults hold.
        options: a dataclass of the command's own options.
        trains: whether the options of trainings have an effect; else the help leaves them out.
    """
    result = Parser(description)
    changes: dict[str, dict[str, Any]] = {"mode": {"choices": modes, "default": modes[0], "required": len(modes) > 1}}
    if input_name is not None:
        text = f"{get_options(RunOptions)['input_name'].help} [{input_name}]".removesuffix(" []")
        changes["input_name"] = {"default": [input_name] if input_name else [], "required": False, "help": text}
    own = vars(options).get("__annotations__", {}) if options else {}  # these come before those that are inherited
    titles = [entry.group for name, entry in get_options(options).items() if name in own] if options else []
    for title in (*titles, *GROUPS):
        result.add_argument_group(title)
    if options is not None:
        add_options(result, options)
    hidden: dict[str, dict[str, Any]] = {}
    if not trains:
        names = {name for name in get_options(ModelOptions) if name not in NAMING} | set(NEEDLESS)
        names |= {name for name, entry in get_options(RunOptions).items() if entry.group == "training"}
        hidden = {name: {"help": argparse.SUPPRESS} for name in names}
        result.epilog = (
            "The flags of main_train.py that shape a model are accepted, but have no effect: a model keeps its own."
        )
    add_options(result, RunOptions, {**hidden, **changes})
    add_options(result, ModelOptions, hidden, task)
    return result


def make_parser(command: str) -> Parser:
    """Return the parser of a command: that of a task, or of "sifid"."""
    if command == "sifid":
        result = Parser("SIFID: how far generated pictures are from real ones in the statistics of Inception features.")
        add_options(result, SifidOptions)
        return result
    asked = tasks()[command]
    result = parser(asked.description, asked.modes, asked.input_name, asked.purpose, asked.options, asked.trains)
    result.recipe = asked.recipe
    return result


def check(command: str, argv: Sequence[str]) -> None:
    """Print the help and exit if ``argv`` asks for it; exit with one line if a flag is bad. Imports nothing slow."""
    if command == "sifid" or tasks()[command].options is not None:
        make_parser(command).parse_given(argv)


def add_options(
    parser: Parser, kind: type, changes: dict[str, dict[str, Any]] | None = None, task: Task = TRAIN
) -> None:
    """Add a flag for each option of the dataclass ``kind``, with ``changes`` of argparse's arguments by name."""
    for option in get_options(kind).values():
        parser.add_option(option, task, (changes or {}).get(option.name, {}))


def _argument(option: Option, task: Task) -> dict[str, Any]:
    """Return argparse's arguments for the flag of ``option``."""
    default = option.in_tasks.get(task.name, option.default)
    if option.kind is bool and option.bare is None:
        return {"dest": option.name, "action": "store_true", "default": False, "help": _escape(option.help)}
    result: dict[str, Any] = {"dest": option.name, "type": _converter(option), "help": _help(option, default)}
    result |= {"required": True} if default is MISSING else {"default": default}
    if option.choices and not option.or_file:
        result["choices"] = option.choices
    if option.repeated:
        result |= {"action": "append"}
    elif option.several:
        result["nargs"] = "+"
    if option.bare is not None:
        result |= {"nargs": "?", "const": option.bare}
    return result


def _converter(option: Option) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        if option.choices and not option.or_file:
            return option.kind(text)  # argparse checks the choices
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = option.kind.__name__
    return convert


def _help(option: Option, default: Any) -> str:
    """Return the help of ``option``, with ``default`` in brackets."""
    text = option.unset if default is None else "" if default is MISSING else _format(default)
    return _escape(option.help) + (f" [{_escape(text)}]" if text else "")


def _format(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(_format, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def read_options(kind: Callable[..., Kind], args: Flags) -> Kind:
    """Return an instance of the dataclass of options ``kind`` with the values in ``args``."""
    values = {name: getattr(args, name) for name in get_options(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
