"""Models on demand: a training that is asked for, done where its folder lacks it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.adversarial import TrainConfig
from SinGAN.functions import quantise
from SinGAN.manifest import Manifest, load, whole_scales
from SinGAN.models import NetConfig
from SinGAN.planning import Plan
from SinGAN.progress import Progress
from SinGAN.pyramid import Pyramid, Scale
from SinGAN.records import Recorder
from SinGAN.training import StartWeights, start_nets, train, train_scale


@dataclass(frozen=True, eq=False)
class Job:
    """A training that is asked for."""

    folder: Path  # of the model
    manifest: Manifest
    seed_asked: bool  # whether an existing model must have the manifest's seed
    image: Tensor  # (1, C, H, W)
    plan: Plan
    net: NetConfig
    config: TrainConfig
    weights: Callable[[], StartWeights]  # read only when something is to be trained

    def whole_scales(self) -> int:
        """How many of its scales its folder holds; raises a ValueError where that holds another model."""
        return whole_scales(self.folder, self.manifest, self.seed_asked)

    def is_done(self) -> bool:
        return self.whole_scales() == len(self.plan.sizes)


def train_model(job: Job, rng: torch.Generator, overwrite: bool = False, tensorboard: bool = False) -> Pyramid:
    """Train and record the model of ``job``, from the first scale that its folder lacks.

    With ``overwrite`` anew; what the folder held goes when the new model is whole.
    """
    whole = 0 if overwrite else job.whole_scales()
    finished: tuple[Scale, ...] = ()
    if whole:
        finished = _keep_whole_scales(job).scales
    if job.folder.exists() and not overwrite:  # its manifest, with its seed, stays
        rng = torch.Generator(job.image.device).manual_seed(Manifest.read(job.folder).seed + whole)
    weights = job.weights()
    scales = range(whole, len(job.plan.sizes))
    progress = Progress(job.plan, job.net, job.config.niter, job.image.device, scales)
    with Recorder(job.folder, job.manifest, progress, overwrite, tensorboard) as recorder:
        for pyramid in train(job.image, job.plan, job.net, job.config, rng, recorder.watch, weights, finished):
            recorder.keep(pyramid, len(pyramid) - 1)
    return pyramid


def obtain_for_paint(
    job: Job, base: Pyramid, start_scale: int, palette: Tensor, rng: torch.Generator, overwrite: bool = False
) -> Pyramid:
    """``base`` with ``start_scale`` retrained on coarser images in the colours of ``palette``.

    From its folder where it is whole and made from ``base``, else trained.
    """
    if not overwrite and job.is_done():
        _, pyramid = load(job.folder, base.scales[0].real.device, job.manifest.task)
        if torch.equal(pyramid.scales[0].z_rec, base.scales[0].z_rec):
            return pyramid
    real = base.scales[start_scale].real
    generator, critic = start_nets(replace(base, scales=()), base.scales[start_scale].generator.config, rng)
    progress = Progress(job.plan, job.net, job.config.niter, real.device, [start_scale])
    with Recorder(job.folder, job.manifest, progress, overwrite=True) as recorder:
        scale = train_scale(
            base.below(start_scale), real, generator, critic, job.config, rng, recorder.watch,
            edit=lambda image: quantise(image, palette),
        )  # fmt: skip
        pyramid = base.with_scale(start_scale, scale)
        recorder.keep(pyramid, start_scale)
    return pyramid


def _keep_whole_scales(job: Job) -> Pyramid:
    """The whole scales in the folder of ``job``; what else lies there of scales goes."""
    pyramid = Pyramid.load(job.folder, job.image.device, job.plan.factor, job.config.noise_border)
    for index in range(len(pyramid), len(job.plan.sizes)):
        shutil.rmtree(job.folder / str(index), ignore_errors=True)
    pyramid.save(job.folder)  # the lists, now without the scales that went
    return pyramid


def obtain(job: Job, rng: torch.Generator, overwrite: bool = False) -> Pyramid:
    """The model of ``job``: from its folder where it is whole, else trained."""
    if overwrite or not job.is_done():
        return train_model(job, rng, overwrite)
    _, pyramid = load(job.folder, job.image.device, job.manifest.task)
    return pyramid
