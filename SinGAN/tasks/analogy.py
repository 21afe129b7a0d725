"""The structure of one picture in the texture of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import INSTANT, NUMBER, PatchOptions, reference_folder
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import Patches, Picture, Seed


@dataclass(frozen=True, kw_only=True)
class Analogy(PatchOptions):
    """Give the structure of one picture, or the parts that a guide names, the texture of another, without training."""

    ref_name: str | None = option(
        None, "the structure: a path, or a name in --ref_dir", group="analogy", unset="needed"
    )
    ref_dir: Path = reference_folder("Images")
    guide: Path | None = option(
        None, "in place of --ref_name, with instant and --maps: a picture painted with the labels, or amounts, of the "
        "first map, which says what comes where", group="analogy", unset="none",
    )  # fmt: skip
    guide_weight: float = option(
        1.0, "how strictly results follow the guide", group="analogy", above=0, most=9, slider=(0.1, 9, 1, 0.1)
    )
    num_samples: int = option(1, "number of pictures", group="analogy", **NUMBER)


def analogy(
    model: Patches, structure: Picture | None = None, count: int = 1, *, guide: Picture | None = None,
    guide_weight: float = 1.0, seed: Seed = None, max_size: int | None = None,
) -> Results:  # fmt: skip
    """Pictures with the layout of ``structure``, or of ``guide``, in this picture's texture.

    Arguments:
        structure: its size is that of the results, reduced where its longer side exceeds ``max_size``.
        count: number of pictures.
        guide: in place of ``structure``: the labels, or amounts, of the picture's first map that results shall have
            (H, W), "texture by numbers".
        guide_weight: how strictly they follow it, up to 9.
        seed: of the random numbers.
        max_size: in pixels. None: the longer side of the picture.

    Raises:
        ValueError: ``structure`` or ``guide`` is too small beside the picture, or the latter has labels that the map
            lacks.
    """
    import torch

    from SinGAN.patches.levels import limit_levels
    from SinGAN.pictures import arrays, images

    real, limit = model.real, max(model.real.shape[-2:]) if max_size is None else max_size
    if structure is None and guide is None:
        raise ValueError("`structure` is needed, or a `guide`")
    if structure is not None and guide is not None:
        raise ValueError("`structure` and `guide` both say what comes where: leave one out")
    if guide is not None:
        return follow(model, guide, limit, count, guide_weight, seed)
    assert structure is not None
    if model.layers is not None:
        image = model.layers.read_structure(structure, limit).to(real)
        pictures = model.analogy(image, make_generator(model, seed), count)
        return Results(name_by_index(pictures), {"the picture": real, "the structure": image}, count=count)
    levels = arrays.levels_of(structure, real.shape[1], "structure", opaque=True)
    levels = limit_levels(levels, limit)
    image = images.to_8_bits(levels) if real.dtype == torch.uint8 else images.to_tensor(levels).to(real.device)
    pictures = model.analogy(image, make_generator(model, seed), count)
    return Results(name_by_index(pictures), {"the picture": real, "the structure": image}, count=count)


def follow(model: Patches, guide: Picture, limit: int, count: int, weight: float, seed: Seed) -> Results:
    """The pictures that follow a ``guide``."""
    from SinGAN.patches.layered import LayeredInstant
    from SinGAN.patches.published import Published
    from SinGAN.pictures import images

    if isinstance(model, Published):
        raise ValueError(f"`guide` is for `method` {INSTANT}, not for {model.method}: leave it out")
    if not isinstance(model, LayeredInstant) or not model.layers.maps:
        raise ValueError("`guide` needs `maps`: name the map whose labels it is painted with")
    codes, raster = model.read_guide(guide, limit)
    pictures = model.guided(codes, weight, make_generator(model, seed), count)
    shown = images.to_8_bits(model.layers.maps[0].preview(raster))
    return Results(name_by_index(pictures), {"the picture": model.real, "the guide": shown}, count=count)


def run(call: Call[Analogy]) -> Iterator[Results]:
    """The results for the structure, or the guide, that is named."""
    from SinGAN.runs.source import has_own_size

    options, run = call.options, call.run
    limit = None if options.method == INSTANT and has_own_size(run) else run.options.max_size
    if (options.ref_name is None) == (options.guide is None):
        raise ValueError("name either the structure (`ref_name`), or a `guide`")
    structure = None if options.ref_name is None else options.ref_dir / options.ref_name
    results, file = call.make(analogy, structure=structure, max_size=limit), structure or options.guide
    assert file is not None
    weight = f"_guide_weight={options.guide_weight:g}" if options.guide_weight != 1 else ""
    yield replace(results, title=f"{file.stem}_out{weight}")


TASK = Task(
    name="analogy", row="one picture's structure, another's texture; no training", options=Analogy, modes=("analogy",),
    run=run, method=analogy, folders=("Analogy",), results="analogies",
)  # fmt: skip
