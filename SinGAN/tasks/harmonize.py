"""Make a pasted object look as if it belonged to the picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import INSTANT, SINGAN, reference_folder
from SinGAN.options.growing import HARMONIZATION
from SinGAN.tasks.references import Reference, insert_reference, make_results, retouch, start_scales
from SinGAN.tasks.task import Call, Results, Task

if TYPE_CHECKING:
    from SinGAN.tasks._types import Maker, Picture, Seed, StartScale

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Harmonize(Reference):
    """Make an object pasted into the training picture look as if it belonged there."""

    ref_dir: Path = reference_folder("Harmonization")
    start_scales: tuple[int | None, ...] = start_scales("harmonization")


def harmonize(
    model: Maker, reference: Picture, mask: Picture | None = None, *, start_scale: StartScale = None, count: int = 1,
    seed: Seed = None,
) -> Results:  # fmt: skip
    """An object pasted into the training picture, made to look as if it belonged there (paper, Sect. 4).

    A trained model adapts the object. With the instant engine it keeps its colours and fits at its edges; with the
    published patch methods foreign objects dissolve.

    Arguments:
        reference: the training picture with the object pasted in.
        mask: white where the object is; an array of the whole numbers 0 and 1 is taken as boolean. None: a file's own
            mask (``<name>_mask`` beside it), or else where the reference differs from the training picture.
        start_scale: the scale where the reference is inserted, 1 to the finest. None, with the instant engine only: the
            level of 64 pixels or more.
        count: number of pictures.
        seed: of the random numbers.

    Raises:
        ValueError: the scale is out of range, or the mask marks nothing, everything or too much.
    """
    from SinGAN.pictures.masks import HARMONIZATION_RADIUS
    from SinGAN.runs.results import name_by_scale

    retouched, origin = retouch(model, reference, mask, start_scale, count, seed, HARMONIZATION_RADIUS)
    return make_results(retouched, name_by_scale((scale, kept) for scale, _, kept in retouched.pictures), origin)


def run(call: Call[Harmonize]) -> Iterator[Results]:
    """The reference, harmonized at each of the scales."""
    method = call.options.method
    if method != SINGAN:
        keep = "keep their colours" if method == INSTANT else "dissolve"
        LOG.info(f"note: foreign objects {keep} with `method` {method}; a trained model adapts them")
    yield insert_reference(call, harmonize)


TASK = Task(
    name="harmonize", row="fit a pasted object into the picture", options=Harmonize, modes=("harmonization",),
    recipe=HARMONIZATION, run=run, method=harmonize, folders=("Harmonization",), results="harmonized pictures",
)  # fmt: skip
