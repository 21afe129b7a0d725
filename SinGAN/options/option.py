"""Options: fields of frozen dataclasses with a type, a range, a help text and the kinds of models that they shape."""

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

HUGE, MANY = (
    10**9,
    10**6,
)  # upper limits of counts, against typos: of those that cost nothing, and of what is repeated or kept
ALWAYS = object()  # marks options that manifests of all versions have


@dataclass(frozen=True)
class Option:
    """An option. ``name``, ``kind``, ``default``, ``several`` and ``optional`` are taken from its field."""

    help: str
    group: str = "run"  # heading in the help
    name: str = ""
    kind: type = str  # of one value
    default: Any = None
    several: bool = False  # one or more values: a tuple
    optional: bool = False  # may be None
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    odd: bool = False
    choices: tuple[Any, ...] = ()
    pattern: str = ""  # a regular expression that the whole text must match
    meant: str = ""  # description of ``pattern``
    repeated: bool = False  # the flag can be repeated, with one value each time: a tuple
    or_file: bool = False  # the path of a file is allowed besides ``choices``
    every: str = ""  # the word for all values, which are None in code
    unset: str = ""  # description of the default None, for the help
    flag: str = ""  # the flag, if it is not ``name``
    short: str = ""  # another flag, of one letter
    bare: Any = None  # the value if the flag is given without one
    shapes: tuple[str, ...] = ()  # kinds of models whose results depend on it; their manifests store it
    before: Any = ALWAYS  # the value in models that are older than the option
    argument: str = ""  # the argument in Python, if it is not ``name``
    slider: tuple[float, float, float, float] | None = None  # in the studio: least, most, value, step; None: no slider
    unit: str = ""  # appended to the number of the slider
    in_tasks: Mapping[str, Any] = field(default_factory=dict)  # other defaults by task

    def parse(self, text: str) -> Any:
        """Convert ``text`` to a value.

        Raises:
            ValueError: it is invalid or out of range; the message does not name the option.
        """
        if self.every and text == self.every:
            return None
        if self.kind is bool:
            if text not in ("True", "False"):
                raise ValueError(f"must be True or False, not {text}")
            return text == "True"
        if self.kind is Path:
            return self.check(as_path(text), text)
        try:
            value = self.kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a {'whole ' if self.kind is int else ''}number") from None
        return self.check(value, text)

    def check(self, value: Any, text: str | None = None, files: bool = True) -> Any:
        """Check ``value`` and return it: NumPy's numbers as Python's, whole numbers as floats if the option is a float.

        Of an option with ``several`` values, it is one of them. Messages show ``text``, the value as the user wrote it.

        Raises:
            ValueError: it has another type, is out of range or, with ``files``, names a file that does not exist; the
                message does not name the option.
        """
        value = plain(value)
        shown = str(value) if text is None else text
        if value is None and (self.optional or self.every):
            return None
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind is Path and isinstance(value, str | os.PathLike):
            value = as_path(os.fspath(value))
        if self.or_file and isinstance(value, str) and value not in self.choices:
            value = str(as_path(value))
        if not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is not bool):
            wanted = self.meant or KINDS.get(self.kind, self.kind.__name__)
            raise ValueError(f"must be {wanted}, not {value!r}")
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
        named = [f"{words} {as_text(bound)}" for words, bound in parts.items() if math.isfinite(bound)]
        is_technical = value <= self.most and self.most in (HUGE, MANY)  # then it is only named if it is exceeded
        hidden = f"at most {as_text(self.most)}" if is_technical else ""
        return " and ".join(part for part in named if part != hidden)


def as_text(bound: float) -> str:
    """Format a ``bound``: whole numbers with all their digits."""
    return f"{bound:.0f}" if float(bound).is_integer() else f"{bound:g}"


def as_path(text: str) -> Path:
    """The path ``text`` with ``~`` expanded, which shells don't do in ``--out=~/x``."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"must be a path, not {text}: there is no such user") from error


def plain(value: Any) -> Any:
    """``value``; a number of NumPy, or a tensor or array without dimensions, as a number of Python."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


KINDS: dict[Any, str] = {
    int: "a whole number", float: "a number", str: "a text", bool: "True or False", Path: "a path",
    Callable: "a function",
}  # fmt: skip


def option(default: Any, help: str, **details: Any) -> Any:
    """Return the field of an option for a dataclass of options; ``details`` are fields of ``Option``."""
    described = {"option": Option(help, **details)}
    return field(metadata=described) if default is MISSING else field(default=default, metadata=described)


@cache
def get_options(kind: type) -> dict[str, Option]:
    """The options of the dataclass ``kind`` by name, in its order."""
    hints = get_type_hints(kind)
    return {
        entry.name: _complete(entry.metadata["option"], entry.name, entry.default, hints[entry.name])
        for entry in fields(kind)
    }


def _complete(described: Option, name: str, default: Any, hint: Any) -> Option:
    """Add the properties of its field to ``described``: name, default and type."""
    alternatives = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    optional = NoneType in alternatives
    (kind,) = (alternative for alternative in alternatives if alternative is not NoneType)
    several = get_origin(kind) is tuple
    if several:
        inner = get_args(kind)[0]
        (kind,) = (part for part in (get_args(inner) or (inner,)) if part is not NoneType)
    kind = get_origin(kind) or kind
    return replace(described, name=name, kind=kind, default=default, several=several, optional=optional)


def check_values(kind: type, values: Mapping[str, Any], files: bool = True) -> dict[str, Any]:
    """Check ``values`` by option name against the options of the dataclass ``kind``, and return them.

    Raises:
        ValueError: a name is unknown, or a value is out of range; the message names the option as `` `name` ``.
    """
    known = get_options(kind)
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
