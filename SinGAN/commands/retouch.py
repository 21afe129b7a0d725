"""Put a reference in: harmonization of a pasted object, editing, painting."""

from pathlib import Path

import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.commands.source import Source, source_of
from SinGAN.functions import palette_of, quantise
from SinGAN.manipulate import Retouched
from SinGAN.options.applications import HarmonizationOptions, PaintOptions
from SinGAN.options.methods import SINGAN
from SinGAN.patches.makers import Trained
from SinGAN.pictures import images, masks
from SinGAN.runs.obtain import obtain
from SinGAN.runs.results import by_scale, write_results
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.terminal.watchers import watcher


def harmonize(run: Run, options: HarmonizationOptions) -> None:
    """Write the reference harmonized at each of the scales."""
    source, result = retouched(run, options, masks.HARMONIZATION_RADIUS)
    folder = layout.of_method(layout.harmonization(run.out, run.name, options.ref_name), source.label)
    write(folder, result, by_scale(result.blended))
    print(f"random seed: {run.seed}\nharmonized pictures: {folder}")


def edit(run: Run, options: HarmonizationOptions) -> None:
    """Write the reference edited at each of the scales: whole, and blended into the picture."""
    source, result = retouched(run, options, masks.EDITING_RADIUS)
    folder = layout.of_method(layout.editing(run.out, run.name, options.ref_name), source.label)
    write(folder, result, by_scale(result.generated) | by_scale(result.blended, "_masked"))
    print(f"random seed: {run.seed}\nedited pictures: {folder}")


def retouched(run: Run, options: HarmonizationOptions, radius: int) -> tuple[Source, Retouched]:
    """The reference put in at the scales asked for; its mask grows by ``radius`` pixels."""
    source = source_of(run, options)
    if options.method != SINGAN and run.settings.mode == "harmonization":
        print(f"note: foreign objects dissolve with --method {options.method}, which has no patches of them")
    scales = manipulate.injection_scales(source.maker.pyramid, options.start_scales)
    path, real = options.ref_dir / options.ref_name, source.real
    reference = images.read_like(path, real)
    marks, origin = masks.marks_of(path, reference, real)
    mask = masks.soft_mask(marks, radius).to(real.device)
    result = source.maker.retouch(reference, mask, scales, run.fresh_rng(), options.num_samples)
    print(origin)
    return source, result


def write(folder: Path, result: Retouched, pictures: dict[str, Tensor]) -> None:
    """Write ``pictures`` by name, the reference and the mask."""
    firsts = {"original": result.real, "reference": result.reference}
    write_results(folder, firsts, pictures, {"mask_dilated": result.mask * 2 - 1})


def paint(run: Run, options: PaintOptions) -> None:
    """Write the pictures that the paint becomes when it is put in at each of the scales."""
    source = source_of(run, options)
    scales = manipulate.injection_scales(source.maker.pyramid, options.start_scales)
    strokes, rng = images.read_like(options.ref_dir / options.ref_name, source.real), run.fresh_rng()
    generated: dict[int, Tensor] = {}
    extras: dict[str, Tensor] = {}
    for scale in scales:
        if options.quantization_flag:
            suffix = f"_start_scale={scale}" if len(scales) > 1 else ""
            generated[scale], shown = painted_in_few_colours(run, source, strokes, scale, rng, options.num_samples)
            extras |= {f"{name}{suffix}": image for name, image in shown.items()}
        else:
            generated[scale] = source.maker.paint(strokes, scale, rng, options.num_samples)
    folder = layout.of_method(
        layout.paint(run.out, run.name, options.ref_name, options.quantization_flag), source.label
    )
    write_results(folder, {"original": source.real, "reference": strokes}, by_scale(generated), extras)
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
    shown = {
        "real_quant": quantise(pyramid.scales[scale].real, palette),
        "in_paint": manipulate.shrink_to_injection(pyramid, strokes, scale),
        "in_paint_quant": manipulate.quantised_paint(pyramid, strokes, scale, palette),
    }
    request = run.paint_request(source.manifest, pyramid, scale, palette)
    model = obtain(request, overwrite=run.overwrite, watcher=watcher())
    pictures = manipulate.run_from(model, shown["in_paint_quant"], scale, rng, count)
    return source.maker.refined(pictures), shown


main_harmonize = Command("harmonize", harmonize)
main_edit = Command("edit", edit)
main_paint = Command("paint", paint)
