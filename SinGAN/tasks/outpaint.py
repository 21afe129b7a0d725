"""Extend a picture beyond its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SinGAN.options.applications import COUNT, DENOISE, INSTANT, PATCHES, SINGAN, MethodOptions
from SinGAN.options.option import checked, option
from SinGAN.tasks.task import Call, Results, Task, check_count, generator, numbered

if TYPE_CHECKING:
    import torch

    from SinGAN.patches.makers import Maker


def margin(side: str, length: str) -> Any:
    """The option for the margin at one ``side``, whose length is the picture's ``length``."""
    words = f"how far to extend the picture at the {side}: pixels, as 20, or percent of its {length}, as 50%"
    return option("0", words, group="outpainting", pattern=r"\d{1,5}%?", meant="pixels, as 20, or percent, as 50%")


@dataclass(frozen=True, kw_only=True)
class Outpaint(MethodOptions):
    """Extend a picture beyond its edges; its own pixels stay."""

    method: str = option(
        INSTANT, "without training: instant, or the published methods patches, denoise; singan: a trained model",
        group="method", choices=(INSTANT, PATCHES, DENOISE, SINGAN),
    )  # fmt: skip
    left: str = margin("left", "width")
    right: str = margin("right", "width")
    top: str = margin("top", "height")
    bottom: str = margin("bottom", "height")
    num_samples: int = option(3, "variants", group="outpainting", **COUNT)


def pixels(margin: str, length: int) -> int:
    """A ``margin``, pixels or percent of ``length``, in pixels."""
    return round(length * int(margin[:-1]) / 100) if margin.endswith("%") else int(margin)


def outpaint(
    model: Maker,
    count: int = 1,
    *,
    left: int | str = 0,
    right: int | str = 0,
    top: int | str = 0,
    bottom: int | str = 0,
    seed: int | torch.Generator | None = None,
) -> Results:
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
    check_count(count)
    given = {"top": str(top), "bottom": str(bottom), "left": str(left), "right": str(right)}
    checked(Outpaint, given)
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


def run(call: Call[Outpaint]) -> Iterator[Results]:
    """The results for the margins that are named."""
    options = call.options
    yield outpaint(
        call.model, options.num_samples, left=options.left, right=options.right, top=options.top,
        bottom=options.bottom, seed=call.run.seed,
    )  # fmt: skip


TASK = Task(
    name="outpaint", row="extend a picture beyond its edges", options=Outpaint, modes=("outpaint",),
    run=run, method=outpaint, folders=("Outpaint",), results="extended pictures",
)  # fmt: skip
