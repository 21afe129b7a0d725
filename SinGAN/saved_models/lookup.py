"""The model in a folder: whether it is the one that is asked for, and whether it is whole."""

from dataclasses import dataclass
from pathlib import Path

import torch

from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.folder import load_pyramid, trained_scales
from SinGAN.saved_models.manifest import UNKNOWN, Manifest
from SinGAN.storage.files import entries, keep_inside, links_in, nearest
from SinGAN.storage.recovery import settle


@dataclass(frozen=True)
class SavedModel:
    """A model in a folder, whole or with only some of its scales trained."""

    folder: Path
    manifest: Manifest
    scales: int  # number of whole ones

    @property
    def planned(self) -> int:
        """The number of scales that it is to have."""
        return len(self.manifest.sizes)

    @property
    def is_whole(self) -> bool:
        """Whether all its scales are trained."""
        return self.scales == self.planned


def find(folder: Path) -> SavedModel | None:
    """The model in ``folder``; None where there is no folder, or nothing in it.

    Raises:
        ValueError: its manifest or its lists are damaged, or a link leads out of it.
    """
    if all(path.name.startswith(".") for path in entries(folder)):
        return None
    keep_inside(folder, links_in(folder))
    manifest = Manifest.read(folder)
    return SavedModel(folder, manifest, trained_scales(folder, sealed=manifest.is_sealed))


def find_same(folder: Path, asked: Manifest, seed_matters: bool = False) -> SavedModel | None:
    """The model in ``folder``, which must be as ``asked``; None where there is none.

    Arguments:
        folder: of the model.
        asked: the manifest of the model that is wanted.
        seed_matters: whether a model with another seed is another model.

    Raises:
        ValueError: it is a model of other options, of another picture, or of another seed.
    """
    model = find(folder)
    differences = model.manifest.differences_from(asked, seed_matters) if model else []
    if differences:
        raise ValueError(
            f"{folder} holds another model: {'; '.join(differences)}. `overwrite` replaces it; another `out` keeps both"
        )
    return model


def load(folder: Path, device: torch.device, task: Task | None = TRAIN) -> tuple[Manifest, Pyramid[TrainedScale]]:
    """The whole model in ``folder``, and its manifest.

    Arguments:
        folder: of the model.
        device: where the tensors are put.
        task: the task that it must be trained for; None: any.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is incomplete or damaged, or trained for another task.
    """
    settle(folder)
    model = find(folder)
    if model is None:
        raise FileNotFoundError(f"no trained model in {folder}{_others(folder)}")
    manifest = model.manifest
    if task is not None and manifest.task not in (task.name, UNKNOWN):
        raise ValueError(f"the model in {folder} is trained for {manifest.task}, not for {task.name}: name another one")
    if not model.is_whole:
        raise ValueError(
            f"the model in {folder} is incomplete, {model.scales} of {model.planned} scales: "
            "train it to its end with the command that began it"
        )
    try:
        like = manifest.net_options()
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    noise_border = manifest.noise_border or bool(task and task.noise_border)
    return manifest, load_pyramid(
        folder, device, manifest.factor, noise_border, like,
        seed=manifest.seed, sealed=manifest.is_sealed, recipe=manifest.recipe,
    )  # fmt: skip


def _others(folder: Path) -> str:
    """Words on what to do where there is no model in ``folder``: train it, or name another one."""
    settings = sorted(place.name for place in folder.parent.glob("scale_factor=*,alpha=*") if find(place) is not None)
    if settings:
        named = "`scale_factor`, `alpha`, `train_mode` and `recipe` name a model"
        return f": of this picture there are {'; '.join(settings)} ({named})"
    return ": train it first" if folder.parent.exists() else nearest(folder.parent) or ": train it first"
