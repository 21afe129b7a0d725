"""Turn a paint, a few strokes of flat colour, into a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SinGAN.options.applications import SINGAN, reference_folder
from SinGAN.options.growing import EDITING, HYBRID
from SinGAN.options.option import option
from SinGAN.tasks.references import Reference, choose_scales, insert_reference, read, start_scales
from SinGAN.tasks.task import Call, Results, Task, make_generator

if TYPE_CHECKING:
    import torch

    from SinGAN.tasks._types import Maker, Picture, Pyramid, Seed, StartScale, Tensor, TrainedScale


@dataclass(frozen=True, kw_only=True)
class Paint(Reference):
    """Turn a paint, a few strokes of flat colour, into a picture like the training picture."""

    ref_dir: Path = reference_folder("Paint")
    start_scales: tuple[int | None, ...] = start_scales("paint")
    quantization_flag: bool = option(
        False, "reduce paint and picture to 5 colours, and retrain the injection scale on them",
        group="reference", bare=True, argument="quantize",
    )  # fmt: skip


def paint(
    model: Maker, strokes: Picture, *, start_scale: StartScale = None, count: int = 1, quantize: bool = False,
    seed: Seed = None, progress: bool = True,
) -> Results:  # fmt: skip
    """A paint, a few strokes of flat colour, turned into pictures like the training picture (paper, Sect. 4).

    Arguments:
        strokes: the paint.
        start_scale: the scale where it is inserted, 1 to the finest. None, with the instant engine only: the level of
            64 pixels or more.
        count: number of pictures.
        quantize: reduce the paint to the picture's five main colours, and retrain that scale on such images, which
            takes as long as that scale of the model took. Only for trained models.
        seed: of the random numbers, and of that training.
        progress: show a bar for it.

    Raises:
        ValueError: the scale is out of range or needed, or there is no trained model that could be retrained.
    """
    from SinGAN.runs.results import name_by_scale

    scales, rng = choose_scales(model, start_scale), make_generator(model, seed)
    image = read(strokes, model.real, "strokes", layers=model.layers)
    firsts = {"original": model.real, "reference": image}
    if not quantize:
        made = ((scale, picture) for scale in scales for picture in model.paint(image, scale, rng, count))
        return Results(name_by_scale(made), firsts)
    painted, extras = list[tuple[int, "Tensor"]](), dict[str, "Tensor"]()
    for scale in scales:
        pictures, shown = paint_quantized(model, image, scale, rng, count, progress)
        painted += [(scale, picture) for picture in pictures.split(1)]
        suffix = f"_start_scale={scale}" if len(scales) > 1 else ""
        extras |= {f"{name}{suffix}": each for name, each in shown.items()}
    return Results(name_by_scale(painted), firsts, extras)


def paint_quantized(
    model: Maker, strokes: Tensor, scale: int, rng: torch.Generator, count: int, progress: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """``count`` pictures (count, C, H, W) of ``strokes`` in few colours, and the images that were reduced, by name.

    ``scale`` is retrained on images in the picture's main colours.
    """
    from SinGAN import manipulate
    from SinGAN.functions import palette_of, quantise
    from SinGAN.patches.makers import Trained

    if not isinstance(model, Trained) or model.retrain is None:
        raise ValueError(f"`quantize` retrains a scale: it needs `method` {SINGAN} and no `train_mode` {HYBRID}")
    if model.layers is not None:
        raise ValueError("`quantize` is for pictures of 8 bits without maps: leave it out")
    real = model.pyramid.scales[scale].real
    palette = palette_of(real)
    reduced = manipulate.quantised_paint(model.pyramid, strokes, scale, palette)
    shown = {
        "real_quant": quantise(real, palette),
        "in_paint": manipulate.shrink_to_injection(model.pyramid, strokes, scale),
        "in_paint_quant": reduced,
    }
    retrained = model.retrain(scale, palette, rng.initial_seed(), progress)
    return model.refined(manipulate.run_from(retrained, reduced, scale, rng, count)), shown


def run(call: Call[Paint]) -> Iterator[Results]:
    """The paint, inserted at each of the scales; a model with a retrained scale is kept."""
    from SinGAN.patches.makers import Trained
    from SinGAN.runs.training import load_or_train

    options, source, quantize = call.options, call.source, call.options.quantization_flag
    if options.fine_tune and quantize:
        raise ValueError("`fine_tune` and `quantize` train in two ways: leave one out")

    def retrain(scale: int, palette: Tensor, seed: int, progress: bool) -> Pyramid[TrainedScale]:
        assert source.manifest is not None
        assert isinstance(source.maker, Trained)
        training = call.run.retraining(source.manifest, source.maker.pyramid, scale, palette)
        return load_or_train(training, overwrite=call.run.settings.overwrite, watcher=call.watcher)

    @wraps(paint)
    def paint_and_keep(model: Maker, *values: Any, **named: Any) -> Results:
        return paint(replace(model, retrain=retrain) if isinstance(model, Trained) else model, *values, **named)

    results = insert_reference(call, paint_and_keep, strokes=options.file, seed=call.run.fresh_rng())
    yield replace(results, title=f"{results.title}_quantized" if quantize else results.title)


TASK = Task(
    name="paint", row="turn a paint into a picture", options=Paint, modes=("paint2image",),
    recipe=EDITING, run=run, method=paint, folders=("Paint2image",), results="pictures from the paint",
)  # fmt: skip
