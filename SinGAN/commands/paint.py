"""Turn a paint, a few strokes of flat colour, into a picture like the training picture."""

from torch import Tensor

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.functions import quantise
from SinGAN.options.applications import PaintOptions
from SinGAN.pictures import images
from SinGAN.runs.obtain import obtain
from SinGAN.runs.results import by_scale, write_results
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.terminal.watchers import watcher


def paint(run: Run, options: PaintOptions) -> None:
    """Write the pictures that the paint becomes when it is put in at each of the scales."""
    manifest, pyramid = run.load()
    scales = manipulate.injection_scales(pyramid, options.start_scales)
    strokes = images.read_like(options.ref_dir / options.ref_name, pyramid.scales[-1].real)
    rng = run.fresh_rng()
    generated: dict[int, Tensor] = {}
    extras: dict[str, Tensor] = {}
    for scale in scales:
        put_in, model = manipulate.shrink_to_injection(pyramid, strokes, scale), pyramid
        if options.quantization_flag:
            palette = manipulate.palette_of(pyramid.scales[scale].real)
            suffix = f"_start_scale={scale}" if len(scales) > 1 else ""
            extras[f"real_quant{suffix}"] = quantise(pyramid.scales[scale].real, palette)
            extras[f"in_paint{suffix}"] = put_in
            put_in = manipulate.quantised_paint(pyramid, strokes, scale, palette)
            extras[f"in_paint_quant{suffix}"] = put_in
            request = run.paint_request(manifest, pyramid, scale, palette)
            model = obtain(request, overwrite=run.overwrite, watcher=watcher())
        generated[scale] = manipulate.run_from(model, put_in, scale, rng, options.num_samples)
    folder = layout.paint(run.out, run.name, options.ref_name, options.quantization_flag)
    firsts = {"original": pyramid.scales[-1].real, "reference": strokes}
    write_results(folder, firsts, by_scale(generated), extras)
    print(f"random seed: {run.seed}\npictures from the paint: {folder}")


main = Command("paint", paint)
