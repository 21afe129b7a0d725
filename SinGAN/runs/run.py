"""A run of one picture: its options, its folders, and the models that they name."""

import itertools
import logging
import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.engine import EngineSettings
from SinGAN.options.model import ModelOptions
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pictures.arrays import is_data
from SinGAN.pictures.layers import Layers, percentiles_of
from SinGAN.pictures.opening import Opened, maps_by_name, open_picture
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.pictures import PictureTraining, Retraining, TrainingPicture
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.storage.hashes import sha256
from SinGAN.storage.recovery import recover_if_free

LOG = logging.getLogger(__name__)
NAMING = ("input_name", "scale_factor", "alpha", "train_mode", "recipe", "out")
"""The options that name a model to another command."""


@dataclass(frozen=True)
class Run:
    """One picture's run."""

    input_name: str  # of the picture's file, in the settings' folder
    device: torch.device
    seed: int
    options: ModelOptions
    settings: RunOptions
    given: frozenset[str] = frozenset()  # names of the options that were set explicitly

    @property
    def name(self) -> str:
        """The picture's name in every result."""
        return layout.stem(self.input_name)

    @property
    def picture(self) -> Path:
        """The picture's file."""
        return self.settings.input_dir / self.input_name

    @property
    def out(self) -> Path:
        """The folder of all results."""
        return self.settings.out

    @property
    def engine(self) -> EngineSettings:
        """The settings of the engine."""
        return EngineSettings(**{entry.name: getattr(self.settings, entry.name) for entry in fields(EngineSettings)})

    @property
    def model(self) -> Path:
        """The folder of the model that the options name."""
        options = self.options
        return layout.model_folder(self.out, self.name, options.scale_factor, options.alpha, options.label)

    @property
    def model_for_animation(self) -> Path:
        """The folder of the model of the same options that is trained with noise in its margins."""
        options = self.options
        return layout.trained_for_animation(self.out, self.name, options.scale_factor, options.label)

    def find(self, folder: Path) -> ModelFolder | None:
        """The model in ``folder``; where that is empty, the same model, of the same picture, among those shipped."""
        recover_if_free(folder)
        model = ModelFolder.find(folder)
        places = () if model is not None else layout.shipped_folders(folder, self.out)
        shipped = (found for found in map(ModelFolder.find, places) if found is not None and self._is_of(found))
        return next(shipped, model)

    def _is_of(self, model: ModelFolder) -> bool:
        """Whether ``model`` is of the run's picture, or that is not here."""
        return not self.picture.exists() or model.manifest.sha256 == sha256(self.picture.read_bytes())

    def check_links(self) -> None:
        """Raise a ValueError where a link leads the picture or its results out of their folders.

        The folders themselves may be links.
        """
        keep_inside(self.picture.parent, [self.picture])
        layout.guard(self.out, layout.result_places(self.out, self.name))

    def fresh_rng(self) -> torch.Generator:
        """A random generator at the run's seed."""
        return torch.Generator(self.device).manual_seed(self.seed)

    def of_picture(self, picture: Path) -> "Run":
        """The run of another ``picture``."""
        return replace(self, input_name=picture.name, settings=replace(self.settings, input_dir=picture.parent))

    def with_scale_factor(self, scale_factor: float) -> "Run":
        """The run with another ``scale_factor``, unless one was set explicitly."""
        if "scale_factor" in self.given:
            return self
        return replace(self, options=replace(self.options, scale_factor=scale_factor))

    def with_options_of(self, model: ModelFolder | None) -> "Run":
        """The run with the options of ``model``, if there is one, but for those set explicitly."""
        if model is None or self.settings.overwrite:
            return self
        explicit = {
            entry.name: getattr(self.options, entry.name) for entry in fields(ModelOptions) if entry.name in self.given
        }
        return replace(self, options=replace(model.manifest.model_options(self.options), **explicit))

    def naming_flags(self) -> str:
        """The flags that name this model to another command, quoted for a shell."""
        values = {**self.options.as_dict(), "input_name": self.picture.name, "out": self.out}
        flags = [(f"--{name}", str(values[name])) for name in NAMING if name in self.given]
        parts = [[f"{flag}={value}"] if value.startswith("-") else [flag, value] for flag, value in flags]
        return shlex.join(itertools.chain(*parts))

    def open(self, layered: bool = False) -> Opened:
        """The picture with its maps, as a training gets it; ``layered`` as of ``open_picture``.

        Raises:
            ValueError: something can't be read, or a map does not fit the picture.
        """
        channels = self.options.nc_im if "nc_im" in self.given or not is_data(self.picture) else None
        maps = maps_by_name(self.settings.maps)
        return open_picture(self.picture, channels, maps, self.settings.map_kinds, layered)

    def viewed(self, layers: Layers, real: Tensor) -> Layers:
        """``layers`` with the previews that the settings ask for, of the training picture ``real`` (1, C, H, W)."""
        low, high = percentiles_of(self.settings.show_percentiles)
        return layers.viewed(real, self.settings.show, (low, high))

    def training(self, folder: Path, task: Task = TRAIN) -> PictureTraining:
        """The training of the model in ``folder``, for ``task``: its picture read, its scales planned.

        Raises:
            ValueError: the picture can't be read, or has no valid pyramid.
        """
        opened = self.open()
        for line in opened.notes:
            LOG.info(line)
        image, digest = opened.image.to(self.device), sha256(self.picture.read_bytes())
        layers = None if opened.layers is None else self.viewed(opened.layers, image)
        picture = TrainingPicture(self.picture.name, digest, image, layers, opened.valid, opened.parts)
        vgg = self.settings.vgg_weights
        training = PictureTraining.of(picture, self.options, task, seed=self.seed, vgg_weights=vgg)
        seed_matters = task is TRAIN and "manualSeed" in self.given  # elsewhere it is the seed of the model's use
        return self._in(training, folder, seed_matters)

    def retraining(
        self, base: Manifest, pyramid: Pyramid[TrainedScale], start_scale: int, palette: Tensor
    ) -> PictureTraining:
        """The retraining of one scale of ``pyramid``, whose manifest is ``base``, for quantized painting."""
        options, asked = base.model_options(self.options), Retraining(pyramid, start_scale, palette)
        vgg = self.settings.vgg_weights
        training = PictureTraining.of_one_scale(base, options, asked, seed=self.seed, vgg_weights=vgg)
        folder = layout.trained_for_paint(self.out, self.name, self.options.scale_factor, start_scale)
        return self._in(training, folder, seed_matters=False)

    def _in(self, training: PictureTraining, folder: Path, seed_matters: bool) -> PictureTraining:
        """``training`` in ``folder``, as the settings ask."""
        every = self.settings.checkpoint_every
        return replace(training, folder=folder, engine=self.engine, checkpoint_every=every, seed_matters=seed_matters)

    def contradictions(self, manifest: Manifest) -> list[str]:
        """Phrases that describe how the options set explicitly differ from those in ``manifest``."""
        return manifest.differences(
            {name: value for name, value in self.options.as_dict().items() if name in self.given}
        )

    def load(self, task: Task = TRAIN, model: ModelFolder | None = None) -> tuple[ModelFolder, Pyramid[TrainedScale]]:
        """The model that the options name, trained for ``task``; notes which given options have no effect.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is incomplete, or has another number of channels than asked.
        """
        model = model or self.find(self.model) or ModelFolder.open(self.model)
        pyramid, channels = model.load(self.device, task), model.manifest.options["nc_im"]
        if "nc_im" in self.given and self.options.nc_im != channels:
            raise ValueError(
                f"`nc_im` {self.options.nc_im} asked, but the model {model.folder} has {channels} channels"
            )
        if differences := self.contradictions(model.manifest):
            LOG.info(f"note: the model keeps the options that it was trained with: {'; '.join(differences)}")
        return model, pyramid
