"""The trainings of a study: every combination of the values that are varied, its costs, and whether it is done."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.engine import Engine
from SinGAN.engines.estimates import scale_costs
from SinGAN.losses.gan import GAN_MODES
from SinGAN.options.model import CRITICS, STOCHASTIC, ModelOptions
from SinGAN.options.option import options_of
from SinGAN.pictures import images
from SinGAN.planning import Plan, plan_scales
from SinGAN.runs.run import Run
from SinGAN.saved_models.lookup import find
from SinGAN.storage import layout
from SinGAN.storage.hashes import sha256
from SinGAN.training import train

Varied = dict[str, list[str]]
STUDIES: dict[str, Varied] = {
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
"""The studies that have a name. Where values are missing, they are fractions of the run's own value."""

ONE_AT_A_TIME = ("sizes",)  # studies whose trainings differ in one option only from the run
PASSED_ON = ("vgg_weights", "engine", "precision", "recompute", "winograd", "checkpoint_every")
TRIALS = 3  # iterations that ``speed`` measures


@dataclass(frozen=True)
class Combination:
    """One training of a study."""

    varied: dict[str, str]
    seed: int
    out: Path  # the output folder of its training
    flags: tuple[str, ...]  # of the training's command, except the picture's
    options: ModelOptions

    @property
    def label(self) -> str:
        """The name of the training on the screen."""
        return self.out.name

    def model(self, name: str) -> Path:
        """The folder of the model, of the picture ``name``."""
        return layout.trained(self.out, name, self.options.scale_factor, self.options.alpha)

    def is_trained(self, run: Run) -> bool:
        """Whether there is a whole model of the run's picture, with these options and this seed."""
        model = find(self.model(run.name))
        if model is None or not model.is_whole:
            return False
        manifest = model.manifest
        same = manifest.sha256 == sha256(run.picture.read_bytes()) and manifest.seed == self.seed
        return same and not manifest.differences(self.options.as_dict())

    def plan(self, run: Run) -> Plan:
        """The scales of the run's picture; a ValueError where the options allow none."""
        return plan_scales(*images.size(run.picture), self.options.pyramid)

    def cost(self, run: Run, winograd: bool) -> float:
        """The relative time of the training; ``winograd``: with convolutions by Winograd's method."""
        costs = scale_costs(self.plan(run), self.options.net, run.device, winograd)
        return float(self.options.niter * sum(costs))


def variations(study: str | None, vary: list[tuple[str, list[str]]], niter: int, max_size: int) -> Varied:
    """The options to vary, with their values as text.

    Arguments:
        study: the name of a ready-made study, if one is asked for.
        vary: options and values that the user names.
        niter: the run's own, of which a study may take fractions.
        max_size: likewise.

    Raises:
        ValueError: an option is named twice, or none is.
    """
    ready_made = STUDIES.get(study or "", {})
    names = [name for name, _ in vary] + list(ready_made)
    if len(set(names)) < len(names):
        raise ValueError(f"`vary` and `study` name a flag twice: {', '.join(names)}")
    varied = {**ready_made, **dict(vary)}
    if not varied:
        raise ValueError(f"nothing to study: name flags with `vary`, or one of `study` {', '.join(STUDIES)}")
    if study == "niter":
        varied["niter"] = list(dict.fromkeys(str(max(1, niter // part)) for part in (8, 4, 2, 1)))
    if study == "sizes":
        varied["max_size"] = list(dict.fromkeys(str(max(1, max_size * part // 4)) for part in (3, 4)))
    return varied


def combine(
    run: Run, varied: Varied, folder: Path, *, seeds: int, num_samples: int, one_at_a_time: bool
) -> list[Combination]:
    """Every combination of the values of ``varied``, each trained ``seeds`` times, below ``folder``.

    Arguments:
        run: the run whose other options hold for all trainings.
        varied: option names and their values, as text.
        folder: of the study.
        seeds: number of trainings of each combination.
        num_samples: number of samples of each training.
        one_at_a_time: leave out combinations in which more than one option differs from the run's.

    Raises:
        ValueError: a value is out of range, or two contradict each other.
    """
    shared = [
        flag for name, value in shared_options(run).items() if name not in varied for flag in as_flag(name, str(value))
    ]
    first = run.seed if "manualSeed" in run.given else 1
    combinations = []
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        if one_at_a_time and sum(value != str(getattr(run.options, name)) for name, value in chosen.items()) > 1:
            continue
        flags = [*shared, *(flag for name, value in chosen.items() for flag in as_flag(name, value))]
        options = with_values(run, chosen)
        for seed in range(first, first + seeds):
            names = {**chosen, "seed": str(seed)} if seeds > 1 or "manualSeed" in run.given else chosen
            out = folder / ",".join(f"{name}={value}" for name, value in names.items())
            rest = [f"--out={out}", f"--manualSeed={seed}", f"--num_samples={num_samples}"]
            rest += ["--overwrite"] if run.overwrite else []
            combinations.append(Combination(chosen, seed, out, (*flags, *rest), options))
    return combinations


def shared_options(run: Run) -> dict[str, object]:
    """The options given by the user that hold for every training, by name."""
    models = {name: getattr(run.options, name) for name in options_of(ModelOptions) if name in run.given}
    return models | {name: getattr(run.settings, name) for name in PASSED_ON if name in run.given}


def with_values(run: Run, chosen: Mapping[str, str]) -> ModelOptions:
    """The options given by the user, with ``chosen`` in their place, completed by what follows from them."""
    known = options_of(ModelOptions)
    values = {name: getattr(run.options, name) for name in known if name in run.given}
    for name, text in chosen.items():
        try:
            values[name] = known[name].parse(text)
        except ValueError as error:
            raise ValueError(f"`{name}`: {error}") from None
    return ModelOptions(**values).completed()


def as_flag(name: str, value: str) -> list[str]:
    """The words of a command line that set the option ``name`` to ``value``; a switch that is off needs none."""
    if value == "False":
        return []
    return [f"--{name}"] if value == "True" else [f"--{name}={value}"]


def speed(run: Run, engine: Engine) -> float:
    """The relative time (see ``Combination.cost``) that a second brings, measured on a few small iterations."""
    rng, size = run.fresh_rng(), 48
    image = torch.rand(1, run.net.channels, size, size, generator=rng, device=run.device)
    plan = Plan(num_scales=0, stop_scale=0, scale1=1.0, factor=1.0, sizes=((size, size),))
    times: list[float] = []

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: object) -> None:
        losses["G_total"].item()  # waits for the device
        times.append(time.monotonic())

    plain = replace(run.training, niter=TRIALS + 1, texture_weight=0.0, perceptual_weight=0.0)  # VGG is not counted
    eager = Engine(precision=engine.precision, winograd=engine.winograd)
    list(train(image, plan, run.net, plain, rng, watch=watch, engine=eager))
    return TRIALS * sum(scale_costs(plan, run.net, run.device, engine.winograd)) / (times[-1] - times[0])
