"""Atomic writes of files and folders: as a draft beside their place, then renamed into it.

A draft is called ``.<name>.<random>.tmp``; its process holds a lock on it, see ``locks``. While a folder is replaced,
the old one is called ``.<name>.<random>.old``. The next write to the same place removes drafts of processes that died,
see ``recovery``.
"""

import difflib
import errno
import json
import math
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from SinGAN.storage.hashes import sha256
from SinGAN.storage.locks import claiming, holding, warn_once

CAN_REMOVE_OPEN_FILES = os.name == "posix"
DRAFT, ASIDE = ".tmp", ".old"
UNITS = ("bytes", "KB", "MB", "GB")
DRAFT_NAME = re.compile(r"\..+\.([0-9a-f]{16}|[0-9]{1,7})\.tmp", re.DOTALL)  # versions before 0.3 used the process id
SHORT = 100  # bytes: in the names of drafts and locks, a hash replaces longer names
WITHOUT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""Errors of a file system that can't report when a file has reached the disk."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a disk that is full, of a user's share of it, and of a limit of a file's size."""


class FullDiskError(OSError):
    """A file can't be written, because the disk is full."""

    def __init__(self, path: Path, needed: int, why: str) -> None:
        """``needed``: bytes that the file or folder ``path`` would take, at least; ``why``: the system's own words."""
        self.path, self.needed, self.why = path, needed, why
        super().__init__(
            f"{path} can't be written: {why}: it needs {format_size(needed)} or more, and its disk has "
            f"{format_size(_free(path))} free: free some, or write to another place"
        )

    def __reduce__(self) -> tuple[type, tuple[Path, int, str]]:
        return FullDiskError, (self.path, self.needed, self.why)


@contextmanager
def naming_full_disk(path: Path, written: Path | None = None, needed: int = 0) -> Iterator[None]:
    """Turn the errors of a full disk in the block, which writes ``path``, into one that names it and what it needs.

    That is ``needed`` bytes, or at least the size of the draft ``written``.
    """
    try:
        yield
    except FullDiskError as error:  # of a file in a draft: name it as it would be in the result
        inside = written is not None and error.path.is_relative_to(written)
        place = path / error.path.relative_to(written) if inside and written is not None else error.path
        raise FullDiskError(place, max(error.needed, needed), error.why) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise FullDiskError(path, needed or _size(written) + 1, os.strerror(error.errno)) from error


def _free(path: Path) -> int:
    """The free bytes of the disk of ``path``, which need not exist."""
    existing = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def _size(path: Path | None) -> int:
    """The bytes of the file or of the files in the folder ``path``; 0 where there is none."""
    files = () if path is None or not path.exists() else (path, *path.rglob("*"))
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def format_size(size: int) -> str:
    """``size``, in bytes, as text: 12 bytes, 3.4 KB or 5.6 MB."""
    power = min(3, int(math.log10(max(size, 1)) / 3))
    return f"{size / 1000**power:.1f} {UNITS[power]}" if power else f"{size} {UNITS[0]}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield an empty draft file beside ``path``, which replaces ``path`` if the block succeeds.

    The block must write to this very file. For a library that would replace it by another one, write to memory first.
    """
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path, lambda draft: draft.touch(exist_ok=False)) as draft:
        yield draft
        _sync(draft)  # before it is renamed, so that a power cut leaves the old or the new file
        draft.replace(path)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write ``content``, text as UTF-8, to ``path``, atomically.

    Raises:
        FullDiskError: it does not fit on the disk.
    """
    packed = content.encode() if isinstance(content, str) else content
    with naming_full_disk(path, needed=len(packed)), whole_file(path) as draft:
        draft.write_bytes(packed)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` as indented JSON, atomically; errors as of ``write_whole``."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def folder_draft(folder: Path) -> Iterator[Path]:
    """Yield a new draft folder beside ``folder``; the block fills and renames it, and it is removed otherwise.

    Missing parents are created, and removed if the block fails.

    Raises:
        FileExistsError: ``folder`` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is in the way: results need a folder of that name")
    with fresh_parents(folder), _draft(folder, Path.mkdir) as draft:
        yield draft


@contextmanager
def files_into(folder: Path) -> Iterator[Path]:
    """Yield a new draft folder whose files move into ``folder`` if the block succeeds."""
    with folder_draft(folder) as draft:
        yield draft
        folder.mkdir(exist_ok=True)
        for file in draft.iterdir():
            file.replace(folder / file.name)


@contextmanager
def _draft(path: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a draft of ``path``, made by ``create``; hold it during the block, and remove it at the end."""
    clear_drafts(path.parent)
    while True:
        draft = temporary_path(path, DRAFT)
        try:
            with naming_full_disk(path):
                create(draft)
            with holding(draft) as is_held:
                if is_held:  # otherwise another process removed it before it was locked: try another name
                    with naming_full_disk(path, draft):
                        yield draft
                    return
        finally:
            remove(draft)


def temporary_path(path: Path, kind: str) -> Path:
    """Return a new path beside ``path``, for its draft (``DRAFT``) or for the folder that it replaces (``ASIDE``)."""
    return path.with_name(f"{name_prefix(path)}{secrets.token_hex(8)}{kind}")


def name_prefix(path: Path) -> str:
    """The prefix of the names of the drafts and locks of ``path``; it is short even for a long name."""
    name = path.name if len(os.fsencode(path.name)) <= SHORT else sha256(os.fsencode(path.name))[:32]
    return f".{name}."


def _sync(file: Path) -> None:
    """Wait until ``file`` is on the disk, if the file system can report it."""
    with file.open("rb+") as written:
        try:
            os.fsync(written.fileno())
        except OSError as error:
            if error.errno not in WITHOUT_SYNC:
                raise
            warn_once(
                "the file system of the results does not report when a file is on the disk: a power cut may lose some"
            )


@contextmanager
def fresh_parents(path: Path) -> Iterator[None]:
    """Create the folders above ``path``; if the block fails, remove those that are new and empty."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        with naming_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        remove_if_empty(missing)
        raise


def remove_if_empty(folders: list[Path]) -> None:
    """Remove ``folders``, from the innermost to the first that is not empty; some may be missing."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def replace_folder(new: Path, old: Path) -> None:
    """Rename the folder ``new`` to ``old``; the old folder is removed only afterwards."""
    aside = temporary_path(old, ASIDE)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    if aside.exists():
        discard(aside, old)


def discard(folder: Path, place: Path | None = None) -> None:
    """Remove ``folder`` atomically: it is renamed to a draft of ``place``, which is then removed.

    ``place`` is where a folder with the ending ``ASIDE`` was; by default ``folder`` itself. If the process dies, the
    recovery of ``place`` removes the rest.
    """
    with suppress(FileNotFoundError):
        remove(folder.rename(temporary_path(place or folder, DRAFT)))


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clear_drafts(folder: Path) -> None:
    """Remove the drafts in ``folder`` that no process holds."""
    for path in list_entries(folder):
        if not DRAFT_NAME.fullmatch(path.name):
            continue
        with claiming(
            path
        ) as is_abandoned:  # while it is locked: the process that has just created it could write to it
            if is_abandoned and CAN_REMOVE_OPEN_FILES:
                remove(path)
        if is_abandoned and not CAN_REMOVE_OPEN_FILES:
            remove(path)


def list_entries(folder: Path) -> list[Path]:
    """The sorted entries of ``folder``; none if it is missing or no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def check_room(folder: Path, needed: int) -> None:
    """Raise a ValueError if the disk of ``folder``, which need not exist, has fewer than ``needed`` bytes free."""
    free = _free(folder)
    if free < needed:
        raise ValueError(
            f"{folder} needs about {format_size(needed)}, and its disk has {format_size(free)} free: "
            "free some, or name another `out`"
        )


def suggest_name(path: Path) -> str:
    """A hint at the file with the most similar name in the folder of ``path``, or "".

    Names that differ in case, in the encoding of a letter or in the extension come first.
    """
    named = {entry.name: _normalize(entry.name) for entry in list_entries(path.parent) if entry.name[0] != "."}
    wanted = _normalize(path.name)
    same = [name for name, plain in named.items() if wanted in (plain, Path(plain).stem)]
    same += [name for name, plain in named.items() if Path(wanted).stem == Path(plain).stem]
    near = same or [name for name in named if difflib.get_close_matches(wanted, [named[name]], cutoff=0.8)]
    return f": do you mean {near[0]}?" if near else ""


def _normalize(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def check_regular(path: Path) -> Path:
    """Return ``path`` unless it is a pipe or a device, which could block a reader.

    Raises:
        ValueError: it exists and is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file: replace it with one")
    return path


def keep_inside(root: Path, paths: Iterable[Path]) -> None:
    """Raise a ValueError if one of ``paths``, below ``root``, is a link that leads out of it or in circles."""
    real = _resolve(root)
    for path in paths:
        if not _resolve(path).is_relative_to(real):
            steps = [*(parent for parent in reversed(path.parents) if root in parent.parents), path]
            link = next(step for step in steps if not _resolve(step).is_relative_to(real))
            raise ValueError(f"{link} leads out of {root}: put what it links to there, or remove the link")


def _resolve(path: Path) -> Path:
    """Resolve the links in ``path``."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:  # Path.resolve raises no error since Python 3.13
            raise ValueError(f"{path} is a link that leads in circles: remove it") from error
    return path.resolve()


def links_in(folder: Path) -> Iterator[Path]:
    """The links in ``folder``, on all levels."""
    return (path for path in folder.rglob("*") if path.is_symlink())
