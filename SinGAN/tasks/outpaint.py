"""Extend a picture beyond its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SinGAN.options.applications import DENOISE, INSTANT, NUMBER, PATCHES, SINGAN, MethodOptions
from SinGAN.options.option import option
from SinGAN.tasks.references import read_marks
from SinGAN.tasks.task import Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import Maker, Seed


def margin(side: str, length: str, shown: int = 0) -> Any:
    """The option for the margin at one ``side``, in percent of the picture's ``length``; ``shown`` in the studio."""
    words = f"how far to extend the picture at the {side}: pixels, as 20, or percent of its {length}, as 50%"
    return option(
        "0", words, group="outpainting", pattern=r"\d{1,5}%?", meant="pixels, as 20, or percent, as 50%",
        slider=(0, 100, shown, 5), unit="%",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outpaint(MethodOptions):
    """Extend a picture beyond its edges; its own pixels stay."""

    method: str = option(
        INSTANT, "without training: instant, or the published methods patches, denoise; singan: a trained model",
        group="method", choices=(INSTANT, PATCHES, DENOISE, SINGAN),
    )  # fmt: skip
    left: str = margin("left", "width")
    right: str = margin("right", "width", 50)
    top: str = margin("top", "height")
    bottom: str = margin("bottom", "height")
    num_samples: int = option(3, "variants", group="outpainting", slider=(1, 6, 2, 1), **NUMBER)


def to_pixels(margin: str, length: int) -> int:
    """A ``margin``, pixels or percent of ``length``, in pixels."""
    return round(length * int(margin[:-1]) / 100) if margin.endswith("%") else int(margin)


def outpaint(
    model: Maker, count: int = 1, *, left: int | str = 0, right: int | str = 0, top: int | str = 0,
    bottom: int | str = 0, seed: Seed = None,
) -> Results:  # fmt: skip
    """The picture extended beyond its edges; its own pixels stay.

    Without a margin, the erased area of the picture is filled, such as an enlarged canvas: pixels with an alpha below
    128; not with `nc_im` 4.

    Arguments:
        count: number of variants.
        left: how far, in pixels or, as "50%", in percent of the picture's width.
        right: likewise.
        top: likewise, in percent of its height.
        bottom: likewise.
        seed: of the random numbers.

    Raises:
        ValueError: no margin is above 0 and nothing is erased, or a margin is no such value.
    """
    import numpy as np

    from SinGAN.patches.layered import LayeredInstant
    from SinGAN.patches.levels import bounding_box
    from SinGAN.patches.makers import Patches
    from SinGAN.pictures import masks

    given = {"top": str(top), "bottom": str(bottom), "left": str(left), "right": str(right)}
    height, width = model.real.shape[-2:]
    lengths = {"top": height, "bottom": height, "left": width, "right": width}
    margins = {side: to_pixels(text, lengths[side]) for side, text in given.items()}
    shown = {"original": model.real}
    if not any(margins.values()) and isinstance(model, Patches) and model.erased is not None:
        marks = read_marks(model.erased, model.real)
        rows, columns = box = bounding_box((~marks).astype(np.uint8))
        if marks[box].any() or isinstance(model, LayeredInstant):
            pictures = model.inpaint(masks.exact_mask(marks).to(model.real), None, make_generator(model, seed), count)
        else:  # the rest is a rectangle, and what is erased its margins
            sides = rows.start, len(marks) - rows.stop, columns.start, marks.shape[1] - columns.stop
            pictures = model.cropped(box).outpaint(sides, make_generator(model, seed), count)
        return Results(name_by_index(pictures), shown, extras=shown, count=count, title="erased")
    if not any(margins.values()):
        raise ValueError("nothing to extend: name a margin with `left`, `right`, `top` or `bottom`, as 50%")
    sides = margins["top"], margins["bottom"], margins["left"], margins["right"]
    pictures = model.outpaint(sides, make_generator(model, seed), count)
    title = ",".join(f"{side}={length}" for side, length in margins.items() if length)
    return Results(name_by_index(pictures), shown, extras=shown, count=count, title=title)


TASK = Task(
    name="outpaint", row="extend a picture beyond its edges", options=Outpaint, modes=("outpaint",),
    method=outpaint, folders=("Outpaint",), results="extended pictures",
)  # fmt: skip
