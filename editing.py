"""Make a crude edit of the training picture seamless."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


from collections.abc import Sequence

import config
from SinGAN.pictures import masks
from SinGAN.retouch import retouch
from SinGAN.runs import recorder as records
from SinGAN.storage import layout


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.reference_parser(__doc__, "editing", "editing", "Editing")
    run, args = config.parse(parser, argv, __file__)
    _, pyramid = run.load()
    reference = args.ref_dir / args.ref_name
    result = retouch(pyramid, reference, args.start_scales, masks.EDITING_RADIUS, run.fresh_rng(), args.num_samples)
    print(result.mask_origin)
    folder = layout.editing(run.out, run.name, args.ref_name)
    pictures = records.by_scale(result.generated) | records.by_scale(result.blended, "_masked")
    extras = {"mask_dilated": result.mask * 2 - 1}
    records.write_results(folder, result.reference, pictures, extras)
    print(f"random seed: {run.seed}\nedited pictures: {folder}")


if __name__ == "__main__":
    main()
