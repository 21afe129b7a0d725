"""What a run leaves behind: checkpoints, loss curves, snapshots, event logs and samples."""

import csv
import io
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

from SinGAN.losses.iteration import LOSSES
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, trained_scales
from SinGAN.runs.progress import Progress
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import State
from SinGAN.storage.files import files_into, remove_if_empty, replace_folder, whole_file, whole_folder

READ_EVERY = 0.5  # seconds: how often the losses come from the device
SHEET_SAMPLES = 50  # pictures in a contact sheet, at most


class Recorder:
    """Keeps one training: enter it, give ``watch`` to the trainer, and ``keep`` each pyramid.

    It works in ``work_folder(folder, overwrite)``, which takes ``folder``'s place at the end. Where the
    block fails, whole scales and the checkpoint stay; all else goes.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        progress: Progress,
        overwrite: bool = False,
        tensorboard: bool = False,
        checkpoint_every: float = 60,
        curves: Sequence[Tensor] = (),
        names: Sequence[str] = LOSSES,
    ) -> None:
        self.folder, self.manifest, self.progress = folder, manifest, progress
        self.work = work_folder(folder, overwrite)
        self.events = _event_writer() if tensorboard else None
        self.writer: Any = None
        self.pending: list[Tensor] = []  # losses of iterations, still on the device
        self.curves = list(curves)  # (n,) on the CPU, of the current scale
        self.names = names  # of the losses
        self.checkpoint_every = checkpoint_every  # seconds
        self.last_read = self.last_checkpoint = time.monotonic()

    def __enter__(self) -> "Recorder":
        self.made = [self.work, *(parent for parent in self.work.parents if not parent.exists())]
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            if not (self.work / "manifest.json").exists():
                self.manifest.write(self.work)
            if self.events:
                self.writer = self.events(self.work / "tensorboard")
        except BaseException:
            self._tidy()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.close()
        if self.writer:
            self.writer.close()
        if kind is not None:
            self._tidy()
        elif self.work != self.folder:
            replace_folder(self.work, self.folder)

    def _tidy(self) -> None:
        """Remove what is neither a whole scale nor a checkpoint, and folders that then hold nothing."""
        scales = trained_scales(self.work)
        if scales == 0 and not any(checkpoints.existing(self.work)):
            shutil.rmtree(self.work, ignore_errors=True)
            remove_if_empty(self.made[1:])
        else:
            shutil.rmtree(self.work / str(scales), ignore_errors=True)

    def watch(self, scale: int, iteration: int, losses: Tensor, state: Callable[[], State]) -> None:
        """Take the ``losses`` (n,) of one iteration; reads them from the device now and then, and keeps the state."""
        self.pending.append(losses)
        if time.monotonic() - self.last_read > READ_EVERY:
            self._read(scale)
            self.progress.show(scale, iteration, self.curves[-1])
        if time.monotonic() - self.last_checkpoint > self.checkpoint_every:
            self._read(scale)
            checkpoints.save(self.work, {**state(), "scale": scale, "curves": torch.stack(self.curves)})
            self.last_checkpoint = time.monotonic()

    def _read(self, scale: int) -> None:
        rows = list(torch.stack(self.pending).cpu()) if self.pending else []
        if self.writer:
            for iteration, row in enumerate(rows, len(self.curves)):
                for name, value in zip(self.names, row.tolist(), strict=True):
                    self.writer.add_scalar(f"scale_{scale}/{name}", value, iteration)
        self.curves += rows
        self.pending = []
        self.last_read = time.monotonic()

    def keep(self, pyramid: Pyramid, index: int) -> None:
        """Write scale ``index``, just trained: curves and snapshots first, then the checkpoint that makes it count."""
        place = self.work / str(index)
        self._read(index)
        self.progress.show(index, len(self.curves) - 1, self.curves[-1])
        write_curves(place, self.curves, self.names)
        here, rng = pyramid.below(index + 1), torch.Generator(self.progress.device).manual_seed(self.manifest.seed)
        snapshots = {
            "real_scale": pyramid.scales[index].real,
            "fake_sample": here.generate(here.draw(rng)),
            "G(z_opt)": here.generate(here.z_rec()),
        }
        for name, image in snapshots.items():
            images.write(place / f"{name}.png", image)
            if self.writer:
                self.writer.add_image(f"scale_{index}/{name}", images.to_levels(image), dataformats="HWC")
        pyramid.save(self.work)
        checkpoints.remove(self.work)
        self.progress.scale_done(index, self.curves[-1])
        self.curves = []


def work_folder(folder: Path, overwrite: bool) -> Path:
    """Where the model of ``folder`` is trained: there, or beside an older one that ``overwrite`` shall replace."""
    return folder.with_name(f".{folder.name}.new") if overwrite and folder.exists() else folder


def _event_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter


def write_curves(folder: Path, curves: list[Tensor], names: Sequence[str] = LOSSES) -> None:
    """Write ``losses.csv``, a row for each iteration, and their plot ``losses.png`` into ``folder``."""
    rows = [row.tolist() for row in curves]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["iteration", *names])
    writer.writerows([index, *(f"{value:.6g}" for value in row)] for index, row in enumerate(rows))
    with whole_file(folder / "losses.csv") as draft:
        draft.write_text(table.getvalue())
    with whole_file(folder / "losses.png") as draft, matplotlib.rc_context({"font.size": 8}):
        _plot(rows, names).savefig(draft, format="png", dpi=100)


def _plot(rows: list[list[float]], names: Sequence[str]) -> Figure:
    figure = Figure(figsize=(7, 5), layout="constrained")
    critic, generator = figure.subplots(2, 1, sharex=True)
    for index, name in enumerate(names):
        axes = critic if name in LOSSES[:4] else generator
        axes.plot([row[index] for row in rows], label=name, linewidth=0.8)
    for axes, title in ((critic, "critic"), (generator, "generator")):
        axes.set_title(title)
        axes.legend(loc="upper right")
        axes.grid(alpha=0.3)
    generator.set_xlabel("iteration")
    return figure


def write_samples(folder: Path, samples: Iterable[Tensor]) -> None:
    """Write ``samples`` (1, C, H, W) each as ``<i>.png``, and ``grid.png`` of the first ones, into ``folder``.

    The folder appears when all are there, and takes an older one's place only then.
    """
    tiles = []
    with whole_folder(folder) as draft:
        for index, image in enumerate(samples):
            images.write(draft / f"{index}.png", image)
            if index < SHEET_SAMPLES:
                tiles.append(images.thumbnail(image))
        images.write_levels(draft / "grid.png", images.contact_sheet(tiles))


def by_scale(pictures: Mapping[int, Tensor], suffix: str = "") -> dict[str, Tensor]:
    """File names for ``pictures``, samples (B, C, H, W) by injection scale; the first sample's has no number."""
    return {
        f"start_scale={scale}{suffix}{f'_{index}' if index else ''}": image
        for scale, samples in pictures.items()
        for index, image in enumerate(samples.split(1))
    }


def write_results(
    folder: Path, reference: Tensor, pictures: Mapping[str, Tensor], extras: Mapping[str, Tensor] | None = None
) -> None:
    """Write ``pictures`` and ``extras`` (1, C, H, W) as ``<name>.png`` into ``folder``.

    Of several pictures there is a contact sheet ``grid.png``, the ``reference`` first.
    """
    with files_into(folder) as draft:
        for name, image in {**pictures, **(extras or {})}.items():
            images.write(draft / f"{name}.png", image)
        if len(pictures) > 1:
            tiles = [images.thumbnail(image) for image in (reference, *pictures.values())]
            images.write_levels(draft / "grid.png", images.contact_sheet(tiles))
