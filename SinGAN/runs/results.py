"""Results for users: curves of the losses, samples and pictures with their contact sheets."""

import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from SinGAN.kinds.kind import LossColumns, Unit
from SinGAN.pictures import images, sheets
from SinGAN.pictures.layers import Layers
from SinGAN.runs.events import Losses
from SinGAN.storage.files import files_into, whole_file, write_whole
from SinGAN.storage.recovery import recover_if_free, whole_folder

Columns = dict[str, list[float]]
WEIGHT = "weight of "  # beginning of the name of a column of a weight


def write_losses(folder: Path, rows: Sequence[Losses], columns: LossColumns) -> None:
    """Write the losses of every iteration, unweighted, and the weights as ``losses.csv`` into a unit's ``folder``."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    beside = {f"{WEIGHT}{name}": weight for name, weight in columns.weights.items()}
    writer.writerow(["iteration", *rows[0], *beside])
    shown = [f"{weight:g}" for weight in beside.values()]
    writer.writerows([index, *(f"{value:.6g}" for value in row.values()), *shown] for index, row in enumerate(rows))
    write_whole(folder / "losses.csv", table.getvalue())


def plot_losses(
    folder: Path, table: Columns, columns: LossColumns, label: str = "iteration", smooth: bool = False
) -> None:
    """Plot the losses of every iteration, by name, as ``losses.png`` into a unit's ``folder``; ``label``: x axis."""
    from SinGAN.pictures import plots  # half a second that only trainings need

    panels = [
        plots.Panel(panel.title, {name: table[name] for name in panel.names if name in table}, panel.is_log)
        for panel in columns.panels
    ]
    with whole_file(folder / "losses.png") as draft:
        plots.curves(panels, label, smooth=smooth).savefig(draft, format="png", dpi=100)


def read_losses(file: Path) -> Columns:
    """The columns of a ``losses.csv`` by name; those of older versions hold the losses with their weights."""
    with file.open(newline="") as table:
        rows = list(csv.DictReader(table))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def write_all_curves(folder: Path, units: Sequence[Unit], columns: LossColumns) -> None:
    """Write ``losses.png`` into the model's ``folder``: the curves of all its ``units``, one after the other."""
    from SinGAN.pictures import plots

    files = [folder / unit.folder / "losses.csv" for unit in units]
    tables = [read_losses(file) for file in files if file.exists()]
    if len(tables) < len(units):  # of a model that the authors' code began
        return
    starts = itertools.accumulate((len(next(iter(table.values()))) for table in tables[:-1]), initial=0)
    panels = [
        plots.Panel(
            panel.title,
            {name: [*itertools.chain(*(table.get(name, [math.nan]) for table in tables))] for name in panel.names},
            panel.is_log,
        )
        for panel in columns.overview
    ]
    marks = {
        start: unit.name if index == 0 else str(index)
        for index, (start, unit) in enumerate(zip(starts, units, strict=True))
    }
    with whole_file(folder / "losses.png") as draft:
        plots.curves(panels, f"iteration, over all {units[0].name.split()[0]}s", marks, smooth=True).savefig(
            draft, format="png", dpi=110
        )


def count_samples(folder: Path) -> int:
    """The number of samples that ``write_samples`` has written, after crash recovery."""
    recover_if_free(folder)
    if not (folder / "grid.png").exists():
        return 0
    return next(index for index in itertools.count() if not (folder / f"{index}.png").exists())


def belong_to_another(folder: Path, source: Path, digest: str) -> bool:
    """Whether the samples in ``folder`` come from another picture or model than that with ``digest``.

    The contact sheet records the digest; a sheet of an older version is compared by age with the file ``source``.
    """
    sheet = folder / "grid.png"
    if recorded := images.read_source(sheet):
        return recorded != digest
    return sheet.stat().st_mtime_ns < source.stat().st_mtime_ns


def read_samples(folder: Path, count: int, channels: int) -> Iterator[Tensor]:
    """The first ``count`` samples in ``folder``, each (1, channels, H, W)."""
    return (images.read(folder / f"{index}.png", channels) for index in range(count))


def write_picture(folder: Path, name: str, image: Tensor, layers: Layers | None) -> None:
    """Write ``image`` (1, C, H, W) into ``folder`` as ``<name>.png``, or as ``Layers.write`` does."""
    if layers is None or not layers.describes(image):
        images.write(folder / f"{name}.png", image)
    else:
        layers.write(folder, name, image)


def previews(image: Tensor, layers: Layers | None) -> list[tuple[str, Tensor]]:
    """The previews of ``image`` (1, C, H, W) and of its maps, each with the file name of its contact sheet."""
    if layers is None or not layers.describes(image):
        return [("grid.png", image)]
    maps = layers.preview_maps(image).items()
    return [("grid.png", layers.preview(image)), *((f"grid_{name}.png", shown) for name, shown in maps)]


def write_samples(
    folder: Path,
    samples: Iterable[Tensor],
    real: Tensor,
    layers: Layers | None = None,
    kept: int = 0,
    digest: str = "",
) -> None:
    """Write ``samples`` (1, C, H, W) each as ``<i>.png``, and ``grid.png``: the ``real`` picture, then the first ones.

    Samples with ``layers`` are written by ``Layers.write``; ``grid.png`` then shows their previews, and
    ``grid_<map>.png`` those of a map. The first ``kept`` samples of an existing folder are kept, and the others follow.

    The folder is replaced as a whole at the end. Its sheet records the ``digest`` of the picture or the model that the
    samples come from, for ``belong_to_another``.
    """
    tiles: dict[str, list[images.Levels]] = {}
    with whole_folder(folder) as draft:
        originals = previews(real, layers)

        def show(index: int, shown: Iterable[Tensor]) -> None:
            for (sheet, original), seen in zip(originals, shown, strict=True):
                if index < sheets.SHEET_SAMPLES:
                    first = [] if index else [sheets.beside(original, seen)]
                    tiles.setdefault(sheet, []).extend([*first, sheets.tile(seen, str(index))])

        for index in range(kept):
            assert layers is not None
            show(index, layers.copy(folder, draft, str(index)))
        for index, image in enumerate(samples, start=kept):
            write_picture(draft, str(index), image, layers)
            if index < sheets.SHEET_SAMPLES:
                show(index, (seen for _, seen in previews(image, layers)))
        for sheet, shown in tiles.items():
            images.write_levels(draft / sheet, sheets.contact_sheet(shown), digest)


def name_by_scale(pictures: Iterable[tuple[int, Tensor]], suffix: str = "") -> Iterator[tuple[str, Tensor]]:
    """File names for ``pictures`` (1, C, H, W) with their injection scales; the first of a scale has no number."""
    numbers = Counter[int]()
    for scale, picture in pictures:
        yield f"start_scale={scale}{suffix}{f'_{numbers[scale]}' if numbers[scale] else ''}", picture
        numbers[scale] += 1


def write_results(
    folder: Path,
    firsts: Mapping[str, Tensor],
    pictures: Mapping[str, Tensor],
    extras: Mapping[str, Tensor] | None = None,
    layers: Layers | None = None,
) -> None:
    """Write ``pictures`` and ``extras`` (1, C, H, W) into ``folder``, as PNG or in the format of ``layers``.

    Several pictures get a contact sheet ``grid.png``, and ``grid_<map>.png`` for each map. It begins with ``firsts``,
    such as the original and the reference.
    """
    with files_into(folder) as draft:
        for name, image in {**pictures, **(extras or {})}.items():
            write_picture(draft, name, image, layers)
        if len(pictures) > 1:
            tiles: dict[str, list[images.Levels]] = {}
            like = dict(previews(next(iter(pictures.values())), layers))
            for label, image in firsts.items():
                for sheet, shown in previews(image, layers):
                    tiles.setdefault(sheet, []).append(sheets.beside(shown, like[sheet], label))
            for name, image in pictures.items():
                for sheet, shown in previews(image, layers):
                    tiles.setdefault(sheet, []).append(sheets.tile(shown, sheet_label(name)))
            for sheet, each in tiles.items():
                images.write_levels(draft / sheet, sheets.contact_sheet(each))


def sheet_label(name: str) -> str:
    """The label of a picture that ``name_by_scale`` names: start_scale=2_masked_1 becomes scale 2, masked, 1."""
    scale, *rest = name.removeprefix("start_scale=").split("_")
    return ", ".join([f"scale {scale}" if scale != name else name, *rest])
