"""Studies of any kind of model: train what is missing, measure every training, write tables and figures."""

import csv
import difflib
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from matplotlib.figure import Figure

from SinGAN.options.option import Option
from SinGAN.parallel.jobs import Job, make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.pictures import plots
from SinGAN.pictures.images import Levels
from SinGAN.storage.escaping import escape_cell, escape_markdown
from SinGAN.storage.files import files_into
from SinGAN.terminal.display import run_all
from SinGAN.terminal.messages import say
from SinGAN.terminal.watchers import watched_environment

Trial = TypeVar("Trial")
Cells = Sequence[Sequence[str]]
"""The rows of a table; the first one is its header."""


@dataclass(frozen=True, eq=False)
class Results:
    """The tables and figures of a study."""

    csv: Cells
    markdown: Cells
    figures: Mapping[str, Figure]  # by file name, without extension
    text: str  # printed at the end


@dataclass(frozen=True, eq=False, kw_only=True)
class Study(ABC, Generic[Trial]):
    """Trainings under several settings; a subclass knows how one is trained and measured."""

    folder: Path  # of the tables and figures
    trials: Sequence[Trial]  # one for each training
    device: torch.device
    jobs: int  # number of parallel trainings
    per_gpu: int  # number of parallel trainings on one GPU
    overwrite: bool = False  # train again what is trained

    @abstractmethod
    def is_trained(self, trial: Trial) -> bool:
        """Whether the model of ``trial`` is complete."""

    @abstractmethod
    def announce(self, remaining: Sequence[Trial], dry_run: bool) -> None:
        """Print how many trainings there are, and how many ``remaining`` ones; after a ``dry_run`` nothing follows."""

    @abstractmethod
    def check_needs(self, remaining: Sequence[Trial]) -> None:
        """Raise an error, before hours are spent, if the ``remaining`` trainings or the measures miss something."""

    @abstractmethod
    def job(self, trial: Trial) -> Job:
        """The process that trains ``trial``."""

    @abstractmethod
    def measure(self, trained: Sequence[Trial]) -> Results | None:
        """The tables and figures of the ``trained`` trials; None if there is nothing to show."""

    def run(self, dry_run: bool) -> None:
        """Train what is missing, then write tables and figures; ``dry_run``: only announce the trainings.

        Raises:
            SystemExit: of status 1 if a training failed; the others are measured first.
        """
        remaining = [trial for trial in self.trials if self.overwrite or not self.is_trained(trial)]
        self.announce(remaining, dry_run)
        if dry_run:
            return
        self.check_needs(remaining)
        status = 0
        if remaining:
            places = make_slots(self.device, min(self.jobs, len(remaining)), self.per_gpu, torch.get_num_threads())
            status = run_all([self.job(trial) for trial in remaining], LocalRunner(places, watched_environment()))
        results = self.measure([trial for trial in self.trials if self.is_trained(trial)])
        if results is not None:
            with files_into(self.folder) as draft:
                (draft / "table.csv").write_text(as_csv(results.csv), encoding="utf-8")
                (draft / "table.md").write_text(as_markdown(results.markdown), encoding="utf-8")
                for name, figure in results.figures.items():
                    figure.savefig(draft / f"{name}.png", dpi=130)
            say(f"{results.text}figures and tables: {self.folder}")
        if status:
            raise SystemExit(status)


def parse_variations(texts: Sequence[str], known: Mapping[str, Option], example: str) -> dict[str, list[str]]:
    """The options to vary and their values, from ``texts`` of the form NAME=A,B,..; messages show an ``example``.

    Raises:
        ValueError: a text has another form, or names an option or a value twice.
    """
    varied: dict[str, list[str]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        values = listed.split(",")
        if name not in known or not all(values):
            near = [] if name in known else difflib.get_close_matches(name, known, n=1)
            hint = f": do you mean {near[0]}?" if near else ""
            raise ValueError(f"`vary` must be a flag of the model and its values, as {example}, not {text}{hint}")
        if name in varied:
            raise ValueError(f"`vary` and `study` name a flag twice: {name}, {name}")
        if len(set(values)) < len(values):
            raise ValueError(f"`vary` names a value twice: {text}")
        if any((value in ("True", "False")) != (known[name].kind is bool) for value in values):
            raise ValueError(f"`vary` must have values of `{name}`, not {listed}")
        varied[name] = values
    return varied


def as_flag(entry: Option | None, name: str, value: str) -> list[str]:
    """The arguments that set the option ``name``, described by ``entry``; none for a switch that is off."""
    if entry is None or entry.kind is not bool or entry.bare is not None:
        return [f"--{name}={value}"]
    return [f"--{name}"] if value == "True" else []


def as_csv(rows: Cells) -> str:
    """``rows`` as the content of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(escape_cell, row) for row in rows])
    return text.getvalue()


def as_markdown(rows: Cells) -> str:
    """``rows`` as a Markdown table."""
    lines = [[escape_markdown(cell) for cell in row] for row in rows]
    lines.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def picture_grid(rows: Sequence[Sequence[Levels]], left: Sequence[str], top: Mapping[int, str], cell: float) -> Figure:
    """A figure of pictures, levels (H, W) or (H, W, C) of 0 to 255.

    ``left`` are labels of the rows, if any, and ``top`` titles of columns by index. A picture is ``cell`` inches wide;
    rows are as high as the first picture requires.
    """
    height, width = rows[0][0].shape[:2]
    columns = len(rows[0])
    size = (cell * columns + (1.4 if left else 0), (cell * min(height / width, 3) + 0.08) * len(rows) + 0.3)
    with plots.style():
        figure = Figure(figsize=size, layout="constrained")
        cells = figure.subplots(len(rows), columns, squeeze=False)
        for axes, levels in zip(cells.flat, (levels for row in rows for levels in row), strict=True):
            axes.imshow(levels.squeeze(), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for place, label in enumerate(left):
            cells[place][0].set_ylabel(label, rotation=0, ha="right", va="center")
        for place, title in top.items():
            cells[0][place].set_title(title, loc="left" if left and place else "center")
    return figure
