"""Draw random samples from a trained SinGAN, from any scale and at any size."""

import itertools
from pathlib import Path

from tqdm import tqdm

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.commands.source import Source, source_of
from SinGAN.manipulate import SAME_SIZE
from SinGAN.options.applications import SampleOptions
from SinGAN.options.usages import SAMPLE_MODES
from SinGAN.planning import Size
from SinGAN.runs.results import are_older, count_samples, read_samples, write_samples
from SinGAN.runs.run import Run
from SinGAN.storage import layout

Enlargement = tuple[float, float]  # of height and width


def sample(run: Run, options: SampleOptions) -> None:
    """Draw the samples that are not there yet, for each start scale and size."""
    same_size = run.settings.mode == SAMPLE_MODES[0]
    if same_size and options.size:
        raise ValueError(f"`size` is for `mode` {SAMPLE_MODES[1]}, not for {SAMPLE_MODES[0]}: name that mode")
    source = source_of(run, options, draws=True)
    starts = manipulate.start_scales(source.maker, options.gen_start_scale)
    sizes: list[Size | None] = [as_size(text) for text in options.size] or [None]
    for start, size in itertools.product(starts, sizes):
        what = f"random samples for image {run.input_name}, start scale={start}"
        if same_size:
            enlargement, folder = SAME_SIZE, layout.random_samples(run.out, run.name, start)
        elif size is None:
            enlargement = options.scale_v, options.scale_h
            folder = layout.arbitrary_sizes(run.out, run.name, *enlargement, start)
            what += f", at size: scale_h={options.scale_h:f}, scale_v={options.scale_v:f}"
        else:
            (height, width), finest = size, source.real.shape[-2:]
            enlargement = height / finest[0], width / finest[1]
            folder = layout.sizes(run.out, run.name, size, start)
            what += f", at size: {width} x {height}"
        draw(run, source, start, enlargement, layout.of_method(folder, source.label), options.num_samples, what)


def draw(
    run: Run,
    source: Source,
    start: int,
    enlargement: Enlargement,
    folder: Path,
    count: int,
    what: str,
) -> None:
    """Draw those of ``count`` samples that ``folder`` lacks; ``what`` names them on the screen."""
    there = 0 if run.settings.overwrite else count_samples(folder)
    if there >= count:
        print(f"{what} are already there: {folder} (--overwrite draws new ones)")
        return
    if there and are_older(folder, source.file):
        print(f"{what}: there are {there} of an older model or picture: {folder} (--overwrite draws new ones)")
        return
    samples = source.maker.sample(run.fresh_rng(), count, start, enlargement)
    kept = read_samples(folder, there, source.real.shape[1])
    print(f"random seed: {run.seed}")
    shown = tqdm(samples, total=count, unit="sample", disable=None, leave=False)
    write_samples(folder, itertools.chain(kept, itertools.islice(shown, there, None)), source.real)
    more = f", {there} of them there before" if there else ""
    print(f"{count} {what}{more}: {folder}, all on one sheet: {folder / 'grid.png'}")


def as_size(text: str) -> Size:
    """Height and width in pixels of ``text``, as 400x200: width x height."""
    width, height = text.lower().split("x")
    return int(height), int(width)


main = Command("sample", sample, flags={"start_scale": "gen_start_scale"})
