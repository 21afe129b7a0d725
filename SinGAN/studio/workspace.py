"""The pictures and models of the page: their files and their names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from SinGAN.storage.files import files_into, keep_inside
from SinGAN.storage.hashes import sha256

BYTES, PIXELS = 20 * 2**20, 40_000_000  # of an uploaded file, at most
EXAMPLES = (".png", ".jpg", ".jpeg", ".webp")  # extensions of the examples in the input folder
FOLDER = "Studio"  # of uploads and of the list of trainings, in the output folder
SIZE, PUBLISHED_SIZE = 1000, 250  # pixels of the longer side: by default, and at most for the published methods
UNTRAINED = {
    INSTANT: "instant: without training",
    DENOISE: "patch diffusion, as published",
    PATCHES: "nearest patches, as published",
}
"""The training-free methods with their titles."""


@dataclass(frozen=True)
class Chosen:
    """A picture that was chosen on the page."""

    file: Path
    title: str  # for people


@dataclass(frozen=True)
class Known:
    """A complete trained model."""

    folder: Path
    saved: ModelFolder

    @property
    def key(self) -> str:
        """The key of the model on the page."""
        return f"{self.folder.parent.parent.name}/{self.folder.parent.name}/{self.folder.name}"

    @property
    def title(self) -> str:
        """The title of the model on the page."""
        manifest = self.saved.manifest
        height, width = manifest.sizes[-1]
        kind = "moves" if manifest.task == ANIMATION.name else "trained"
        words = manifest.kind_of_model.describe(manifest.options)
        mode = f", {words}" if words else ""
        return f"{kind}: {self.folder.parent.name}, {width} x {height}, {len(manifest.sizes)} scales{mode}"

    def load(self) -> Model:
        """Load the model, unless it is in the cache."""
        return load_model(self.folder, (self.folder / "Zs.pth").stat().st_mtime_ns)


class Workspace:
    """The output folder, and the folder of example pictures.

    Raises:
        ValueError: a link leads what it writes out of the output folder.
    """

    def __init__(self, out: Path, inputs: Path) -> None:
        self.out, self.inputs = out, inputs
        self.pictures, self.kept = out / FOLDER / "Pictures", out / FOLDER / "Kept"
        layout.guard(out, [self.pictures, self.kept])

    def take(self, upload: Path, title: str = "") -> Chosen:
        """Store the picture in ``upload`` under a name derived from its content.

        Raises:
            ValueError: the file is too large, or not a picture.
        """
        if upload.stat().st_size > BYTES:
            raise ValueError(f"the file is larger than {BYTES // 2**20} MB: reduce the picture first")
        height, width = images.read_size(upload)
        if height * width > PIXELS:
            raise ValueError(f"the picture has {width} x {height} pixels: the limit is {PIXELS // 10**6} million")
        content = upload.read_bytes()
        place = self.pictures / f"picture_{sha256(content)[:12]}.png"
        if not place.exists():
            images.write(place, images.read(upload))
        return Chosen(place, title or "your picture")

    def keep(self, title: str, pictures: Sequence[Levels]) -> Path:
        """Write ``pictures`` (H, W, C) into a new folder named after ``title``; returns the folder."""
        name = "".join(letter if letter.isalnum() else "_" for letter in title)[:40] or "picture"
        number = next(number for number in count(1) if not (self.kept / f"{name}_{number}").exists())
        with files_into(self.kept / f"{name}_{number}") as draft:
            for index, levels in enumerate(pictures):
                images.write_levels(draft / f"{index}.png", levels)
        return self.kept / f"{name}_{number}"

    def examples(self) -> list[Path]:
        """The example pictures."""
        files = (path for path in self.inputs.glob("*") if path.suffix.lower() in EXAMPLES and path.is_file())
        return sorted(path for path in files if "_LR" not in path.name and not path.name.startswith("."))

    def example(self, name: str) -> Chosen:
        """The example picture with the file name ``name``."""
        if name not in [path.name for path in self.examples()]:
            raise ValueError(f"no example {name}: choose another")
        return Chosen(self.inputs / name, Path(name).stem)

    def models(self) -> list[Known]:
        """All trained models: first those in the output folder, then those that come with the project."""
        found: dict[tuple[str, str], Known] = {}
        for place in (self.out / "TrainedModels", *layout.SHIPPED):
            for folder in sorted(place.glob("*/scale_factor=*")):
                saved = find_readable(folder)
                if saved is not None and saved.is_whole:
                    found.setdefault((folder.parent.name, folder.name), Known(folder, saved))
        return list(found.values())

    def of_picture(self, chosen: Chosen, task: str = TRAIN.name) -> list[Known]:
        """The models for ``task`` of the picture ``chosen``."""
        wanted = task, sha256(chosen.file.read_bytes())
        return [one for one in self.models() if (one.saved.manifest.task, one.saved.manifest.sha256) == wanted]

    def model(self, key: str) -> Known:
        """The model with the key ``key``.

        Raises:
            ValueError: there is no such model.
        """
        for model in self.models():
            if model.key == key:
                return model
        raise ValueError("this model no longer exists: choose another one")

    def picture_of(self, model: Known) -> Chosen:
        """The training picture of ``model``: its file, or its finest scale if the file is gone."""
        manifest = model.saved.manifest
        for place in (self.inputs / manifest.picture, self.pictures / manifest.picture):
            if Path(manifest.picture).name == manifest.picture and place.is_file():
                keep_inside(place.parent, [place])
                if sha256(place.read_bytes()) == manifest.sha256:
                    return Chosen(place, place.stem)
        place = self.pictures / f"model_{manifest.sha256[:12]}.png"
        if not place.exists():
            images.write_levels(place, model.load().picture)
        return Chosen(place, Path(manifest.picture).stem)

    def maker(self, chosen: Chosen, key: str, size: int = SIZE, variety: str = "medium") -> InstantModel | Model:
        """The maker with the key ``key``: a trained model, or patches of ``chosen`` with at most ``size`` pixels."""
        if key in UNTRAINED:
            return open_patches(chosen.file, key, size, variety, chosen.file.stat().st_mtime_ns)
        return self.trained(key)

    def trained(self, key: str) -> Model:
        """The trained model with the key ``key``.

        Raises:
            ValueError: there is no such model.
        """
        if key in UNTRAINED or not key:
            raise ValueError("this needs a trained model: train one, or choose one under \u201cMade by\u201d")
        return self.model(key).load()


def find_readable(folder: Path) -> ModelFolder | None:
    """The model in ``folder``; None if there is no readable one."""
    try:
        return ModelFolder.find(folder)
    except (OSError, ValueError):
        return None


@cache
def device() -> torch.device:
    """The device of the studio; a note about a missing GPU appears once."""
    return choose_device(None)


@lru_cache(maxsize=4)
def load_model(folder: Path, changed: int) -> Model:
    """Load the model in ``folder``, modified at ``changed``; of data it gives previews."""
    return replace(load(folder, device=device()), previews=True)


@lru_cache(maxsize=4)
def open_patches(file: Path, method: str, size: int, variety: str, changed: int) -> InstantModel:
    """The patches of the picture ``file``, modified at ``changed``; the published methods need small pictures."""
    limit = size if method == INSTANT else min(size, PUBLISHED_SIZE)
    return instant(file, method, variety=variety, max_size=limit, device=device())
