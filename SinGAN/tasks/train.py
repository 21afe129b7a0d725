"""Train a model on one picture, then draw random samples from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import NUMBER
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, Task

if TYPE_CHECKING:
    from SinGAN.tasks._types import Run

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a SinGAN on one picture, then draw random samples from it."""

    num_samples: int = option(50, "random samples drawn at the end", **NUMBER)
    tensorboard: bool = option(False, "write losses and images as TensorBoard events")


def run(call: Call[Train]) -> Iterator[Results]:
    """Train the model unless it exists, and draw samples unless there are enough."""
    import torch

    from SinGAN.runs.progress import duration, peak_memory
    from SinGAN.runs.results import count_samples, write_samples
    from SinGAN.runs.training import load_or_train
    from SinGAN.saved_models.model_folder import ModelFolder

    run, options = call.run, call.options
    training = run.training(run.model)
    model = None if run.settings.overwrite else training.find()
    is_there = model is not None and model.is_whole
    if is_there:
        LOG.info(f"the trained model is already there: {training.folder}")
    elif model is not None and model.scales:
        LOG.info(f"{training.folder} is incomplete, {model.scales} of {model.planned} scales: resuming with the next")
    samples = samples_folder(run)
    if not (is_there and count_samples(samples) >= options.num_samples):
        started = time.monotonic()
        pyramid = load_or_train(
            training, overwrite=run.settings.overwrite, watcher=call.watcher, tensorboard=options.tensorboard
        )
        trained = ModelFolder.open(training.folder)
        seed = trained.manifest.seed  # of a resumed training: the one that it began with
        rng = torch.Generator(run.device).manual_seed(seed)
        maker = training.kind.maker(pyramid, training.layers)
        drawn = maker.sample(rng, options.num_samples)
        write_samples(samples, drawn, maker.real, maker.layers, digest=trained.digest)
        took, memory = duration(time.monotonic() - started), peak_memory(run.device) / 2**30
        if not is_there:
            LOG.info(f"trained in {took}, peak memory {memory:.1f} GB, random seed {seed}: {training.folder}")
        LOG.info(f"{options.num_samples} random samples: {samples}, all on one sheet: {samples / 'grid.png'}")
    sampler = call.command_line("sample", "random_samples.py")
    LOG.info(f"try next: {sampler} --mode random_samples --gen_start_scale 1 {run.naming_flags()}")
    yield from ()


def samples_folder(run: Run) -> Path:
    """The folder of the samples that follow a training."""
    from SinGAN.storage import layout

    return layout.random_samples(run.out, run.name, start_scale=0, label=run.options.label)


def is_done(call: Call[Train]) -> bool:
    """Whether the model is complete and has its samples.

    Raises:
        ValueError: there is another model, or the picture can't be read.
    """
    import torch

    from SinGAN.runs.results import count_samples
    from SinGAN.saved_models.model_folder import ModelFolder

    run = call.run
    model = None if run.settings.overwrite else ModelFolder.find(run.model)
    if model is None or not model.is_whole:
        return False
    here = replace(run, device=torch.device("cpu"))  # nothing is computed
    return here.training(run.model).is_done() and count_samples(samples_folder(run)) >= call.options.num_samples


TASK = Task(
    name="train", row="train a model on one picture, then draw samples", options=Train, modes=("train",), trains=True,
    run=run, is_done=is_done, folders=("TrainedModels", "RandomSamples"),
)  # fmt: skip
