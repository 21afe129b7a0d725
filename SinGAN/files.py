"""Files that are written whole or not at all: beside their place, then renamed into it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it becomes ``path`` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder``; it takes ``folder``'s place when the block ends well.

    Whatever ``folder`` held before stays until then, and for good where the block fails. Parents
    made for a block that fails are removed again.
    """
    with _draft_of(folder) as draft:
        yield draft
        replace_folder(draft, folder)


@contextmanager
def files_into(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder``; its files move into ``folder`` when the block ends well."""
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
        draft = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            draft.mkdir()
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def fresh_parents(path: Path) -> Iterator[None]:
    """Make the folders above ``path``; where the block fails, remove those of them left empty."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        remove_if_empty(missing)
        raise


def remove_if_empty(folders: list[Path]) -> None:
    """Remove those of ``folders``, innermost first, that are there and hold nothing."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def replace_folder(new: Path, old: Path) -> None:
    """Rename ``new`` to ``old``; what ``old`` was goes only then."""
    if not old.exists():
        new.rename(old)
        return
    aside = old.with_name(f".{old.name}.{os.getpid()}.old")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)
