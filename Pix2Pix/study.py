"""Trainings on one data set under several settings, compared on pictures that none of them has seen."""

import itertools
import math
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from Pix2Pix.data.layouts import PairFiles, find_pairs
from Pix2Pix.options import STUDIES, Setting, StudyOptions, TrainOptions
from Pix2Pix.request import Request, make_request, model_name
from Pix2Pix.runs import record
from Pix2Pix.runs.folder import Manifest
from Pix2Pix.runs.testing import Translation, Translator, column_means, measure, translate_pairs
from Pix2Pix.terminal import make_parser
from SIFID import fidelity
from SIFID.metrics import sliced_wasserstein
from SinGAN.engines.engine import choose_device
from SinGAN.options.option import get_options
from SinGAN.parallel.jobs import Job, Slot
from SinGAN.pictures import images, plots
from SinGAN.runs.results import read_losses
from SinGAN.storage import layout
from SinGAN.studies.study import Results, Study, as_flag, parse_variations, picture_grid
from SinGAN.terminal.flags import read_options
from SinGAN.terminal.messages import say
from SinGAN.terminal.script import script
from SinGAN.terminal.several import remove_flags
from SinGAN.terminal.table import table

SAMPLES = {"stochastic": 8}  # of each picture, where a study is about variety
STATISTICS = {"batch_size": ("batch", "running")}  # of batch norms, where a study is about them
COLUMNS = ("setting", "seed", "statistics", "updates")  # before the measures
SETS = {
    "FID": ("fid", "frechet_inception_distance"),
    "KID": ("kid", "kernel_inception_distance_mean"),
    "IS": ("isc", "inception_score_mean"),
}
"""The measures of sets of pictures: torch-fidelity's names of each, and of its value."""
SHOWN = 4  # pictures on the sheet
OWN = tuple(f"--{name}" for name in get_options(StudyOptions) if name not in get_options(TrainOptions))
SET_HERE = ("--name", "--manualSeed", "--device", "--not_cuda", "--out", "--overwrite")


@dataclass(frozen=True)
class Trial:
    """A training of a study."""

    setting: Setting
    seed: int
    flags: tuple[str, ...]  # of its command, except those of ``SET_HERE``
    asked: Request
    out: Path  # the output folder of all trainings

    @property
    def label(self) -> str:
        """Its setting as text."""
        return ",".join(f"{name}={value}" for name, value in self.setting.items())

    @property
    def name(self) -> str:
        """The name of its model."""
        return f"{self.label},seed={self.seed}"

    @property
    def place(self) -> Path:
        """The folder of its model."""
        return self.out / "checkpoints" / self.name


@dataclass(frozen=True)
class TrainingJob(Job):
    """The process of a training."""

    def arguments(self, slot: Slot) -> list[str]:
        """The command with all its flags, for the job in ``slot``."""
        return ["translate", "train", *self.flags, f"--device={slot.device}"]


@dataclass(frozen=True, eq=False)
class Row:
    """The measures of a training."""

    trial: Trial
    statistics: str
    values: Mapping[str, float]  # by name; NaN where there is none
    shown: Sequence[Translation]

    def cells(self) -> list[str]:
        """A line of the table: the values of ``COLUMNS``, then the measures."""
        numbers = ["" if math.isnan(value) else f"{value:.4g}" for value in self.values.values()]
        updates = self.trial.asked.epochs * self.trial.asked.steps
        return [self.trial.label, str(self.trial.seed), self.statistics, str(updates), *numbers]


@dataclass(frozen=True, eq=False, kw_only=True)
class PairStudy(Study[Trial]):
    """Trainings on one data set under several settings."""

    root: Path  # the output folder
    study: str | None
    files: Sequence[PairFiles]  # on which the models are compared
    lpips: bool  # whether LPIPS is measured
    inception: Path | None  # Inception's weights, for the measures of sets; None: these are not measured

    def is_trained(self, trial: Trial) -> bool:
        # a model with other options is not the one that is wanted: its process reports the difference
        return record.is_done(trial.place) and Manifest.read(trial.place).options == asdict(trial.asked.options)

    def announce(self, remaining: Sequence[Trial], dry_run: bool) -> None:
        say(f"{len(self.trials)} trainings, {len(remaining)} of them not trained yet")
        if dry_run:
            for trial in remaining:
                say(f"  singan {shlex.join(['translate', 'train', *self.job(trial).flags])}")

    def check_needs(self, remaining: Sequence[Trial]) -> None:
        layout.guard(self.root, [self.folder])

    def job(self, trial: Trial) -> Job:
        named = [f"--name={trial.name}", f"--manualSeed={trial.seed}", f"--out={trial.out}"]
        flags = *trial.flags, *named, *(["--overwrite"] if self.overwrite else [])
        return TrainingJob(trial.place, "translate", flags, trial.place, label=trial.name)

    def measure(self, trained: Sequence[Trial]) -> Results | None:
        kinds = STATISTICS.get(self.study or "", ("batch",))
        rows = [self.row(trial, kind) for trial in trained for kind in kinds]
        if not rows:
            return None
        cells = [[*COLUMNS, *rows[0].values], *(row.cells() for row in rows)]
        figures = {"samples": samples_sheet(rows), "losses": loss_curves(trained)}
        return Results(csv=cells, markdown=cells, figures=figures, text="\n".join([*table(cells), ""]))

    def row(self, trial: Trial, statistics: str) -> Row:
        """The measures of ``trial`` with the ``statistics`` of batch norms: of each "batch", or "running" ones."""
        translator = Translator.load(trial.place, "latest", self.device, seed=trial.seed).set_up(statistics)
        rows: list[list[float]] = []
        shown: list[Translation] = []
        fakes, reals = list[Tensor](), list[Tensor]()
        for one in translate_pairs(translator, self.files, SAMPLES.get(self.study or "", 1)):
            assert one.real_B is not None
            l1, psnr, ssim, apart = measure(one.fakes, one.real_B)
            distance = float(np.mean(sliced_wasserstein(one.fakes[0][None], one.real_B[None])))
            rows.append([l1, psnr, ssim, distance, apart])
            shown = [*shown, one][:SHOWN]
            fakes.append(one.fakes[0])
            reals.append(one.real_B)
        values = dict(zip(("L1", "PSNR", "SSIM", "SWD", "diversity"), column_means(rows), strict=True))
        values |= learned_measures(fakes, reals, self.device, self.lpips, self.inception)
        return Row(trial, statistics, values, shown)


def learned_measures(
    fakes: Sequence[Tensor], reals: Sequence[Tensor], device: torch.device, lpips: bool, inception: Path | None
) -> dict[str, float]:
    """Measures by trained nets of ``fakes`` against their ``reals``, images (C, H, W) in [-1, 1].

    LPIPS is the mean distance of each picture to the true one (VGG16; Zhang et al. 2018). FID, KID and Inception Score
    need the weights ``inception``, and are NaN for a single picture.
    """
    found = {}
    if lpips:
        coloured = ([image.expand(3, -1, -1).to(device) for image in side] for side in (fakes, reals))
        found["LPIPS"] = fidelity.lpips_distance(*coloured)
    if inception and len(fakes) == 1:
        found |= dict.fromkeys(SETS, math.nan)
    elif inception:
        with tempfile.TemporaryDirectory() as folder:
            fake, real = ([Path(folder, f"{name}_{place}.png") for place in range(len(fakes))] for name in "AB")
            for file, image in zip([*fake, *real], [*fakes, *reals], strict=True):
                images.write(file, image[None].cpu().clamp(-1, 1))
            values = fidelity.set_metrics(real, fake, [metric for metric, _ in SETS.values()], inception, device)
        found |= {name: values[value] for name, (_, value) in SETS.items()}
    return found


def samples_sheet(rows: Sequence[Row]) -> Figure:
    """A figure with a row for each of some pictures: the input, the truth, and the result of each training."""
    pictures = []
    for place, one in enumerate(rows[0].shown):
        truth = one.real_A if one.real_B is None else one.real_B
        line = [one.real_A, truth, *(row.shown[place].fakes[0] for row in rows)]
        pictures.append([images.to_levels(image[None].clamp(-1, 1)) for image in line])
    titles = ["input", "truth", *(f"{row.trial.label}\n{row.statistics}, seed {row.trial.seed}" for row in rows)]
    return picture_grid(pictures, [], dict(enumerate(titles)), cell=2.2)


def loss_curves(trials: Sequence[Trial]) -> Figure:
    """A figure of the absolute difference and the critic's loss of each training."""
    columns = {trial.name: read_losses(trial.place / "losses.csv") for trial in trials}
    panels = [
        plots.Panel(loss, {name: losses[loss] for name, losses in columns.items() if loss in losses})
        for loss in ("G_L1", "D_total")
    ]
    return plots.curves([panel for panel in panels if panel.curves], "update", smooth=True)


def choose_settings(study: str | None, vary: Sequence[str]) -> list[Setting]:
    """The settings of a ready-made ``study``, or every combination of the values that `vary` names.

    Raises:
        ValueError: neither or both are given, or a flag is unknown or has no values.
    """
    if (study is None) == (not vary):
        raise ValueError("give either a `study`, or flags to `vary`, as lambda_L1=0,10,100")
    if study is not None:
        return STUDIES[study]
    varied = parse_variations(vary, get_options(TrainOptions), "lambda_L1=0,10,100")
    return [dict(zip(varied, values, strict=True)) for values in itertools.product(*varied.values())]


def epochs_for_equal_updates(asked: Request) -> list[str]:
    """Flags of the numbers of epochs with which ``asked`` has as many updates as with batches of one pair."""
    factor = asked.pairs.epoch_size / asked.steps
    return [f"--{name}={round(getattr(asked.options, name) * factor)}" for name in ("n_epochs", "n_epochs_decay")]


def make_trials(settings: Sequence[Setting], shared: Sequence[str], options: StudyOptions, out: Path) -> list[Trial]:
    """The trainings of ``settings``, whose commands share the flags ``shared``, once for each seed."""
    known, first = get_options(TrainOptions), 1 if options.manualSeed is None else options.manualSeed
    result = []
    for setting in settings:
        flags = [*shared, *(word for name, value in setting.items() for word in as_flag(known[name], name, value))]
        if options.equal == "updates":
            flags += epochs_for_equal_updates(parse_request(flags, first))
        for seed in range(first, first + options.seeds):
            result.append(Trial(setting, seed, tuple(flags), parse_request(flags, seed), out))
    return result


def parse_request(words: Sequence[str], seed: int) -> Request:
    """The training that the flags ``words`` describe."""
    args, given = make_parser("train").parse_given(words)
    return make_request(read_options(TrainOptions, args), given, seed)


def study(argv: Sequence[str]) -> None:
    """Run the study that ``argv`` asks for."""
    options = read_options(StudyOptions, make_parser("study").parse_given(argv)[0])
    settings = choose_settings(options.study, options.vary)
    if options.dataroot is None:
        raise ValueError("name the data set: `dataroot`")
    if options.continue_train:
        raise ValueError("`continue_train` is for one model: leave it out of a study")
    files = find_pairs(options.dataroot, options.test_phase)[: options.num_test]
    title = options.study or ",".join(text.replace(",", "+") for text in options.vary)
    folder = options.out / "studies" / model_name(options) / layout.stem(f"{title}.x", "vary")
    PairStudy(
        folder=folder,
        trials=make_trials(settings, remove_flags((*OWN, *SET_HERE), argv), options, folder / "trainings"),
        device=choose_device(options.device, options.not_cuda),
        jobs=options.jobs,
        per_gpu=options.jobs,
        overwrite=options.overwrite,
        root=options.out,
        study=options.study,
        files=files,
        lpips=not fidelity.lpips_missing(),
        inception=fidelity.inception_file(options.weights),
    ).run(options.dry_run)


main_study = script(study)
