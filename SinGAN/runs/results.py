"""The results that people look at: curves of the losses, samples and pictures with their contact sheets."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from SinGAN.losses.terms import CRITIC_LOSSES
from SinGAN.pictures import images, sheets
from SinGAN.storage.files import files_into, whole_file
from SinGAN.storage.recovery import settle, whole_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_curves(folder: Path, names: Sequence[str], curves: Tensor) -> None:
    """Write ``losses.csv``, a row for each iteration, and their plot ``losses.png`` into ``folder``.

    Arguments:
        folder: of the scale.
        names: of the losses.
        curves: (iterations, len(names)), on the CPU.
    """
    import matplotlib  # half a second that only trainings need

    rows = curves.tolist()
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["iteration", *names])
    writer.writerows([index, *(f"{value:.6g}" for value in row)] for index, row in enumerate(rows))
    with whole_file(folder / "losses.csv") as draft:
        draft.write_text(table.getvalue())
    with whole_file(folder / "losses.png") as draft, matplotlib.rc_context({"font.size": 8}):
        _plot(dict(zip(names, zip(*rows, strict=True), strict=True))).savefig(draft, format="png", dpi=100)


def _plot(curves: Mapping[str, Sequence[float]]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    critic, generator = figure.subplots(2, 1, sharex=True)
    for name, values in curves.items():
        axes = critic if name in CRITIC_LOSSES else generator
        axes.plot(values, label=name, linewidth=0.8)
    for axes, title in ((critic, "critic"), (generator, "generator")):
        axes.set_title(title)
        axes.legend(loc="upper right")
        axes.grid(alpha=0.3)
    generator.set_xlabel("iteration")
    return figure


def count_samples(folder: Path) -> int:
    """The number of samples that ``write_samples`` has written; what a process that died left is set right."""
    settle(folder)
    if not (folder / "grid.png").exists():
        return 0
    return next(index for index in itertools.count() if not (folder / f"{index}.png").exists())


def are_older(folder: Path, model: Path) -> bool:
    """Whether the samples in ``folder`` were drawn before the ``model``, a folder, was trained: from another one."""
    return (folder / "grid.png").stat().st_mtime_ns < (model / "Zs.pth").stat().st_mtime_ns


def read_samples(folder: Path, count: int, channels: int) -> Iterator[Tensor]:
    """The first ``count`` samples in ``folder``, each (1, channels, H, W)."""
    return (images.read(folder / f"{index}.png", channels) for index in range(count))


def write_samples(folder: Path, samples: Iterable[Tensor], real: Tensor) -> None:
    """Write ``samples`` (1, C, H, W) each as ``<i>.png``, and ``grid.png``: the ``real`` picture, then the first ones.

    The folder appears when all are there, and takes an older one's place only then.
    """
    tiles: list[images.Levels] = []
    with whole_folder(folder) as draft:
        for index, image in enumerate(samples):
            images.write(draft / f"{index}.png", image)
            if index == 0:
                tiles.append(sheets.original(real, image))
            if index < sheets.SHEET_SAMPLES:
                tiles.append(sheets.tile(image, str(index)))
        images.write_levels(draft / "grid.png", sheets.contact_sheet(tiles))


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
            tiles = [(reference, "reference"), *((image, words(name)) for name, image in pictures.items())]
            sheet = sheets.contact_sheet([sheets.tile(image, label) for image, label in tiles])
            images.write_levels(draft / "grid.png", sheet)


def words(name: str) -> str:
    """The label of a picture that ``by_scale`` names: start_scale=2_masked_1 becomes scale 2, masked, 1."""
    scale, *rest = name.removeprefix("start_scale=").split("_")
    return ", ".join([f"scale {scale}" if scale != name else name, *rest])
