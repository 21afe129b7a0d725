"""Checkpoints: the state of a scale in the middle of its training, as a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import torch
from torch import Tensor

from SinGAN.storage import tensors
from SinGAN.storage.files import whole_file
from SinGAN.storage.hashes import digest

Kind = TypeVar("Kind")
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
    training: str | None = None  # the digest of its manifest; None where an older version began it


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` into ``folder``; the one before it is kept, too."""
    write(folder, _as_dict(checkpoint))


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write ``content``, made of tensors and plain values, as the newest checkpoint; the one before it is kept, too."""
    newest = folder / NEWEST
    packed = tensors.as_bytes({**content, "sha256": digest(content)})
    with whole_file(newest) as draft:
        draft.write_bytes(packed)
        if newest.exists():
            newest.replace(folder / BEFORE)


def find(
    folder: Path,
    scale: int,
    device: torch.device,
    losses: Sequence[str],
    training: str | None,
    note: Callable[[str], object],
) -> Checkpoint | None:
    """The newest undamaged checkpoint of ``scale`` in ``folder``; None where there is none.

    Arguments:
        folder: of the model.
        scale: its index.
        device: where the tensors are put.
        losses: the names of the losses that the training reports; a checkpoint with other names is not used.
        training: the digest of the training's manifest, which a checkpoint must have; None: of an older version.
        note: called with a line about each file that is damaged or no checkpoint.
    """
    understood = partial(_from_dict, losses=tuple(losses))
    for checkpoint in undamaged(folder, device, training, understood, note):
        if checkpoint.scale == scale:
            return checkpoint
    return None


def undamaged(
    folder: Path,
    device: torch.device,
    training: str | None,
    understood: Callable[[dict[str, Any], Path], Kind],
    note: Callable[[str], object],
) -> Iterator[Kind]:
    """The checkpoints of ``training`` in ``folder``, the newest first, each as ``understood`` makes it of its content.

    ``understood`` raises a ValueError where it is no checkpoint; the other arguments are those of ``find``.
    """
    for path in existing(folder):
        try:
            found = understood(_proven(tensors.load(path, device), path, training), path)
        except ValueError as error:
            note(f"{error}: going on from what was kept before it")
            continue
        yield found


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
    optional = {"base": checkpoint.base, "training": checkpoint.training}
    return {**state, **others, **{name: value for name, value in optional.items() if value is not None}}


def _proven(values: object, path: Path, training: str | None) -> dict[str, Any]:
    """The content of a checkpoint's file, which must be as it was written, and belong to ``training``."""
    content = dict(values) if isinstance(values, dict) else {}
    written = content.pop("sha256", None)
    if written is None and training is None:
        return content
    if written != digest(content):
        raise ValueError(f"{path} is damaged: its content is not what was written")
    if content.get("training") != training:
        raise ValueError(f"{path} belongs to another training")
    return content


def _from_dict(content: dict[str, Any], path: Path, losses: tuple[str, ...]) -> Checkpoint:
    """The checkpoint that ``content``, read from ``path``, holds; a ValueError where it holds none."""
    names = content.get("losses", list(losses))  # older versions kept no names
    kinds = {name: get_origin(kind) or kind for name, kind in get_type_hints(ScaleState).items()}
    kinds |= {"scale": int, "curves": Tensor, "base": Tensor | None}
    whole = all(isinstance(content.get(name), kind) for name, kind in kinds.items())
    if whole and names == list(losses) and content["curves"].shape == (content["iterations"], len(losses)):
        state = ScaleState(**{field.name: content[field.name] for field in fields(ScaleState)})
        base, training = content.get("base"), content.get("training")
        return Checkpoint(content["scale"], state, losses, content["curves"].cpu(), base, training)
    raise ValueError(f"{path} is no checkpoint of a training")
