"""Draw random samples from a trained SinGAN, from any scale and at any size."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


from collections.abc import Sequence

import config
from SinGAN import manipulate
from SinGAN.runs import recorder as records
from SinGAN.storage import layout

MODES = ["random_samples", "random_samples_arbitrary_sizes"]


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, MODES)
    add = parser.add_argument_group("samples").add_argument
    add("--gen_start_scale", type=config.number(int, 0), default=0, help="first scale with fresh noise [%(default)s]")
    add("--scale_h", type=config.positive, default=1.5, help="width, in training images [%(default)s]")
    add("--scale_v", type=config.positive, default=1.0, help="height, in training images [%(default)g]")
    add("--num_samples", type=config.count, default=50, help="how many to draw [%(default)s]")
    run, args = config.parse(parser, argv, __file__)
    start = args.gen_start_scale
    if args.mode == "random_samples":
        enlargement = (1.0, 1.0)
        folder = layout.random_samples(run.out, run.name, start)
        what = f"random samples for image {args.input_name}, start scale={start}"
    else:
        enlargement = (args.scale_v, args.scale_h)
        folder = layout.arbitrary_sizes(run.out, run.name, *enlargement, start)
        what = f"random samples for image {args.input_name} at size: scale_h={args.scale_h:f}, scale_v={args.scale_v:f}"

    _, pyramid = run.load()
    if (folder / "grid.png").exists() and not run.overwrite:
        print(f"{what}, already exist: {folder} (--overwrite draws new ones)")
        return
    samples = manipulate.sample(pyramid, run.fresh_rng(), args.num_samples, start, enlargement)
    print(f"random seed: {run.seed}")
    records.write_samples(folder, samples)
    print(f"{args.num_samples} {what}: {folder}, all on one sheet: {folder / 'grid.png'}")


if __name__ == "__main__":
    main()
