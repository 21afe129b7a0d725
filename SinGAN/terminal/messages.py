"""The program's name and its one-line error messages.

This module imports nothing slow: scripts use it before all other imports.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NoReturn, TextIO

from SinGAN.storage.escaping import escape_controls

FLAGS = {"seed": "manualSeed"}  # options whose flag has another name
OPTION = re.compile(r"`(\w+)`")  # an option in a message of the package

_program: ContextVar[str] = ContextVar("program", default="")


def program() -> str:
    """Return the name of the running program for messages: main_train.py, singan train."""
    started = Path(sys.argv[0])
    return _program.get() or ("singan" if started.parts[-2:] == ("SinGAN", "__main__.py") else started.name)


@contextmanager
def running_as(name: str) -> Iterator[None]:
    """Call the running program ``name`` in messages."""
    token = _program.set(name)
    try:
        yield
    finally:
        _program.reset(token)


def with_flags(message: str, flags: Mapping[str, str] = FLAGS) -> str:
    """Replace the options in backticks in ``message`` by flags: `` `niter` `` becomes --niter."""
    return OPTION.sub(lambda match: f"--{flags.get(match[1], match[1])}", message)


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print ``lines`` on stdout, or to another ``file``, immediately, with unsafe characters escaped."""
    for line in lines:
        print(escape_controls(str(line)), file=file, flush=True)


def fail(message: str, status: int = 2) -> NoReturn:
    """Print ``message`` as one line on stderr and exit."""
    line = re.sub(r"\s+", " ", message.strip(), flags=re.ASCII)  # keeps unusual spaces of file names
    say(f"{program()}: error: {line}", file=sys.stderr)
    raise SystemExit(status)
