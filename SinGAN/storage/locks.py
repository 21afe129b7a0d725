"""Locks on paths, which are released when their process dies; file systems without locks are used without.

After a lock is taken, the file is compared with its path: if another process has removed it meanwhile, the lock is
worthless, because a third process could lock a new file there.
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
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
"""Errors of a file system without locks."""
DAY = 24 * 60 * 60  # seconds
PAUSE = 0.05  # seconds between two attempts


class NoLocksError(OSError):
    """The file system has no locks."""


@contextmanager
def locked(path: Path, busy: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``, in a folder that exists, during the block, and then remove it.

    Raises:
        ValueError: another process holds it for longer than ``patience`` seconds; ``busy`` is the message.
    """
    try:
        held = _acquire(path, time.monotonic() + patience)
    except NoLocksError:
        path.unlink(missing_ok=True)
        warn_once("the file system of the results has no locks: don't train one picture twice at the same time")
        yield
        return
    if held is None:
        raise ValueError(busy)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows can't remove an open file
            path.unlink(missing_ok=True)  # before it is released: a waiting process then sees that it is gone
        os.close(held)


def _acquire(path: Path, deadline: float) -> int | None:
    """Return a locked descriptor of ``path``, or None if another process still holds it at the ``deadline``."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _lock(descriptor):
                if _is_same_file(path, descriptor):
                    return descriptor
                os.close(descriptor)  # removed by the process that held it: lock the new file
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
    """Lock the new file or folder ``path`` during the block; yield False if another process has removed it.

    On file systems without locks, True is yielded without a lock.
    """
    descriptor, is_held = None, True
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            is_held = _lock(descriptor) and _is_same_file(path, descriptor)
        except FileNotFoundError:
            is_held = False
        except (NoLocksError, PermissionError):  # a folder on Windows
            pass
        yield is_held
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def claiming(path: Path) -> Iterator[bool]:
    """Lock ``path`` during the block if no process holds it, and yield whether that is so.

    On file systems without locks, yield whether it is a day old.
    """
    descriptor, is_free = None, False
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            is_free = _lock(descriptor)
        except NoLocksError:
            is_free = time.time() - path.stat().st_mtime > DAY
        except OSError:  # removed, or of another user
            pass
        yield is_free
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether no process holds ``path``; on file systems without locks, whether it is a day old."""
    with claiming(path) as is_free:
        return is_free


def _lock(descriptor: int) -> bool:
    """Try to lock ``descriptor``; raise a ``NoLocksError`` if the file system has no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise NoLocksError from error
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@functools.cache
def warn_once(line: str) -> None:
    """Log ``line`` as a warning, once in a process."""
    LOG.warning(line)
