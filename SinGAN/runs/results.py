"""The results that people look at: curves of the losses, samples and pictures with their contact sheets."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
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


def has_samples(folder: Path) -> bool:
    """Whether ``write_samples`` has written ``folder``; what a process that died left of it is set right."""
    settle(folder)
    return (folder / "grid.png").exists()


def write_samples(folder: Path, samples: Iterable[Tensor]) -> None:
    """Write ``samples`` (1, C, H, W) each as ``<i>.png``, and ``grid.png`` of the first ones, as ``folder``.

    The folder appears when all are there, and takes an older one's place only then.
    """
    tiles = []
    with whole_folder(folder) as draft:
        for index, image in enumerate(samples):
            images.write(draft / f"{index}.png", image)
            if index < sheets.SHEET_SAMPLES:
                tiles.append(sheets.thumbnail(image))
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
            tiles = [sheets.thumbnail(image) for image in (reference, *pictures.values())]
            images.write_levels(draft / "grid.png", sheets.contact_sheet(tiles))
