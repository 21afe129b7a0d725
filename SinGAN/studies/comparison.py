"""Several trainings of one picture side by side: tables and figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from SIFID.evaluation import Evaluation, deviation_levels
from SinGAN.kinds.kind import LossPanel
from SinGAN.pictures import images, plots
from SinGAN.pictures.plots import Panel
from SinGAN.pictures.similarity import Score
from SinGAN.runs.results import Columns
from SinGAN.studies.study import Results, as_markdown, picture_grid

SHOWN = 5  # samples of each training in the grid
MARKS = "osD^vP*X"
TIME = "s a sample"  # the name of a column


@dataclass(frozen=True, eq=False)
class MeasuredTraining:
    """One training of a study, measured."""

    varied: dict[str, str]  # the flags that differ, without the seed
    seed: int
    scales: int
    factor: float  # the adjusted ratio of neighbouring scales
    samples: Tensor  # (B, C, H, W)
    real: Tensor  # (1, C, H, W)
    evaluation: Evaluation
    seconds: float  # that a sample took
    reconstruction: Score | None = None  # of a trained model
    losses: Columns | None = None  # of its finest scale
    overview: tuple[LossPanel, ...] = ()  # the losses to plot

    @property
    def label(self) -> str:
        """The flags that differ, with their values: the name of the combination."""
        return ", ".join(f"{flag}={value}" for flag, value in self.varied.items())

    def measures(self) -> dict[str, float]:
        """The measures by name, the columns of the tables; NaN for one that was not measured."""
        found = self.evaluation
        return {
            "scales": self.scales,
            "factor": self.factor,
            "SIFID": math.nan if found.sifid_mean is None else found.sifid_mean,
            "diversity": found.diversity,
            "difference": found.difference,
            "least difference": found.least_difference,
            "copied": found.copy_score,
            "textured copied": found.textured_copy_score,
            "coherent": found.coherent_copies,
            "largest": found.largest_copy,
            "SWD": float(np.mean(found.sliced_wasserstein)),
            "reconstruction RMSE": math.nan if self.reconstruction is None else self.reconstruction.rmse,
            "contrast": float(self.samples.std() / self.real.std()),
            TIME: self.seconds,
        }


def group_by_label(trained: Sequence[MeasuredTraining]) -> dict[str, list[MeasuredTraining]]:
    """The trainings by label: those of a group differ only in their seed."""
    by_label: dict[str, list[MeasuredTraining]] = {}
    for training in trained:
        by_label.setdefault(training.label, []).append(training)
    return by_label


def first_seeds(trained: Sequence[MeasuredTraining]) -> list[MeasuredTraining]:
    """The first training of each combination."""
    return [group[0] for group in group_by_label(trained).values()]


def results(trained: Sequence[MeasuredTraining]) -> Results:
    """The tables and figures: CSV with a row for each training, Markdown with one for each combination.

    Seconds, which vary from run to run, are a column only if there are methods that don't train.
    """
    timed = any(training.reconstruction is None for training in trained)
    names = [name for name in trained[0].measures() if timed or name != TIME]
    numbers = {training: [training.measures()[name] for name in names] for training in trained}
    rows, markdown = [[*trained[0].varied, "seed", *names]], [[*trained[0].varied, *names]]
    for training, values in numbers.items():
        rows.append([*training.varied.values(), str(training.seed), *(f"{value:.6g}" for value in values)])
    for group in group_by_label(trained).values():
        table = np.array([numbers[training] for training in group])
        cells = [f"{mean:.4g}" for mean in table.mean(axis=0)]
        if len(group) > 1:
            cells = [f"{cell} ± {spread:.2g}" for cell, spread in zip(cells, table.std(axis=0), strict=True)]
        markdown.append([*group[0].varied.values(), *("-" if cell.startswith("nan") else cell for cell in cells)])
    return Results(csv=rows, markdown=markdown, figures=figures(trained), text=as_markdown(markdown))


def figures(trained: Sequence[MeasuredTraining]) -> dict[str, Figure]:
    """The figures of a study by name."""
    with plots.style():
        return {
            "samples": samples_grid(trained),
            "variation": variation_maps(trained),
            "scatter": scatter(trained),
            **({"losses": loss_curves(trained)} if any(training.losses for training in trained) else {}),
        }


def samples_grid(trained: Sequence[MeasuredTraining]) -> Figure:
    """A figure with a row for each combination's first seed: its name, the real picture, samples."""
    firsts = first_seeds(trained)
    planned = len({(training.scales, training.factor) for training in firsts}) > 1
    shown = min(SHOWN, *(len(training.samples) for training in firsts))
    rows, labels = [], []
    for training in firsts:
        rows.append([images.to_levels(image) for image in (training.real, *training.samples[:shown].split(1))])
        lines = training.label.replace(", ", "\n")
        labels.append(f"{lines}\n{training.scales} scales,\nfactor {training.factor:.2f}" if planned else lines)
    return picture_grid(rows, labels, {0: "the picture", 1: "samples"}, cell=1.6)


def loss_curves(trained: Sequence[MeasuredTraining]) -> Figure:
    """A figure of the finest scale's losses without their weights: a panel for each, a curve for each combination."""
    panels = [
        Panel(f"{panel.title}, finest scale", select_losses(trained, panel.names[0]), panel.is_log)
        for panel in dict.fromkeys(panel for training in trained for panel in training.overview)
    ]
    return plots.curves(panels, "iteration", smooth=True)


def select_losses(trained: Sequence[MeasuredTraining], name: str) -> dict[str, list[float]]:
    """The losses called ``name`` of the first training of each combination, where there was one."""
    firsts = [training for training in first_seeds(trained) if training.losses and name in training.losses]
    return {training.label: training.losses[name] for training in firsts if training.losses}


def variation_maps(trained: Sequence[MeasuredTraining]) -> Figure:
    """Heat maps of each pixel's standard deviation over the samples, in levels: one for each combination."""
    firsts = first_seeds(trained)
    return plots.heat_maps({training.label: deviation_levels(training.samples) for training in firsts}, "levels")


def scatter(trained: Sequence[MeasuredTraining]) -> Figure:
    """A scatter plot of SIFID, or else the patch distance, against diversity: a mark for each training.

    Marks are hollow, of several shapes, and the first ones larger: equal ones don't hide each other.
    """
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    has_sifid = all(training.evaluation.sifid_mean is not None for training in trained)
    distance = "SIFID" if has_sifid else "SWD"
    named = group_by_label(trained)
    for index, (label, group) in enumerate(named.items()):
        axes.scatter(
            [training.evaluation.diversity for training in group],
            [training.measures()[distance] for training in group],
            label=label, s=30 + 25 * (len(named) - 1 - index), marker=MARKS[index % len(MARKS)],
            facecolors="none", edgecolors=f"C{index}", linewidths=1.4,
        )  # fmt: skip
    if all(training.measures()[distance] > 0 for training in trained):
        plots.log_axis(axes, "y")
    axes.set_xlabel("diversity of the samples (more is more varied)")
    axes.set_ylabel(f"{'SIFID' if has_sifid else 'sliced Wasserstein distance'} (less is more alike)")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure
