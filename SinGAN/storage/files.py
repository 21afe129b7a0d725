"""Files and folders that are written whole or not at all: as a draft beside their place, then renamed into it.

A draft is called ``.<name>.<random>.tmp``, and its process holds it, see ``locks``. A folder whose
place another one takes is called ``.<name>.<random>.old`` meanwhile. What a process that died
leaves of these goes with the next writing to that place, see ``recovery``.
"""

import difflib
import errno
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from SinGAN.storage.hashes import sha256
from SinGAN.storage.locks import holding, is_abandoned, tell_once

DRAFT, ASIDE = ".tmp", ".old"
DRAFT_NAME = re.compile(r"\..+\.([0-9a-f]{16}|[0-9]{1,7})\.tmp", re.DOTALL)  # before 0.3 with a process's number
SHORT = 100  # bytes: longer names are replaced by their hash in those of drafts and locks
WITHOUT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system reports that can't tell when a file has reached the disk."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft beside ``path``, an empty file to be filled in the block; it becomes ``path`` when the block ends well.

    It is to be written in place: a program that would put another file there writes to memory first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path, lambda draft: draft.touch(exist_ok=False)) as draft:
        yield draft
        _sync(draft)  # before the renaming: a power cut leaves the old or the new
        draft.replace(path)


@contextmanager
def folder_draft(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, to be filled and renamed in the block; what is left of it then goes.

    Parents are made where they are missing; where the block fails, those go, too.

    Raises:
        FileExistsError: ``folder`` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is in the way: a folder is to be made there")
    with fresh_parents(folder), _draft(folder, Path.mkdir) as draft:
        yield draft


@contextmanager
def files_into(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, filled in the block; its files move into ``folder`` when the block ends well."""
    with folder_draft(folder) as draft:
        yield draft
        folder.mkdir(exist_ok=True)
        for file in draft.iterdir():
            file.replace(folder / file.name)


@contextmanager
def _draft(path: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    """A draft of ``path``, made by ``create``, held for the block and then removed; those of dead processes go, too."""
    clear_drafts(path.parent)
    while True:
        draft = beside(path, DRAFT)
        try:
            create(draft)
            with holding(draft) as ours:
                if ours:
                    yield draft
                    return
        finally:
            remove(draft)


def beside(path: Path, kind: str) -> Path:
    """A new name beside ``path`` for its draft (``DRAFT``), or for the folder that it replaces (``ASIDE``)."""
    return path.with_name(f"{mark(path)}{secrets.token_hex(8)}{kind}")


def mark(path: Path) -> str:
    """The start of the names of what lies beside ``path`` for its sake: short, however long its own name is."""
    name = path.name if len(os.fsencode(path.name)) <= SHORT else sha256(os.fsencode(path.name))[:32]
    return f".{name}."


def _sync(file: Path) -> None:
    """Wait until ``file`` is on the disk, where the file system can tell."""
    with file.open("rb+") as written:
        try:
            os.fsync(written.fileno())
        except OSError as error:
            if error.errno not in WITHOUT_SYNC:
                raise
            tell_once("the file system of the results can't tell when a file is on the disk: a power cut may lose some")


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
    aside = beside(old, ASIDE)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    if aside.exists():
        discard(aside, old)


def discard(folder: Path, place: Path | None = None) -> None:
    """Remove ``folder`` in one step, as others see it: it becomes a draft, which goes with all that it holds.

    Of a folder that stands aside ``place`` is where it stood: whoever uses that finds what is left of the draft.
    """
    with suppress(FileNotFoundError):
        remove(folder.rename(beside(place or folder, DRAFT)))


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clear_drafts(folder: Path) -> None:
    """Remove the drafts in ``folder`` that no process holds."""
    for path in entries(folder):
        if DRAFT_NAME.fullmatch(path.name) and is_abandoned(path):
            remove(path)


def entries(folder: Path) -> list[Path]:
    """What ``folder`` holds; nothing where it is missing or no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def check_room(folder: Path, needed: int) -> None:
    """Raise a ValueError where the disk of ``folder``, which need not be there yet, has not ``needed`` bytes free."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ValueError(
            f"{folder} needs about {needed / 2**20:.0f} MB, and its disk has {free / 2**20:.0f} MB free: "
            "free some, or name another `out`"
        )


def nearest(path: Path) -> str:
    """Words on the name in the folder of ``path`` that it may be meant to be; "" where none is like it.

    File systems tell letters apart that look the same, and cases; people leave extensions out.
    """
    named = {entry.name: _plain(entry.name) for entry in entries(path.parent) if entry.name[0] != "."}
    wanted = _plain(path.name)
    same = [name for name, plain in named.items() if wanted in (plain, Path(plain).stem)]
    same += [name for name, plain in named.items() if Path(wanted).stem == Path(plain).stem]
    near = same or [name for name in named if difflib.get_close_matches(wanted, [named[name]], cutoff=0.8)]
    return f": do you mean {near[0]}?" if near else ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def regular(path: Path) -> Path:
    """``path``, which is to be read: a pipe or a device in its place, which could keep a reader waiting, is refused.

    Raises:
        ValueError: it is neither a regular file nor missing.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file: put one there")
    return path


def keep_inside(root: Path, paths: Iterable[Path]) -> None:
    """Raise a ValueError where one of ``paths``, below ``root``, is a link that leads out of it, or in circles."""
    real = _resolved(root)
    for path in paths:
        if not _resolved(path).is_relative_to(real):
            raise ValueError(f"{path} leads out of {root}: put what it links to there, or remove the link")


def _resolved(path: Path) -> Path:
    """``path`` without links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # it depends on Python's version
        raise ValueError(f"{path} is a link that leads in circles: remove it") from error


def links_in(folder: Path) -> Iterator[Path]:
    """The links in ``folder``, on all levels."""
    return (path for path in folder.rglob("*") if path.is_symlink())
