"""Make a crude edit of the picture seamless."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import reference_folder
from SinGAN.options.growing import EDITING
from SinGAN.tasks.references import Reference, insert_reference, make_results, retouch, start_scales
from SinGAN.tasks.task import Call, Results, Task

if TYPE_CHECKING:
    from SinGAN.tasks._types import Maker, Picture, Seed, StartScale


@dataclass(frozen=True, kw_only=True)
class Edit(Reference):
    """Make a crude edit of the training picture seamless."""

    ref_dir: Path = reference_folder("Editing")
    start_scales: tuple[int | None, ...] = start_scales("editing")


def edit(
    model: Maker, reference: Picture, mask: Picture | None = None, *, start_scale: StartScale = None, count: int = 1,
    blend: bool | None = True, seed: Seed = None,
) -> Results:  # fmt: skip
    """A crude edit of the training picture, made seamless; arguments and errors as in ``harmonize``.

    Without a ``mask``, the erased area of the reference, with an alpha below 128, is filled; not with `nc_im` 4.

    With ``blend`` the training picture is kept outside the mask; the instant engine always does so. None: both ways.
    """
    from SinGAN.pictures.masks import EDITING_RADIUS
    from SinGAN.runs.results import name_by_scale

    retouched, origin = retouch(model, reference, mask, start_scale, count, seed, EDITING_RADIUS, erasable=True)
    if blend is not None:
        made = ((scale, kept if blend or whole is None else whole) for scale, whole, kept in retouched.pictures)
        return make_results(retouched, name_by_scale(made), origin)
    both = [*retouched.pictures]
    wholes = name_by_scale((scale, whole) for scale, whole, _ in both if whole is not None)
    masked = name_by_scale(((scale, kept) for scale, _, kept in both), "_masked")
    return make_results(retouched, [*wholes, *masked], origin)


def run(call: Call[Edit]) -> Iterator[Results]:
    """The reference, edited at each of the scales: whole, and blended into the picture."""
    yield insert_reference(call, edit, blend=None)


TASK = Task(
    name="edit", row="make a crude edit seamless", options=Edit, modes=("editing",),
    recipe=EDITING, run=run, method=edit, folders=("Editing",), results="edited pictures",
)  # fmt: skip
