"""Training on demand: a model is loaded where it is whole, else trained, from where an earlier run stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.engine import Engine
from SinGAN.engines.estimates import bytes_on_disk
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.events import NOBODY, Watcher, Watchers
from SinGAN.runs.loss_log import LossLog
from SinGAN.runs.pictures import PictureTraining
from SinGAN.runs.progress import Estimate
from SinGAN.runs.recorder import Recorder
from SinGAN.runs.tensorboard import TensorBoard
from SinGAN.saved_models.manifest import FILE, Manifest
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import Checkpoint, TrainingState
from SinGAN.storage.files import check_room, discard, replace_folder
from SinGAN.storage.layout import work_folder
from SinGAN.storage.recovery import locked, recover, recover_if_free


def load_or_train(
    training: PictureTraining, *, overwrite: bool = False, watcher: Watcher = NOBODY, tensorboard: bool = False
) -> Pyramid[TrainedScale]:
    """The model of ``training``: from its folder where it is whole, else trained and recorded there.

    With ``overwrite`` it is trained again, and replaces the folder's content once it is whole.

    Raises:
        ValueError: another process trains it, the folder holds another model, or a file is damaged.
    """
    recover_if_free(training.folder)
    saved = None if overwrite else training.find(training.folder)
    if saved is not None and saved.is_whole:
        checkpoints.remove(training.folder)  # of a process that died when its last unit was whole
        model = training.load(saved)
        if model is not None:
            return model
        overwrite = True
    with locked(training.folder):
        return _record(training, overwrite, watcher, tensorboard)


def train_in_memory(training: PictureTraining, watcher: Watcher = NOBODY) -> tuple[Pyramid[TrainedScale], str]:
    """The model of ``training``, and a description of the engine; an interruption loses all, as nothing is written."""
    engine, seed = training.engine.choose(training.device), training.manifest.seed
    for line in training.notes(engine, training.wanted):
        watcher.note(line)
    log = LossLog(training.columns, estimate(training, engine, training.wanted), watcher)

    def watch(unit: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]) -> None:
        log.add(unit, losses)

    model = start = training.start()
    rng = torch.Generator(training.device).manual_seed(seed)
    try:
        for unit, model in training.run(start, engine, rng, None, watch):
            log.read(unit)
            log.end_unit(unit, training.pictures(model, unit, seed))
    finally:
        watcher.close()
    return model, engine.describe()


def estimate(training: PictureTraining, engine: Engine, units: Sequence[int], done: int = 0) -> Estimate:
    """The estimate for a training of ``units``, of whose first one ``done`` iterations are finished."""
    costs, headlines = training.costs(engine), training.columns.headlines
    return Estimate(training.units, costs, units, training.wanted, done, headlines)


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """Where a training resumes."""

    work: Path  # the folder that it works in
    manifest: Manifest
    pyramid: Pyramid[TrainedScale]  # as far as it is trained
    units: Sequence[int]  # to be trained
    checkpoint: Checkpoint | None  # of the first of them


def _record(training: PictureTraining, overwrite: bool, watcher: Watcher, tensorboard: bool) -> Pyramid[TrainedScale]:
    """Train the units that the folder lacks, and record them there."""
    point = find_resume_point(training, overwrite, watcher)
    model, manifest, checkpoint = point.pyramid, point.manifest, point.checkpoint
    if not point.units:
        if point.work != training.folder:  # interrupted when all but this was done
            replace_folder(point.work, training.folder)
        return model
    check_room(training.folder, bytes_on_disk(training.plan, training.net))
    engine = training.engine.choose(training.device)
    if not (point.work / FILE).exists():
        manifest = manifest.with_engine(engine.describe())
    for line in training.notes(engine, point.units):
        watcher.note(line)
    state = None if checkpoint is None else checkpoint.state
    if checkpoint is not None and state is not None:
        name = training.units[checkpoint.unit].name
        watcher.note(f"{training.folder}: resuming after iteration {state.iterations} of {name}")
    if tensorboard:
        watcher = Watchers((watcher, TensorBoard(point.work / "tensorboard")))
    expected = estimate(training, engine, point.units, state.iterations if state else 0)
    rows = () if checkpoint is None else tuple(checkpoint.curves)
    log = LossLog(training.columns, expected, watcher, rows)
    with Recorder(training, point.work, manifest, log) as recorder:
        rng = torch.Generator(training.device).manual_seed(manifest.seed)
        for unit, model in training.run(point.pyramid, engine, rng, state, recorder.watch):
            recorder.keep(model, unit)
    return model


def find_resume_point(training: PictureTraining, overwrite: bool, watcher: Watcher) -> ResumePoint:
    """Where ``training`` resumes: an interrupted overwriting resumes where the same training is wanted."""
    replacing = training.replaces or (overwrite and training.folder.exists())
    work = work_folder(training.folder) if replacing else training.folder
    recover(work)
    try:
        saved = training.find(work)
    except ValueError:
        if work == training.folder:
            raise
        discard(work)
        saved = None
    has_manifest = saved is not None and (work / FILE).exists()  # else it is a model of the authors' code
    manifest = saved.manifest if saved is not None and has_manifest else training.manifest
    model, units = training.resume(saved, work)
    if not units:
        checkpoints.remove(work)
        return ResumePoint(work, manifest, model, units, None)
    names, digest = training.columns.names, manifest.digest()
    checkpoint = checkpoints.find(work, units[0], training.device, names, digest, watcher.note)
    if checkpoint is not None and not training.fits(checkpoint.base):
        checkpoint = None  # of a model that no longer exists
    return ResumePoint(work, manifest, model, units, checkpoint)
