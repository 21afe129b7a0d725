"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import itertools
from collections.abc import Sequence

import config
from SinGAN import manipulate
from SinGAN.pictures import images
from SinGAN.runs import obtain as jobs
from SinGAN.storage import layout


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, ["animation"])
    add_flags(parser)
    run, args = config.parse(parser, argv, __file__)
    images.check_animation_format(args.format)
    folder = layout.trained_for_animation(run.out, run.name, run.pyramid.scale_factor)
    job = run.adopting(folder).job(folder, "animation")
    manipulate.check_walk(job.net)
    for start in args.animation_start_scale:
        manipulate.check_start_scale(start, len(job.plan.sizes), "--animation_start_scale")
    if run.overwrite or not job.is_done():
        print("*** Train SinGAN for animation ***")
    print(f"random seed: {run.seed}")
    pyramid = jobs.obtain(job, run.overwrite)
    rng = run.fresh_rng()
    choices = itertools.product(args.animation_start_scale, args.alpha_animation, args.beta_animation)
    for start, alpha, beta in choices:
        frames = manipulate.animate(pyramid, rng, args.num_frames, start, alpha, beta)
        place = layout.animation(run.out, run.name, start, alpha, beta, args.format)
        images.write_animation(place, frames, args.fps)
        print(place)


def add_flags(parser: config.Parser) -> None:
    """Animation's own flags, and the default that its trainings differ in."""
    parser.set_defaults(min_size=20)
    ratio, add = config.number(float, 0, 1), parser.add_argument_group("animation").add_argument
    add("--alpha_animation", type=ratio, nargs="+", default=[0.1], help="pull to the picture [0.1]")
    add("--beta_animation", type=ratio, nargs="+", default=[0.8, 0.85, 0.9, 0.95], help="smoothness [0.8 .. 0.95]")
    add(
        "--animation_start_scale",
        type=config.number(int, 0),
        nargs="+",
        default=[0, 1, 2],
        help="first that moves [0 1 2]",
    )
    add("--num_frames", type=config.count, default=100, help="[%(default)s]")
    add("--fps", type=config.number(float, 0.1, 100), default=10.0, help="frames per second, 0.1 to 100 [%(default)g]")
    add("--format", choices=("gif", "mp4", "webp"), default="gif", help="[%(default)s]")


if __name__ == "__main__":
    main()
