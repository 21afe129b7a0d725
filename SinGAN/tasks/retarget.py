"""Other proportions, without stretching what is in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SinGAN.options.applications import COUNT, SIZE, PatchOptions, as_size
from SinGAN.options.option import checked, option
from SinGAN.tasks.task import Call, Results, Task, check_count, generator, numbered

if TYPE_CHECKING:
    import torch

    from SinGAN.patches.makers import Patches


@dataclass(frozen=True, kw_only=True)
class Retarget(PatchOptions):
    """Give a picture other proportions, without stretching what is in it."""

    scale_h: float = option(1.5, "width, in pictures", group="retargeting", above=0)
    scale_v: float = option(1.0, "height, in pictures", group="retargeting", above=0)
    size: tuple[str, ...] = option(
        (), "in place of these: width x height in pixels, as 400x200; one or several", group="retargeting", **SIZE
    )
    num_samples: int = option(1, "pictures of each size", group="retargeting", **COUNT)


def retarget(
    model: Patches,
    count: int = 1,
    *,
    scale_h: float = 1.0,
    scale_v: float = 1.0,
    seed: int | torch.Generator | None = None,
) -> Results:
    """The picture ``scale_v`` times as high and ``scale_h`` times as wide, with nothing in it stretched.

    Raises:
        ValueError: the size leaves too few pixels.
    """
    check_count(count)
    checked(Retarget, {"scale_h": scale_h, "scale_v": scale_v})
    pictures = model.retarget(generator(model, seed), count, (scale_v, scale_h))
    return Results(numbered(pictures), {"original": model.real}, count=count)


def run(call: Call[Retarget]) -> Iterator[Results]:
    """The results for each size."""
    options, (height, width) = call.options, call.patches.real.shape[-2:]
    sizes = {f"size={text.lower()}": as_size(text) for text in options.size}
    scales = {title: (size[0] / height, size[1] / width) for title, size in sizes.items()}
    own = {f"scale_v={options.scale_v:f}_scale_h={options.scale_h:f}": (options.scale_v, options.scale_h)}
    for title, (scale_v, scale_h) in (scales or own).items():
        results = retarget(call.patches, options.num_samples, scale_h=scale_h, scale_v=scale_v, seed=call.run.seed)
        yield replace(results, title=title)


TASK = Task(
    name="retarget", row="other proportions without stretching; no training", options=Retarget, modes=("retarget",),
    run=run, method=retarget, folders=("Retarget",), results="retargeted pictures",
)  # fmt: skip
