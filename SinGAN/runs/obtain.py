"""Models on demand: a training that is asked for, done where its folder lacks it."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.compiled import NEEDED, compiles
from SinGAN.engines.engine import EAGER, Engine
from SinGAN.functions import quantise
from SinGAN.losses.iteration import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import Plan
from SinGAN.pyramid import Pyramid
from SinGAN.runs.progress import Progress
from SinGAN.runs.recorder import Recorder, work_folder
from SinGAN.saved_models.manifest import Manifest, load, whole_scales
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import State
from SinGAN.storage.files import locked, recover
from SinGAN.training import StartWeights, start_nets, train, train_scale, trained_vgg


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
    checkpoint_every: float = 60  # seconds
    engine: Engine = EAGER

    def whole_scales(self) -> int:
        """How many of its scales its folder holds; raises a ValueError where that holds another model."""
        return whole_scales(self.folder, self.manifest, self.seed_asked)

    def remarks(self, scales: Sequence[int]) -> list[str]:
        """Lines on what the user may wonder at when ``scales`` are trained: less speed, or a late start."""
        lines, device, engine = [], self.image.device, self.engine
        each = [(self.net.at(scale), self.plan.sizes[scale], device, self.config) for scale in scales]
        short = [scale for scale, of_it in zip(scales, each, strict=True) if engine.recomputes(*of_it)]
        if short and engine.recompute == "auto":
            most = engine.needs(self.net.at(short[-1]), self.plan.sizes[short[-1]], self.config) / 2**30
            lines.append(
                f"scales {short[0]} to {short[-1]} make activations anew where others keep them: that would take about "
                f"{most:.1f} GB (`--recompute never` keeps them all, a smaller --max_size needs less)"
            )
        programmed = [scale for scale, of_it in zip(scales, each, strict=True) if engine.wants_programs(*of_it)]
        if programmed and not compiles():
            lines.append(f"running without compiled programs, more slowly: they need {NEEDED}")
        elif programmed:
            lines.append(
                f"scales {programmed[0]} to {programmed[-1]} run compiled programs: "
                "they begin after a minute or less of compilation (`--engine eager` does without)"
            )
        return lines

    def is_done(self) -> bool:
        return self.whole_scales() == len(self.plan.sizes)


def train_model(job: Job, overwrite: bool = False, tensorboard: bool = False) -> Pyramid:
    """Train and record the model of ``job``, from where its folder's training stopped.

    With ``overwrite`` anew; what the folder held goes when the new model is whole.

    Raises:
        ValueError: another process trains it, or what lies there is damaged.
    """
    with locked(job.folder):
        work, manifest, whole = _begin(job, overwrite)
        device = job.image.device
        pyramid = _keep_whole_scales(job, work, whole)
        if whole == len(job.plan.sizes):
            checkpoints.remove(work)
        state = checkpoints.find(work, whole, device, len(job.config.losses))
        weights = StartWeights() if whole == len(job.plan.sizes) else job.weights()
        to_train = range(whole, len(job.plan.sizes))
        for line in job.remarks(to_train):
            print(line)
        rng = torch.Generator(device).manual_seed(manifest.seed)
        with _recorder(job, manifest, to_train, overwrite, state, tensorboard) as recorder:
            start = weights, pyramid.scales, state, job.engine
            for pyramid in train(job.image, job.plan, job.net, job.config, rng, recorder.watch, *start):
                recorder.keep(pyramid, len(pyramid) - 1)
    return pyramid


def _begin(job: Job, overwrite: bool) -> tuple[Path, Manifest, int]:
    """The folder to work in, the manifest of what is trained there, and how many scales it holds.

    What a process that died left is set right. An overwriting that was interrupted goes on, where
    the same is asked for.
    """
    recover(job.folder)
    work = work_folder(job.folder, overwrite)
    recover(work)
    try:
        whole = whole_scales(work, job.manifest, job.seed_asked)
        kept = (work / "manifest.json").exists()  # else there is nothing yet, or a model of the authors' code
        return work, Manifest.read(work) if kept else job.manifest, whole
    except ValueError:
        if work == job.folder:
            raise
        shutil.rmtree(work)
        return work, job.manifest, 0


def _recorder(
    job: Job,
    manifest: Manifest,
    scales: Sequence[int],
    overwrite: bool,
    state: State | None,
    tensorboard: bool = False,
) -> Recorder:
    """What keeps the training of ``scales``, of which the first goes on from ``state``."""
    done, curves = 0, torch.zeros(0, len(job.config.losses))
    if state is not None:
        done, curves = state["iterations"], state["curves"].cpu()
        print(f"{job.folder}: going on after iteration {done} of scale {state['scale']}")
    device, winograd = job.image.device, job.engine.winograd
    progress = Progress(job.plan, job.net, job.config.niter, device, scales, done, winograd=winograd)
    names = job.config.losses
    return Recorder(job.folder, manifest, progress, overwrite, tensorboard, job.checkpoint_every, list(curves), names)


def obtain_for_paint(job: Job, base: Pyramid, start_scale: int, palette: Tensor, overwrite: bool = False) -> Pyramid:
    """``base`` with ``start_scale`` retrained on coarser images in the colours of ``palette``.

    From its folder where it is whole and made from ``base``, else trained.
    """
    real, identity = base.scales[start_scale].real, base.scales[0].z_rec
    with locked(job.folder):
        if not overwrite and job.is_done():
            _, pyramid = load(job.folder, real.device, job.manifest.task)
            if torch.equal(pyramid.scales[0].z_rec, identity):
                return pyramid
            overwrite = True
        work, manifest, _ = _begin(job, overwrite)
        state = checkpoints.find(work, start_scale, real.device, len(job.config.losses))
        if state is not None and not _equal(state.get("base"), identity):
            state = None  # of a model that is no more
        rng = torch.Generator(real.device).manual_seed(manifest.seed)
        generator, critic = start_nets(replace(base, scales=()), base.scales[start_scale].generator.config, rng)
        vgg = trained_vgg(job.config, job.weights(), real.device)
        for line in job.remarks([start_scale]):
            print(line)
        with _recorder(job, manifest, [start_scale], overwrite, state) as recorder:

            def watch(scale: int, iteration: int, losses: Tensor, state: Callable[[], State]) -> None:
                recorder.watch(scale, iteration, losses, lambda: {**state(), "base": identity})

            scale = train_scale(
                base.below(start_scale), real, generator, critic, job.config, rng, watch,
                edit=lambda image: quantise(image, palette), vgg=vgg, resume=state, engine=job.engine,
            )  # fmt: skip
            pyramid = base.with_scale(start_scale, scale)
            recorder.keep(pyramid, start_scale)
    return pyramid


def _equal(found: object, wanted: Tensor) -> bool:
    return isinstance(found, Tensor) and torch.equal(found, wanted)


def _keep_whole_scales(job: Job, folder: Path, whole: int) -> Pyramid:
    """The ``whole`` scales in ``folder``; what else lies there of scales goes."""
    for index in range(whole, len(job.plan.sizes)):
        shutil.rmtree(folder / str(index), ignore_errors=True)
    if not whole:
        return Pyramid((), job.plan.factor, job.net.margin, job.config.noise_border)
    pyramid = Pyramid.load(folder, job.image.device, job.plan.factor, job.config.noise_border, job.net)
    pyramid.save(folder)  # the lists, now without the scales that went
    return pyramid


def obtain(job: Job, overwrite: bool = False) -> Pyramid:
    """The model of ``job``: from its folder where it is whole, else trained."""
    if overwrite or not job.is_done():
        return train_model(job, overwrite)
    checkpoints.remove(job.folder)  # of a process that died when its last scale was whole
    _, pyramid = load(job.folder, job.image.device, job.manifest.task)
    return pyramid
