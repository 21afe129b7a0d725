"""A scale in the middle of its training: kept as a file now and then, and found again."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from SinGAN.pyramid import load_checkpoint
from SinGAN.storage.files import whole_file

NEWEST, BEFORE = "checkpoint.pth", "checkpoint_before.pth"

State = dict[str, Any]
"""What the next iteration depends on, as plain values and tensors."""


def save(folder: Path, state: State) -> None:
    """Write ``state`` into ``folder``; the newest checkpoint before it stays as a second one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    newest = folder / NEWEST
    with whole_file(newest) as draft:
        draft.write_bytes(buffer.getvalue())
        if newest.exists():
            newest.replace(folder / BEFORE)


def find(folder: Path, scale: int, device: torch.device, losses: int) -> State | None:
    """The newest whole checkpoint of ``scale`` in ``folder``, if there is one; says which are damaged.

    Its iterations report so many ``losses`` each.
    """
    for path in existing(folder):
        try:
            state = load_checkpoint(path, device)
            _check(state, path, losses)
        except ValueError as error:
            print(f"{error}: going on from what was kept before it")
            continue
        if state["scale"] == scale:
            return dict(state)
    return None


def _check(state: object, path: Path, losses: int) -> None:
    """Raise a ValueError unless ``state`` has what every checkpoint has."""
    found = state if isinstance(state, dict) else {}
    curves = getattr(found.get("curves"), "shape", None)
    if not isinstance(found.get("scale"), int) or curves != (found.get("iterations"), losses):
        raise ValueError(f"{path} is no checkpoint of a training")


def existing(folder: Path) -> Iterator[Path]:
    """The checkpoints in ``folder``, the newest first."""
    return (path for path in (folder / NEWEST, folder / BEFORE) if path.exists())


def remove(folder: Path) -> None:
    """Remove the checkpoints in ``folder``."""
    for path in list(existing(folder)):
        path.unlink(missing_ok=True)
