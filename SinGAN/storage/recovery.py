"""One procedure for what processes that died left of a folder: it is run under the folder's lock, before all else."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from SinGAN.storage import locks
from SinGAN.storage.files import (
    ASIDE,
    clear_drafts,
    discard,
    entries,
    folder_draft,
    fresh_parents,
    mark,
    replace_folder,
)

PATIENCE = 30.0  # seconds that a writer of results waits for another one


@contextmanager
def locked(folder: Path, doing: str = "training", patience: float = 0.0) -> Iterator[None]:
    """Hold the lock on ``folder``, which need not exist, for the block; what dead processes left of it is set right.

    Arguments:
        folder: of a model or of results.
        doing: what another process that holds it is doing, for the error.
        patience: seconds to wait for that process.

    Raises:
        ValueError: another process holds it.
    """
    busy = f"another process is {doing} {folder}: wait for its end, or use another `out`"
    lock = _lock_of(folder)
    with fresh_parents(lock), locks.locked(lock, busy, patience):
        recover(folder)
        yield


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, to be filled in the block; it takes ``folder``'s place when the block ends well.

    What ``folder`` held before stays until then, and stays for good where the block fails; parents
    that were made for it are then removed again.
    """
    settle(folder)
    with folder_draft(folder) as draft:
        yield draft
        with locked(folder, "writing", PATIENCE):
            replace_folder(draft, folder)


def settle(folder: Path) -> None:
    """Set right what dead processes left of ``folder``, which is to be used; what a living one does is left alone."""
    if any(path.name.startswith(mark(folder)) for path in entries(folder.parent)):
        with suppress(OSError, ValueError), locked(folder):  # not ours, or in use
            pass


def recover(folder: Path) -> None:
    """Finish a replacement of ``folder`` that was cut off, and remove the drafts of processes that died.

    To be called by one process at a time, see ``locked``.
    """
    for path in entries(folder.parent):
        if not (path.name.startswith(mark(folder)) and path.suffix == ASIDE):
            continue
        if folder.exists():
            discard(path, folder)
        else:
            path.rename(folder)
    for place in (folder.parent, folder, *folder.glob("*/")):
        clear_drafts(place)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{mark(folder)}lock")
