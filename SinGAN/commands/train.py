"""Train a SinGAN on one picture, then draw random samples from it."""

import time
from dataclasses import replace
from pathlib import Path

import torch

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import TrainOptions
from SinGAN.runs.progress import duration, peak_memory
from SinGAN.runs.results import count_samples, write_samples
from SinGAN.runs.run import Run
from SinGAN.runs.training import load_or_train
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.terminal.watchers import command_line, watcher


def train(run: Run, options: TrainOptions) -> None:
    """Train the model that ``run`` names where it is not there, and draw samples where there are none."""
    training = run.training(run.model)
    model = None if run.settings.overwrite else training.find()
    is_there = model is not None and model.is_whole
    if is_there:
        print(f"the trained model is already there: {training.folder}")
    elif model is not None and model.scales:
        print(f"{training.folder} is incomplete, {model.scales} of {model.planned} scales: going on with the next")
    samples = samples_of(run)
    if not (is_there and count_samples(samples) >= options.num_samples):
        started = time.monotonic()
        pyramid = load_or_train(
            training, overwrite=run.settings.overwrite, watcher=watcher(), tensorboard=options.tensorboard
        )
        seed = Manifest.read(training.folder).seed  # of a training that went on: the one that it began with
        rng = torch.Generator(run.device).manual_seed(seed)
        write_samples(samples, manipulate.sample(pyramid, rng, options.num_samples), pyramid.scales[-1].real)
        took, memory = duration(time.monotonic() - started), peak_memory(run.device) / 2**30
        if not is_there:
            print(f"trained in {took}, peak memory {memory:.1f} GB, random seed {seed}: {training.folder}")
        print(f"{options.num_samples} random samples: {samples}, all on one sheet: {samples / 'grid.png'}")
    sampler = command_line("sample", "random_samples.py")
    print(f"try next: {sampler} --mode random_samples --gen_start_scale 1 {run.naming_flags()}")


def samples_of(run: Run) -> Path:
    """The folder of the samples that follow a training."""
    return layout.of_method(layout.random_samples(run.out, run.name, start_scale=0), run.options.label)


def is_done(run: Run, options: TrainOptions) -> bool:
    """Whether the model that ``run`` names is there, whole and with its samples.

    Raises:
        ValueError: there is another model, or the picture can't be read.
    """
    model = None if run.settings.overwrite else ModelFolder.find(run.model)
    if model is None or not model.is_whole:
        return False
    here = replace(run, device=torch.device("cpu"))  # nothing is computed
    return here.training(run.model).is_done() and count_samples(samples_of(run)) >= options.num_samples


main = Command("train", train, is_done=is_done)
