"""Other proportions, without stretching what is in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SinGAN.options.applications import NUMBER, SIZE, PatchOptions, as_size
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import Patches, Seed


@dataclass(frozen=True, kw_only=True)
class Retarget(PatchOptions):
    """Give a picture other proportions, without stretching what is in it."""

    scale_h: float = option(1.5, "width, in pictures", group="retargeting", above=0, slider=(0.4, 3, 1.6, 0.1))
    scale_v: float = option(1.0, "height, in pictures", group="retargeting", above=0, slider=(0.4, 3, 1, 0.1))
    size: tuple[str, ...] = option(
        (), "in place of these: width x height in pixels, as 400x200; one or several", group="retargeting", **SIZE
    )
    num_samples: int = option(1, "pictures of each size", group="retargeting", slider=(1, 6, 2, 1), **NUMBER)


def retarget(
    model: Patches, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: Seed = None
) -> Results:
    """The picture ``scale_v`` times as high and ``scale_h`` times as wide, with nothing in it stretched.

    Raises:
        ValueError: the size leaves too few pixels.
    """
    pictures = model.retarget(make_generator(model, seed), count, (scale_v, scale_h))
    title = f"scale_v={scale_v:f}_scale_h={scale_h:f}"
    return Results(name_by_index(pictures), {"original": model.real}, count=count, title=title)


def run(call: Call[Retarget]) -> Iterator[Results]:
    """The results for each size."""
    height, width = call.model.real.shape[-2:]
    for text in call.options.size:
        high, wide = as_size(text)
        results = call.make(retarget, scale_h=wide / width, scale_v=high / height)
        yield replace(results, title=f"size={text.lower()}")
    if not call.options.size:
        yield call.make(retarget)


TASK = Task(
    name="retarget", row="other proportions without stretching; no training", options=Retarget, modes=("retarget",),
    run=run, method=retarget, folders=("Retarget",), results="retargeted pictures",
)  # fmt: skip
