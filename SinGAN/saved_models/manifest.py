"""The manifest of a trained model, ``manifest.json`` in its folder: all that the model was made from."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch

import SinGAN
from SinGAN.models import NetConfig
from SinGAN.options.model import ModelOptions, defaults, legacy_defaults, options_not_in_weights, with_legacy_defaults
from SinGAN.options.tasks import TASKS, TRAIN, Task
from SinGAN.planning import Plan
from SinGAN.saved_models import original
from SinGAN.storage.files import regular, whole_file

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
    planner: str  # of the scales, by its name in tasks.PLANNERS
    kind: str = "singan"  # of model

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
        )

    def with_engine(self, description: str) -> "Manifest":
        """The manifest with the ``description`` of the engine that runs the training."""
        return replace(self, versions={**self.versions, "engine": description})

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        with whole_file(folder / FILE) as draft:
            draft.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the model in ``folder``; where the authors' code trained that, worked out from its files.

        Raises:
            ValueError: it is missing or not what ``write`` writes.
        """
        path = regular(folder / FILE)
        if original.is_original(folder):
            return cls._of_authors(folder)
        try:
            return cls(**_checked(json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no {FILE}: train again with `overwrite`") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error!r}): train again with `overwrite`") from error

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
        )

    @property
    def is_authors(self) -> bool:
        """Whether the authors' code trained the model, and so left no manifest."""
        return self.sha256 == UNKNOWN

    def model_options(self, others: ModelOptions) -> ModelOptions:
        """All options of the model; those that the folder of an authors' model does not tell are taken from ``others``.

        Raises:
            ValueError: one is lacking or out of range.
        """
        if not self.is_authors:
            return ModelOptions.of_manifest(self.options)
        return ModelOptions.of_manifest({**others.as_dict(), "max_size": max(self.sizes[-1]), **self.options})

    def net_options(self) -> NetConfig:
        """A net's config with the options of the model that its weights don't tell.

        Raises:
            ValueError: an option is out of range.
        """
        names = ("no_residual", "dropout", "weight_noise", "netD")
        values = {**defaults(TRAIN), **{name: self.options[name] for name in names}}
        return NetConfig(**options_not_in_weights(ModelOptions.of_manifest(values)))

    def differences(self, options: Mapping[str, Any]) -> list[str]:
        """A phrase for each of ``options`` that the model was not trained with."""
        return [
            f"`{name}` {_as_text(self.options.get(name))} there, {_as_text(value)} asked"
            for name, value in options.items()
            if self.options.get(name) != value and (name in self.options or not self.is_authors)
        ]

    def differences_from(self, asked: "Manifest", seed_matters: bool) -> list[str]:
        """A phrase for each difference between the model and ``asked``; none where they are the same model."""
        result = self.differences(asked.options)
        if self.task not in (asked.task, UNKNOWN):
            result.insert(0, f"trained for {self.task} there, {asked.task} asked")
        if self.sha256 not in (asked.sha256, UNKNOWN):
            result.insert(0, f"picture {self._named_picture()} there, {asked._named_picture()} asked")
        if seed_matters and self.seed != asked.seed and not self.is_authors:
            result.append(f"`seed` {self.seed} there, {asked.seed} asked")
        if self.is_authors and self.sizes != asked.sizes:
            result.append(f"scales of {self._named_sizes()} there, {asked._named_sizes()} asked")
        return result

    def _named_picture(self) -> str:
        return f"{self.picture} ({self.sha256[:8]})"

    def _named_sizes(self) -> str:
        return ", ".join(f"{height} x {width}" for height, width in self.sizes)


def sha256(content: bytes) -> str:
    """The SHA-256 of ``content``, in hexadecimal digits: it tells a picture from all others."""
    return hashlib.sha256(content).hexdigest()


def _checked(values: Any) -> dict[str, Any]:
    """The fields of a manifest among ``values``, completed where they are of an older version.

    Raises:
        KeyError: a field is missing.
        TypeError: a field has another type.
        ValueError: a field is out of range.
    """
    task = TASKS.get(values["task"], TRAIN)
    values = {"kind": "singan", "noise_border": task.noise_border, "planner": task.planner, **values}
    kinds = get_type_hints(Manifest)
    result = {field.name: values[field.name] for field in fields(Manifest)}
    for name, value in result.items():
        kind = get_origin(kinds[name]) or kinds[name]
        kind = (int, float) if kind is float else kind
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name} is {value!r}")
    if not all(isinstance(size, list) and [type(side) for side in size] == [int, int] for size in result["sizes"]):
        raise ValueError(f"sizes are {result['sizes']!r}")
    if result["kind"] != "singan":
        raise ValueError(f"kind is {result['kind']!r}, which this version does not know")
    if not 0 < result["factor"] <= 1 or result["seed"] < 0:
        raise ValueError(f"factor is {result['factor']!r}, seed {result['seed']!r}")
    return {**result, "options": with_legacy_defaults(result["options"])}


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
