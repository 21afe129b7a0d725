"""What a trained model was made from, and whether a folder holds it whole."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch

import SinGAN
from SinGAN.engines.engine import EAGER, Engine
from SinGAN.models import NetConfig
from SinGAN.options.model import NEUTRAL, beyond_weights, neutral
from SinGAN.planning import Plan
from SinGAN.pyramid import Pyramid, trained_scales
from SinGAN.saved_models import original as authors
from SinGAN.storage.files import whole_file

UNKNOWN = "unknown"  # of a model that the authors' code trained


@dataclass(frozen=True)
class Manifest:
    """What a trained model is made from, ``manifest.json`` in its folder."""

    picture: str
    sha256: str  # of the picture's file
    options: Mapping[str, Any]  # the flags that shape the model, by name
    seed: int
    task: str  # what it is trained for: train, SR, animation or paint
    factor: float  # adjusted ratio of neighbouring scales
    sizes: list[list[int]]  # height and width of each planned scale
    versions: Mapping[str, str]  # of what made it; the engine and its precision, too
    device: str
    threads: int

    @classmethod
    def of(
        cls,
        picture: Path,
        options: Mapping[str, Any],
        seed: int,
        plan: Plan,
        device: torch.device,
        task: str,
        engine: Engine = EAGER,
    ) -> "Manifest":
        """The manifest of the training that is about to start."""
        return cls(
            picture=picture.name,
            sha256=sha256(picture),
            options=dict(options),
            seed=seed,
            task=task,
            factor=plan.factor,
            sizes=[list(size) for size in plan.sizes],
            versions={
                "SinGAN": SinGAN.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "engine": engine.described(),
            },
            device=str(device),
            threads=torch.get_num_threads(),
        )

    def write(self, folder: Path) -> None:
        with whole_file(folder / "manifest.json") as draft:
            draft.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the model in ``folder``; of one that the authors' code trained, what can be told of it.

        Raises:
            ValueError: it is missing or not what ``write`` writes.
        """
        path = folder / "manifest.json"
        if authors.is_theirs(folder):
            return cls._of_authors(folder)
        try:
            found = cls(**_checked(json.loads(path.read_text(encoding="utf-8"))))
            found = replace(found, options=neutral(found.options))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no manifest.json: train again with --overwrite") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error!r}): train again with --overwrite") from error
        return found

    @classmethod
    def _of_authors(cls, folder: Path) -> "Manifest":
        options, factor, sizes = authors.describe(folder)
        options = {**NEUTRAL, **options}  # their code has no other
        return cls("", UNKNOWN, options, 0, UNKNOWN, factor, [list(size) for size in sizes], {}, UNKNOWN, 0)

    def all_options(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The options; where the folder of an authors' model does not tell one, that of ``defaults``."""
        if self.sha256 != UNKNOWN:
            return dict(self.options)
        return {**defaults, "max_size": max(self.sizes[-1]), **self.options}

    def differences(self, options: Mapping[str, Any]) -> list[str]:
        """One phrase for each of ``options`` that the model was not trained with."""
        return [
            f"--{name} {_shown(self.options.get(name))} there, {_shown(value)} asked"
            for name, value in options.items()
            if self.options.get(name) != value and (name in self.options or self.sha256 != UNKNOWN)
        ]


def sha256(picture: Path) -> str:
    """What tells a picture's file from others."""
    return hashlib.sha256(picture.read_bytes()).hexdigest()


def _checked(values: Any) -> dict[str, Any]:
    """The fields of a manifest among ``values``; a TypeError or ValueError where one is of another kind."""
    kinds = get_type_hints(Manifest)
    found = {field.name: values[field.name] for field in fields(Manifest)}
    for name, value in found.items():
        kind = get_origin(kinds[name]) or kinds[name]
        kind = (int, float) if kind is float else kind
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}")
    if not all(isinstance(size, list) and [type(side) for side in size] == [int, int] for size in found["sizes"]):
        raise ValueError(f"sizes are {found['sizes']!r}")
    if not 0 < found["factor"] <= 1 or found["seed"] < 0:
        raise ValueError(f"factor is {found['factor']!r}, seed {found['seed']!r}")
    return found


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def whole_scales(folder: Path, asked: Manifest, seed_asked: bool) -> int:
    """How many scales of the model that ``asked`` describes ``folder`` holds; 0 where there is none, or an empty one.

    Raises:
        ValueError: it holds a model of other options or of another picture.
    """
    if not folder.exists() or all(path.name.startswith(".") for path in folder.iterdir()):
        return 0
    found = Manifest.read(folder)
    differences = found.differences(asked.options)
    if found.sha256 not in (asked.sha256, UNKNOWN):
        differences.insert(0, f"picture {_picture(found)} there, {_picture(asked)} asked")
    if found.task not in (asked.task, UNKNOWN):
        differences.insert(0, f"trained for {found.task} there, {asked.task} asked")
    if seed_asked and found.seed != asked.seed and found.sha256 != UNKNOWN:
        differences.append(f"--manualSeed {found.seed} there, {asked.seed} asked")
    if found.sha256 == UNKNOWN and found.sizes != asked.sizes:
        differences.append(f"scales of {_sizes(found)} there, {_sizes(asked)} asked")
    if differences:
        raise ValueError(
            f"{folder} holds another model: {'; '.join(differences)}. --overwrite replaces it; another --out keeps both"
        )
    return trained_scales(folder)


def _sizes(manifest: Manifest) -> str:
    return ", ".join(f"{height} x {width}" for height, width in manifest.sizes)


def _picture(manifest: Manifest) -> str:
    return f"{manifest.picture} ({manifest.sha256[:8]})"


def load(folder: Path, device: torch.device, task: str = "train") -> tuple[Manifest, Pyramid]:
    """The complete model in ``folder`` and what it was made from.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is incomplete or damaged, or trained for another task.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no trained model in {folder}: train it with main_train.py first")
    manifest = Manifest.read(folder)
    if manifest.task not in (task, UNKNOWN):
        raise ValueError(f"the model in {folder} is trained for {manifest.task}, not for {task}: name another one")
    found, planned = trained_scales(folder), len(manifest.sizes)
    if found < planned:
        raise ValueError(
            f"the model in {folder} is incomplete, {found} of {planned} scales: "
            "train it to its end with the command that began it"
        )
    try:
        like = NetConfig(**beyond_weights(neutral(manifest.options)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder}: wrong option in manifest.json ({error}): train again with --overwrite") from error
    return manifest, Pyramid.load(folder, device, manifest.factor, task == "animation", like)
