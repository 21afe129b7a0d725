"""Turn a paint, a few strokes of flat colour, into a picture like the training picture."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


from collections.abc import Sequence

from torch import Tensor

import config
from SinGAN import manipulate
from SinGAN.functions import quantise
from SinGAN.pictures import images
from SinGAN.runs import obtain as jobs
from SinGAN.runs import recorder as records
from SinGAN.storage import layout


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.reference_parser(__doc__, "paint2image", "paint", "Paint")
    what = "reduce paint and picture to 5 colours, and retrain the injection scale on them [%(default)s]"
    parser.add_argument("--quantization_flag", nargs="?", const=True, default=False, type=config.truth, help=what)
    run, args = config.parse(parser, argv, __file__)
    manifest, pyramid = run.load()
    scales = manipulate.injection_scales(pyramid, args.start_scales)
    paint = images.read_like(args.ref_dir / args.ref_name, pyramid.scales[-1].real)
    rng = run.fresh_rng()
    generated: dict[int, Tensor] = {}
    extras: dict[str, Tensor] = {}
    for scale in scales:
        put_in, model = manipulate.shrink_to_injection(pyramid, paint, scale), pyramid
        if args.quantization_flag:
            palette = manipulate.palette_of(pyramid.scales[scale].real)
            suffix = f"_start_scale={scale}" if len(scales) > 1 else ""
            extras[f"real_quant{suffix}"] = quantise(pyramid.scales[scale].real, palette)
            extras[f"in_paint{suffix}"] = put_in
            put_in = manipulate.quantised_paint(pyramid, paint, scale, palette)
            extras[f"in_paint_quant{suffix}"] = put_in
            job = run.paint_job(manifest, pyramid, scale)
            model = jobs.obtain_for_paint(job, pyramid, scale, palette, run.overwrite)
        generated[scale] = manipulate.run_from(model, put_in, scale, rng, args.num_samples)
    folder = layout.paint(run.out, run.name, args.ref_name, args.quantization_flag)
    records.write_results(folder, paint, records.by_scale(generated), extras)
    print(f"random seed: {run.seed}\npictures from the paint: {folder}")


if __name__ == "__main__":
    main()
