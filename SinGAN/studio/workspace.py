"""The pictures and models of the page: their files and their names."""

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import torch
from PIL import Image

from SinGAN.engines.engine import choose_device
from SinGAN.library.instant import InstantModel, instant
from SinGAN.library.model import Model
from SinGAN.library.train import load
from SinGAN.options.applications import DENOISE, INSTANT, PATCHES
from SinGAN.options.tasks import ANIMATION, TRAIN
from SinGAN.pictures import images
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.storage.hashes import sha256
from SinGAN.studio import parts
from SinGAN.studio.history import write_reduced
from SinGAN.studio.parts import Numbers

BYTES, PIXELS = 60 * 2**20, 200_000_000  # of an uploaded file, at most
SMALLEST = 16  # pixels: the shorter side of a picture, at least
ENLARGED = 1.1  # times as large as a model, at least, for results to be refined
HASHED = re.compile(r"_[0-9a-f]{8}(_\d+)?$")  # what ``take`` adds to the name of a picture
SHOWN_FIRST = ("larches.jpg", "peaks.jpg", "brook.png", "dandelions.png", "galaxies.png", "rocket.png")
EXAMPLES = (".png", ".jpg", ".jpeg", ".webp")  # extensions of the examples in the input folder
FOLDER = "Studio"  # of uploads and of the list of trainings, in the output folder
PUBLISHED_SIZE = 250  # pixels of the longer side, at most, for the published methods
VIEW = 2048  # pixels of the longer side of a picture that the page shows, at most
UNTRAINED = {
    INSTANT: "at once, from the picture itself",
    DENOISE: "patch diffusion, as published",
    PATCHES: "nearest patches, as published",
}
"""The training-free methods with their titles."""


@dataclass(frozen=True)
class Chosen:
    """A picture that was chosen on the page."""

    file: Path
    title: str  # for people
    note: str = ""  # a line on what was done with it


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
        name = readable_name(HASHED.sub("", self.folder.parent.name))
        return f"{kind}: {name}, {width} x {height}, {len(manifest.sizes)} scales{mode}"

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
        self.pictures, self.views, self.users = (out / FOLDER / name for name in ("Pictures", "Views", "Users"))
        layout.guard(out, [self.pictures, self.views, self.users])

    def take(self, upload: Path, title: str = "") -> Chosen:
        """Store the picture in ``upload`` as PNG, under its own name and a part of the hash of its content.

        Raises:
            ValueError: the file is too large, not a picture, or the picture is too small.
        """
        name = title or upload.stem
        if upload.stat().st_size > BYTES:
            raise ValueError(f"{upload.name} is larger than {BYTES // 2**20} MB: save it smaller, as a JPEG")
        try:
            height, width = images.read_size(upload)
            if min(height, width) < SMALLEST:
                raise ValueError(f"{upload.name} is too small, {width} x {height} pixels: {SMALLEST} are needed")
            content = upload.read_bytes()
            place = self.pictures / f"{plain_name(name)}_{sha256(content)[:8]}.png"
            if not place.exists():
                levels = images.read_levels(upload)
                images.write_levels(place, levels)
                write_reduced(self._view_of(place), levels, VIEW)  # now, while it is decoded
        except ValueError as error:
            raise ValueError(str(error).replace(str(upload), upload.name)) from error
        return Chosen(place, readable_name(name), note_of(upload, (width, height)))

    def view(self, chosen: Chosen) -> Path:
        """A JPEG of the picture, small enough for a page."""
        place = self._view_of(chosen.file)
        if not place.exists():
            write_reduced(place, images.read_levels(chosen.file), VIEW)
        return place

    def _view_of(self, file: Path) -> Path:
        return self.views / f"{sha256(f'{file}{file.stat().st_mtime_ns}'.encode())[:32]}.jpg"

    def picture_at(self, file: str, title: str) -> Chosen:
        """The picture in the ``file`` of an earlier result.

        Raises:
            ValueError: it is gone, or lies elsewhere.
        """
        place = Path(file)
        inside = any(place.parent == folder for folder in (self.pictures, self.inputs)) or self.users in place.parents
        if not inside or not place.is_file():
            raise ValueError("the picture that this was made from is gone: open it again")
        keep_inside(self.inputs if place.parent == self.inputs else self.out, [place])
        return Chosen(place, title)

    def examples(self) -> list[Path]:
        """The example pictures."""
        files = (path for path in self.inputs.glob("*") if path.suffix.lower() in EXAMPLES and path.is_file())
        found = sorted(path for path in files if "_LR" not in path.name and not path.name.startswith("."))
        first = [self.inputs / name for name in SHOWN_FIRST]
        return [path for path in first if path in found] + [path for path in found if path not in first]

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

    def makers(self, chosen: Chosen, published: bool = False) -> list[tuple[str, str]]:
        """What can make pictures like ``chosen``: titles with keys, the instant engine first.

        Arguments:
            chosen: a picture.
            published: also list the published methods without training.
        """
        methods = [(title, key) for key, title in UNTRAINED.items() if published or key == INSTANT]
        return [*methods, *((model.title, model.key) for model in self.of_picture(chosen))]

    def model_for(self, chosen: Chosen, key: str, moves: bool = False) -> str:
        """The key of a trained model of ``chosen``: ``key`` if it is one, or else the first that there is.

        With ``moves`` a model that is trained for animations comes first. Without any model, the result is ``key``.
        """
        moving = [model.key for model in self.of_picture(chosen, ANIMATION.name)] if moves else []
        chosen_one = [] if key in UNTRAINED else [key]
        return next(iter([*moving, *chosen_one, *(model.key for model in self.of_picture(chosen))]), key)

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

    def maker(self, chosen: Chosen, key: str, size: int = 0, variety: str = "medium") -> InstantModel | Model:
        """The maker with the key ``key``: a trained model, or patches of ``chosen``.

        ``size`` limits the longer side, in pixels; 0: the picture's own size.
        """
        if key in UNTRAINED:
            return open_patches(chosen.file, key, size, variety, chosen.file.stat().st_mtime_ns)
        return self.trained(key)

    def arranged(self, file: Path, numbers: Numbers, size: int = 0) -> InstantModel:
        """The patches of the picture in ``file``, with the ``numbers`` (h, w) of its parts as a label map.

        ``size`` limits the longer side, in pixels; 0: the picture's own size.
        """
        labels = parts.resize(numbers, images.read_size(file))
        return instant(file, maps={"parts": labels}, map_kinds=("label",), max_size=size or None, device=device())

    def refined(self, model: Model, chosen: Chosen, size: int = 0) -> Model:
        """``model`` with results at the size of ``chosen``, its picture; as it is where that is hardly larger."""
        if model.manifest.layers_of_pictures is not None:
            return model  # data, or a picture with maps
        longest = max(images.read_size(chosen.file))
        longest = min(longest, size) if size else longest
        if longest <= ENLARGED * max(model.size):
            return model
        return model.refined(chosen.file, longest)

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
    limit = size if method == INSTANT else min(size or PUBLISHED_SIZE, PUBLISHED_SIZE)
    return instant(file, method, variety=variety, max_size=limit or None, device=device())


def plain_name(name: str) -> str:
    """``name`` as part of a file name: letters, digits and underscores."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())[:40] or "picture"


def readable_name(name: str) -> str:
    """``name`` for people: without control characters, and not long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in name.replace("_", " "))
    return " ".join(shown.split())[:60] or "picture"


def note_of(upload: Path, size: tuple[int, int]) -> str:
    """A line that says so if the picture in ``upload`` was reduced to ``size``; else ""."""
    with Image.open(upload) as picture:
        width, height = picture.size
    if width * height <= 1.01 * size[0] * size[1]:
        return ""
    return f"reduced from {width} x {height} to {size[0]} x {size[1]} pixels"
