"""Several trainings of one picture side by side: tables and figures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from SIFID.evaluation import Evaluation, deviation_levels
from SinGAN.pictures import images
from SinGAN.pictures.similarity import Score

SHOWN = 5  # samples of each training in the grid
COLUMNS = ("scales", "SIFID", "diversity", "copied", "textured copied", "SWD", "reconstruction RMSE", "contrast")


@dataclass(frozen=True, eq=False)
class MeasuredTraining:
    """One training of a study, measured."""

    varied: dict[str, str]  # the flags that differ, without the seed
    seed: int
    scales: int
    samples: Tensor  # (B, C, H, W)
    real: Tensor  # (1, C, H, W)
    evaluation: Evaluation
    reconstruction: Score
    losses: list[dict[str, float]]  # of the finest scale, a row for each iteration

    @property
    def label(self) -> str:
        """The flags that differ, with their values: the name of the combination."""
        return ", ".join(f"{flag}={value}" for flag, value in self.varied.items())

    def numbers(self) -> list[float]:
        """The values of ``COLUMNS``; nan for one that was not measured."""
        return [
            self.scales,
            float("nan") if self.evaluation.sifid_mean is None else self.evaluation.sifid_mean,
            self.evaluation.diversity,
            self.evaluation.copy_score,
            self.evaluation.textured_copy_score,
            float(np.mean(self.evaluation.sliced_wasserstein)),
            self.reconstruction.rmse,
            float(self.samples.std() / self.real.std()),
        ]


def read_losses(file: Path) -> list[dict[str, float]]:
    """The rows of a ``losses.csv``."""
    with file.open(newline="") as table:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(table)]


def groups(trained: Sequence[MeasuredTraining]) -> dict[str, list[MeasuredTraining]]:
    """The trainings by label: those of a group differ only in their seed."""
    by_label: dict[str, list[MeasuredTraining]] = {}
    for training in trained:
        by_label.setdefault(training.label, []).append(training)
    return by_label


def first_seeds(trained: Sequence[MeasuredTraining]) -> list[MeasuredTraining]:
    """The first training of each combination."""
    return [group[0] for group in groups(trained).values()]


def as_csv(trained: Sequence[MeasuredTraining]) -> str:
    """The measures as CSV: a row for each training."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*trained[0].varied, "seed", *COLUMNS])
    for training in trained:
        writer.writerow([*training.varied.values(), training.seed, *(f"{number:.6g}" for number in training.numbers())])
    return text.getvalue()


def as_markdown(trained: Sequence[MeasuredTraining]) -> str:
    """The measures as a Markdown table: a row for each combination, means and deviations over its seeds."""
    rows = [[*trained[0].varied, *COLUMNS], ["---"] * (len(trained[0].varied) + len(COLUMNS))]
    for group in groups(trained).values():
        numbers = np.array([training.numbers() for training in group])
        spread = numbers.std(axis=0)
        cells = [f"{mean:.4g}" for mean in numbers.mean(axis=0)]
        if len(group) > 1:
            cells = [f"{cell} ± {deviation:.2g}" for cell, deviation in zip(cells, spread, strict=True)]
        rows.append([*group[0].varied.values(), *("-" if cell.startswith("nan") else cell for cell in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def figures(trained: Sequence[MeasuredTraining]) -> dict[str, Figure]:
    """The figures of a study by name."""
    with matplotlib.rc_context({"font.size": 8}):
        return {
            "samples": samples_grid(trained),
            "losses": loss_curves(trained),
            "variation": variation_maps(trained),
            "scatter": scatter(trained),
        }


def samples_grid(trained: Sequence[MeasuredTraining]) -> Figure:
    """A figure with a row for each combination's first seed: its name, the real picture, samples."""
    firsts = first_seeds(trained)
    height, width = firsts[0].real.shape[-2:]
    columns = 1 + min(SHOWN, *(len(training.samples) for training in firsts))
    size = (1.6 * columns + 1.4, (1.6 * min(height / width, 3) + 0.08) * len(firsts) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    cells = figure.subplots(len(firsts), columns, squeeze=False)
    for row, training in zip(cells, firsts, strict=True):
        for axes, image in zip(row, [training.real, *training.samples.split(1)], strict=False):
            levels = images.to_levels(image)
            axes.imshow(levels.squeeze(), cmap="gray" if levels.shape[-1] == 1 else None, vmin=0, vmax=255)
            _bare(axes)
        row[0].set_ylabel(training.label.replace(", ", "\n"), rotation=0, ha="right", va="center")
    cells[0][0].set_title("the picture")
    cells[0][1].set_title("samples", loc="left")
    return figure


def loss_curves(trained: Sequence[MeasuredTraining]) -> Figure:
    """A figure of the finest scale's losses, smoothed: a panel for each loss, a curve for each combination."""
    names = ("D_total", "G_adversarial", "reconstruction")
    figure = Figure(figsize=(7, 6), layout="constrained")
    for axes, name in zip(figure.subplots(len(names), 1, sharex=True), names, strict=True):
        for label, group in groups(trained).items():
            values = np.array([row[name] for row in group[0].losses])
            window = max(1, len(values) // 50)
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            axes.plot(np.arange(len(smooth)) + window / 2, smooth, label=label, linewidth=0.9)
        axes.set_title(f"{'alpha x ' if name == 'reconstruction' else ''}{name}, finest scale")
        axes.grid(alpha=0.3)
        if name == "reconstruction":
            axes.set_yscale("symlog", linthresh=1e-3)
            axes.set_xlabel("iteration")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7)
    return figure


def variation_maps(trained: Sequence[MeasuredTraining]) -> Figure:
    """Heat maps of each pixel's standard deviation over the samples, in levels: one for each combination."""
    firsts = first_seeds(trained)
    maps = [deviation_levels(training.samples) for training in firsts]
    columns = min(4, len(maps))
    rows = -(-len(maps) // columns)
    height, width = maps[0].shape
    figure = Figure(figsize=(2.2 * columns + 0.8, (2.2 * min(height / width, 3) + 0.3) * rows), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False)
    for axes in cells.flat:
        axes.set_axis_off()
    for axes, training, levels in zip(cells.flat, firsts, maps, strict=False):
        heat_map = axes.imshow(levels, cmap="magma", vmin=0, vmax=max(float(other.max()) for other in maps))
        axes.set_title(training.label)
    figure.colorbar(heat_map, ax=cells, label="levels", shrink=0.8)
    return figure


def scatter(trained: Sequence[MeasuredTraining]) -> Figure:
    """A scatter plot of SIFID, or else the patch distance, against diversity: a point for each training."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    has_sifid = all(training.evaluation.sifid_mean is not None for training in trained)
    column = COLUMNS.index("SIFID" if has_sifid else "SWD")
    for label, group in groups(trained).items():
        diversities = [training.evaluation.diversity for training in group]
        axes.scatter(diversities, [training.numbers()[column] for training in group], label=label, s=22)
    if all(training.numbers()[column] > 0 for training in trained):
        axes.set_yscale("log")
    axes.set_xlabel("diversity of the samples (more is more varied)")
    axes.set_ylabel(f"{'SIFID' if has_sifid else 'sliced Wasserstein distance'} (less is more alike)")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=7)
    return figure


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
