"""A tile that repeats without a seam."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SinGAN.options.applications import COUNT, INSTANT, NUMBER, PatchOptions
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import Layers, Patches, Seed, Tensor

PREVIEW = 800  # pixels, the longer side of a tile in its preview


@dataclass(frozen=True, kw_only=True)
class Tile(PatchOptions):
    """Make a seamless tile of a picture's patches, without training."""

    scale_h: float = option(1.0, "width, in pictures", group="tile", above=0)
    scale_v: float = option(1.0, "height, in pictures", group="tile", above=0)
    repeat: int = option(3, "rows and columns of the preview", group="tile", least=1, most=20)
    num_samples: int = option(1, "number of tiles", group="tile", slider=(1, 4, 1, 1), **NUMBER)
    variants: int | None = option(
        None, "with instant, in place of --num_samples: a set of so many tiles, each of which fits any other at every "
        "edge; its preview mixes them", group="tile", unset="none", **COUNT,
    )  # fmt: skip


def tile(
    model: Patches, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, variants: int | None = None,
    seed: Seed = None,
) -> Results:  # fmt: skip
    """Pictures that can be laid side by side without a seam, ``scale_v`` times as high and ``scale_h`` times as wide.

    Arguments:
        count: number of tiles, each of which fits itself.
        scale_h: in pictures.
        scale_v: likewise.
        variants: in place of ``count``, the number of tiles of a set: each fits itself and any other at every edge.
        seed: of the random numbers.

    Raises:
        ValueError: the size leaves too few pixels, or a set is not made by the instant engine.
    """
    from SinGAN.patches.published import Published

    rng, title = make_generator(model, seed), f"scale_v={scale_v:f}_scale_h={scale_h:f}"
    if variants is None:
        return Results(name_by_index(model.tile(rng, count, (scale_v, scale_h))), count=count, title=title)
    if isinstance(model, Published):
        raise ValueError(f"`variants` is for `method` {INSTANT}, not for {model.method}: leave it out")
    pictures = model.tile_set(rng, variants, (scale_v, scale_h))
    return Results(name_by_index(pictures), count=variants, title=f"{title}_variants")


def run(call: Call[Tile]) -> Iterator[Results]:
    """The tiles, each with a preview that repeats it; those of a set with one that mixes them."""
    results, repeat, layers = call.make(tile), call.options.repeat, call.source.layers
    tiles, previews = results.compute_all(), dict[str, "Tensor"]()
    seen = {name: preview_parts(one, layers) for name, one in tiles.items()}
    if call.options.variants is None:
        for name, one in seen.items():
            repeated = {key: each.repeat(1, 1, repeat, repeat) for key, each in one.items()}
            previews |= {f"{name}{key}_{repeat}x{repeat}": each for key, each in repeated.items()}
        words = f"tiles, and {repeat} x {repeat} of each as a preview"
    else:
        for key in seen["0"]:
            previews[f"mixed{key}_{repeat}x{repeat}"] = mix([one[key] for one in seen.values()], repeat, call.run.seed)
        words = f"tiles that fit each other, and {repeat} x {repeat} of them as a preview"
    yield replace(results, pictures=tiles.items(), count=0, extras=previews if repeat > 1 else {}, words=words)


def preview_parts(tile: Tensor, layers: Layers | None) -> dict[str, Tensor]:
    """What previews show of ``tile`` (1, C, H, W), reduced: the picture with the key "", a map with "_<map>"."""
    if layers is None:
        return {"": reduce(tile)}
    maps = {f"_{name}": reduce(one) for name, one in layers.preview_maps(tile).items()}
    return {"": reduce(layers.preview(tile)), **maps}


def mix(tiles: Sequence[Tensor], repeat: int, seed: int) -> Tensor:
    """``repeat`` rows and columns of ``tiles`` (1, C, H, W) in random order."""
    import torch

    chosen = random.Random(seed)
    rows = [torch.cat([chosen.choice(tiles) for _ in range(repeat)], dim=3) for _ in range(repeat)]
    return torch.cat(rows, dim=2)


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
