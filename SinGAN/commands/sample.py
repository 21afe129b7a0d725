"""Draw random samples from a trained SinGAN, from any scale and at any size."""

import itertools

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import SampleOptions
from SinGAN.runs.results import are_older, count_samples, read_samples, write_samples
from SinGAN.runs.run import Run
from SinGAN.storage import layout

MODES = ("random_samples", "random_samples_arbitrary_sizes")


def sample(run: Run, options: SampleOptions) -> None:
    """Draw the samples that are not there yet."""
    start = options.gen_start_scale
    what = f"random samples for image {run.input_name}"
    if run.settings.mode == MODES[0]:
        enlargement = (1.0, 1.0)
        folder = layout.random_samples(run.out, run.name, start)
        what += f", start scale={start}"
    else:
        enlargement = (options.scale_v, options.scale_h)
        folder = layout.arbitrary_sizes(run.out, run.name, *enlargement, start)
        what += f" at size: scale_h={options.scale_h:f}, scale_v={options.scale_v:f}"

    _, pyramid = run.load()
    there = 0 if run.overwrite else count_samples(folder)
    if there >= options.num_samples:
        print(f"{what}, already exist: {folder} (--overwrite draws new ones)")
        return
    if there and are_older(folder, run.model):
        print(f"{what}: there are {there} of an older model: {folder} (--overwrite draws new ones)")
        return
    samples = manipulate.sample(pyramid, run.fresh_rng(), options.num_samples, start, enlargement)
    real = pyramid.scales[-1].real
    kept = read_samples(folder, there, real.shape[1])
    print(f"random seed: {run.seed}")
    write_samples(folder, itertools.chain(kept, itertools.islice(samples, there, None)), real)
    more = f", {there} of them there before" if there else ""
    print(f"{options.num_samples} {what}{more}: {folder}, all on one sheet: {folder / 'grid.png'}")


main = Command("sample", __doc__ or "", SampleOptions, sample, modes=MODES, flags={"start_scale": "gen_start_scale"})
