"""Fill a hole from the rest of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import NUMBER, PatchOptions
from SinGAN.options.option import option
from SinGAN.tasks.references import read_marks
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import Patches, Picture, Seed


@dataclass(frozen=True, kw_only=True)
class Inpaint(PatchOptions):
    """Fill what a mask marks from the rest of the picture."""

    mask: Path | None = option(
        None,
        "picture that is white where it is to be filled: a path, or a name in --input_dir",
        group="inpainting",
        unset="<picture>_mask, else the erased area of the picture",
    )
    fill: tuple[int, ...] = option(
        (), "colour that the hole starts from, as 90 140 60: it decides what comes there (not with denoise)",
        group="inpainting", least=0, most=255, unset="the colours around the hole",
    )  # fmt: skip
    num_samples: int = option(3, "variants", group="inpainting", slider=(1, 6, 2, 1), **NUMBER)


def inpaint(
    model: Patches,
    mask: Picture | None = None,
    count: int = 1,
    *,
    fill: int | Sequence[int] | None = None,
    seed: Seed = None,
) -> Results:
    """The picture with the part that ``mask`` marks computed from the rest.

    Arguments:
        mask: white where the picture is to be filled; an array of the whole numbers 0 and 1 is taken as boolean. None:
            where it is erased, with an alpha below 128; not with `nc_im` 4, whose alpha is a part of the picture.
        count: number of variants.
        fill: levels of red, green and blue, 0 to 255, or one of grey, as 9, that the hole starts from: they decide what
            comes there. None: the colours around the hole. "denoise" ignores it.
        seed: of the random numbers.

    Raises:
        ValueError: the mask marks nothing, everything or too much, there is none, or a level is out of range.
    """
    import torch

    from SinGAN.pictures import masks

    chosen = model.erased if mask is None else mask
    if chosen is None:
        raise ValueError("nothing is erased in the picture, and there is no `mask`, white where it is to be filled")
    hole = masks.exact_mask(read_marks(chosen, model.real)).to(model.real)
    colour = None if fill is None else model.colour([fill] if isinstance(fill, int) else fill)
    shown = torch.where(hole > 0, model.real.max() if colour is None else colour, model.real)
    pictures = model.inpaint(hole, colour, make_generator(model, seed), count)
    return Results(name_by_index(pictures), {"original": model.real, "hole": shown}, count=count)


def run(call: Call[Inpaint]) -> Iterator[Results]:
    """The results for the mask that is named, or that lies beside the picture."""
    from SinGAN.pictures import masks
    from SinGAN.storage import layout
    from SinGAN.storage.files import suggest_name

    options, picture = call.options, call.run.picture
    file = layout.locate(str(options.mask), picture.parent) if options.mask else masks.find_mask(picture)
    if file is None and masks.find_erased(picture, call.run.options.nc_im) is None:
        raise FileNotFoundError(
            f"no mask {picture.with_name(f'{picture.stem}_mask.png')}: draw there, white on black, "
            "the part to be filled, erase it in the picture, or name another file with `mask`"
        )
    if file is not None and not file.exists():
        raise FileNotFoundError(f"no mask {file}{suggest_name(file)} (`mask`)")
    results = call.make(inpaint, mask=file, fill=options.fill or None)
    origin = f"the erased area of {picture}" if file is None else str(file)
    yield replace(results, title=f"{'erased' if file is None else file.stem}_out", notes=(f"mask: {origin}",))


TASK = Task(
    name="inpaint", row="fill what a mask marks from the rest; no training", options=Inpaint, modes=("inpaint",),
    run=run, method=inpaint, folders=("Inpaint",), results="pictures with the hole filled",
)  # fmt: skip
