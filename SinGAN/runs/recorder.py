"""Records a training in files while it runs: checkpoints, loss curves, snapshots and whole units."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from torch import Tensor

from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.loss_log import LossLog
from SinGAN.runs.pictures import PictureTraining
from SinGAN.runs.results import plot_losses, read_losses, write_all_curves, write_losses
from SinGAN.saved_models.folder import save_pyramid
from SinGAN.saved_models.manifest import FILE, Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import Checkpoint, TrainingState
from SinGAN.storage.files import discard, remove_if_empty, replace_folder


class Recorder:
    """Records one training: enter it, pass ``watch`` to the trainer, and ``keep`` the model after each unit.

    It works in a folder ``work``, which replaces the training's at the end. Where the block fails, whole units and the
    checkpoint stay, and all else is removed.
    """

    def __init__(self, training: PictureTraining, work: Path, manifest: Manifest, log: LossLog) -> None:
        """``manifest`` is that of the training in ``work``."""
        self.training, self.work = training, work
        self.manifest, self.log = manifest, log
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
                plot_losses(file.parent, read_losses(file), self.log.columns)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.plotter.shutdown()
            self.log.watcher.close()  # may fail: its terminal may be gone
        except BaseException:
            self._tidy()
            raise
        if kind is not None:
            self._tidy()
            return
        if self.plot is not None:
            self.plot.result()
        if self.work != self.training.folder:
            replace_folder(self.work, self.training.folder)

    def _tidy(self) -> None:
        """Remove all but whole units and checkpoints, and folders that are then empty."""
        done, units = ModelFolder(self.work, self.manifest).scales, self.training.units
        if done == 0 and not any(checkpoints.list_files(self.work)):
            discard(self.work)
            remove_if_empty(self.new_folders[1:])
        elif done < len(units):
            discard(self.work / units[done].folder)

    def watch(
        self, unit: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]
    ) -> None:
        """Take the ``losses`` of one iteration; now and then write a checkpoint."""
        self.log.add(unit, losses)
        if time.monotonic() - self.last_checkpoint > self.training.checkpoint_every:
            self.log.read(unit)
            now = state()
            self.log.check_weights(unit, now.states)
            names, base, digest = self.log.columns.names, self.training.base, self.manifest.digest()
            checkpoints.save(self.work, Checkpoint(unit, now, names, self.log.curves(), base, digest))
            self.last_checkpoint = time.monotonic()

    def keep(self, pyramid: Pyramid[TrainedScale], unit: int) -> None:
        """Write ``unit``, just trained: curves and snapshots first, then the nets and lists that make it count."""
        units = self.training.units
        place = self.work / units[unit].folder
        self.log.read(unit)
        self.log.check_weights(unit, {"generator": pyramid.scales[unit].generator.state_dict()})
        rows = self.log.table()
        write_losses(place, rows, self.log.columns)
        if self.plot is not None:
            self.plot.result()
        table = {name: [row[name] for row in rows] for name in rows[0]}
        self.plot = self.plotter.submit(plot_losses, place, table, self.log.columns)  # while the next unit is trained
        if unit == len(units) - 1 and self.training.base is None:
            self.plot.result()
            write_all_curves(self.work, units, self.log.columns)
        pictures = self.training.pictures(pyramid, unit, self.manifest.seed)
        for name, image in pictures.items():
            images.write(place / f"{name}.png", image)
        save_pyramid(pyramid, self.work, extras=self.training.kind.extras(pyramid))
        checkpoints.remove(self.work)
        self.log.end_unit(unit, pictures)
