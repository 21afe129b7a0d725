"""Several trainings on one data set, under different settings, compared on pictures that none has seen."""

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from Pix2Pix.data.layouts import PairFiles
from Pix2Pix.request import Request
from Pix2Pix.runs.testing import Tested, Translator, averages, measures, tested
from Pix2Pix.studies.learned import Learned
from SIFID.metrics import sliced_wasserstein
from SinGAN.parallel.jobs import Job, Slot
from SinGAN.pictures import images
from SinGAN.storage.files import files_into

Setting = Mapping[str, str]
"""Flags without dashes, and their values."""
STUDIES: dict[str, list[Setting]] = {
    "batch_size": [{"batch_size": size} for size in ("1", "4", "16", "64", "256")],
    "perceptual": [
        {"lambda_L1": "100", "perceptual_weight": "0"},
        {"lambda_L1": "0", "perceptual_weight": "10"},
        {"lambda_L1": "100", "perceptual_weight": "10"},
    ],
    "gan_mode": [{"gan_mode": mode} for mode in ("vanilla", "lsgan", "hinge", "w", "wgan-gp")],
    "critic": [{"netD": kind} for kind in ("none", "pixel", "patch", "multiscale", "sesame")],
    "stochastic": [
        {"stochastic": "none"},
        {"stochastic": "dropout", "dropout": "0.5"},
        {"stochastic": "dropout", "dropout": "0.95"},
        {"stochastic": "weights", "weight_noise": "0.1"},
    ],
}
"""The settings of each study by name."""
SAMPLES = {"stochastic": 8}  # of each picture, where a study is about variety
COLUMNS = ("setting", "seed", "statistics", "updates", "L1", "PSNR", "SSIM", "SWD", "diversity")
SHOWN = 4  # pictures on the sheet


@dataclass(frozen=True)
class TrainingJob(Job):
    """A training, run by a process of its own."""

    def arguments(self, slot: Slot) -> list[str]:
        """The command with all its flags, for the job in ``slot``."""
        return ["translate", "train", *self.flags, f"--device={slot.device}"]


@dataclass(frozen=True)
class Trial:
    """A training of a study."""

    setting: Setting
    seed: int

    @property
    def label(self) -> str:
        """Its setting in words, which name its folder, too."""
        return ",".join(f"{name}={value}" for name, value in self.setting.items())

    @property
    def name(self) -> str:
        """The name of its model."""
        return f"{self.label},seed={self.seed}"


@dataclass(frozen=True, eq=False)
class Row:
    """The measures of a trial."""

    trial: Trial
    statistics: str
    updates: int
    values: Sequence[float]  # L1, PSNR, SSIM, SWD, diversity, and those of trained nets
    shown: Sequence[Tested]

    def cells(self) -> list[str]:
        """A line of the table."""
        numbers = ["" if math.isnan(value) else f"{value:.4g}" for value in self.values]
        return [self.trial.label, str(self.trial.seed), self.statistics, str(self.updates), *numbers]


def settings_of(study: str | None, vary: Sequence[str]) -> list[Setting]:
    """The settings that a study, or flags with several values each, ask for.

    Raises:
        ValueError: neither or both are there, or a flag has no values.
    """
    if (study is None) == (not vary):
        raise ValueError("name a `study`, or what to `vary`, as lambda_L1=0,10,100: one of the two")
    if study is not None:
        return STUDIES[study]
    axes = []
    for text in vary:
        name, _, values = text.partition("=")
        if not name or not values or not all(values.split(",")):
            raise ValueError(f"`vary` takes a flag and its values, as lambda_L1=0,10,100, not {text}")
        axes.append([(name, value) for value in values.split(",")])
    return [dict(chosen) for chosen in itertools.product(*axes)]


def epochs_of(asked: Request, equal: str) -> dict[str, str]:
    """The numbers of epochs of a training: as asked for, or so many that it has the updates of batches of one."""
    options = asked.options
    if equal == "epochs":
        return {}
    factor = asked.pairs.epoch_size / asked.steps
    return {name: str(round(getattr(options, name) * factor)) for name in ("n_epochs", "n_epochs_decay")}


def flags_of(setting: Setting) -> list[str]:
    """``setting`` as words of a command line."""
    return [f"--{name}" if value == "True" else f"--{name}={value}" for name, value in setting.items()]


def measured(
    trial: Trial,
    place: Path,
    asked: Request,
    files: Sequence[PairFiles],
    device: torch.device,
    statistics: str,
    samples: int,
    learned: Learned,
) -> Row:
    """The measures of the model of ``trial``, in the folder ``place``, on ``files``."""
    translator = Translator.load(place, "latest", device, seed=trial.seed).set_up(statistics)
    rows: list[list[float]] = []
    shown: list[Tested] = []
    fakes, reals = list[Tensor](), list[Tensor]()
    for one in tested(translator, files, samples):
        assert one.real_B is not None
        l1, psnr, ssim, apart = measures(one.fakes, one.real_B)
        distance = float(np.mean(sliced_wasserstein(one.fakes[0][None], one.real_B[None])))
        rows.append([l1, psnr, ssim, distance, apart])
        shown = [*shown, one][:SHOWN]
        fakes.append(one.fakes[0])
        reals.append(one.real_B)
    values = [*averages(rows), *learned.values(fakes, reals, device)]
    return Row(trial, statistics, asked.epochs * asked.steps, values, shown)


def write(folder: Path, columns: Sequence[str], rows: Sequence[Row], losses: Mapping[str, Path]) -> None:
    """Write the tables, a sheet of samples and the losses, files by trial, into ``folder``."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([columns, *(row.cells() for row in rows)])
    lines = [f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *(row.cells() for row in rows)]]
    sheet, curves = samples_sheet(rows), loss_curves(losses)
    with files_into(folder) as draft:
        (draft / "table.csv").write_text(table.getvalue())
        (draft / "table.md").write_text("\n".join(lines) + "\n")
        sheet.savefig(draft / "samples.png", dpi=100)
        curves.savefig(draft / "losses.png", dpi=100)


def samples_sheet(rows: Sequence[Row]) -> Figure:
    """Input, truth, and what each trial makes, by columns; a line for each of some pictures."""
    pictures = rows[0].shown
    titles = ["input", "truth", *(f"{row.trial.label}\n{row.statistics}, seed {row.trial.seed}" for row in rows)]
    figure = Figure(figsize=(2.2 * len(titles), 2.2 * len(pictures) + 0.6), layout="constrained")
    axes = figure.subplots(len(pictures), len(titles), squeeze=False)
    for line, one in enumerate(pictures):
        truth = one.real_A if one.real_B is None else one.real_B
        for place, image in enumerate([one.real_A, truth, *(row.shown[line].fakes[0] for row in rows)]):
            levels = images.to_levels(image[None].clamp(-1, 1))
            axes[line, place].imshow(levels.squeeze(), cmap="gray")
            axes[line, place].set_axis_off()
            if line == 0:
                axes[line, place].set_title(titles[place], fontsize=9)
    return figure


def loss_curves(losses: Mapping[str, Path]) -> Figure:
    """The absolute difference and the critic's loss of each trial, smoothed."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, name in zip(figure.subplots(2, 1), ("G_L1", "D_total"), strict=True):
        for label, file in losses.items():
            with file.open(newline="") as table:
                values = [float(row[name]) for row in csv.DictReader(table) if row.get(name)]
            if values:
                width = max(1, len(values) // 50)
                smooth = np.convolve(values, np.ones(width) / width, mode="valid")
                axes.plot(np.arange(len(smooth)) + width, smooth, label=label)
        axes.set(xlabel="update", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
