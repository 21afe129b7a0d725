"""The wrapper of every script: errors become one line on stderr, and log messages are printed.

This module imports nothing slow: it is imported first, so that Ctrl-C prints one line from the start.
"""

import functools
import importlib.util
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from SinGAN.options.run import LIFELINE
from SinGAN.terminal.messages import FLAGS, fail, program, say, with_flags

Main = Callable[[Sequence[str]], None]
OUT_OF_MEMORY = (
    "out of memory: lower `max_size`, `scale_h`, `scale_v` or `nfc`, train with `recompute` always, or use another "
    "`device`"
)
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that end a command: unfinished work is removed or kept as a checkpoint, as after Ctrl-C."""
PATIENCE = 10.0  # seconds that a job has to end by itself after its parent
WAITING = {"GOMP_SPINCOUNT": "3000"}
"""How many rounds a waiting OpenMP thread keeps its core busy. With OpenMP's default, a hundred times as many, two
trainings on the same cores slow each other down tenfold. Not set if the environment sets a policy."""


def quiet_interrupts(command: str = "") -> None:
    """Prepare the process before a script's slow imports, and check the flags of ``command``.

    Ctrl-C, SIGTERM and SIGHUP print one line. A signal handler does this until ``script`` takes over, because some
    libraries catch the exception while they are imported. What nohup ignores stays ignored. Plots go to files whatever
    MPLBACKEND a notebook sets, waiting threads soon leave their cores, closed streams are replaced, and characters that
    the terminal can't show are escaped. If ``command`` is given, -h and bad flags are answered here, before PyTorch is
    imported.
    """
    for number in ENDING:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit_immediately)
    follow_parent()
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
        from SinGAN.terminal.flags import check

        check(command, sys.argv[1:])


def follow_parent() -> None:
    """End this process soon after its parent, if it is a job: as SIGTERM does, or forcibly after a while."""
    if os.environ.pop(LIFELINE, None):
        threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(128 + signal.SIGTERM)


def _exit_immediately(number: int, frame: FrameType | None) -> None:
    _tell_interrupted(number)
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise a KeyboardInterrupt with the ``number`` of the signal; a second SIGTERM or SIGHUP changes nothing."""
    if number != signal.SIGINT:
        for other in ENDING[1:]:
            signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _tell_interrupted(number: int) -> None:
    """Print that the program was interrupted, and by which signal unless it is Ctrl-C."""
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    with suppress(OSError):  # the terminal is gone
        sys.stderr.write(f"{program()}: interrupted{by}\n")
        sys.stderr.flush()


class _Printer(logging.Handler):
    """Prints log records, with options as flags: warnings on stderr, the rest on stdout."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        super().__init__(logging.INFO)
        self.flags = flags

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        say(with_flags(record.getMessage(), self.flags), file=stream)


@contextmanager
def printing_notes(flags: Mapping[str, str] = FLAGS) -> Iterator[None]:
    """Print what the packages log during the block."""
    handler = _Printer(flags)
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


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` means that memory is exhausted: Python's error, or PyTorch's for any device."""
    words = str(error) if isinstance(error, RuntimeError) else ""
    known = ("out of memory", "can't allocate memory", "bad_alloc")
    return isinstance(error, MemoryError) or any(phrase in words for phrase in known)


def _describe_full_disk(error: OSError) -> str:
    """A line about a full disk, where what is written was no result: a temporary file, or the output."""
    from SinGAN.storage.files import FullDiskError  # imports PyTorch

    if error.filename:
        return str(FullDiskError(Path(error.filename), 1, error.strerror or ""))
    return f"{error.strerror}: the output or a temporary file can't be written: free some, or set another TMPDIR"


def script(main: Main, memory: str = OUT_OF_MEMORY, **flags: str) -> Callable[..., None]:
    """Wrap ``main`` so that errors print one line and set the exit status: 2, or 128 + n for signal n (Ctrl-C: 130).

    Called without flags, the script uses those of the process. ``memory`` is the message when memory is exhausted, and
    ``flags`` are those of options that have another name in messages.
    """
    names = {**FLAGS, **flags}

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> None:
        for number in ENDING:
            if signal.getsignal(number) is _exit_immediately:
                signal.signal(number, _interrupt)
        try:
            with printing_notes(names):
                main(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt as end:
            number = end.args[0] if end.args else signal.SIGINT
            _tell_interrupted(number)
            raise SystemExit(128 + number) from None
        except ValueError as error:
            fail(with_flags(str(error), names))
        except OSError as error:
            from SinGAN.storage.files import FULL

            if error.errno in FULL:
                fail(_describe_full_disk(error))
            known = error.strerror and error.filename
            fail(f"{error.strerror}: {error.filename}" if known else with_flags(str(error), names))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            fail(with_flags(memory))

    return guarded
