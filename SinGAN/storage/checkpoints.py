"""Checkpoints: the state of a scale in the middle of its training, as a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from SinGAN.storage import tensors
from SinGAN.storage.files import whole_file

NEWEST, BEFORE = "checkpoint.pth", "checkpoint_before.pth"


@dataclass(frozen=True, eq=False)
class ScaleState:
    """All that the next iteration of a scale's training depends on."""

    iterations: int  # done so far
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m)
    rng: Tensor  # the state of the random generator
    generator: dict[str, Any]  # state dicts, as the next three
    critic: dict[str, Any]
    generator_optimizer: dict[str, Any]
    critic_optimizer: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training that can go on: the state of the scale that is being trained, and its losses so far."""

    scale: int
    state: ScaleState
    losses: tuple[str, ...]  # the names of the columns of ``curves``
    curves: Tensor  # (iterations, n), on the CPU
    base: Tensor | None = None  # where a single scale is retrained: z* of the model that it belongs to


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` into ``folder``; the one before it is kept, too."""
    newest = folder / NEWEST
    content = tensors.as_bytes(_as_dict(checkpoint))
    with whole_file(newest) as draft:
        draft.write_bytes(content)
        if newest.exists():
            newest.replace(folder / BEFORE)


def find(
    folder: Path, scale: int, device: torch.device, losses: Sequence[str], note: Callable[[str], object]
) -> Checkpoint | None:
    """The newest undamaged checkpoint of ``scale`` in ``folder``; None where there is none.

    Arguments:
        folder: of the model.
        scale: its index.
        device: where the tensors are put.
        losses: the names of the losses that the training reports; a checkpoint with other names is not used.
        note: called with a line about each file that is damaged or no checkpoint.
    """
    for path in existing(folder):
        try:
            checkpoint = _from_dict(tensors.load(path, device), path, tuple(losses))
        except ValueError as error:
            note(f"{error}: going on from what was kept before it")
            continue
        if checkpoint.scale == scale:
            return checkpoint
    return None


def existing(folder: Path) -> Iterator[Path]:
    """The checkpoint files in ``folder``, the newest first."""
    return (path for path in (folder / NEWEST, folder / BEFORE) if path.exists())


def remove(folder: Path) -> None:
    """Remove the checkpoints in ``folder``."""
    for path in list(existing(folder)):
        path.unlink(missing_ok=True)


def _as_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of the file of ``checkpoint``."""
    state = {field.name: getattr(checkpoint.state, field.name) for field in fields(ScaleState)}
    others = {"scale": checkpoint.scale, "curves": checkpoint.curves, "losses": list(checkpoint.losses)}
    return {**state, **others, **({} if checkpoint.base is None else {"base": checkpoint.base})}


def _from_dict(values: object, path: Path, losses: tuple[str, ...]) -> Checkpoint:
    """The checkpoint that ``values``, read from ``path``, hold; a ValueError where they hold none."""
    content = values if isinstance(values, dict) else {}
    try:
        state = ScaleState(**{field.name: content[field.name] for field in fields(ScaleState)})
        names = tuple(content.get("losses", losses))  # older versions kept no names
        whole = isinstance(content["scale"], int) and content["curves"].shape == (state.iterations, len(losses))
        if whole and names == losses:
            return Checkpoint(content["scale"], state, names, content["curves"].cpu(), content.get("base"))
    except (KeyError, AttributeError, TypeError):
        pass
    raise ValueError(f"{path} is no checkpoint of a training")
