"""Train a picture under several settings, measure each, and show them side by side."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import config
import main_train
from SIFID import comparison, evaluation
from SIFID.evaluate import sifid_net
from SIFID.sifid_score import add_inception_flags
from SinGAN import manipulate
from SinGAN.engines.engine import Engine
from SinGAN.losses.gan import GAN_MODES
from SinGAN.options.model import CRITICS, MODEL_FLAGS, STOCHASTIC, configs, model_options
from SinGAN.parallel import jobs as dispatch
from SinGAN.pictures import images
from SinGAN.planning import Plan, plan_scales
from SinGAN.pyramid import trained_scales
from SinGAN.runs.progress import duration, scale_costs
from SinGAN.runs.run import Run
from SinGAN.saved_models.manifest import Manifest, load, sha256
from SinGAN.storage import layout
from SinGAN.storage.files import files_into
from SinGAN.training import train

Varied = dict[str, list[str]]
READY: dict[str, Varied] = {
    "layers": {"num_layer": ["4", "5", "6"]},
    "scale_factor": {"scale_factor": ["0.4", "0.55", "0.75", "0.85"]},
    "alpha": {"alpha": ["0", "0.1", "1", "10", "100"]},
    "niter": {"niter": []},
    "residual": {"no_residual": ["False", "True"]},
    "texture": {"texture_weight": ["0", "0.1", "1", "10", "100"]},
    "sizes": {"min_size": ["12", "18", "25", "35"], "max_size": []},
    "gan_mode": {"gan_mode": list(GAN_MODES)},
    "critic": {"netD": list(CRITICS)},
    "stochastic": {"stochastic": list(STOCHASTIC)},
    "sketch": {"sketch_scales": ["0", "1", "2", "3"]},
    "z_rec": {"z_rec": ["fixed", "redrawn"]},
}
"""The studies that have a name; niter's values are parts of --niter, those of max_size of --max_size."""

ONE_AT_A_TIME = ("sizes",)  # studies in which one flag differs from its own value, not several

TRIALS = 3  # iterations that --dry_run times


@dataclass(frozen=True)
class Combination:
    """One training of a study."""

    varied: dict[str, str]
    seed: int
    out: Path  # of its training
    flags: tuple[str, ...]  # of main_train.py, but for the picture
    options: dict[str, Any]  # all of MODEL_FLAGS

    @property
    def label(self) -> str:
        return self.out.name

    def model(self, name: str) -> Path:
        return layout.trained(self.out, name, self.options["scale_factor"], self.options["alpha"])

    def is_trained(self, run: Run) -> bool:
        """Whether its model is there, whole, of the run's picture, and of these options and this seed."""
        folder = self.model(run.name)
        if not (folder / "manifest.json").exists():
            return False
        manifest = Manifest.read(folder)
        same = manifest.sha256 == sha256(run.picture) and manifest.seed == self.seed
        return same and not manifest.differences(self.options) and trained_scales(folder) == len(manifest.sizes)


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, ["study"])
    add = parser.add_argument_group("study").add_argument
    add("--vary", action="append", type=variation, default=[], metavar="FLAG=A,B,..", help="a flag, and its values")
    add("--study", choices=READY, help="a ready-made study")
    add("--seeds", type=config.count, default=1, help="trainings of each combination [%(default)s]")
    add("--num_samples", type=config.count, default=20, help="samples of each training [%(default)s]")
    add("--gen_start_scale", type=config.number(int, 0), default=0, help="their first scale with fresh noise [0]")
    add("--dry_run", action="store_true", help="only say how many trainings, and about how long")
    add_inception_flags(parser)
    run, args = config.parse(parser, argv, __file__)
    varied = variations(args.study, args.vary, run.training.niter, run.pyramid.max_size)
    folder = layout.study(run.out, run.name, args.study or "_".join(varied))
    combinations = combine(run, args, varied, folder)
    for one in combinations:
        manipulate.check_start_scale(args.gen_start_scale, len(planned(run, one).sizes), "--gen_start_scale")
    left = [one for one in combinations if run.overwrite or not one.is_trained(run)]
    if args.dry_run:
        at_once = 1 if run.device.type == "cpu" else max(1, min(args.jobs, len(left)))  # jobs share a CPU's threads
        seconds = sum(cost(run, one) for one in left) / at_once / speed(run)
        print(f"{len(combinations)} trainings, {len(left)} of them to be done, about {duration(seconds)}: {folder}")
        return
    net = sifid_net(args.dims, args.weights)
    trainer = Path(main_train.__file__)
    tasks = [dispatch.Task(run.picture, trainer, one.flags, one.model(run.name), one.label) for one in left]
    places = dispatch.slots(run.device, max(1, min(args.jobs, len(left))), args.jobs_per_gpu, torch.get_num_threads())
    status = dispatch.run_all(tasks, dispatch.Here(places)) if tasks else 0
    net = net and net.to(run.device)
    trained = [measure(one, run, args, net) for one in combinations if one.is_trained(run)]
    if not trained:
        raise ValueError("no training of the study succeeded: see the lines above")
    write(folder, trained)
    print(comparison.as_markdown(trained), f"figures and tables: {folder}", sep="")
    if status:
        raise SystemExit(status)


def variation(text: str) -> tuple[str, list[str]]:
    """A converter to a flag of the trainer and its values."""
    flag, _, text_of_values = text.partition("=")
    values = text_of_values.split(",")
    if flag not in MODEL_FLAGS or flag == "netG" or not all(values):
        raise argparse.ArgumentTypeError(f"must be a flag of the model and its values, as alpha=0,1,10, not {text}")
    if flag == "netD" and not CRITICS.keys() >= set(values):
        raise argparse.ArgumentTypeError(f"must have values of {', '.join(CRITICS)}, not {text_of_values}")
    if len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"names a value twice: {text}")
    if any((value in ("True", "False")) != (flag == "no_residual") for value in values):
        raise argparse.ArgumentTypeError(f"must have values of --{flag}, not {text_of_values}")
    return flag, values


def variations(study: str | None, vary: list[tuple[str, list[str]]], niter: int, max_size: int) -> Varied:
    """The flags to vary and their values; raises a ValueError where nothing is to vary."""
    named = [flag for flag, _ in vary] + list(READY.get(study or "", {}))
    if len(set(named)) < len(named):
        raise ValueError(f"--vary and --study name a flag twice: {', '.join(named)}")
    varied = {**READY.get(study or "", {}), **dict(vary)}
    if not varied:
        raise ValueError(f"nothing to study: name flags with --vary, or one of --study {', '.join(READY)}")
    if study == "niter":
        varied["niter"] = list(dict.fromkeys(str(max(1, niter // part)) for part in (8, 4, 2, 1)))
    if study == "sizes":
        varied["max_size"] = list(dict.fromkeys(str(max(1, max_size * part // 4)) for part in (3, 4)))
    return varied


def combine(run: Run, args: config.Flags, varied: Varied, folder: Path) -> list[Combination]:
    """Every combination of the values, each ``--seeds`` times; raises SystemExit, after a line, for a bad value."""
    passed_on = (*MODEL_FLAGS, "vgg_weights", "engine", "precision", "recompute", "winograd", "checkpoint_every")
    given = [flag for flag in passed_on if flag in run.given]
    base = [part for flag in given if flag not in varied for part in as_flag(flag, str(getattr(args, flag)))]
    first = run.seed if "manualSeed" in run.given else 1
    found = []
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        others = sum(value != str(getattr(args, flag)) for flag, value in chosen.items())
        if args.study in ONE_AT_A_TIME and others > 1:
            continue
        own = [*base, *(part for flag, value in chosen.items() for part in as_flag(flag, value))]
        parsed = config.parser(None, ["train"]).parse_args([f"--input_name={run.picture.name}", *own])
        for seed in range(first, first + args.seeds):
            names = {**chosen, "seed": str(seed)} if args.seeds > 1 or "manualSeed" in run.given else chosen
            out = folder / ",".join(f"{flag}={value}" for flag, value in names.items())
            rest = [f"--out={out}", f"--manualSeed={seed}", f"--num_samples={args.num_samples}"]
            rest += ["--overwrite"] if run.overwrite else []
            found.append(Combination(chosen, seed, out, (*own, *rest), model_options(vars(parsed))))
    return found


def as_flag(flag: str, value: str) -> list[str]:
    """``flag`` with ``value`` on a command line; a switch is there or not."""
    if value == "False":
        return []
    return [f"--{flag}"] if value == "True" else [f"--{flag}={value}"]


def planned(run: Run, one: Combination) -> Plan:
    """The scales of a training; a ValueError where the picture has none such."""
    height, width = images.size(run.picture)
    return plan_scales(height, width, configs(one.options)["pyramid"])


def cost(run: Run, one: Combination) -> float:
    """The relative time that a training takes."""
    own = configs(one.options)
    costs = scale_costs(planned(run, one), own["net"], run.device, run.engine.winograd)
    return float(own["training"].niter * sum(costs))


def speed(run: Run) -> float:
    """The relative time that passes in a second, from some iterations of the coarsest scale."""
    rng, size = run.fresh_rng(), 48
    image = torch.rand(1, run.net.channels, size, size, generator=rng, device=run.device)
    plan = Plan(0, 0, 1.0, 1.0, ((size, size),))
    times: list[float] = []

    def watch(scale: int, iteration: int, losses: Tensor, state: object) -> None:
        losses.tolist()  # waits for the device
        times.append(time.monotonic())

    plain = replace(run.training, niter=TRIALS + 1, texture_weight=0.0, perceptual_weight=0.0)  # VGG is not counted
    engine = Engine(precision=run.engine.precision, winograd=run.engine.winograd)
    list(train(image, plan, run.net, plain, rng, watch, engine=engine))
    return TRIALS * sum(scale_costs(plan, run.net, run.device, run.engine.winograd)) / (times[-1] - times[0])


def measure(one: Combination, run: Run, args: config.Flags, net: nn.Module | None) -> comparison.Trained:
    """The samples of one training, and their measures."""
    _, pyramid = load(one.model(run.name), run.device)
    real, start = pyramid.scales[-1].real, args.gen_start_scale
    rng = torch.Generator(run.device).manual_seed(one.seed)
    samples = evaluation.draw_samples(pyramid, rng, args.num_samples, start)
    return comparison.Trained(
        varied=one.varied,
        seed=one.seed,
        scales=len(pyramid),
        samples=samples,
        real=real,
        found=evaluation.evaluate(samples, real, start, net, None),
        reconstruction=evaluation.reconstruction(pyramid),
        losses=comparison.read_losses(one.model(run.name) / str(len(pyramid) - 1) / "losses.csv"),
    )


def write(folder: Path, trained: Sequence[comparison.Trained]) -> None:
    """Write the tables and figures into ``folder``."""
    with files_into(folder) as draft:
        (draft / "table.csv").write_text(comparison.as_csv(trained), encoding="utf-8")
        (draft / "table.md").write_text(comparison.as_markdown(trained), encoding="utf-8")
        for name, figure in comparison.figures(trained).items():
            figure.savefig(draft / f"{name}.png", dpi=130)


if __name__ == "__main__":
    main()
