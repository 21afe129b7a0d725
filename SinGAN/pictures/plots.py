"""Plots: curves in panels, heat maps with a common colour scale, and readable axes."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

Numbers = Sequence[float]


def style() -> AbstractContextManager[None]:
    """Set the style of all figures for a block: small letters, and no mathematics in names that contain ``$``."""
    return matplotlib.rc_context({"font.size": 8, "text.parse_math": False})


@dataclass(frozen=True)
class Panel:
    """Curves by name with a common y axis."""

    title: str
    curves: Mapping[str, Numbers]
    is_log: bool = False  # whether the y axis is logarithmic; only positive values are shown


def curves(panels: Sequence[Panel], label: str, marks: Mapping[int, str] | None = None, smooth: bool = False) -> Figure:
    """Plot ``panels`` one above the other, each with its legend beside it.

    Arguments:
        panels: each curve has one value per position on the x axis; NaN is left out.
        label: of the x axis.
        marks: names of vertical lines by their position.
        smooth: draw each curve faintly, and over it its running mean between neighbouring ``marks``.
    """
    with style():
        figure = Figure(figsize=(8, 1 + 1.9 * len(panels)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0], panels, strict=True):
            _draw(axes, panel, sorted(marks or {}) if smooth else None)
            for place, name in (marks or {}).items():
                axes.axvline(place, color="0.6", linewidth=0.6)
                axes.annotate(
                    name, (place, 1), xycoords=("data", "axes fraction"), xytext=(2, -8), textcoords="offset points",
                    fontsize=7, color="0.4",
                )  # fmt: skip
        axes.set_xlabel(label)
    return figure


def _draw(axes: Axes, panel: Panel, smooth: Sequence[int] | None) -> None:
    for name, values in panel.curves.items():
        line = np.asarray(values, dtype=float)
        if np.isnan(line).all():
            continue
        parts = [] if smooth is None else np.split(line, [place for place in smooth if 0 < place < len(line)])
        mean = np.concatenate([running_mean(part) for part in parts]) if parts else line
        (drawn,) = axes.plot(mean, label=name, linewidth=0.9)
        if parts:
            axes.plot(line, color=drawn.get_color(), linewidth=0.4, alpha=0.35, zorder=1)
    axes.set_title(panel.title, loc="left")
    axes.grid(alpha=0.3)
    if panel.is_log and any(np.nanmax(values, initial=0.0) > 0 for values in panel.curves.values()):
        log_axis(axes, "y")
    if len(panel.curves) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def running_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean of about a fiftieth of ``values`` around each of them."""
    window = max(1, len(values) // 50) | 1  # odd
    weights = np.convolve(np.ones_like(values), np.ones(window), mode="same")
    return np.asarray(np.convolve(values, np.ones(window), mode="same") / weights)


def log_axis(axes: Axes, which: str) -> None:
    """Make the ``which`` axis ("x" or "y") logarithmic, with plain numbers at its ticks: 0.2, 0.5, 1."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(lambda value, place: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def heat_maps(maps: Mapping[str, npt.NDArray[np.float64]], label: str, highest: float | None = None) -> Figure:
    """Plot heat maps (H, W) by title, with a colour scale from 0 to ``highest``, by default their maximum."""
    columns = min(4, len(maps))
    rows = -(-len(maps) // columns)
    height, width = next(iter(maps.values())).shape
    top = max(float(levels.max()) for levels in maps.values()) if highest is None else highest
    with style():
        size = 2.2 if len(maps) > 1 else 4.2
        figure = Figure(
            figsize=(size * columns + 1.0, (size * min(height / width, 3) + 0.4) * rows + 0.2), layout="constrained"
        )
        cells = figure.subplots(rows, columns, squeeze=False)
        for axes in cells.flat:
            axes.set_axis_off()
        for axes, (title, levels) in zip(cells.flat, maps.items(), strict=False):
            heat_map = axes.imshow(levels, cmap="magma", vmin=0, vmax=top or 1.0)
            axes.set_title(title)
        figure.colorbar(heat_map, ax=cells, label=label, shrink=0.8)
    return figure
