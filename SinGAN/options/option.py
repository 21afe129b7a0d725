"""An option: a field of a frozen dataclass, with its range, its help and the models that it shapes."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

HUGE = 10**9  # more of anything counted is a slip of the finger
ALWAYS = object()  # marks options that manifests of every version hold


@dataclass(frozen=True)
class Option:
    """One option. ``name``, ``kind``, ``default`` and the two that follow are read off its field."""

    help: str
    group: str = "run"  # heading in the help
    name: str = ""
    kind: type = str  # of one value
    default: Any = None
    several: bool = False  # takes one value or more: a tuple
    optional: bool = False  # may be None
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    odd: bool = False
    choices: tuple[Any, ...] = ()
    pattern: str = ""  # a regular expression that a text must match as a whole
    meant: str = ""  # in words
    repeated: bool = False  # takes one value each time that its flag stands there: a tuple
    or_file: bool = False  # besides ``choices``, the path of a file
    every: str = ""  # the word that stands for all values; it is None in code
    unset: str = ""  # what holds where there is no value, for the help
    flag: str = ""  # on a command line, where that is not ``name``
    short: str = ""  # one more flag, of one letter
    bare: Any = None  # the value of a flag that is given without one
    shapes: tuple[str, ...] = ()  # kinds of models whose results depend on it; they keep it in their manifest
    before: Any = ALWAYS  # the value that models had which are older than the option
    argument: str = ""  # in Python, where that is not ``name``
    slider: tuple[float, float, float, float] | None = None  # in the studio: from, to, at first, step; None: not there
    unit: str = ""  # behind the number of the slider
    in_tasks: Mapping[str, Any] = field(default_factory=dict)  # other defaults, by the task of a training

    def parse(self, text: str) -> Any:
        """The value that ``text`` stands for.

        Raises:
            ValueError: it stands for none, or for one out of range; the message lacks the option's name.
        """
        if self.every and text == self.every:
            return None
        if self.kind is bool:
            if text not in ("True", "False"):
                raise ValueError(f"must be True or False, not {text}")
            return text == "True"
        if self.kind is Path:
            return self.check(_expanded(text), text)
        try:
            value = self.kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is no {'whole ' if self.kind is int else ''}number") from None
        return self.check(value, text)

    def check(self, value: Any, text: str | None = None, files: bool = True) -> Any:
        """``value``, of the option's type; whole numbers serve as floats.

        Arguments:
            value: what is asked for; of an option of ``several`` values, one of them.
            text: how the user wrote it, for messages.
            files: whether a file that it names must exist.

        Raises:
            ValueError: it has another type or is out of range; the message lacks the option's name.
        """
        shown = str(value) if text is None else text
        if value is None and (self.optional or self.every):
            return None
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is not bool):
            raise ValueError(f"must be {KINDS.get(self.kind, self.kind.__name__)}, not {value!r}")
        if self.pattern and not re.fullmatch(self.pattern, str(value), re.ASCII):
            raise ValueError(f"must be {self.meant}, not {value}")
        if self.choices and value not in self.choices:
            self._check_file(value, files)
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._check_number(value, shown)
        return value

    def _check_file(self, value: Any, files: bool) -> None:
        if not self.or_file:
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}, not {value}")
        if files and not Path(value).is_file():
            raise ValueError(f"must be {', '.join(self.choices)} or a file of weights, not {value}")

    def _check_number(self, value: float, shown: str) -> None:
        inside = self.least <= value <= self.most and self.above < value < self.below
        if not inside or math.isinf(value):
            raise ValueError(f"must be {self._range(value)}, not {shown}")
        if self.odd and value % 2 == 0:
            raise ValueError(f"must be odd, not {shown}")

    def _range(self, value: float) -> str:
        parts = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        named = [f"{words} {bound:g}" for words, bound in parts.items() if math.isfinite(bound)]
        hidden = "" if value > self.most else f"at most {HUGE:g}"  # of no interest but where it is passed
        return " and ".join(part for part in named if part != hidden)


def _expanded(text: str) -> Path:
    """The path ``text``, with the user's folder for a ``~``, which shells leave in ``--out=~/x``."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"must be a path, not {text}: there is no such user's folder") from error


KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", Path: "a path"}


def option(default: Any, help: str, **details: Any) -> Any:
    """The field of an option in a dataclass of options; ``details`` are fields of ``Option``."""
    described = {"option": Option(help, **details)}
    return field(metadata=described) if default is MISSING else field(default=default, metadata=described)


@cache
def options_of(kind: type) -> dict[str, Option]:
    """The options that the dataclass ``kind`` has, by name, in its order."""
    hints = get_type_hints(kind)
    return {
        entry.name: _completed(entry.metadata["option"], entry.name, entry.default, hints[entry.name])
        for entry in fields(kind)
    }


def _completed(described: Option, name: str, default: Any, hint: Any) -> Option:
    """``described`` with what its field tells: ``default``, and the type ``hint``."""
    alternatives = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    optional = NoneType in alternatives
    (kind,) = (alternative for alternative in alternatives if alternative is not NoneType)
    several = get_origin(kind) is tuple
    if several:
        inner = get_args(kind)[0]
        (kind,) = (part for part in (get_args(inner) or (inner,)) if part is not NoneType)
    return replace(described, name=name, kind=kind, default=default, several=several, optional=optional)


def checked(kind: type, values: Mapping[str, Any], files: bool = True) -> dict[str, Any]:
    """``values`` by option name, each checked against its option in the dataclass ``kind``.

    Raises:
        ValueError: a name is unknown, or a value out of range; it names the option as `` `name` ``.
    """
    known = options_of(kind)
    for name in values:
        if name not in known:
            raise ValueError(f"unknown option `{name}`{_nearest(name, known)}")
    result = {}
    for name, value in values.items():
        try:
            if known[name].several:
                result[name] = tuple(known[name].check(part, files=files) for part in value)
            else:
                result[name] = known[name].check(value, files=files)
        except ValueError as error:
            raise ValueError(f"`{name}` {error}") from None
    return result


def _nearest(name: str, known: Mapping[str, Option]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f": do you mean `{near[0]}`?" if near else f": there are {', '.join(known)}"
