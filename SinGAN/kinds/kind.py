"""The interfaces of a kind of model, of its losses, and of one training; ``SinGAN.kinds`` lists the kinds.

``Kind`` is written once for a kind whose models are pyramids of one picture: what differs from SinGAN in planning,
training and saving. ``Training`` is one training as ``SinGAN.runs`` sees it, of a pyramid or of any other model: runs,
recorder, checkpoints and watchers know its units and its losses by name, and no net.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from SinGAN.engines.engine import Engine, EngineSettings
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import Task
from SinGAN.planning import Plan
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.training import StartWeights, Watch

Model = TypeVar("Model")


@dataclass(frozen=True)
class Headline:
    """A loss that is shown while a training runs."""

    name: str  # of the loss
    short: str  # on a terminal
    words: str  # in the studio
    digits: int = 3  # after the decimal point


@dataclass(frozen=True)
class LossPanel:
    """The losses that share the axes of a plot."""

    title: str
    names: tuple[str, ...]
    is_log: bool = False  # logarithmic


@dataclass(frozen=True)
class LossColumns:
    """The losses of a kind of model by name: the columns of ``losses.csv`` and of its plots."""

    names: tuple[str, ...]  # of the losses that an iteration returns, each multiplied by its weight
    unweighted: Callable[[Mapping[str, float]], dict[str, float]]  # the losses as users compare them, without weights
    weights: Mapping[str, float]  # by name of the loss, of those that have one
    panels: tuple[LossPanel, ...]  # of the plot of one unit
    overview: tuple[LossPanel, ...]  # of the plot of all units, and of studies: a single loss each
    headlines: tuple[Headline, ...]  # shown while the training runs
    remedy: str  # advice for a training that diverged; options in backticks


@dataclass(frozen=True)
class Unit:
    """A part of a training that is saved as soon as it is done: a scale, a stage, or all of it."""

    name: str  # as "scale 3"
    title: str  # as "scale 3 of 0..8 (100 x 75)"
    iterations: int  # to do
    folder: str  # in the model's folder, for its losses and pictures


class Kind(Protocol):
    """A kind of model of one picture, trained scale by scale; its ``name`` is the ``kind`` in manifests.

    Subclass ``SinGAN.kinds.singan.SinGANKind`` and override what differs. The kind's options are fields of
    ``SinGAN.options.model.ModelOptions``, and ``ModelOptions.kind`` names the kind that they ask for.
    """

    name: str

    def plan(self, height: int, width: int, options: ModelOptions, task: Task) -> Plan:
        """The scales of a picture of ``height`` x ``width`` pixels.

        Raises:
            ValueError: the picture has no valid pyramid, or the kind can't serve ``task``.
        """

    def check_sizes(self, sizes: Sequence[Sequence[int]], factor: float) -> None:
        """Raise a ValueError unless the ``sizes`` (height, width) in a manifest have about the ratio ``factor``."""

    def pyramid(
        self,
        scales: tuple[TrainedScale, ...],
        factor: float,
        noise_border: bool,
        net: NetConfig,
        options: Mapping[str, Any],
    ) -> Pyramid[TrainedScale]:
        """The pyramid of trained ``scales``, or the empty one that a training starts from.

        Arguments:
            scales: coarse to fine.
            factor: adjusted ratio of neighbouring scales.
            noise_border: whether the noise covers the margin, too.
            net: the nets at the coarsest scale.
            options: of the model, by name, as its manifest stores them.
        """

    def train(
        self,
        image: Tensor,
        plan: Plan,
        net: NetConfig,
        config: TrainConfig,
        rng: torch.Generator,
        *,
        watch: Watch,
        weights: StartWeights,
        finished: tuple[TrainedScale, ...],
        resume: TrainingState | None,
        engine: Engine,
    ) -> Iterator[Pyramid[TrainedScale]]:
        """Train the scales that ``finished`` lacks, coarse to fine; yields the pyramid after each.

        The arguments are those of ``SinGAN.training.train``. ``watch`` is called after each iteration with the scale,
        the iteration, the losses by the names of ``columns``, and a function that returns the ``TrainingState`` from
        which ``resume`` continues to the same bits.
        """

    def columns(self, config: TrainConfig) -> LossColumns:
        """The losses that ``train`` reports."""

    def planned_noise(self, net: NetConfig, real: Tensor, index: int, seed: int) -> Tensor:
        """The noise with which scale ``index`` of a model gives ``real`` (1, C, H, W) back, where ``seed`` decides it.

        Its shape is that of all such noise; a compact model leaves out a map that equals it.
        """

    def coarser_generator(self, finest: Generator, index: int) -> Generator | None:
        """The generator of scale ``index`` where it is a part of that of the ``finest`` scale, else None.

        A compact model leaves it out.
        """

    def describe(self, options: Mapping[str, Any]) -> str:
        """Words that distinguish a model with ``options`` from one of the kind singan; "" where it is one."""


class Record(Protocol):
    """The manifest of a model, as ``SinGAN.runs`` uses it."""

    @property
    def seed(self) -> int:
        """The seed of the training."""

    def with_engine(self, description: str) -> "Record":
        """The manifest with the ``description`` of the engine that runs the training."""

    def digest(self) -> str | None:
        """The SHA-256 that distinguishes this training from others; None where a version before 0.3 began it."""

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""


class Saved(Protocol):
    """What a folder holds of the model of a ``Training``."""

    @property
    def manifest(self) -> Record:
        """The manifest in the folder."""

    @property
    def is_whole(self) -> bool:
        """Whether all units are trained."""


class Training(Protocol[Model]):
    """One training of a model, as ``SinGAN.runs.training`` finds, resumes, runs and records it.

    Its units are numbered in the order of training. ``Model`` is what comes out, a ``Pyramid`` for one.
    """

    @property
    def folder(self) -> Path:
        """The folder of the model."""

    @property
    def manifest(self) -> Record:
        """The manifest that a new model gets."""

    @property
    def device(self) -> torch.device:
        """The device that trains."""

    @property
    def engine(self) -> EngineSettings:
        """The settings of the engine, which is chosen only when something is to be trained."""

    @property
    def checkpoint_every(self) -> float:
        """The seconds between two checkpoints."""

    @property
    def columns(self) -> LossColumns:
        """The losses that ``run`` reports."""

    @property
    def units(self) -> Sequence[Unit]:
        """All units of the model."""

    @property
    def wanted(self) -> Sequence[int]:
        """The units that are trained where the folder holds nothing."""

    @property
    def replaces(self) -> bool:
        """Whether even an unfinished model in the folder stays until the new one is whole."""

    @property
    def bytes_on_disk(self) -> int:
        """The size of the folder at most: an estimate."""

    @property
    def base(self) -> Tensor | None:
        """A tensor that identifies the model that is trained further; None for a new model."""

    def fits(self, base: Tensor | None) -> bool:
        """Whether a checkpoint with this ``base`` belongs to the training."""

    def find(self, folder: Path) -> Saved | None:
        """What ``folder`` holds of the model; None where it holds nothing.

        Raises:
            ValueError: it holds another model, or a damaged one.
        """

    def load(self, saved: Any) -> Model | None:
        """The whole model that ``find`` found; None where it must be trained again."""

    def resume(self, saved: Any | None, folder: Path) -> tuple[Model, Sequence[int]]:
        """The model as far as ``folder`` holds it, and the units to be trained; removes units that don't count."""

    def finished(self, folder: Path, manifest: Any) -> int:
        """The number of whole units in ``folder``, whose manifest is ``manifest``."""

    def costs(self, engine: Engine) -> Sequence[float]:
        """The relative time that an iteration of each unit takes: an estimate."""

    def notes(self, engine: Engine, units: Sequence[int]) -> list[str]:
        """Lines about what may surprise the user when ``units`` are trained; options in backticks."""

    def run(
        self, start: Model, engine: Engine, rng: torch.Generator, state: TrainingState | None, watch: Watch
    ) -> Iterator[tuple[int, Model]]:
        """Train the units that ``start`` lacks, the first one from ``state``; yields each unit's index and the model.

        ``watch`` is called after each iteration, as in ``Kind.train``, with the unit in place of the scale.
        """

    def start(self) -> Model:
        """The model before the first unit is trained."""

    def save(self, model: Model, folder: Path) -> None:
        """Write the units of ``model`` that ``folder`` lacks; a unit counts once all its files are there."""

    def states(self, model: Model, unit: int) -> Mapping[str, Mapping[str, Tensor]]:
        """The state dicts of the nets of a unit that is done, by name: their weights must be finite."""

    def pictures(self, model: Model, unit: int, seed: int) -> dict[str, Tensor]:
        """Pictures (1, C, H, W) in [-1, 1] of a unit that is done, by file name; samples are drawn with ``seed``."""
