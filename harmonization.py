"""Make an object pasted into the training picture look as if it belonged there."""

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
    parser = config.reference_parser(__doc__, "harmonization", "harmonization", "Harmonization")
    run, args = config.parse(parser, argv, __file__)
    _, pyramid = run.load()
    reference = args.ref_dir / args.ref_name
    result = retouch(
        pyramid, reference, args.start_scales, masks.HARMONIZATION_RADIUS, run.fresh_rng(), args.num_samples
    )
    print(result.mask_origin)
    folder = layout.harmonization(run.out, run.name, args.ref_name)
    extras = {"mask_dilated": result.mask * 2 - 1}
    records.write_results(folder, result.reference, records.by_scale(result.blended), extras)
    print(f"random seed: {run.seed}\nharmonized pictures: {folder}")


if __name__ == "__main__":
    main()
