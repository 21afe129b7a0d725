"""Models on demand: read from their folder where they are whole, else trained, from where a training stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.compiled import compiles
from SinGAN.engines.engine import Engine, EngineSettings
from SinGAN.engines.estimates import bytes_on_disk
from SinGAN.losses.terms import loss_names
from SinGAN.options.tasks import TASKS
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.events import NOBODY, Watcher, Watchers
from SinGAN.runs.loss_log import LossLog, snapshots
from SinGAN.runs.progress import Estimate
from SinGAN.runs.recorder import Recorder
from SinGAN.runs.request import Training, TrainingRequest
from SinGAN.runs.tensorboard import TensorBoard
from SinGAN.saved_models.folder import forget_scales, load_pyramid, save_pyramid
from SinGAN.saved_models.lookup import SavedModel, load
from SinGAN.saved_models.manifest import FILE, Manifest
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import Checkpoint, TrainingState
from SinGAN.storage.files import check_room, discard, replace_folder
from SinGAN.storage.layout import work_folder
from SinGAN.storage.recovery import locked, recover, settle


def obtain(
    request: TrainingRequest, *, overwrite: bool = False, watcher: Watcher = NOBODY, tensorboard: bool = False
) -> Pyramid[TrainedScale]:
    """The model that is asked for: from its folder where it is whole, else trained and recorded there.

    Arguments:
        request: what is asked for.
        overwrite: train anew; what the folder held goes when the new model is whole.
        watcher: is told how far the training is.
        tensorboard: write events, too.

    Raises:
        ValueError: another process trains it, the folder holds another model, or what lies there is damaged.
    """
    settle(request.folder)
    if not overwrite and request.is_done():
        checkpoints.remove(request.folder)  # of a process that died when its last scale was whole
        _, pyramid = load(request.folder, request.training.device, TASKS[request.training.manifest.task])
        if request.training.fits(pyramid.scales[0].z_rec):
            return pyramid
        overwrite = True
    with locked(request.folder):
        return _record(request, overwrite, watcher, tensorboard)


def train_in_memory(
    training: Training, settings: EngineSettings = EngineSettings(), watcher: Watcher = NOBODY
) -> tuple[Pyramid[TrainedScale], Manifest]:
    """The model of ``training`` and its manifest; nothing is written, so that an interruption loses all."""
    engine, manifest = settings.choose(training.device), training.manifest
    for line in training.notes(engine, training.scales):
        watcher.note(line)
    log = LossLog(training.config, estimate(training, engine, training.scales), watcher)

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]) -> None:
        log.add(scale, losses)

    pyramid = start = training.nothing_yet()
    rng = torch.Generator(training.device).manual_seed(manifest.seed)
    try:
        for scale, pyramid in training.run(start, engine, rng, None, watch):
            log.read(scale)
            log.end_scale(scale, snapshots(pyramid, scale, manifest.seed))
    finally:
        watcher.close()
    return pyramid, manifest.with_engine(engine.described())


def estimate(training: Training, engine: Engine, scales: Sequence[int], done: int = 0) -> Estimate:
    """The estimate for a training of ``scales``; of the first, ``done`` iterations are done already."""
    wanted = [scale for scale, setting in enumerate(training.settings) if engine.wants_programs(setting)]
    return Estimate(
        plan=training.plan,
        net=training.net,
        niter=training.config.niter,
        device=training.device,
        scales=scales,
        every=training.scales,
        skipped=done,
        winograd=engine.winograd,
        programmed=wanted if wanted and compiles() else (),
    )


@dataclass(frozen=True, eq=False)
class Begun:
    """A training as its folder holds it."""

    work: Path  # where it goes on
    manifest: Manifest
    pyramid: Pyramid[TrainedScale]  # what is trained
    scales: Sequence[int]  # to be trained
    checkpoint: Checkpoint | None  # of the first of them


def _record(request: TrainingRequest, overwrite: bool, watcher: Watcher, tensorboard: bool) -> Pyramid[TrainedScale]:
    """Train what the folder lacks of the model, and record it there."""
    begun = _begin(request, overwrite, watcher)
    pyramid, manifest, checkpoint = begun.pyramid, begun.manifest, begun.checkpoint
    if not begun.scales:
        if begun.work != request.folder:  # cut off when all but this was done
            replace_folder(begun.work, request.folder)
        return pyramid
    check_room(request.folder, bytes_on_disk(request.training.plan, request.training.net))
    engine = request.engine.choose(request.training.device)
    if not (begun.work / FILE).exists():
        manifest = manifest.with_engine(engine.described())
    for line in request.training.notes(engine, begun.scales):
        watcher.note(line)
    resume = None if checkpoint is None else checkpoint.state
    if checkpoint is not None and resume is not None:
        watcher.note(f"{request.folder}: going on after iteration {resume.iterations} of scale {checkpoint.unit}")
    if tensorboard:
        watcher = Watchers((watcher, TensorBoard(begun.work / "tensorboard")))
    expected = estimate(request.training, engine, begun.scales, resume.iterations if resume else 0)
    rows = () if checkpoint is None else tuple(checkpoint.curves)
    log = LossLog(request.training.config, expected, watcher, rows)
    with Recorder(request, begun.work, manifest, log) as recorder:
        rng = torch.Generator(request.training.device).manual_seed(manifest.seed)
        for scale, pyramid in request.training.run(begun.pyramid, engine, rng, resume, recorder.watch):
            recorder.keep(pyramid, scale)
    return pyramid


def _begin(request: TrainingRequest, overwrite: bool, watcher: Watcher) -> Begun:
    """The training as its folder holds it; an overwriting that was interrupted goes on, where the same is asked for.

    One retrained scale makes a whole model, of which the base's part is as good as the base: it is
    always put into place as a whole.
    """
    retraining = request.training.retraining is not None
    work = work_folder(request.folder) if retraining or (overwrite and request.folder.exists()) else request.folder
    recover(work)
    try:
        model = request.saved(work)
    except ValueError:
        if work == request.folder:
            raise
        discard(work)
        model = None
    manifest = request.training.manifest
    if model is not None and (work / FILE).exists():  # else it is a model of the authors' code
        manifest = model.manifest
    pyramid, scales = _kept(request.training, work, model)
    if not scales:
        checkpoints.remove(work)
        return Begun(work, manifest, pyramid, scales, None)
    checkpoint = checkpoints.find(
        work, scales[0], request.training.device, loss_names(request.training.config), manifest.digest(), watcher.note
    )
    if checkpoint is not None and not request.training.fits(checkpoint.base):
        checkpoint = None  # of a model that is no more
    return Begun(work, manifest, pyramid, scales, checkpoint)


def _kept(training: Training, work: Path, model: SavedModel | None) -> tuple[Pyramid[TrainedScale], Sequence[int]]:
    """The pyramid that is trained already, and the scales that are to be trained; of others what lies there goes."""
    if model is not None and model.scales and (model.is_whole or training.retraining is None):
        factor, border, sealed = training.plan.factor, training.config.noise_border, model.manifest.is_sealed
        pyramid = load_pyramid(
            work, training.device, factor, border, training.net,
            seed=model.manifest.seed, sealed=sealed, recipe=training.config.recipe,
        )  # fmt: skip
        if training.fits(pyramid.scales[0].z_rec):
            for index in training.scales[model.scales :]:
                discard(work / str(index))
            if not model.is_whole:
                save_pyramid(pyramid, work, sealed=sealed)  # the lists, now without the scales that went
            return pyramid, training.scales[model.scales :]
    forget_scales(work)
    return training.nothing_yet(), training.scales
