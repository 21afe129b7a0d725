"""The structure of one picture in the texture of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import INSTANT, NUMBER, PatchOptions, reference_folder
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, generator, numbered

if TYPE_CHECKING:
    from SinGAN.tasks._types import Patches, Picture, Seed


@dataclass(frozen=True, kw_only=True)
class Analogy(PatchOptions):
    """Give the structure of one picture the texture of another, without training."""

    ref_name: str = option(MISSING, "the structure: a path, or a name in --ref_dir", group="analogy")
    ref_dir: Path = reference_folder("Images")
    num_samples: int = option(1, "number of pictures", group="analogy", **NUMBER)


def analogy(
    model: Patches, structure: Picture, count: int = 1, *, seed: Seed = None, max_size: int | None = None
) -> Results:
    """Pictures with the layout of ``structure`` in this picture's texture.

    Arguments:
        structure: its size is that of the results, reduced where its longer side exceeds ``max_size``.
        count: number of pictures.
        seed: of the random numbers.
        max_size: in pixels. None: the longer side of the picture.

    Raises:
        ValueError: ``structure`` is too small beside the picture.
    """
    import torch

    from SinGAN.patches.levels import limit_levels
    from SinGAN.pictures import arrays, images

    real, limit = model.real, max(model.real.shape[-2:]) if max_size is None else max_size
    if model.layers is not None:
        image = model.layers.read_structure(structure, limit).to(real)
        pictures = model.analogy(image, generator(model, seed), count)
        return Results(numbered(pictures), {"the picture": real, "the structure": image}, count=count)
    levels = arrays.levels_of(structure, real.shape[1], "structure", opaque=True)
    levels = limit_levels(levels, limit)
    image = images.to_8_bits(levels) if real.dtype == torch.uint8 else images.to_tensor(levels).to(real.device)
    pictures = model.analogy(image, generator(model, seed), count)
    return Results(numbered(pictures), {"the picture": real, "the structure": image}, count=count)


def run(call: Call[Analogy]) -> Iterator[Results]:
    """The results for the structure that is named."""
    from SinGAN.runs.source import has_own_size

    options, run = call.options, call.run
    limit = None if options.method == INSTANT and has_own_size(run) else run.options.max_size
    results = call.make(analogy, structure=options.ref_dir / options.ref_name, max_size=limit)
    yield replace(results, title=f"{Path(options.ref_name).stem}_out")


TASK = Task(
    name="analogy", row="one picture's structure, another's texture; no training", options=Analogy, modes=("analogy",),
    run=run, method=analogy, folders=("Analogy",), results="analogies",
)  # fmt: skip
