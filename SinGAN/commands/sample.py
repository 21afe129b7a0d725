"""Draw random samples from a trained SinGAN, from any scale and at any size."""

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import SampleOptions
from SinGAN.runs.results import has_samples, write_samples
from SinGAN.runs.run import Run
from SinGAN.storage import layout

MODES = ("random_samples", "random_samples_arbitrary_sizes")


def sample(run: Run, options: SampleOptions) -> None:
    """Draw samples where there are none."""
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
    if has_samples(folder) and not run.overwrite:
        print(f"{what}, already exist: {folder} (--overwrite draws new ones)")
        return
    samples = manipulate.sample(pyramid, run.fresh_rng(), options.num_samples, start, enlargement)
    print(f"random seed: {run.seed}")
    write_samples(folder, samples)
    print(f"{options.num_samples} {what}: {folder}, all on one sheet: {folder / 'grid.png'}")


main = Command("sample", __doc__ or "", SampleOptions, sample, modes=MODES, flags={"start_scale": "gen_start_scale"})
