"""One picture's run: where it lies, where its results go, its options, and the models that they name."""

import itertools
import logging
import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.engine import EngineSettings
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.model import ModelOptions
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pictures import images
from SinGAN.planning import PyramidConfig
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.request import Retraining, Source, Training, TrainingRequest
from SinGAN.saved_models.lookup import SavedModel, find, load
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.storage.hashes import sha256

LOG = logging.getLogger(__name__)
NAMING = (
    "input_name",
    "scale_factor",
    "alpha",
    "train_mode",
    "recipe",
    "out",
)  # options that name a model to another command


@dataclass(frozen=True)
class Run:
    """One picture's run."""

    input_name: str  # of the picture's file, in the settings' folder
    device: torch.device
    seed: int
    options: ModelOptions
    settings: RunOptions
    given: frozenset[str] = frozenset()  # names of the options that were given by hand

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
    def overwrite(self) -> bool:
        """Whether what exists is made anew."""
        return self.settings.overwrite

    @property
    def net(self) -> NetConfig:
        """The nets at the coarsest scale."""
        return self.options.net

    @property
    def pyramid(self) -> PyramidConfig:
        """The config of the pyramid."""
        return self.options.pyramid

    @property
    def training(self) -> TrainConfig:
        """The config of each scale's training."""
        return self.options.training

    @property
    def engine(self) -> EngineSettings:
        """The settings of the engine."""
        return EngineSettings(**{entry.name: getattr(self.settings, entry.name) for entry in fields(EngineSettings)})

    @property
    def model(self) -> Path:
        """The folder of the model that the options name."""
        options = self.options
        return layout.trained(self.out, self.name, options.scale_factor, options.alpha, options.label)

    @property
    def model_for_animation(self) -> Path:
        """The folder of the model of the same options that is trained with noise in its margins."""
        options = self.options
        return layout.trained_for_animation(self.out, self.name, options.scale_factor, options.label)

    def kept(self, folder: Path) -> Path:
        """``folder``, of a model; where it holds nothing, that of the same model, and picture, among shipped ones."""
        if find(folder) is not None:
            return folder
        shipped = ((place, find(place)) for place in layout.shipped(folder, self.out))
        return next((place for place, model in shipped if model is not None and self._is_of(model)), folder)

    def _is_of(self, model: SavedModel) -> bool:
        """Whether ``model`` is of the run's picture, or that is not here."""
        return not self.picture.exists() or model.manifest.sha256 == sha256(self.picture.read_bytes())

    def check_links(self) -> None:
        """Raise a ValueError where a link leads the picture or its results out of their folders.

        The folders themselves may be links.
        """
        keep_inside(self.picture.parent, [self.picture])
        keep_inside(self.out, layout.places(self.out, self.name))

    def fresh_rng(self) -> torch.Generator:
        """A random generator at the run's seed."""
        return torch.Generator(self.device).manual_seed(self.seed)

    def of_picture(self, input_name: str) -> "Run":
        """The run of another picture, of the same folder."""
        return replace(self, input_name=input_name)

    def with_scale_factor(self, scale_factor: float) -> "Run":
        """The run with another ``scale_factor``, unless one was given by hand."""
        if "scale_factor" in self.given:
            return self
        return replace(self, options=replace(self.options, scale_factor=scale_factor))

    def with_options_of(self, folder: Path) -> "Run":
        """The run with the options of the model in ``folder``, if there is one, but for those given by hand."""
        model = None if self.overwrite else find(folder)
        if model is None:
            return self
        by_hand = {
            entry.name: getattr(self.options, entry.name) for entry in fields(ModelOptions) if entry.name in self.given
        }
        return replace(self, options=replace(model.manifest.model_options(self.options), **by_hand))

    def naming_flags(self) -> str:
        """The flags that name this model to another command, quoted for a shell."""
        values = {**self.options.as_dict(), "input_name": self.picture.name, "out": self.out}
        flags = [(f"--{name}", str(values[name])) for name in NAMING if name in self.given]
        parts = [[f"{flag}={value}"] if value.startswith("-") else [flag, value] for flag, value in flags]
        return shlex.join(itertools.chain(*parts))

    def request(self, folder: Path, task: Task = TRAIN) -> TrainingRequest:
        """The training of the model in ``folder``, for ``task``: its picture read, its scales planned.

        Raises:
            ValueError: the picture can't be read, or has no valid pyramid.
        """
        image = images.read(self.picture, self.net.channels).to(self.device)
        source = Source(self.picture.name, sha256(self.picture.read_bytes()), image)
        training = Training.of(source, self.options, task, seed=self.seed, vgg_weights=self.settings.vgg_weights)
        seed_matters = task is TRAIN and "manualSeed" in self.given  # elsewhere it is the seed of the model's use
        return self._request(training, folder, seed_matters)

    def paint_request(
        self, base: Manifest, pyramid: Pyramid[TrainedScale], start_scale: int, palette: Tensor
    ) -> TrainingRequest:
        """The retraining of one scale of ``pyramid``, whose manifest is ``base``, for quantized painting."""
        options, asked = base.model_options(self.options), Retraining(pyramid, start_scale, palette)
        vgg = self.settings.vgg_weights
        training = Training.of_one_scale(base, options, asked, seed=self.seed, vgg_weights=vgg)
        return self._request(
            training, layout.trained_for_paint(self.out, self.name, self.options.scale_factor, start_scale)
        )

    def _request(self, training: Training, folder: Path, seed_matters: bool = False) -> TrainingRequest:
        return TrainingRequest(
            training=training,
            folder=folder,
            engine=self.engine,
            checkpoint_every=self.settings.checkpoint_every,
            seed_matters=seed_matters,
        )

    def contradictions(self, manifest: Manifest) -> list[str]:
        """How the options that were given by hand differ from those in ``manifest``, in words."""
        return manifest.differences(
            {name: value for name, value in self.options.as_dict().items() if name in self.given}
        )

    def load(self, task: Task = TRAIN, folder: Path | None = None) -> tuple[Manifest, Pyramid[TrainedScale]]:
        """The model that the options name, trained for ``task``; notes which given options have no effect.

        Arguments:
            task: that it must be trained for.
            folder: where it lies; None: where the options say.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is incomplete, or has another number of channels than asked.
        """
        folder = folder or self.kept(self.model)
        manifest, pyramid = load(folder, self.device, task)
        if "nc_im" in self.given and self.net.channels != manifest.options["nc_im"]:
            channels = manifest.options["nc_im"]
            raise ValueError(f"`nc_im` {self.net.channels} asked, but the model {folder} has {channels} channels")
        differences = self.contradictions(manifest)
        if differences:
            LOG.info(f"note: the model keeps the options that it was trained with: {'; '.join(differences)}")
        return manifest, pyramid
