"""Train a picture under several settings, measure each, and show them side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from SIFID import evaluation
from SIFID.evaluate import sifid_net
from SIFID.sifid_score import InceptionOptions
from SinGAN import manipulate
from SinGAN.engines.engine import precision_of
from SinGAN.options.applications import COUNT
from SinGAN.options.model import CRITICS, ModelOptions
from SinGAN.options.option import option, options_of
from SinGAN.parallel.jobs import Job, slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.runs.progress import duration
from SinGAN.runs.run import Run
from SinGAN.saved_models.lookup import load
from SinGAN.storage import layout
from SinGAN.storage.files import files_into
from SinGAN.studies import comparison
from SinGAN.studies.combinations import ONE_AT_A_TIME, STUDIES, Combination, combine, speed, variations
from SinGAN.studies.comparison import MeasuredTraining
from SinGAN.terminal.display import run_all
from SinGAN.terminal.flags import BadFlag, parser, values_of
from SinGAN.terminal.parse import Asked, parse
from SinGAN.terminal.script import script
from SinGAN.terminal.several import run_several
from SinGAN.terminal.watchers import watched


@dataclass(frozen=True, kw_only=True)
class StudyOptions(InceptionOptions):
    """The options of a study."""

    study: str | None = option(None, "a ready-made study", group="study", choices=tuple(STUDIES))
    seeds: int = option(1, "trainings of each combination", group="study", **COUNT)
    num_samples: int = option(20, "samples of each training", group="study", **COUNT)
    gen_start_scale: int = option(0, "their first scale with fresh noise", group="study", least=0)
    dry_run: bool = option(False, "only say how many trainings, and about how long", group="study")


def run(argv: Sequence[str]) -> None:
    """Run the study that ``argv`` asks for."""
    flags = parser(__doc__, ["study"], options=StudyOptions)
    words = "a flag, and its values"
    flags.add_argument("--vary", action="append", type=variation, default=[], metavar="FLAG=A,B,..", help=words)
    asked = parse(flags, argv)
    if len(asked.runs) > 1 or asked.run.settings.ray:
        raise SystemExit(run_several(asked, "study", argv))
    asked.run.check_links()
    with precision_of(asked.run.settings.precision, asked.device):
        compare_trainings(asked, values_of(StudyOptions, asked.args))


def compare_trainings(asked: Asked, options: StudyOptions) -> None:
    """Train what the study lacks, measure all its trainings, and write tables and figures."""
    run = asked.run
    folder, combinations = plan_study(run, options, asked.args.vary)
    remaining = [combination for combination in combinations if run.overwrite or not combination.is_trained(run)]
    if options.dry_run:
        expected = duration(seconds(run, remaining))
        print(f"{len(combinations)} trainings, {len(remaining)} of them to be done, about {expected}: {folder}")
        return
    net = sifid_net(options.dims, options.weights)
    status = train_all(run, remaining)
    net = net and net.to(run.device)
    trained = [measure(combination, run, options, net) for combination in combinations if combination.is_trained(run)]
    if not trained:
        raise ValueError("no training of the study succeeded: see the lines above")
    write(folder, trained)
    print(comparison.as_markdown(trained), f"figures and tables: {folder}", sep="")
    if status:
        raise SystemExit(status)


def plan_study(run: Run, options: StudyOptions, vary: list[tuple[str, list[str]]]) -> tuple[Path, list[Combination]]:
    """The folder and the trainings of the study; a ValueError where one of them can't be."""
    varied = variations(options.study, vary, run.training.niter, run.pyramid.max_size)
    folder = layout.study(run.out, run.name, options.study or "_".join(varied))
    combinations = combine(
        run, varied, folder,
        seeds=options.seeds, num_samples=options.num_samples, one_at_a_time=options.study in ONE_AT_A_TIME,
    )  # fmt: skip
    for combination in combinations:
        manipulate.check_start_scale(options.gen_start_scale, len(combination.plan(run).sizes))
    return folder, combinations


def variation(text: str) -> tuple[str, list[str]]:
    """An option of the model and its values, from the ``text`` of a flag: NAME=A,B,..; BadFlag where it is none."""
    name, _, listed = text.partition("=")
    values = listed.split(",")
    if name not in options_of(ModelOptions) or name == "netG" or not all(values):
        raise BadFlag(f"must be a flag of the model and its values, as alpha=0,1,10, not {text}")
    if name == "netD" and not CRITICS.keys() >= set(values):
        raise BadFlag(f"must have values of {', '.join(CRITICS)}, not {listed}")
    if len(set(values)) < len(values):
        raise BadFlag(f"names a value twice: {text}")
    if any((value in ("True", "False")) != (name == "no_residual") for value in values):
        raise BadFlag(f"must have values of --{name}, not {listed}")
    return name, values


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


def measure(combination: Combination, run: Run, options: StudyOptions, net: nn.Module | None) -> MeasuredTraining:
    """The samples of one training, and their measures."""
    _, pyramid = load(combination.model(run.name), run.device)
    real, start = pyramid.scales[-1].real, options.gen_start_scale
    rng = torch.Generator(run.device).manual_seed(combination.seed)
    samples = evaluation.draw_samples(pyramid, rng, options.num_samples, start)
    return MeasuredTraining(
        varied=combination.varied,
        seed=combination.seed,
        scales=len(pyramid),
        samples=samples,
        real=real,
        evaluation=evaluation.evaluate(samples, real, start, net, None),
        reconstruction=evaluation.reconstruction(pyramid),
        losses=comparison.read_losses(combination.model(run.name) / str(len(pyramid) - 1) / "losses.csv"),
    )


def write(folder: Path, trained: Sequence[MeasuredTraining]) -> None:
    """Write the tables and figures into ``folder``."""
    with files_into(folder) as draft:
        (draft / "table.csv").write_text(comparison.as_csv(trained), encoding="utf-8")
        (draft / "table.md").write_text(comparison.as_markdown(trained), encoding="utf-8")
        for name, figure in comparison.figures(trained).items():
            figure.savefig(draft / f"{name}.png", dpi=130)


main = script(run, start_scale="gen_start_scale")
