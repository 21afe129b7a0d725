"""Crash recovery for a folder, under its lock.

A folder is replaced in three steps: the old one is renamed (``.old``), the draft (``.tmp``) takes its place, the old
one is removed. A process can die between any two of them; ``recover`` completes or undoes the replacement.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from SinGAN.storage import locks
from SinGAN.storage.files import (
    ASIDE,
    clear_drafts,
    discard,
    folder_draft,
    fresh_parents,
    list_entries,
    name_prefix,
    naming_full_disk,
    replace_folder,
)
from SinGAN.storage.layout import work_folder

PATIENCE = 30.0  # seconds that a process waits for another one that writes the same results


@contextmanager
def locked(folder: Path, doing: str = "training", patience: float = 0.0) -> Iterator[None]:
    """Recover ``folder``, which need not exist, and hold its lock during the block.

    Raises:
        ValueError: another process holds it for longer than ``patience`` seconds; the message names what it is
            ``doing``.
    """
    busy = f"another process is {doing} {folder}: wait for its end, or use another `out`"
    lock = folder.with_name(f"{name_prefix(folder)}lock")
    with naming_full_disk(folder, work_folder(folder)), fresh_parents(lock), locks.locked(lock, busy, patience):
        recover(folder)
        yield


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a new draft folder, which replaces ``folder`` if the block succeeds.

    Otherwise ``folder`` keeps its content, and parents that were created are removed.
    """
    recover_if_free(folder)
    with folder_draft(folder) as draft:
        yield draft
        with locked(folder, "writing", PATIENCE):
            replace_folder(draft, folder)


def recover_if_free(folder: Path) -> None:
    """Recover ``folder`` before it is used, unless a living process holds it."""
    if any(
        path.name.startswith(name_prefix(folder)) for path in list_entries(folder.parent)
    ):  # drafts, old folders or locks
        with suppress(OSError, ValueError), locked(folder):  # of another user, or in use
            pass


def recover(folder: Path) -> None:
    """Complete or undo an interrupted replacement of ``folder``, and remove drafts of processes that died.

    Only one process at a time may call it, see ``locked``.
    """
    for path in list_entries(folder.parent):
        if not (path.name.startswith(name_prefix(folder)) and path.suffix == ASIDE):
            continue
        if folder.exists():  # the new folder is in place: only the removal of the old one is left to do
            discard(path, folder)
        else:  # the new folder never took its place: put the old one back
            path.rename(folder)
    # Drafts beside the folder, in it, and in its subfolders (the scales of a model).
    for place in (folder.parent, folder, *folder.glob("*/")):
        clear_drafts(place)
