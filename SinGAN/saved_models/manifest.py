"""The manifest of a trained model, ``manifest.json`` in its folder: its picture, its options and its training."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch

import SinGAN
from SinGAN.kinds import KINDS
from SinGAN.kinds.singan import SinGANKind
from SinGAN.models import NetConfig
from SinGAN.options.model import NOT_IN_WEIGHTS, ModelOptions, defaults, legacy_defaults, options_not_in_weights
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pictures.layers import Layers
from SinGAN.planning import Plan
from SinGAN.saved_models import original
from SinGAN.saved_models.validation import check_fields, checksum_of, kind_name
from SinGAN.storage.files import check_regular, write_json

UNKNOWN = "unknown"  # of a model that the authors' code trained
FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The picture, the options and the circumstances that a model is trained from."""

    picture: str  # the name of its file
    sha256: str  # of the picture's file
    options: Mapping[str, Any]  # those of ModelOptions, by name
    seed: int
    task: str  # train, SR, animation or paint
    factor: float  # adjusted ratio of neighbouring scales
    sizes: list[list[int]]  # height and width of each planned scale
    versions: Mapping[str, str]  # of the software that trained it, and the engine with its precision
    device: str
    threads: int
    noise_border: bool  # whether the noise covers the margin, too
    planner: str  # of the scales, by its name
    layers: Mapping[str, Any] = field(default_factory=dict)  # of data or maps: ``Layers.as_dict``; else empty
    kind: str = "singan"  # of model; older versions wrote singan for concurrent training, too
    checksum: str | None = field(default="", compare=False)  # of the rest, in its file; None: of an older version

    @classmethod
    def of(
        cls,
        *,
        picture: str,
        sha256: str,
        options: ModelOptions,
        seed: int,
        plan: Plan,
        device: torch.device,
        task: Task,
        layers: Layers | None = None,
    ) -> "Manifest":
        """The manifest of a training that is about to start; ``with_engine`` adds the engine once it is chosen."""
        return cls(
            picture=picture,
            sha256=sha256,
            options=options.as_dict(),
            seed=seed,
            task=task.name,
            factor=plan.factor,
            sizes=[list(size) for size in plan.sizes],
            versions={
                "SinGAN": SinGAN.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            device=str(device),
            threads=torch.get_num_threads(),
            noise_border=task.noise_border,
            planner=task.planner,
            layers={} if layers is None else layers.as_dict(),
            kind=options.kind,
        )

    def with_engine(self, description: str) -> "Manifest":
        """The manifest with the ``description`` of the engine that runs the training."""
        return self.with_values(versions={**self.versions, "engine": description})

    def with_values(self, **values: Any) -> "Manifest":
        """The manifest of another model, with other ``values`` of some fields."""
        return replace(self, checksum="", **values)

    @property
    def is_sealed(self) -> bool:
        """Whether each file of the model has a hash; in models of older versions none has."""
        return self.checksum is not None

    def digest(self) -> str | None:
        """The SHA-256 that distinguishes this training from others; None where an older version began it."""
        return checksum_of(asdict(self)) if self.checksum == "" else self.checksum

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        content = asdict(self)
        if self.is_sealed:
            content["checksum"] = self.digest()
        else:
            del content["checksum"]
        write_json(folder / FILE, content)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the model in ``folder``; where the authors' code trained that, worked out from its files.

        Raises:
            ValueError: it is missing or damaged.
        """
        path = check_regular(folder / FILE)
        if original.is_original(folder):
            return cls._of_authors(folder)
        try:
            return cls(**check_fields(json.loads(path.read_text(encoding="utf-8")), get_type_hints(cls)))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no {FILE}: train again with `overwrite`") from error
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path} is damaged ({reason:.200}): train again with `overwrite`") from error

    @classmethod
    def _of_authors(cls, folder: Path) -> "Manifest":
        options, factor, sizes = original.describe(folder)
        return cls(
            picture="",
            sha256=UNKNOWN,
            options={**legacy_defaults(), **options},  # the authors' code has no other ones
            seed=0,
            task=UNKNOWN,
            factor=factor,
            sizes=[list(size) for size in sizes],
            versions={},
            device=UNKNOWN,
            threads=0,
            noise_border=folder.name.endswith("_noise_padding"),
            planner=UNKNOWN,
            checksum=None,
        )

    @property
    def kind_of_model(self) -> SinGANKind:
        """The kind of model."""
        return KINDS[kind_name(self.kind, self.options)]

    @property
    def layers_of_pictures(self) -> Layers | None:
        """The layers of its pictures' channels; None where these are of 8 bits and have no maps."""
        return Layers.of(self.layers)

    @property
    def is_authors(self) -> bool:
        """Whether the authors' code trained the model, and so left no manifest."""
        return self.sha256 == UNKNOWN

    def model_options(self, others: ModelOptions) -> ModelOptions:
        """All options of the model; those that the folder of an authors' model does not tell are taken from ``others``.

        Raises:
            ValueError: one is missing or out of range.
        """
        if not self.is_authors:
            return ModelOptions.of_manifest(self.options)
        return ModelOptions.of_manifest({**others.as_dict(), "max_size": max(self.sizes[-1]), **self.options})

    def net_options(self) -> NetConfig:
        """A net's config with the options of the model that its weights don't tell.

        Raises:
            ValueError: an option is out of range.
        """
        values = {**defaults(TRAIN), **{name: self.options[name] for name in NOT_IN_WEIGHTS}}
        return NetConfig(**options_not_in_weights(ModelOptions.of_manifest(values)))

    def differences(self, options: Mapping[str, Any]) -> list[str]:
        """A phrase for each of ``options`` that the model was not trained with."""
        return [
            f"`{name}` is {_as_text(self.options.get(name))}, not {_as_text(value)}"
            for name, value in options.items()
            if self.options.get(name) != value and (name in self.options or not self.is_authors)
        ]

    def differences_from(self, asked: "Manifest", seed_matters: bool) -> list[str]:
        """A phrase for each difference between the model and ``asked``; none where they are the same model."""
        result = self.differences(asked.options)
        if self.task not in (asked.task, UNKNOWN):
            result.insert(0, f"it is trained for {self.task}, not for {asked.task}")
        if self.sha256 not in (asked.sha256, UNKNOWN):
            result.insert(0, f"its picture is {self._named_picture()}, not {asked._named_picture()}")
        maps, wanted = self._named_maps(), asked._named_maps()
        if maps != wanted:
            result.append(f"`maps` are {maps}, not {wanted}")
        if seed_matters and self.seed != asked.seed and not self.is_authors:
            result.append(f"`seed` is {self.seed}, not {asked.seed}")
        if self.is_authors and self.sizes != asked.sizes:
            result.append(f"its scales are {self._named_sizes()}, not {asked._named_sizes()}")
        return result

    def _named_picture(self) -> str:
        return f"{self.picture} ({self.sha256[:8]})"

    def _named_maps(self) -> str:
        layers = self.layers_of_pictures
        return "none" if layers is None else layers.describe_maps()

    def _named_sizes(self) -> str:
        return ", ".join(f"{height} x {width}" for height, width in self.sizes)


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
