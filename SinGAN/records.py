"""What a run leaves behind: the manifest, loss curves, snapshots, event logs and samples."""

import csv
import hashlib
import io
import json
import os
import platform
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

import SinGAN
from SinGAN import images
from SinGAN.files import remove_if_empty, replace_folder, whole_file, whole_folder
from SinGAN.planning import Plan
from SinGAN.progress import Progress
from SinGAN.pyramid import Pyramid, trained_scales
from SinGAN.training import LOSSES

READ_EVERY = 0.5  # seconds: how often the losses come from the device
SHEET_SAMPLES = 50  # pictures in a contact sheet, at most


@dataclass(frozen=True)
class Manifest:
    """What a trained model is made from, ``manifest.json`` in its folder."""

    picture: str
    sha256: str  # of the picture's file
    options: Mapping[str, Any]  # the flags that shape the model, by name
    seed: int
    noise_padding: bool  # trained for animation
    factor: float  # adjusted ratio of neighbouring scales
    sizes: list[list[int]]  # height and width of each planned scale
    versions: Mapping[str, str]
    device: str
    threads: int

    @classmethod
    def of(
        cls, picture: Path, options: Mapping[str, Any], seed: int, plan: Plan, device: torch.device, noise_padding: bool
    ) -> "Manifest":
        """The manifest of the training that is about to start."""
        return cls(
            picture=picture.name,
            sha256=hashlib.sha256(picture.read_bytes()).hexdigest(),
            options=dict(options),
            seed=seed,
            noise_padding=noise_padding,
            factor=plan.factor,
            sizes=[list(size) for size in plan.sizes],
            versions={
                "SinGAN": SinGAN.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            device=str(device),
            threads=torch.get_num_threads(),
        )

    def write(self, folder: Path) -> None:
        with whole_file(folder / "manifest.json") as draft:
            draft.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the model in ``folder``.

        Raises:
            ValueError: it is missing or not what ``write`` writes.
        """
        path = folder / "manifest.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no manifest.json: train again with --overwrite") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error!r}): train again with --overwrite") from error

    def differences(self, options: Mapping[str, Any]) -> list[str]:
        """One phrase for each of ``options`` that the model was not trained with."""
        return [
            f"--{name} {_shown(self.options.get(name))} there, {_shown(value)} asked"
            for name, value in options.items()
            if self.options.get(name) != value
        ]


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_trained(folder: Path, asked: Manifest, seed_asked: bool) -> bool:
    """Whether ``folder`` holds the whole model that ``asked`` describes.

    Raises:
        ValueError: it holds an incomplete one, or one of other options or of another picture.
    """
    if not folder.exists():
        return False
    found = Manifest.read(folder)
    _check_complete(folder, found)
    differences = found.differences(asked.options)
    if found.sha256 != asked.sha256:
        differences.insert(0, f"picture {found.picture} ({found.sha256[:8]}) there, {_picture(asked)} asked")
    if seed_asked and found.seed != asked.seed:
        differences.append(f"--manualSeed {found.seed} there, {asked.seed} asked")
    if differences:
        raise ValueError(
            f"{folder} holds another model: {'; '.join(differences)}. --overwrite replaces it; another --out keeps both"
        )
    return True


def _picture(manifest: Manifest) -> str:
    return f"{manifest.picture} ({manifest.sha256[:8]})"


def _check_complete(folder: Path, manifest: Manifest) -> None:
    found, planned = trained_scales(folder), len(manifest.sizes)
    if found < planned:
        raise ValueError(
            f"the model in {folder} is incomplete, {found} of {planned} scales: "
            "main_train.py --overwrite trains it anew"
        )


def load(folder: Path, device: torch.device) -> tuple[Manifest, Pyramid]:
    """The complete model in ``folder`` and what it was made from.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is incomplete or damaged.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no trained model in {folder}: train it with main_train.py first")
    manifest = Manifest.read(folder)
    _check_complete(folder, manifest)
    return manifest, Pyramid.load(folder, device, manifest.factor, manifest.noise_padding)


class Recorder:
    """Keeps one training: enter it, give ``watch`` to the trainer, and ``keep`` each pyramid.

    Where ``folder`` exists, the new model is built beside it and takes its place at the end. Where
    the block fails, whole scales stay, unless an older model does; all else goes.
    """

    def __init__(self, folder: Path, manifest: Manifest, progress: Progress, tensorboard: bool = False) -> None:
        self.folder, self.manifest, self.progress = folder, manifest, progress
        self.work = folder.with_name(f".{folder.name}.{os.getpid()}.new") if folder.exists() else folder
        self.events = _event_writer() if tensorboard else None
        self.rng = torch.Generator(progress.device).manual_seed(manifest.seed)  # snapshots don't touch training
        self.writer: Any = None
        self.pending: list[Tensor] = []  # losses of iterations, still on the device
        self.curves: list[Tensor] = []  # (7,) on the CPU, of the current scale
        self.last_read = time.monotonic()

    def __enter__(self) -> "Recorder":
        self.made = [self.work, *(parent for parent in self.work.parents if not parent.exists())]
        try:
            self.work.mkdir(parents=True)
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
        """Remove what is no whole scale, and folders that then hold nothing."""
        scales = trained_scales(self.work) if self.work == self.folder else 0
        if scales == 0:
            shutil.rmtree(self.work, ignore_errors=True)
            remove_if_empty(self.made[1:])
        else:
            shutil.rmtree(self.work / str(scales), ignore_errors=True)

    def watch(self, scale: int, iteration: int, losses: Tensor) -> None:
        """Take the ``losses`` (7,) of one iteration; reads them from the device now and then."""
        self.pending.append(losses)
        if time.monotonic() - self.last_read > READ_EVERY:
            self._read(scale)
            self.progress.show(scale, iteration, self.curves[-1])

    def _read(self, scale: int) -> None:
        rows = list(torch.stack(self.pending).cpu()) if self.pending else []
        if self.writer:
            for iteration, row in enumerate(rows, len(self.curves)):
                for name, value in zip(LOSSES, row.tolist(), strict=True):
                    self.writer.add_scalar(f"scale_{scale}/{name}", value, iteration)
        self.curves += rows
        self.pending = []
        self.last_read = time.monotonic()

    def keep(self, pyramid: Pyramid) -> None:
        """Write the scale just trained: curves and snapshots first, then the checkpoint that makes it count."""
        index = len(pyramid) - 1
        place = self.work / str(index)
        self._read(index)
        self.progress.show(index, len(self.curves) - 1, self.curves[-1])
        write_curves(place, self.curves)
        snapshots = {
            "real_scale": pyramid.scales[index].real,
            "fake_sample": pyramid.generate(pyramid.draw(self.rng)),
            "G(z_opt)": pyramid.generate(pyramid.z_rec()),
        }
        for name, image in snapshots.items():
            images.write(place / f"{name}.png", image)
            if self.writer:
                self.writer.add_image(f"scale_{index}/{name}", images.to_levels(image), dataformats="HWC")
        pyramid.save(self.work)
        self.progress.scale_done(index, self.curves[-1])
        self.curves = []


def _event_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter


def write_curves(folder: Path, curves: list[Tensor]) -> None:
    """Write ``losses.csv``, a row for each iteration, and their plot ``losses.png`` into ``folder``."""
    rows = [row.tolist() for row in curves]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["iteration", *LOSSES])
    writer.writerows([index, *(f"{value:.6g}" for value in row)] for index, row in enumerate(rows))
    with whole_file(folder / "losses.csv") as draft:
        draft.write_text(table.getvalue())
    with whole_file(folder / "losses.png") as draft, matplotlib.rc_context({"font.size": 8}):
        _plot(rows).savefig(draft, format="png", dpi=100)


def _plot(rows: list[list[float]]) -> Figure:
    figure = Figure(figsize=(7, 5), layout="constrained")
    critic, generator = figure.subplots(2, 1, sharex=True)
    for index, name in enumerate(LOSSES):
        axes = generator if name[0] in "Gr" else critic
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
