"""How a script ends: every error one line on stderr, and an exit status."""

import functools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

Main = Callable[[Sequence[str] | None], None]
OUT_OF_MEMORY = "out of memory: lower --max_size, --scale_h or --scale_v, or use another --device"


def quiet_interrupts() -> None:
    """Make Ctrl-C one line while a script's other imports run, which take seconds; this module's are light.

    Not through an exception: some libraries catch it when they are imported. ``script`` takes over.
    """
    signal.signal(signal.SIGINT, _leave_at_once)


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    sys.stderr.write(_line("interrupted"))
    sys.stderr.flush()
    os._exit(130)


def _line(message: str) -> str:
    return f"{Path(sys.argv[0]).name}: error: {' '.join(message.split())}\n"


def fail(message: str, status: int = 2) -> NoReturn:
    """Leave with ``message`` as one line on stderr."""
    sys.stderr.write(_line(message))
    raise SystemExit(status)


def script(main: Main) -> Callable[..., None]:
    """Make of ``main`` a script whose errors are one line and an exit status: 2, or 130 for Ctrl-C."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> None:
        if signal.getsignal(signal.SIGINT) is _leave_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            main(argv)
        except KeyboardInterrupt:
            fail("interrupted", 130)
        except ValueError as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error))
        except MemoryError:
            fail(OUT_OF_MEMORY)
        except RuntimeError as error:  # torch's own, on CUDA and on the CPU
            if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
                raise
            fail(OUT_OF_MEMORY)

    return guarded
