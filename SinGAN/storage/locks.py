"""Locks on paths, which die with the process that holds them; on file systems that have none the work goes on without.

A lock is never taken on a file that another process has removed meanwhile: two would hold it.
"""

import errno
import functools
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOG = logging.getLogger(__name__)
WITHOUT = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
"""What a file system without locks reports."""
DAY = 24 * 60 * 60  # seconds
PAUSE = 0.05  # seconds between two attempts


class LackingError(OSError):
    """The file system has no locks."""


@contextmanager
def locked(path: Path, busy: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``, in a folder that exists, for the block; then it is removed.

    Arguments:
        path: of the lock file.
        busy: the error's text where another process holds it.
        patience: seconds to wait for that process.

    Raises:
        ValueError: another process holds it.
    """
    try:
        held = _acquire(path, time.monotonic() + patience)
    except LackingError:
        path.unlink(missing_ok=True)
        tell_once("the file system of the results has no locks: don't train one picture twice at the same time")
        yield
        return
    if held is None:
        raise ValueError(busy)
    try:
        yield
    finally:
        with suppress(OSError):  # elsewhere than on POSIX an open file can't be removed
            path.unlink(missing_ok=True)  # while it is held: who waits for it finds that it is gone
        os.close(held)


def _acquire(path: Path, deadline: float) -> int | None:
    """The descriptor of ``path``, locked; None where another process still holds it at the ``deadline``."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _lock(descriptor):
                if _is_still(path, descriptor):
                    return descriptor
                os.close(descriptor)  # removed by the process that held it: try the new file
                continue
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= deadline:
            return None
        time.sleep(PAUSE)


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Mark the file or folder ``path``, just made, as in use for the block; False where another process removes it.

    On file systems without locks the mark is lacking.
    """
    descriptor, ours = None, True
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            ours = _lock(descriptor) and _is_still(path, descriptor)
        except FileNotFoundError:
            ours = False
        except (LackingError, PermissionError):  # a folder on Windows
            pass
        yield ours
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether no process holds ``path``; without locks: whether it is a day old."""
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY)
        return _lock(descriptor)
    except LackingError:
        return time.time() - path.stat().st_mtime > DAY
    except OSError:  # gone, or not ours
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock on ``descriptor`` could be taken; a ``LackingError`` where there are none."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in WITHOUT:
            raise LackingError from error
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@functools.cache
def tell_once(line: str) -> None:
    """Warn of ``line``, once in a process."""
    LOG.warning(line)
