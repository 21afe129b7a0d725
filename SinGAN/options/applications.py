"""The options that several tasks share: which method makes the pictures, and how they are counted and sized."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SinGAN.options.option import MANY, option

COUNT: dict[str, Any] = {"least": 1, "most": MANY}
NUMBER: dict[str, Any] = {**COUNT, "argument": "count"}  # of the pictures that a task makes
ALL = "all"  # stands for every scale
INSTANT, PATCHES, DENOISE, SINGAN = "instant", "patches", "denoise", "singan"
VARIETIES = ("low", "medium", "high")
BALANCES = ("off", "light", "full")
COORDINATES = ("uint16", "float32")
SIZE: dict[str, Any] = {"pattern": r"[1-9]\d{0,4}[xX][1-9]\d{0,4}", "meant": "width x height in pixels, as 400x200"}


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """The method of a task without training."""

    method: str = option(
        INSTANT,
        "instant: the default; published methods for comparison, at most --max_size: patches, nearest neighbours; "
        "denoise, patch diffusion",
        group="method", choices=(INSTANT, PATCHES, DENOISE),
    )  # fmt: skip
    variety: str = option("medium", "how far from the picture", group="method", choices=VARIETIES)
    balance: str = option(
        "full", "with denoise: how evenly all parts of the picture are used", group="method", choices=BALANCES
    )
    also: tuple[Path, ...] = option(
        (), "with instant: more pictures whose patches are used, of the same scale; their maps lie beside them, as "
        "dog_labels.png of dog.png", group="method",
    )  # fmt: skip
    shares: tuple[float, ...] = option(
        (), "with --also: the share of each picture in the results, this one first, as 1 3", group="method", least=0,
        unset="unconstrained",
    )  # fmt: skip
    hard_votes: bool = option(
        False, "with patches (instant, --refine, --train_mode hybrid): each pixel is a copy of one of the picture's, "
        "so that functions of its colour stay true",
        group="method",
    )  # fmt: skip
    coordinates: str | None = option(
        None, "with instant: one more map, where each pixel comes from: column and row as uint16, or in parts of the "
        "picture as float32", group="method", choices=COORDINATES, bare="uint16", unset="none",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MethodOptions(PatchOptions):
    """The method of a task: a trained model, or patches without training."""

    method: str = option(
        SINGAN,
        "singan: a trained model; without training, from the photo's own patches: instant; or the published methods "
        "patches, denoise",
        group="method", choices=(SINGAN, INSTANT, PATCHES, DENOISE),
    )  # fmt: skip
    refine: bool = option(
        False, "with singan: give the results the photo's own detail, by a short run of patches", group="method"
    )
    full_size: bool = option(
        False, "with --refine: give them the photo's own resolution, too, whatever --max_size", group="method"
    )


def reference_folder(name: str) -> Any:
    """The option for the folder of a task's references, by default ``name`` in Input."""
    return option(Path("Input") / name, "folder of references", group="reference")


def as_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of ``text``, as 400x200: width x height."""
    width, height = text.lower().split("x")
    return int(height), int(width)
