"""Training and loading from Python."""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from SinGAN.engines.engine import EngineSettings, choose_device
from SinGAN.library.arguments import checked
from SinGAN.library.bar import Bar
from SinGAN.library.model import Model
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import get_options
from SinGAN.options.tasks import SUPER_RESOLUTION, TASKS
from SinGAN.pictures import arrays
from SinGAN.pictures.arrays import Picture, is_data
from SinGAN.pictures.opening import Opened, maps_by_name, open_picture
from SinGAN.runs.events import Watcher
from SinGAN.runs.pictures import PictureTraining, TrainingPicture
from SinGAN.runs.training import train_in_memory
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage.hashes import sha256
from SinGAN.tasks.super_resolve import SuperResolve, trained_factor

LOG = logging.getLogger(__name__)


@checked(SuperResolve)
def train(
    picture: Picture,
    *,
    task: str = "train",
    sr_factor: float = 4.0,
    seed: int | None = None,
    device: str | torch.device | None = None,
    engine: EngineSettings = EngineSettings(),
    vgg_weights: str | Path | None = None,
    watcher: Watcher | None = None,
    maps: Mapping[str, Picture] | Sequence[str | Path] | None = None,
    map_kinds: Sequence[str] = (),
    **options: Any,
) -> Model:
    """Train a model of ``picture``; shows a progress bar, and writes nothing: ``Model.save`` keeps the model.

    Arguments:
        picture: a file, or an array (H, W, 3), (H, W, 4) or (H, W) of 8 or 16 bits or of floats in 0..1: a picture of 8
            bits. Other arrays, ``.npy``, ``.npz`` and TIFF files of other types and a ``Raster`` are data of 1 to 64
            channels: methods then give their type and range.
        task: the purpose of the model: "SR", "animation" or, for everything else, "train". Defaults differ.
        sr_factor: with "SR", the enlargement factor.
        seed: of the random numbers; on one machine's CPU the same seed gives the same model, to the bit, and on a GPU
            nearly the same one. None: a new one.
        device: "cpu", "cuda" or ``cuda:<n>``. None: CUDA if available.
        engine: how the iterations are run, and in which precision.
        vgg_weights: a file of VGG16's weights, for ``texture_weight`` and ``perceptual_weight``.
        watcher: receives the progress of the training, in place of the progress bar.
        maps: of the picture's size, by name, or files: labels or amounts that methods give with ``maps=True``.
        map_kinds: of each map, or one of all: "label" or "continuous". (): guessed from their types.
        options: the options below, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the picture or an option can't be used; the message names it and the remedy.
    """
    if task == SUPER_RESOLUTION.name and "scale_factor" not in options:
        options["scale_factor"] = trained_factor(sr_factor)
    asked = ModelOptions.for_task(TASKS[task], options)
    chosen = choose_device(device)
    engine.check(chosen)
    channels = asked.nc_im if "nc_im" in options or not is_data(picture) else None
    opened = open_picture(picture, channels, maps_by_name(maps), map_kinds)
    for line in opened.notes:
        LOG.info(line)
    training = PictureTraining.of(
        _source(picture, replace(opened, image=opened.image.to(chosen))),
        asked,
        TASKS[task],
        seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        vgg_weights=None if vgg_weights is None else Path(vgg_weights),
    )
    training = replace(training, engine=engine)
    pyramid, described = train_in_memory(training, Bar() if watcher is None else watcher)
    return Model(pyramid, training.manifest.with_engine(described))


def _listed_options() -> str:
    """The options of a model, a line each."""
    return "\n".join(
        f"    {name} [{entry.unset if entry.default is None else entry.default}]: {entry.help}"
        for name, entry in get_options(ModelOptions).items()
    )


train.__doc__ = f"{train.__doc__}\n    The options of a model, their defaults in brackets:\n{_listed_options()}\n"


def _source(picture: Picture, opened: Opened) -> TrainingPicture:
    """The source for the manifest: ``picture``, which is ``opened``."""
    image, layers = opened.image, opened.layers
    if arrays.is_file(picture):
        path = arrays.path_of(picture)
        name, digest = path.name, sha256(path.read_bytes())
    else:
        name, values = "an array", arrays.from_images(image) if layers is None else image.cpu().numpy()
        digest = sha256(values.tobytes())
    return TrainingPicture(name, digest, image, layers, opened.valid, opened.parts)


@checked()
def load(folder: str | Path, *, device: str | torch.device | None = None) -> Model:
    """The model in ``folder``, which ``Model.save``, ``main_train.py`` or the authors' code wrote.

    Arguments:
        folder: of the model, as Output/TrainedModels/lake/scale_factor=0.750000,alpha=10.
        device: "cpu", "cuda" or ``cuda:<n>``. None: CUDA if available.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is incomplete or damaged.
    """
    chosen = choose_device(device)
    model = ModelFolder.open(Path(folder))
    return Model(model.load(chosen, task=None), model.manifest)
