"""The parts of a training by name, for those who record and show it and know no net: its units and its losses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Headline:
    """A loss that is shown while a training runs."""

    name: str  # of the loss
    short: str  # on a terminal
    words: str  # in the studio
    digits: int = 3  # after the decimal point


@dataclass(frozen=True)
class LossPanel:
    """The losses that share the axes of a plot."""

    title: str
    names: tuple[str, ...]
    is_log: bool = False  # logarithmic


@dataclass(frozen=True)
class LossColumns:
    """The losses of a kind of model by name: the columns of ``losses.csv`` and of its plots."""

    names: tuple[str, ...]  # of the losses that an iteration returns, each multiplied by its weight
    unweighted: Callable[[Mapping[str, float]], dict[str, float]]  # the losses as users compare them, without weights
    weights: Mapping[str, float]  # by name of the loss, of those that have one
    panels: tuple[LossPanel, ...]  # of the plot of one unit
    overview: tuple[LossPanel, ...]  # of the plot of all units, and of studies: a single loss each
    headlines: tuple[Headline, ...]  # shown while the training runs
    remedy: str  # advice for a training that diverged; options in backticks


@dataclass(frozen=True)
class Unit:
    """A part of a training that is saved as soon as it is done: a scale, a stage, or all of it."""

    name: str  # as "scale 3"
    title: str  # as "scale 3 of 0..8 (100 x 75)"
    iterations: int  # to do
    folder: str  # in the model's folder, for its losses and pictures
