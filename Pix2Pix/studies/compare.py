"""The command of a study: trains what is lacking, each in a process of its own, measures all, and writes tables."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from Pix2Pix.options import StudyOptions, TrainOptions
from Pix2Pix.request import Request, device_of, files_of, model_name, request
from Pix2Pix.runs import record
from Pix2Pix.studies.learned import Learned
from Pix2Pix.studies.study import (
    COLUMNS,
    SAMPLES,
    TrainingJob,
    Trial,
    epochs_of,
    flags_of,
    measured,
    settings_of,
    write,
)
from Pix2Pix.terminal import parser_of
from SinGAN.options.option import options_of
from SinGAN.parallel.jobs import slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.storage import layout
from SinGAN.terminal.display import run_all
from SinGAN.terminal.flags import values_of
from SinGAN.terminal.script import script
from SinGAN.terminal.several import without
from SinGAN.terminal.table import table
from SinGAN.terminal.watchers import watched

OWN = tuple(f"--{name}" for name in options_of(StudyOptions) if name not in options_of(TrainOptions))
NAMED = ("--name", "--manualSeed", "--device", "--not_cuda", "--out", "--overwrite", "--n_epochs", "--n_epochs_decay")


def study(argv: Sequence[str]) -> None:
    """Run the study that ``argv`` asks for."""
    args, given = parser_of("study").parse_given(argv)
    options: StudyOptions = values_of(StudyOptions, args)
    settings = settings_of(options.study, options.vary)
    if options.dataroot is None:
        raise ValueError("name the data set: `dataroot`")
    files = files_of(options.dataroot, options.test_phase)[: options.num_test]
    learned = Learned.found(options.weights)
    device, first = device_of(options), 1 if options.manualSeed is None else options.manualSeed
    title = options.study or ",".join(text.replace(",", "+") for text in options.vary)
    folder = options.out / "studies" / model_name(options) / layout.stem(f"{title}.x", "vary")
    shared = without((*OWN, *NAMED), argv)
    jobs, trials = [], list[tuple[Trial, Request, Path]]()
    for setting in settings:
        for seed in range(first, first + options.seeds):
            trial = Trial(setting, seed)
            asked = asked_for([*shared, *flags_of(setting), *epochs(options, given)], seed)
            more = epochs_of(asked, options.equal)
            asked = asked_for([*shared, *flags_of(setting), *(flags_of(more) or epochs(options, given))], seed)
            place = folder / "trainings" / "checkpoints" / trial.name
            words = [*shared, *flags_of(setting), *(flags_of(more) or epochs(options, given)), f"--name={trial.name}"]
            words += [f"--manualSeed={seed}", f"--out={folder / 'trainings'}"]
            trials.append((trial, asked, place))
            if not record.is_done(place):
                jobs.append(TrainingJob(options.dataroot, "translate", tuple(words), place, label=trial.name))
    print(f"{len(trials)} trainings, {len(jobs)} of them to do", flush=True)
    if options.dry_run:
        print(*(f"  singan {shlex.join(['translate', 'train', *job.flags])}" for job in jobs), sep="\n")
        return
    at_once = max(1, min(options.jobs, len(jobs)))
    if jobs and run_all(jobs, LocalRunner(slots(device, at_once, at_once, torch.get_num_threads()), watched())):
        sys.exit(1)
    statistics = ("batch", "running") if options.study == "batch_size" else ("batch",)
    samples = SAMPLES.get(options.study or "", 1)
    rows = [
        measured(trial, place, asked, files, device, kind, samples, learned)
        for trial, asked, place in trials
        for kind in statistics
    ]
    columns = [*COLUMNS, *learned.names]
    write(folder, columns, rows, {trial.name: place / "losses.csv" for trial, _, place in trials})
    print(*table([columns, *(row.cells() for row in rows)]), f"tables and figures: {folder}", sep="\n")


def epochs(options: StudyOptions, given: frozenset[str]) -> list[str]:
    """The numbers of epochs that were given by hand, as flags."""
    return [f"--{name}={getattr(options, name)}" for name in ("n_epochs", "n_epochs_decay") if name in given]


def asked_for(words: Sequence[str], seed: int) -> Request:
    """The training that the flags ``words`` ask for."""
    args, given = parser_of("train").parse_given(words)
    return request(values_of(TrainOptions, args), given, seed)


main_study = script(study)
