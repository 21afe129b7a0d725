"""A tile that repeats without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SinGAN.options.applications import NUMBER, PatchOptions
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, generator, numbered

if TYPE_CHECKING:
    from SinGAN.tasks._types import Patches, Seed, Tensor

PREVIEW = 800  # pixels, the longer side of a tile in its preview


@dataclass(frozen=True, kw_only=True)
class Tile(PatchOptions):
    """Make a seamless tile of a picture's patches, without training."""

    scale_h: float = option(1.0, "width, in pictures", group="tile", above=0)
    scale_v: float = option(1.0, "height, in pictures", group="tile", above=0)
    repeat: int = option(3, "rows and columns of the preview", group="tile", least=1, most=20)
    num_samples: int = option(1, "number of tiles", group="tile", slider=(1, 4, 1, 1), **NUMBER)


def tile(model: Patches, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: Seed = None) -> Results:
    """Pictures that can be laid side by side without a seam, ``scale_v`` times as high and ``scale_h`` times as wide.

    Raises:
        ValueError: the size leaves too few pixels.
    """
    pictures = model.tile(generator(model, seed), count, (scale_v, scale_h))
    return Results(numbered(pictures), count=count, title=f"scale_v={scale_v:f}_scale_h={scale_h:f}")


def run(call: Call[Tile]) -> Iterator[Results]:
    """The tiles, each with a preview that repeats it."""
    results, repeat = call.make(tile), call.options.repeat
    tiles = results.computed()
    previews = {f"{name}_{repeat}x{repeat}": reduce(one).repeat(1, 1, repeat, repeat) for name, one in tiles.items()}
    words = f"tiles, and {repeat} x {repeat} of each as a preview"
    yield replace(results, pictures=tiles.items(), count=0, extras=previews if repeat > 1 else {}, words=words)


def reduce(picture: Tensor) -> Tensor:
    """``picture`` (1, C, H, W) for a preview: at most ``PREVIEW`` pixels high and wide."""
    from SinGAN.pictures import images

    ratio = PREVIEW / max(picture.shape[-2:])
    size = round(ratio * picture.shape[-2]), round(ratio * picture.shape[-1])
    return picture if ratio >= 1 else images.resize(picture, (max(1, size[0]), max(1, size[1])))


TASK = Task(
    name="tile", row="a seamless tile; no training", options=Tile, modes=("tile",),
    run=run, method=tile, folders=("Tile",), results="tiles",
)  # fmt: skip
