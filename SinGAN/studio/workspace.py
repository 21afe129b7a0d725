"""The pictures and models that the page works on: where they lie, and what they are called."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count
from pathlib import Path

import torch

from SinGAN.engines.engine import choose_device
from SinGAN.library.instant import InstantModel, instant
from SinGAN.library.model import Model
from SinGAN.library.train import load
from SinGAN.options.applications import DENOISE, INSTANT, PATCHES
from SinGAN.options.tasks import ANIMATION, TRAIN
from SinGAN.pictures import images
from SinGAN.pictures.images import Levels
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import files_into, keep_inside, whole_file
from SinGAN.storage.hashes import sha256

BYTES, PIXELS = 20 * 2**20, 40_000_000  # of an uploaded file, at most
EXAMPLES = (".png", ".jpg", ".jpeg", ".webp")  # files in the input folder that are shown
FOLDER = "Studio"  # in the output folder: what is uploaded, and which trainings there are
SIZE, PUBLISHED_SIZE = 1000, 250  # pixels, longer side of results: by default, and by published methods at most
UNTRAINED = {
    INSTANT: "instant: without training",
    DENOISE: "patch diffusion, as published",
    PATCHES: "nearest patches, as published",
}
"""What makes pictures without a model, by method."""


@dataclass(frozen=True)
class Chosen:
    """The picture that somebody works on."""

    file: Path
    title: str  # as people know it


@dataclass(frozen=True)
class Known:
    """A trained model, whole."""

    folder: Path
    saved: ModelFolder

    @property
    def key(self) -> str:
        """What names it on the page."""
        return f"{self.folder.parent.parent.name}/{self.folder.parent.name}/{self.folder.name}"

    @property
    def title(self) -> str:
        """It in words."""
        manifest = self.saved.manifest
        height, width = manifest.sizes[-1]
        kind = "moves" if manifest.task == ANIMATION.name else "trained"
        words = manifest.kind_of_model.describe(manifest.options)
        mode = f", {words}" if words else ""
        return f"{kind}: {self.folder.parent.name}, {width} x {height}, {len(manifest.sizes)} scales{mode}"


class Workspace:
    """The output folder, and the folder of example pictures."""

    def __init__(self, out: Path, inputs: Path) -> None:
        self.out, self.inputs = out, inputs
        self.pictures = out / FOLDER / "Pictures"

    def take(self, upload: Path, title: str = "") -> Chosen:
        """The picture in ``upload``, kept under a name that its content gives.

        Raises:
            ValueError: it is too large, or no picture.
        """
        if upload.stat().st_size > BYTES:
            raise ValueError(f"the file is larger than {BYTES // 2**20} MB: reduce the picture first")
        height, width = images.size(upload)
        if height * width > PIXELS:
            raise ValueError(f"the picture has {width} x {height} pixels: at most {PIXELS // 10**6} million serve")
        content = upload.read_bytes()
        place = self.pictures / f"picture_{sha256(content)[:12]}.png"
        if not place.exists():
            images.write(place, images.read(upload))
        return Chosen(place, title or "your picture")

    def keep(self, title: str, pictures: Sequence[Levels]) -> Path:
        """Write ``pictures`` (H, W, C) into a new folder of the output folder, called after ``title``; returns it."""
        name = "".join(letter if letter.isalnum() else "_" for letter in title)[:40] or "picture"
        kept = self.out / FOLDER / "Kept"
        number = next(number for number in count(1) if not (kept / f"{name}_{number}").exists())
        with files_into(kept / f"{name}_{number}") as draft:
            for index, levels in enumerate(pictures):
                images.write_levels(draft / f"{index}.png", levels)
        return kept / f"{name}_{number}"

    def examples(self) -> list[Path]:
        """The example pictures."""
        files = (path for path in self.inputs.glob("*") if path.suffix.lower() in EXAMPLES and path.is_file())
        return sorted(path for path in files if "_LR" not in path.name)

    def example(self, name: str) -> Chosen:
        """The example picture called ``name``."""
        for path in self.examples():
            if path.name == name:
                return Chosen(path, path.stem)
        raise ValueError(f"no example {name}: choose another")

    def models(self) -> list[Known]:
        """All trained models: those of the output folder, then those that come with the project."""
        found: dict[tuple[str, str], Known] = {}
        for place in (self.out / "TrainedModels", *layout.SHIPPED):
            for folder in sorted(place.glob("*/scale_factor=*")):
                saved = readable(folder)
                if saved is not None and saved.is_whole:
                    found.setdefault((folder.parent.name, folder.name), Known(folder, saved))
        return list(found.values())

    def of_picture(self, chosen: Chosen, task: str = TRAIN.name) -> list[Known]:
        """The models for ``task`` of the picture ``chosen``."""
        digest = sha256(chosen.file.read_bytes())
        return [
            model
            for model in self.models()
            if model.saved.manifest.task == task and model.saved.manifest.sha256 == digest
        ]

    def model(self, key: str) -> Known:
        """The model that ``key`` names.

        Raises:
            ValueError: there is none.
        """
        for model in self.models():
            if model.key == key:
                return model
        raise ValueError("this model is no longer there: choose another one")

    def picture_of(self, model: Known) -> Chosen:
        """The training picture of ``model``: the file, or, where that is gone, its finest scale."""
        manifest = model.saved.manifest
        for place in (self.inputs / manifest.picture, self.pictures / manifest.picture):
            if Path(manifest.picture).name == manifest.picture and place.is_file():
                keep_inside(place.parent, [place])
                if sha256(place.read_bytes()) == manifest.sha256:
                    return Chosen(place, place.stem)
        place = self.pictures / f"model_{manifest.sha256[:12]}.png"
        if not place.exists():
            images.write_levels(place, loaded(model.folder, stamp(model.folder)).picture)
        return Chosen(place, Path(manifest.picture).stem)

    def maker(self, chosen: Chosen, key: str, size: int = SIZE, variety: str = "medium") -> InstantModel | Model:
        """What makes pictures: the model that ``key`` names, or patches of ``chosen``, at most ``size`` pixels long."""
        if key in UNTRAINED:
            return patches_of(chosen.file, key, size, variety, chosen.file.stat().st_mtime_ns)
        return self.trained(key)

    def trained(self, key: str) -> Model:
        """The model that ``key`` names.

        Raises:
            ValueError: it names none.
        """
        if key in UNTRAINED or not key:
            raise ValueError("this needs a trained model: train one, or choose one under \u201cMade by\u201d")
        folder = self.model(key).folder
        return loaded(folder, stamp(folder))


def readable(folder: Path) -> ModelFolder | None:
    """The model in ``folder``; None where there is none that can be read."""
    try:
        return ModelFolder.find(folder)
    except (OSError, ValueError):
        return None


def stamp(folder: Path) -> int:
    """A number that changes when the model in ``folder`` does."""
    return (folder / "Zs.pth").stat().st_mtime_ns


@cache
def device() -> torch.device:
    """What the studio works on, chosen once, so that a machine without a GPU is told so once."""
    return choose_device(None)


@lru_cache(maxsize=4)
def loaded(folder: Path, changed: int) -> Model:
    """The model in ``folder``, as it was when ``changed``."""
    return load(folder, device=device())


@lru_cache(maxsize=4)
def patches_of(file: Path, method: str, size: int, variety: str, changed: int) -> InstantModel:
    """The patches of the picture in ``file``, as it was when ``changed``; the published methods are for small ones."""
    limit = size if method == INSTANT else min(size, PUBLISHED_SIZE)
    return instant(file, method, variety=variety, max_size=limit, device=device())


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as ``path``: whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n")
