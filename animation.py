"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

from SinGAN.terminal import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import itertools
from collections.abc import Sequence

import config
from SinGAN import images, jobs, layout, manipulate


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, ["animation"])
    config.add_animation_flags(parser)
    run, args = config.parse(parser, argv)
    images.check_animation_format(args.format)
    folder = layout.trained_for_animation(run.out, run.name, run.pyramid.scale_factor)
    job = run.adopting(folder).job(folder, "animation")
    for start in args.animation_start_scale:
        manipulate.check_start_scale(start, len(job.plan.sizes), "--animation_start_scale")
    if run.overwrite or not job.is_done():
        print("*** Train SinGAN for animation ***")
    print(f"random seed: {run.seed}")
    pyramid = jobs.obtain(job, run.rng, run.overwrite)
    rng = run.fresh_rng()
    choices = itertools.product(args.animation_start_scale, args.alpha_animation, args.beta_animation)
    for start, alpha, beta in choices:
        frames = manipulate.animate(pyramid, rng, args.num_frames, start, alpha, beta)
        place = layout.animation(run.out, run.name, start, alpha, beta, args.format)
        images.write_animation(place, frames, args.fps)
        print(place)


if __name__ == "__main__":
    main()
