"""How a script ends: every error one line on stderr, and an exit status."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import torch

Main = Callable[[Sequence[str] | None], None]


def fail(message: str, status: int = 2) -> NoReturn:
    """Leave with ``message`` as one line on stderr."""
    sys.stderr.write(f"{Path(sys.argv[0]).name}: error: {' '.join(message.split())}\n")
    raise SystemExit(status)


def script(main: Main) -> Callable[..., None]:
    """Make of ``main`` a script whose errors are one line and an exit status: 2, or 130 for Ctrl-C."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> None:
        try:
            main(argv)
        except KeyboardInterrupt:
            fail("interrupted", 130)
        except ValueError as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error))
        except (torch.OutOfMemoryError, MemoryError) as error:
            fail(f"out of memory: lower --max_size, or use another --device ({error})")
        except RuntimeError as error:
            if "can't allocate memory" not in str(error):
                raise
            fail("out of memory: lower --max_size, --scale_h or --scale_v")

    return guarded
