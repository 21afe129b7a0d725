"""The guard round every script: errors become one line on stderr, the package's notes go to stdout.

This module stays light: it is imported before all others, so that Ctrl-C is one line from the start.
"""

import functools
import importlib.util
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

Main = Callable[[Sequence[str]], None]
OUT_OF_MEMORY = (
    "out of memory: lower `max_size`, `scale_h` or `scale_v`, train with `recompute` always, or use another `device`"
)
INTERRUPTED = "{}: interrupted\n"
FLAGS = {"seed": "manualSeed"}  # options that have another name on the command line
WAITING = {"GOMP_SPINCOUNT": "3000"}
"""How long a thread that waits for others keeps its core busy, in rounds. By OpenMP's own choice, a hundred times as
long, two trainings on the same cores slow each other down tenfold. Not set where the environment says how to wait."""
OPTION = re.compile(r"`(\w+)`")  # how the package's messages name an option

_program: ContextVar[str] = ContextVar("program", default="")


def quiet_interrupts(command: str = "") -> None:
    """Make Ctrl-C one line while a script's other imports run, which take seconds; prepare for odd surroundings.

    Where the flags ask for help, or are wrong for the ``command`` that the script starts, that is said at once.

    Not through an exception: some libraries catch it when they are imported. ``script`` takes over.
    Plots go to files, whatever a notebook's MPLBACKEND says. Threads that wait leave their cores soon.
    Closed streams are replaced, and what a terminal can't show of a name is escaped: neither may end a
    training.
    """
    signal.signal(signal.SIGINT, _leave_at_once)
    os.environ["MPLBACKEND"] = "Agg"
    if not {*WAITING, "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ.update(WAITING)
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if importlib.util.find_spec("torch") is None:
        fail(f"{sys.executable} has no PyTorch: install what requirements.txt names, or run with a Python that has it")
    if command:
        from SinGAN.terminal.flags import check  # light

        check(command, sys.argv[1:])


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    sys.stderr.write(INTERRUPTED.format(program()))
    sys.stderr.flush()
    os._exit(130)


def program() -> str:
    """The name of what is running, for messages: main_train.py, singan train."""
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
    """``message`` with the options that it names in backticks as flags: `` `niter` `` becomes --niter."""
    return OPTION.sub(lambda match: f"--{flags.get(match[1], match[1])}", message)


def _line(message: str) -> str:
    plain = re.sub(r"\s+", " ", message.strip(), flags=re.ASCII)  # odd spaces of file names stay
    return f"{program()}: error: {plain}\n"


def fail(message: str, status: int = 2) -> NoReturn:
    """Leave with ``message`` as one line on stderr."""
    sys.stderr.write(_line(message))
    raise SystemExit(status)


class Notes(logging.Handler):
    """Prints what the package notes: warnings on stderr, the rest on stdout."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        super().__init__(logging.INFO)
        self.flags = flags

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        print(with_flags(record.getMessage(), self.flags), file=stream, flush=True)


@contextmanager
def printing_notes(flags: Mapping[str, str] = FLAGS) -> Iterator[None]:
    """Print what the packages log."""
    handler = Notes(flags)
    levels = {logger: logger.level for logger in map(logging.getLogger, ("SinGAN", "SIFID"))}
    for logger in levels:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.removeHandler(handler)
            logger.setLevel(level)


class Script(Protocol):
    """A function of flags: those given, or else those of the process."""

    def __call__(self, argv: Sequence[str] | None = None) -> None: ...


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that there is no memory left: Python's own, or PyTorch's of any device."""
    words = str(error) if isinstance(error, RuntimeError) else ""
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def script(main: Main, **flags: str) -> Script:
    """A script of ``main`` whose errors are one line and an exit status: 2, or 130 for Ctrl-C.

    ``flags`` are the names on the command line of options that have another name in messages.
    """
    names = {**FLAGS, **flags}

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> None:
        if signal.getsignal(signal.SIGINT) is _leave_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with printing_notes(names):
                main(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt:
            sys.stderr.write(INTERRUPTED.format(program()))
            raise SystemExit(130) from None
        except ValueError as error:
            fail(with_flags(str(error), names))
        except OSError as error:
            known = error.strerror and error.filename
            fail(f"{error.strerror}: {error.filename}" if known else with_flags(str(error), names))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            fail(with_flags(OUT_OF_MEMORY))

    return guarded
