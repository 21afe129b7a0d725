"""Plots that one can read: legends beside the curves, plain ticks, one range of colours, nothing hidden."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from SIFID.evaluation import Evaluation, deviation_plots
from SinGAN.kinds.singan import OVERVIEW
from SinGAN.pictures import plots
from SinGAN.pictures.plots import Panel
from SinGAN.pictures.similarity import Score
from SinGAN.studies import comparison
from SinGAN.studies.comparison import MeasuredTraining


def drawn(figure: Figure) -> Any:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def tick_labels(figure: Figure) -> list[str]:
    """The labels of the first panel's y axis that are seen."""
    drawn(figure)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    marks = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    return [label.get_text() for place, label in marks if low <= place <= high]


def test_a_legend_does_not_lie_over_the_curves() -> None:
    figure = plots.curves([Panel("losses", {"D": [1.0, 2.0], "G": [2.0, 1.0]})], "iteration")
    canvas = drawn(figure)
    axes, legend = figure.axes[0], figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_window_extent(canvas.get_renderer()).x0 >= axes.get_window_extent().x1


def test_logarithmic_ticks_are_plain_numbers() -> None:
    figure = plots.curves([Panel("error", {"error": [0.255, 0.02, 3.0]}, is_log=True)], "iteration")
    assert tick_labels(figure) == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]


def test_what_was_not_measured_is_no_curve() -> None:
    figure = plots.curves([Panel("critic", {"D": [1.0, 2.0], "penalty": [math.nan, math.nan]})], "iteration")
    assert [line.get_label() for line in figure.axes[0].lines] == ["D"]


def test_scales_are_smoothed_apart_and_named() -> None:
    values = [0.0] * 100 + [1.0] * 100
    figure = plots.curves([Panel("error", {"error": values})], "iteration", {0: "scale 0", 100: "1"}, smooth=True)
    mean = figure.axes[0].lines[0].get_ydata()
    assert np.array_equal(np.asarray(mean), values)  # no ramp from one scale into the next
    assert [text.get_text() for text in figure.axes[0].texts] == ["scale 0", "1"]


def test_heat_maps_of_all_start_scales_have_one_range_of_colours() -> None:
    faint, strong = (torch.rand(4, 3, 12, 16, generator=torch.Generator().manual_seed(1)) * size for size in (0.1, 2))
    found = deviation_plots({0: strong, 3: faint})
    limits = [figure.axes[0].images[0].get_clim() for figure in found.values()]
    assert limits[0] == limits[1]
    assert limits[0][0] == 0
    assert limits[0][1] > 60


def training(label: str, scales: int, factor: float, diversity: float = 0.5) -> MeasuredTraining:
    samples = torch.zeros(2, 3, 12, 16)
    samples[1] = 1
    measures = Evaluation(0, 1.5, 0.1, diversity, 20.0, 9.0, 0.1, 0.1, 0.1, 0.1, [0.1], None, None)
    losses = {name: [1.0, 0.5] for name in ("D_total", "G_adversarial", "reconstruction")}
    return MeasuredTraining(
        {"scale_factor": label},
        1,
        scales,
        factor,
        samples,
        samples[:1] + 0.5,
        measures,
        0.1,
        Score(20, 0.5, 5),
        losses,
        OVERVIEW,
    )


def test_the_adjusted_factor_stands_in_the_figure_where_plans_differ() -> None:
    figure = comparison.samples_grid([training("0.4", 3, 0.577), training("0.75", 6, 0.803)])
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["scale_factor=0.4\n3 scales,\nfactor 0.58", "scale_factor=0.75\n6 scales,\nfactor 0.80"]
    same = comparison.samples_grid([training("a", 3, 0.577), training("b", 3, 0.577)])
    assert not any("factor 0" in axes.get_ylabel() for axes in same.axes)


def test_equal_points_are_seen_one_inside_the_other() -> None:
    figure = comparison.scatter([training("0.4", 3, 0.5), training("0.5", 3, 0.5), training("0.6", 3, 0.5)])
    marks = figure.axes[0].collections
    sizes = [float(mark.get_sizes()[0]) for mark in marks]  # type: ignore[attr-defined]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    assert all(len(mark.get_facecolor()) == 0 for mark in marks)  # hollow
    canvas = drawn(figure)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_window_extent(canvas.get_renderer()).x0 >= figure.axes[0].get_window_extent().x1


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_figures_of_a_study(count: int) -> None:
    found = comparison.figures([training(str(index), 3 + index, 0.5) for index in range(count)])
    assert set(found) == {"samples", "losses", "variation", "scatter"}
    for figure in found.values():
        drawn(figure)


def test_dollar_signs_are_no_formulas() -> None:
    """Matplotlib sets what stands between two of them as mathematics, or fails: file names may contain both."""
    label = "a$b$ $\\frac{$"
    figures = comparison.figures([training(label, 3, 0.5), training("c", 4, 0.5)])
    for name, figure in figures.items():
        drawn(figure)
        texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and label in text.get_text()]
        assert texts, name
        assert not any(text.get_parse_math() for text in texts), name
