"""Files and folders that are written whole or not at all: beside their place, then renamed into it."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft beside ``path``, to be written in the block; it becomes ``path`` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        with draft.open("rb+") as written:  # on the disk before the renaming: a power cut leaves the old or the new
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, to be filled in the block; it takes ``folder``'s place when the block ends well.

    What ``folder`` held before stays until then, and stays for good where the block fails; parents
    that were made for it are then removed again.
    """
    with _draft_of(folder) as draft:
        yield draft
        replace_folder(draft, folder)


@contextmanager
def files_into(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, filled in the block; its files move into ``folder`` when the block ends well."""
    with _draft_of(folder) as draft:
        yield draft
        folder.mkdir(exist_ok=True)
        for file in draft.iterdir():
            file.replace(folder / file.name)


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is in the way: a folder is to be made there")
    with fresh_parents(folder):
        clear_drafts(folder.parent, f".{folder.name}.")
        draft = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            draft.mkdir()
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def fresh_parents(path: Path) -> Iterator[None]:
    """Make the folders above ``path``; where the block fails, remove those that it leaves empty."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        remove_if_empty(missing)
        raise


def remove_if_empty(folders: list[Path]) -> None:
    """Remove ``folders``, the innermost first, up to the first that is missing or holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def replace_folder(new: Path, old: Path) -> None:
    """Put the folder ``new`` in the place of ``old``, which is removed only afterwards."""
    if not old.exists():
        new.rename(old)
        return
    aside = old.with_name(f".{old.name}.{os.getpid()}.old")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)


def regular(path: Path) -> Path:
    """``path``, which is to be read: a pipe or a device in its place, which could keep a reader waiting, is refused.

    Raises:
        ValueError: it is neither a regular file nor missing.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file: put one there")
    return path


def keep_inside(root: Path, paths: Iterable[Path]) -> None:
    """Raise a ValueError where one of ``paths``, below ``root``, is a link that leads out of it."""
    for path in paths:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"{path} leads out of {root}: put what it links to there, or remove the link")


def recover(folder: Path) -> None:
    """Finish a replacement of ``folder`` that was cut off, and remove the drafts of processes that died.

    To be called by one process at a time, see ``locked``.
    """
    neighbours = list(folder.parent.iterdir()) if folder.parent.is_dir() else []
    for path in neighbours:
        if not (path.name.startswith(f".{folder.name}.") and path.suffix == ".old"):
            continue
        if folder.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(folder)
    for place in (folder, *folder.glob("*/")):
        clear_drafts(place)


def clear_drafts(folder: Path, start: str = ".") -> None:
    """Remove the drafts in ``folder`` whose processes died, and whose names begin with ``start``."""
    for path in folder.iterdir() if folder.is_dir() else ():
        parts = path.name.split(".")
        if path.name.startswith(start) and parts[-1] == "tmp" and parts[-2].isdecimal() and _is_dead(int(parts[-2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_dead(process: int) -> bool:
    if os.name != "posix":  # elsewhere there is no harmless way to ask
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        return False
    return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock on ``folder``, which need not exist; it dies with this process.

    Raises:
        ValueError: another process holds it.
    """
    path = folder.with_name(f".{folder.name}.lock")
    with fresh_parents(path):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ValueError(f"another process is training {folder}: wait for its end, or use another `out`") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            lock.release()
