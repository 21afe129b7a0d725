"""Extend a picture beyond its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SinGAN.options.applications import DENOISE, INSTANT, NUMBER, PATCHES, SINGAN, MethodOptions
from SinGAN.options.option import option
from SinGAN.tasks.task import Results, Task, generator, numbered

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


def pixels(margin: str, length: int) -> int:
    """A ``margin``, pixels or percent of ``length``, in pixels."""
    return round(length * int(margin[:-1]) / 100) if margin.endswith("%") else int(margin)


def outpaint(
    model: Maker, count: int = 1, *, left: int | str = 0, right: int | str = 0, top: int | str = 0,
    bottom: int | str = 0, seed: Seed = None,
) -> Results:  # fmt: skip
    """The picture extended beyond its edges; its own pixels stay.

    Arguments:
        count: number of variants.
        left: how far, in pixels or, as "50%", in percent of the picture's width.
        right: likewise.
        top: likewise, in percent of its height.
        bottom: likewise.
        seed: of the random numbers.

    Raises:
        ValueError: no margin is above 0, or one is no such value.
    """
    given = {"top": str(top), "bottom": str(bottom), "left": str(left), "right": str(right)}
    height, width = model.real.shape[-2:]
    lengths = {"top": height, "bottom": height, "left": width, "right": width}
    margins = {side: pixels(text, lengths[side]) for side, text in given.items()}
    if not any(margins.values()):
        raise ValueError("nothing to extend: name a margin with `left`, `right`, `top` or `bottom`, as 50%")
    sides = margins["top"], margins["bottom"], margins["left"], margins["right"]
    pictures = model.outpaint(sides, generator(model, seed), count)
    title = ",".join(f"{side}={length}" for side, length in margins.items() if length)
    shown = {"original": model.real}
    return Results(numbered(pictures), shown, extras=shown, count=count, title=title)


TASK = Task(
    name="outpaint", row="extend a picture beyond its edges", options=Outpaint, modes=("outpaint",),
    method=outpaint, folders=("Outpaint",), results="extended pictures",
)  # fmt: skip
