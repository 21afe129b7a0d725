"""Checkpoints: the state of a training between two iterations, as a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from SinGAN.storage import tensors
from SinGAN.storage.files import naming_full_disk, whole_file
from SinGAN.storage.hashes import digest

Found = TypeVar("Found")
NEWEST, BEFORE = "checkpoint.pth", "checkpoint_before.pth"
ENTRIES: dict[str, Any] = {
    "scale": int, "iterations": int, "rng": Tensor, "curves": Tensor, "losses": list,
    "base": Tensor | None, "training": str | None,
}  # fmt: skip
"""The entries of a checkpoint's file and their types; all others are states."""


@dataclass(frozen=True, eq=False)
class TrainingState:
    """All that the next iteration depends on."""

    iterations: int  # done so far
    rng: Tensor  # the state of the random generator
    states: Mapping[str, Any]  # by name: a state dict of each net and optimizer, and tensors


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of the unit (a scale, a stage, ..) that is being trained, and its losses so far."""

    unit: int
    state: TrainingState
    losses: tuple[str, ...]  # the names of the columns of ``curves``
    curves: Tensor  # (iterations, n), on the CPU
    base: Tensor | None = None  # where a single scale is retrained: z* of the model that it belongs to
    training: str | None = None  # the digest of its manifest; None where an older version began it


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` into ``folder``; the one before it is kept, too."""
    write(folder, _as_dict(checkpoint))


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write ``content``, made of tensors and plain values, as the newest checkpoint; the one before it is kept, too."""
    newest = folder / NEWEST
    packed = tensors.as_bytes({**content, "sha256": digest(content)})
    with naming_full_disk(newest, needed=len(packed)), whole_file(newest) as draft:
        draft.write_bytes(packed)
        if newest.exists():
            newest.replace(folder / BEFORE)


def find(
    folder: Path,
    unit: int,
    device: torch.device,
    losses: Sequence[str],
    training: str | None,
    note: Callable[[str], object],
) -> Checkpoint | None:
    """The newest undamaged checkpoint of ``unit`` in ``folder``; None where there is none.

    Arguments:
        losses: the names of the losses that the training reports, which the checkpoint must have.
        training: the digest of the training's manifest, which the checkpoint must have; None: of an older version.
        note: called with a line about each file that is damaged or not a checkpoint.
    """
    parse = partial(_from_dict, losses=tuple(losses))
    for checkpoint in find_undamaged(folder, device, training, parse, note):
        if checkpoint.unit == unit:
            return checkpoint
    return None


def find_undamaged(
    folder: Path,
    device: torch.device,
    training: str | None,
    parse: Callable[[dict[str, Any], Path], Found],
    note: Callable[[str], object],
) -> Iterator[Found]:
    """The checkpoints of ``training`` in ``folder``, the newest first, each as ``parse`` reads its content.

    ``parse`` raises a ValueError if it is not a checkpoint; the other arguments are those of ``find``.
    """
    for path in list_files(folder):
        try:
            found = parse(_verified(tensors.load(path, device), path, training), path)
        except ValueError as error:
            note(f"{error}: resuming from the state saved before it")
            continue
        yield found


def list_files(folder: Path) -> Iterator[Path]:
    """The checkpoint files in ``folder``, the newest first."""
    return (path for path in (folder / NEWEST, folder / BEFORE) if path.exists())


def remove(folder: Path) -> None:
    """Remove the checkpoints in ``folder``."""
    for path in list(list_files(folder)):
        path.unlink(missing_ok=True)


def _as_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of the file of ``checkpoint``: the states and the other entries in one dictionary."""
    values = {
        "scale": checkpoint.unit,
        "iterations": checkpoint.state.iterations,
        "rng": checkpoint.state.rng,
        "curves": checkpoint.curves,
        "losses": list(checkpoint.losses),
        "base": checkpoint.base,
        "training": checkpoint.training,
    }
    others = {name: value for name, value in values.items() if value is not None}
    assert not ENTRIES.keys() & checkpoint.state.states.keys()
    return {**checkpoint.state.states, **others}


def _verified(values: object, path: Path, training: str | None) -> dict[str, Any]:
    """The content of a checkpoint's file, which must be as it was written, and belong to ``training``."""
    content = dict(values) if isinstance(values, dict) else {}
    written = content.pop("sha256", None)
    if written is None and training is None:
        return content
    if written != digest(content):
        raise ValueError(f"{path} is damaged: its content has changed since it was written")
    if content.get("training") != training:
        raise ValueError(f"{path} belongs to another training")
    return content


def _from_dict(content: dict[str, Any], path: Path, losses: tuple[str, ...]) -> Checkpoint:
    """The checkpoint in ``content``, read from ``path``; a ValueError where there is none."""
    values = {"losses": list(losses), **content}  # older versions kept no names
    whole = all(isinstance(values.get(name), kind) for name, kind in ENTRIES.items())
    if whole and values["losses"] == list(losses) and values["curves"].shape == (values["iterations"], len(losses)):
        states = {name: value for name, value in values.items() if name not in ENTRIES}
        state = TrainingState(values["iterations"], values["rng"], states)
        base, training = values.get("base"), values.get("training")
        return Checkpoint(values["scale"], state, losses, values["curves"].cpu(), base, training)
    raise ValueError(f"{path} is not a checkpoint of a training")
