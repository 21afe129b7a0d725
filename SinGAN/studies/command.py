"""Train a picture under several settings, measure each, and show them side by side."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from SIFID import evaluation
from SIFID.evaluate import sifid_net
from SIFID.inception import check_size
from SinGAN import manipulate
from SinGAN.engines.engine import precision_of
from SinGAN.engines.estimates import bytes_on_disk
from SinGAN.losses import perceptual
from SinGAN.options.applications import DENOISE, INSTANT, PATCHES, SINGAN, PatchOptions
from SinGAN.options.measures import REFINED, STUDIES, StudyOptions, Varied
from SinGAN.options.option import options_of
from SinGAN.parallel.jobs import Job, slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.patches.makers import Maker, Refiner, Trained
from SinGAN.pictures import images
from SinGAN.runs.progress import duration
from SinGAN.runs.results import read_losses
from SinGAN.runs.run import Run
from SinGAN.runs.source import untrained
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import check_room, files_into
from SinGAN.studies import comparison
from SinGAN.studies.combinations import Combination, changed, combine, short, speed
from SinGAN.studies.comparison import MeasuredTraining
from SinGAN.studies.variations import variations
from SinGAN.terminal.display import run_all
from SinGAN.terminal.flags import parser_of, values_of
from SinGAN.terminal.parse import parse
from SinGAN.terminal.script import script, with_flags
from SinGAN.terminal.several import check_links, run_several
from SinGAN.terminal.watchers import watched


def run(argv: Sequence[str]) -> None:
    """Run the study that ``argv`` asks for."""
    asked = parse(parser_of("study"), argv)
    if len(asked.runs) > 1 or asked.run.settings.ray:
        raise SystemExit(run_several(asked, "study"))
    check_links(asked.run, "study")
    with precision_of(asked.run.settings.precision, asked.device):
        compare_trainings(asked.run, values_of(StudyOptions, asked.args))


def compare_trainings(run: Run, options: StudyOptions) -> None:
    """Train what the study lacks, measure all its trainings, and write tables and figures."""
    varied = variations(run, options.study, options.vary, needs_some=options.method == (SINGAN,))
    combinations: list[Combination] = []
    lines: list[str] = []
    if set(options.method) & {SINGAN, REFINED}:
        combinations, lines = combine(
            run, varied, seeds=options.seeds, num_samples=options.num_samples, study=options.study
        )
    for combination in combinations:
        manipulate.check_start_scale(options.gen_start_scale, len(combination.plan.sizes))
    folder = layout.study(run.out, run.name, title(run, options, varied))
    for line in dict.fromkeys(lines):  # once for all seeds
        print(with_flags(line))
    remaining = [
        combination for combination in combinations if run.settings.overwrite or not combination.is_trained(run)
    ]
    if options.dry_run:
        expected = duration(seconds(run, remaining))
        print(f"{len(combinations)} trainings, {len(remaining)} of them to be done, about {expected}: {folder}")
        return
    net = sifid_net(options.dims, options.weights)
    check_needs(run, options, combinations, remaining, has_sifid=net is not None)
    status = train_all(run, remaining)
    net = net and net.to(run.device)
    trained = [
        training
        for combination in combinations
        if combination.is_trained(run)
        for training in measure_trained(combination, run, options, net)
    ]
    trained += measure_untrained(run, options, varied, net)
    if trained:
        write(folder, trained)
        print(comparison.as_markdown(trained), f"figures and tables: {folder}", sep="")
    if status:
        raise SystemExit(status)


def title(run: Run, options: StudyOptions, varied: Varied) -> str:
    """The name of the study's folder: all that it varies, and the settings that shape it."""
    named = [
        f"{name}={','.join(values)}"
        for name, values in varied.items()
        if name not in STUDIES.get(options.study or "", {})
    ]
    shared = {name: value for name, value in changed(run.options).items() if name not in varied}
    own = {name: getattr(options, name) for name in ("gen_start_scale", "num_samples", "seeds", "dims")}
    defaults = {name: entry.default for name, entry in options_of(StudyOptions).items()}
    shared |= {name: str(value) for name, value in own.items() if value != defaults[name]}
    if options.method != (SINGAN,):
        shared["method"] = ",".join(options.method)
    if "manualSeed" in run.given:
        shared["manualSeed"] = str(run.seed)
    parts = [
        *([options.study] if options.study else []),
        *named,
        *(f"{name}={value}" for name, value in shared.items()),
    ]
    return short("+".join(parts))


def check_needs(
    run: Run,
    options: StudyOptions,
    combinations: Sequence[Combination],
    remaining: Sequence[Combination],
    has_sifid: bool,
) -> None:
    """Raise an error where a training, or its measures, will lack something: it must not be found out hours later."""
    if has_sifid:
        for combination in combinations:
            check_size(*combination.plan.sizes[-1], options.dims)
    if any(combination.options.training.uses_vgg for combination in remaining):
        perceptual.trained(run.settings.vgg_weights)
    needed = sum(bytes_on_disk(combination.plan, combination.options.net) for combination in remaining)
    check_room(layout.study(run.out, run.name, ""), needed)


def seconds(run: Run, remaining: Sequence[Combination]) -> float:
    """The seconds that the ``remaining`` trainings will take, an estimate."""
    if not remaining:
        return 0.0
    engine = run.engine.choose(run.device)
    on_cpu = run.device.type == "cpu"
    at_once = 1 if on_cpu else max(1, min(run.settings.jobs, len(remaining)))  # jobs share a CPU's threads
    work = sum(combination.cost(run, engine.winograd) for combination in remaining)
    return work / at_once / speed(run, engine)


def train_all(run: Run, remaining: Sequence[Combination]) -> int:
    """Train the ``remaining`` combinations, some at once; returns the exit status."""
    if not remaining:
        return 0
    jobs = [
        Job(run.picture, "train", combination.flags, combination.model(run.name), combination.label)
        for combination in remaining
    ]
    at_once = min(run.settings.jobs, len(remaining))
    places = slots(run.device, at_once, run.settings.jobs_per_gpu, torch.get_num_threads())
    return run_all(jobs, LocalRunner(places, watched()))


def measure_trained(
    combination: Combination, run: Run, options: StudyOptions, net: nn.Module | None
) -> list[MeasuredTraining]:
    """The samples of one training, also refined where that is asked for, and their measures."""
    model = ModelFolder.open(combination.model(run.name))
    pyramid = model.load(run.device)
    overview = model.manifest.kind_of_model.columns(combination.options.training).overview
    makers = {
        SINGAN: Trained(pyramid),
        REFINED: Trained(pyramid, Refiner(pyramid.scales[-1].real) if REFINED in options.method else None),
    }
    score = evaluation.reconstruction(pyramid)
    losses = read_losses(model.folder / str(len(pyramid) - 1) / "losses.csv")
    result = []
    for method in (name for name in makers if name in options.method):
        varied = combination.varied if options.method == (SINGAN,) else {**combination.varied, "method": method}
        training = measure(makers[method], varied, combination.seed, run, options, net)
        result.append(
            replace(training, reconstruction=score, losses=losses, overview=overview) if method == SINGAN else training
        )
    return result


def measure_untrained(run: Run, options: StudyOptions, varied: Varied, net: nn.Module | None) -> list[MeasuredTraining]:
    """The samples that patches make without training, and their measures; once for each seed."""
    result, first = [], run.seed if "manualSeed" in run.given else 1
    for method in (INSTANT, PATCHES, DENOISE):
        if method in options.method:
            maker = untrained(run, PatchOptions(method=method), measured=True).maker
            names = {**dict.fromkeys(varied, "-"), "method": method}
            seeds = range(first, first + options.seeds)
            result += [measure(maker, names, seed, run, options, net) for seed in seeds]
    return result


def measure(
    maker: Maker, varied: dict[str, str], seed: int, run: Run, options: StudyOptions, net: nn.Module | None
) -> MeasuredTraining:
    """The samples of ``maker``, and their measures."""
    real, start = images.as_floats(maker.real), options.gen_start_scale
    started = time.monotonic()
    drawn = maker.sample(torch.Generator(run.device).manual_seed(seed), options.num_samples, start)
    samples = evaluation.as_in_files(drawn, run.device)
    took = time.monotonic() - started
    return MeasuredTraining(
        varied=varied,
        seed=seed,
        scales=len(maker),
        factor=maker.factor,
        samples=samples,
        real=real,
        evaluation=evaluation.evaluate(samples, real, start, net, None),
        seconds=took / options.num_samples,
    )


def write(folder: Path, trained: Sequence[MeasuredTraining]) -> None:
    """Write the tables and figures into ``folder``."""
    with files_into(folder) as draft:
        (draft / "table.csv").write_text(comparison.as_csv(trained), encoding="utf-8")
        (draft / "table.md").write_text(comparison.as_markdown(trained), encoding="utf-8")
        for name, figure in comparison.figures(trained).items():
            figure.savefig(draft / f"{name}.png", dpi=130)


main = script(run, start_scale="gen_start_scale")
