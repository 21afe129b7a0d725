"""Keeps a training as files while it runs: checkpoints, loss curves, snapshots and whole scales."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from torch import Tensor

from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.loss_log import LossLog, diverged, snapshots
from SinGAN.runs.request import TrainingRequest
from SinGAN.runs.results import plot_losses, read_losses, write_all_curves, write_losses
from SinGAN.saved_models.folder import save_pyramid, trained_scales
from SinGAN.saved_models.manifest import FILE, Manifest
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import Checkpoint, TrainingState
from SinGAN.storage.files import discard, remove_if_empty, replace_folder


class Recorder:
    """Keeps one training: enter it, give ``watch`` to the trainer, and ``keep`` each pyramid.

    It works in a folder ``work``, which takes the place of the request's at the end. Where the block
    fails, whole scales and the checkpoint stay; all else goes.
    """

    def __init__(self, request: TrainingRequest, work: Path, manifest: Manifest, log: LossLog) -> None:
        """``manifest`` is that of the training in ``work``."""
        self.folder, self.work = request.folder, work
        self.manifest, self.log = manifest, log
        self.base = request.training.base_noise()
        self.finest = request.training.plan.stop_scale if self.base is None else None  # else one scale is retrained
        self.checkpoint_every = request.checkpoint_every  # seconds
        self.last_checkpoint = time.monotonic()

    def __enter__(self) -> "Recorder":
        self.plotter = ThreadPoolExecutor(1)
        self.plot: Future[None] | None = None
        self.new_folders = [self.work, *(parent for parent in self.work.parents if not parent.exists())]
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            if not (self.work / FILE).exists():
                self.manifest.write(self.work)
        except BaseException:
            self._tidy()
            raise
        for file in sorted(self.work.glob("*/losses.csv")):
            if not file.with_suffix(".png").exists():  # a process was killed while it plotted
                plot_losses(file.parent, read_losses(file), self.log.config)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.watcher.close()
        self.plotter.shutdown()
        if kind is not None:
            self._tidy()
            return
        if self.plot is not None:
            self.plot.result()
        if self.work != self.folder:
            replace_folder(self.work, self.folder)

    def _tidy(self) -> None:
        """Remove what is neither a whole scale nor a checkpoint, and folders that then hold nothing."""
        scales = trained_scales(self.work, sealed=self.manifest.is_sealed)
        if scales == 0 and not any(checkpoints.existing(self.work)):
            discard(self.work)
            remove_if_empty(self.new_folders[1:])
        else:
            discard(self.work / str(scales))

    def watch(
        self, scale: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]
    ) -> None:
        """Take the ``losses`` of one iteration; now and then keep the state."""
        self.log.add(scale, losses)
        if time.monotonic() - self.last_checkpoint > self.checkpoint_every:
            self.log.read(scale)
            now = state()
            check_weights(scale, now.states["generator"])
            checkpoint = Checkpoint(scale, now, self.log.names, self.log.curves(), self.base, self.manifest.digest())
            checkpoints.save(self.work, checkpoint)
            self.last_checkpoint = time.monotonic()

    def keep(self, pyramid: Pyramid[TrainedScale], scale: int) -> None:
        """Write ``scale``, just trained: curves and snapshots first, then the nets and lists that make it count."""
        place = self.work / str(scale)
        self.log.read(scale)
        check_weights(scale, pyramid.scales[scale].generator.state_dict())
        rows = self.log.shown()
        write_losses(place, rows, self.log.config)
        if self.plot is not None:
            self.plot.result()
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        self.plot = self.plotter.submit(plot_losses, place, columns, self.log.config)  # while the next scale is trained
        if scale == self.finest:
            self.plot.result()
            write_all_curves(self.work, scale + 1)
        pictures = snapshots(pyramid, scale, self.manifest.seed)
        for name, image in pictures.items():
            images.write(place / f"{name}.png", image)
        save_pyramid(pyramid, self.work)
        checkpoints.remove(self.work)
        self.log.end_scale(scale, pictures)


def check_weights(scale: int, weights: Mapping[str, Tensor]) -> None:
    """Raise a ValueError where one of a generator's ``weights`` is no number."""
    if not all(value.isfinite().all() for value in weights.values()):
        raise diverged(scale, "a weight of the generator is no number")
