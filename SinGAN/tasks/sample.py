"""Random samples, from any scale and at any size."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import ALL, NUMBER, SIZE, MethodOptions, as_size
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.runs.source import Source
    from SinGAN.tasks._types import Maker, Seed

LOG = logging.getLogger(__name__)
SAME_SIZE, ANY_SIZE = MODES = ("random_samples", "random_samples_arbitrary_sizes")
FOLDERS = ("RandomSamples", "RandomSamples_ArbitrerySizes")  # the authors' spelling


@dataclass(frozen=True, kw_only=True)
class Sample(MethodOptions):
    """Draw random samples from a trained SinGAN, from any scale and at any size."""

    gen_start_scale: tuple[int | None, ...] = option(
        (0,),
        "first scale with fresh noise: one, several, or: all",
        group="samples",
        least=0,
        every=ALL,
        argument="start_scale",
    )
    scale_h: float = option(
        1.5,
        "with random_samples_arbitrary_sizes: width, in training pictures",
        group="samples",
        above=0,
        slider=(0.5, 4, 1, 0.1),
    )
    scale_v: float = option(
        1.0,
        "with random_samples_arbitrary_sizes: height, in training pictures",
        group="samples",
        above=0,
        slider=(0.5, 4, 1, 0.1),
    )
    size: tuple[str, ...] = option(
        (), "in place of these: width x height in pixels, as 400x200; one or several", group="samples", **SIZE
    )
    num_samples: int = option(50, "number of samples", group="samples", slider=(1, 12, 4, 1), **NUMBER)


def sample(
    model: Maker, count: int = 1, *, start_scale: int = 0, scale_h: float = 1.0, scale_v: float = 1.0, seed: Seed = None
) -> Results:
    """Random samples, ``scale_v`` times as high and ``scale_h`` times as wide as the training picture.

    Scales below ``start_scale`` keep the training picture's noise; with the published patch methods, they are the
    picture's own; the instant engine has samples from scale 0 only. Its samples all differ from the picture and
    from each other by 6 grey levels or more, mean absolute: where the picture allows no more, there are fewer.

    Raises:
        ValueError: the model lacks ``start_scale``, the size is too small, or the picture allows no variety.
    """
    samples = model.sample(make_generator(model, seed), count, start_scale, (scale_v, scale_h))
    return Results(name_by_index(samples), {"original": model.real}, count=count)


def run(call: Call[Sample]) -> Iterator[Results]:
    """Draw and write the missing samples for each start scale and size."""
    from SinGAN import manipulate
    from SinGAN.runs.source import choose_source
    from SinGAN.storage import layout

    run, options = call.run, call.options
    same_size = run.settings.mode == SAME_SIZE
    if same_size and options.size:
        raise ValueError(f"`size` is for `mode` {ANY_SIZE}, not for {SAME_SIZE}: name that mode")
    source = choose_source(run, options, draws=True)
    starts = manipulate.start_scales(source.maker, options.gen_start_scale)
    for start, text in itertools.product(starts, options.size or ("",)):
        scale_v, scale_h = (1.0, 1.0) if same_size else (options.scale_v, options.scale_h)
        what, suffix = "", f"_gen_start_scale={start}" if start else ""  # which the authors lack
        if same_size:
            title = f"gen_start_scale={start}"
        elif text:
            (height, width), finest = as_size(text), source.real.shape[-2:]
            scale_v, scale_h = height / finest[0], width / finest[1]
            title, what = f"size={width}x{height}{suffix}", f", at size: {width} x {height}"
        else:
            title = f"scale_v={scale_v:f}_scale_h={scale_h:f}{suffix}"
            what = f", at size: scale_h={scale_h:f}, scale_v={scale_v:f}"
        folder = layout.results(run.out, FOLDERS[not same_size], run.name, title, source.label)
        draw(call, source, start, scale_h, scale_v, folder, f"for image {run.input_name}, start scale={start}{what}")
    yield from ()


def draw(
    call: Call[Sample], source: Source, start: int, scale_h: float, scale_v: float, folder: Path, what: str
) -> None:
    """Draw the samples that ``folder`` lacks; ``what`` describes them on the screen."""
    from tqdm import tqdm

    from SinGAN.runs.results import belong_to_another, count_samples, read_samples, write_samples

    count, overwrite = call.options.num_samples, call.run.settings.overwrite
    there = 0 if overwrite else count_samples(folder)
    if there and belong_to_another(folder, source.file, source.digest):
        LOG.info(
            f"random samples {what}: there are {there} of another model or picture: {folder} "
            "(`overwrite` draws new ones)"
        )
        return
    if there >= count:
        LOG.info(f"random samples {what} are already there: {folder} (`overwrite` draws new ones)")
        return
    results = sample(source.maker, count, start_scale=start, scale_h=scale_h, scale_v=scale_v, seed=call.run.seed)
    layers = source.layers
    kept = read_samples(folder, there, source.real.shape[1]) if layers is None else iter(())
    LOG.info(f"random seed: {call.run.seed}")
    drawn = (image for _, image in tqdm(results.pictures, total=count, unit="sample", disable=None, leave=False))
    fresh = itertools.islice(drawn, there, None)
    there_before = there if layers is not None else 0
    write_samples(folder, itertools.chain(kept, fresh), source.real, layers, there_before, source.digest)
    more = f", {there} of them drawn before" if there else ""
    for line in source.describe_usage([str(index) for index in range(count)]):
        LOG.info(line)
    LOG.info(f"{count} random samples {what}{more}: {folder}, all on one sheet: {folder / 'grid.png'}")


TASK = Task(
    name="sample", row="draw random samples, at any size", options=Sample, modes=MODES,
    run=run, method=sample, folders=FOLDERS,
)  # fmt: skip
