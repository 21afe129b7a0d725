"""Put a reference in: harmonization of a pasted object, editing, painting."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.commands.source import Source, source_of
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.concurrent.tuning import fine_tune
from SinGAN.functions import palette_of, quantise
from SinGAN.manipulate import Retouched
from SinGAN.options.applications import INSTANT, SINGAN, HarmonizationOptions, PaintOptions
from SinGAN.patches.makers import Maker, Trained
from SinGAN.pictures import images, masks
from SinGAN.runs.results import by_scale, write_results
from SinGAN.runs.run import Run
from SinGAN.runs.training import load_or_train
from SinGAN.storage import layout
from SinGAN.terminal.watchers import watcher

Results = Sequence[tuple[str, Retouched]]
"""What comes out, each with what is added to its pictures' names."""
TUNED_EVERY = 100  # iterations between two results of a fine-tuning


def harmonize(run: Run, options: HarmonizationOptions) -> None:
    """Write the reference harmonized at each of the scales."""
    source, results = retouched(run, options, masks.HARMONIZATION_RADIUS)
    folder = layout.of_method(layout.harmonization(run.out, run.name, options.ref_name), source.label)
    pictures: dict[str, Tensor] = {}
    for end, result in results:
        pictures |= by_scale(result.blended, end)
    write(folder, results, pictures)
    print(f"random seed: {run.seed}\nharmonized pictures: {folder}")


def edit(run: Run, options: HarmonizationOptions) -> None:
    """Write the reference edited at each of the scales: whole, and blended into the picture."""
    source, results = retouched(run, options, masks.EDITING_RADIUS)
    folder = layout.of_method(layout.editing(run.out, run.name, options.ref_name), source.label)
    pictures: dict[str, Tensor] = {}
    for end, result in results:
        pictures |= by_scale(result.generated, end) | by_scale(result.blended, f"{end}_masked")
    write(folder, results, pictures)
    print(f"random seed: {run.seed}\nedited pictures: {folder}")


def retouched(run: Run, options: HarmonizationOptions, radius: int) -> tuple[Source, Results]:
    """The reference put in at the scales asked for; its mask grows by ``radius`` pixels."""
    source = source_of(run, options)
    if options.method != SINGAN and run.settings.mode == "harmonization":
        keep = "keep their colours" if options.method == INSTANT else "dissolve"
        print(f"note: foreign objects {keep} with --method {options.method}; a trained model adapts them")
    scales = injection_scales(source, options)
    path, real = options.ref_dir / options.ref_name, source.real
    reference = images.read_like(path, real)
    marks, origin = masks.marks_of(path, reference, real)
    mask = masks.exact_mask(marks) if source.maker.exact_mask else masks.soft_mask(marks, radius).to(real.device)
    results = [
        (end, maker.retouch(reference, mask, scales, run.fresh_rng(), options.num_samples))
        for end, maker in makers(run, options, source, reference)
    ]
    print(origin)
    return source, results


def injection_scales(source: Source, options: HarmonizationOptions) -> list[int]:
    """The scales asked for; a ValueError where none is named and the maker has none of its own."""
    own = source.maker.injection_scale
    if options.start_scales or own is None:
        if not options.start_scales:
            raise ValueError("name the scales where the reference is put in, with `start_scales`: several, or all")
        return manipulate.injection_scales(source.maker, options.start_scales)
    return [own]


def makers(run: Run, options: HarmonizationOptions, source: Source, reference: Tensor) -> Iterator[tuple[str, Maker]]:
    """What makes the pictures, with what it adds to their names: the model, or the model fine-tuned on ``reference``.

    Raises:
        ValueError: there is no model that can be fine-tuned.
    """
    if options.fine_tune is None:
        yield "", source.maker
        return
    if source.manifest is None or not isinstance(source.maker, Trained):
        raise ValueError(f"`fine_tune` trains, and needs `method` {SINGAN}: leave one out")
    trained, config = source.maker, source.manifest.model_options(run.options).training
    states: list[tuple[int, GrownPyramid]] = []
    with tqdm(total=options.fine_tune, unit="iteration", desc="fine-tuning", disable=None, leave=False) as bar:
        fine_tune(
            trained.pyramid,
            reference,
            replace(config, niter=options.fine_tune),
            run.fresh_rng(),
            every=TUNED_EVERY,
            tuned=lambda iterations, pyramid: states.append((iterations, pyramid)),
            tick=bar.update,
            engine=run.engine.choose(run.device),
        )
    for iterations, pyramid in states:
        yield f"_tuned={iterations}", replace(trained, pyramid=pyramid)


def write(folder: Path, results: Results, pictures: dict[str, Tensor]) -> None:
    """Write ``pictures`` by name, the reference and the mask of ``results``."""
    _, result = results[0]
    firsts = {"original": result.real, "reference": result.reference}
    write_results(folder, firsts, pictures, {"mask_dilated": images.of_mask(result.mask)})


def paint(run: Run, options: PaintOptions) -> None:
    """Write the pictures that the paint becomes when it is put in at each of the scales."""
    source = source_of(run, options)
    scales = injection_scales(source, options)
    if options.fine_tune and options.quantization_flag:
        raise ValueError("`fine_tune` and `quantization_flag` train in two ways: leave one out")
    strokes, rng = images.read_like(options.ref_dir / options.ref_name, source.real), run.fresh_rng()
    pictures: dict[str, Tensor] = {}
    extras: dict[str, Tensor] = {}
    if options.quantization_flag:
        for scale in scales:
            suffix = f"_start_scale={scale}" if len(scales) > 1 else ""
            made, shown = painted_in_few_colours(run, source, strokes, scale, rng, options.num_samples)
            pictures |= by_scale({scale: made})
            extras |= {f"{name}{suffix}": image for name, image in shown.items()}
    else:
        for end, maker in makers(run, options, source, strokes):
            pictures |= by_scale(
                {scale: maker.paint(strokes, scale, rng, options.num_samples) for scale in scales}, end
            )
    folder = layout.of_method(
        layout.paint(run.out, run.name, options.ref_name, options.quantization_flag), source.label
    )
    write_results(folder, {"original": source.real, "reference": strokes}, pictures, extras)
    print(f"random seed: {run.seed}\npictures from the paint: {folder}")


def painted_in_few_colours(
    run: Run, source: Source, strokes: Tensor, scale: int, rng: torch.Generator, count: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The same from the paint in the picture's main colours, by a scale retrained on such images; and what was put in.

    Raises:
        ValueError: there is no trained model whose scale could be retrained.
    """
    if source.manifest is None or not isinstance(source.maker, Trained):
        raise ValueError(f"`quantization_flag` retrains a scale, and needs `method` {SINGAN}: leave one out")
    pyramid = source.maker.pyramid
    palette = palette_of(pyramid.scales[scale].real)
    put_in = manipulate.quantised_paint(pyramid, strokes, scale, palette)
    shown = {
        "real_quant": quantise(pyramid.scales[scale].real, palette),
        "in_paint": manipulate.shrink_to_injection(pyramid, strokes, scale),
        "in_paint_quant": put_in,
    }
    training = run.retraining(source.manifest, pyramid, scale, palette)
    model = load_or_train(training, overwrite=run.settings.overwrite, watcher=watcher())
    pictures = manipulate.run_from(model, put_in, scale, rng, count)
    return source.maker.refined(pictures), shown


main_harmonize = Command("harmonize", harmonize, flags={"start_scales": "harmonization_start_scale"})
main_edit = Command("edit", edit, flags={"start_scales": "editing_start_scale"})
main_paint = Command("paint", paint, flags={"start_scales": "paint_start_scale"})
