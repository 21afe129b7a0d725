"""The trainings of a study of one picture: each combination of the varied values, its cost, whether it is trained."""

import contextlib
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.engine import Engine
from SinGAN.engines.estimates import scale_costs
from SinGAN.kinds import KINDS
from SinGAN.options.growing import defaults_of_kind
from SinGAN.options.measures import STUDIES, Varied
from SinGAN.options.model import CRITICS, ModelOptions
from SinGAN.options.option import get_options
from SinGAN.options.tasks import TRAIN
from SinGAN.pictures import images
from SinGAN.planning import Plan
from SinGAN.runs.run import Run
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.hashes import sha256
from SinGAN.studies.study import as_flag, parse_variations
from SinGAN.training import train

ONE_AT_A_TIME = ("sizes",)  # studies whose trainings differ in one option only from the run
PASSED_ON = ("vgg_weights", "engine", "precision", "recompute", "winograd", "checkpoint_every")
LONGEST = 120  # bytes of a folder's name: file systems take 255, and the paths in it must have room, too
TRIALS = 3  # iterations that ``measure_speed`` measures
FACTORS = 4  # values of the ready-made study of scale factors, at most


@dataclass(frozen=True)
class Combination:
    """One training of a study."""

    varied: dict[str, str]  # of several values that plan the same scales, all: 0.25/0.5
    seed: int
    out: Path  # the output folder of its training
    flags: tuple[str, ...]  # of the training's command, except the picture's
    options: ModelOptions
    plan: Plan

    @property
    def label(self) -> str:
        """The name of the training on the screen."""
        return ",".join(f"{name}={value}" for name, value in {**self.varied, "seed": str(self.seed)}.items())

    def model(self, name: str) -> Path:
        """The folder of the model, of the picture ``name``."""
        return layout.model_folder(self.out, name, self.options.scale_factor, self.options.alpha, self.options.label)

    def is_trained(self, run: Run) -> bool:
        """Whether there is a whole model of the run's picture, with these options and this seed."""
        model = ModelFolder.find(self.model(run.name))
        if model is None or not model.is_whole:
            return False
        manifest = model.manifest
        same = manifest.sha256 == sha256(run.picture.read_bytes()) and manifest.seed == self.seed
        return same and not manifest.differences(self.options.as_dict())

    def cost(self, run: Run, winograd: bool) -> float:
        """The relative time of the training; ``winograd``: with convolutions by Winograd's method."""
        return float(self.options.niter * sum(scale_costs(self.plan, self.options.net, run.device, winograd)))

    def training(self) -> tuple[object, ...]:
        """All that the trained model depends on: equal combinations share one training."""
        plan = self.plan
        scales = plan.scale1, plan.factor, plan.sizes, plan.sketch_scales
        return self.seed, scales, replace(self.options, scale_factor=0.5, min_size=1, max_size=1, sketch_scales=0)


def varied_options(run: Run, study: str | None, vary: Sequence[str], needs_some: bool = True) -> Varied:
    """The options to vary and their values as text: those of a ready-made ``study``, and those that `vary` names.

    The values of some studies depend on the options and the picture of ``run``.

    Raises:
        ValueError: an option is unknown or named twice, a value is out of range, or there is nothing to vary although
            the study ``needs_some``.
    """
    ready_made = STUDIES.get(study or "", {})
    known = {name: entry for name, entry in get_options(ModelOptions).items() if name != "netG"}
    named = parse_variations(vary, known, "alpha=0,1,10")
    if twice := [name for name in named if name in ready_made]:
        raise ValueError(f"`vary` and `study` name a flag twice: {', '.join(twice)}")
    if not CRITICS.keys() >= set(named.get("netD", ())):
        raise ValueError(f"`vary` must have values of {', '.join(CRITICS)}, not {','.join(named['netD'])}")
    if needs_some and not (ready_made or named):
        raise ValueError(f"nothing to study: name flags with `vary`, or one of `study` {', '.join(STUDIES)}")
    varied = {**ready_made, **named}
    if study == "niter":
        varied["niter"] = list(dict.fromkeys(str(max(1, run.options.niter // part)) for part in (8, 4, 2, 1)))
    if study == "sizes":
        longer = min(run.options.max_size, max(images.read_size(run.picture)))
        varied["max_size"] = list(dict.fromkeys(str(max(1, longer * part // 4)) for part in (3, 4)))
    if study == "scale_factor":
        varied["scale_factor"] = scale_factors(run)
    return varied


def scale_factors(run: Run) -> list[str]:
    """Up to four scale factors, the run's own among them, that give its picture different numbers of scales."""
    own = run.options.scale_factor
    by_scales: dict[int, float] = {}
    for factor in (own, 0.75, 0.4, 0.55, 0.85, 0.25, 0.5, 0.65, 0.8, 0.9):
        with contextlib.suppress(ValueError):
            options = replace(run.options, scale_factor=factor)
            plan = KINDS[options.kind].plan(*images.read_size(run.picture), options, TRAIN)
            by_scales.setdefault(len(plan.sizes), factor)
    factors = sorted(by_scales.values())
    if len(factors) > FACTORS:
        places = [round(index * (len(factors) - 1) / (FACTORS - 1)) for index in range(FACTORS)]
        nearest = min(range(FACTORS), key=lambda index: abs(places[index] - factors.index(own)))
        factors = [own if index == nearest else factors[place] for index, place in enumerate(places)]
    return [f"{factor:g}" for factor in factors] or [f"{own:g}"]


def combine(
    run: Run, varied: Varied, *, seeds: int, num_samples: int, study: str | None
) -> tuple[list[Combination], list[str]]:
    """Every combination of the values of ``varied``, each trained ``seeds`` times, and lines on what was left out.

    Combinations whose values plan the same scales are one: they would give the same model.

    Values of a ready-made ``study`` that the picture does not allow are left out.

    Raises:
        ValueError: a value is out of range, two contradict each other, or the picture does not allow one.
    """
    size, first = images.read_size(run.picture), run.seed if "manualSeed" in run.given else 1
    combinations, lines = [], []
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        others = sum(value != str(getattr(run.options, name)) for name, value in chosen.items())
        if study in ONE_AT_A_TIME and others > 1:
            continue
        options = set_values(run, chosen)
        try:
            plan = KINDS[options.kind].plan(*size, options, TRAIN)
        except ValueError as error:
            if study is None:
                raise
            shown = " ".join(f"`{name}` {value}" for name, value in chosen.items())
            lines.append(f"{shown} is left out: {str(error).partition(': ')[0]}")
            continue
        for seed in range(first, first + seeds):
            out = layout.study(run.out, run.name, "trainings") / folder_name(options, seed)
            flags = make_flags(run, chosen, out, seed, num_samples)
            combinations.append(Combination(chosen, seed, out, flags, options, plan))
    if not combinations:
        raise ValueError(f"the picture allows no training of the study: {'; '.join(lines)}")
    return merge_equal_plans(run, combinations, lines), lines


def merge_equal_plans(run: Run, combinations: Sequence[Combination], lines: list[str]) -> list[Combination]:
    """``combinations``, those that give the same model as one; adds to ``lines`` which they are."""
    groups: dict[tuple[object, ...], list[Combination]] = {}
    for combination in combinations:
        groups.setdefault(combination.training(), []).append(combination)
    result = []
    for group in groups.values():
        one = next((member for member in group if len(group) > 1 and member.is_trained(run)), group[0])
        values = {name: "/".join(dict.fromkeys(member.varied[name] for member in group)) for name in one.varied}
        if len(group) > 1:
            scales = len(one.plan.sizes)
            equal = "; ".join(
                f"`{name}` {value.replace('/', ' and ')}" for name, value in values.items() if "/" in value
            )
            lines.append(
                f"{equal} give the picture the same {scales} scales (factor {one.plan.factor:.3g}): trained once"
            )
        result.append(replace(one, varied=values))
    return result


def folder_name(options: ModelOptions, seed: int) -> str:
    """The name of the folder of a training: its ``seed``, and all ``options`` that differ from their defaults."""
    return shorten(",".join([*(f"{name}={value}" for name, value in changed_options(options).items()), f"seed={seed}"]))


def changed_options(options: ModelOptions) -> dict[str, str]:
    """The ``options`` that differ from their defaults, as text."""
    default = defaults_of_kind(options)
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in options.as_dict().items()
        if value != default[name]
    }


def shorten(name: str) -> str:
    """``name`` as a folder's; where it is long or holds a path, cut off and with a part of its hash."""
    if len(name.encode()) <= LONGEST and "/" not in name and "\\" not in name:
        return name
    plain = re.sub(r"[^\w=,.+-]", "_", name)
    return f"{plain[: LONGEST // 2]},{sha256(name.encode())[:12]}"


def make_flags(run: Run, chosen: Mapping[str, str], out: Path, seed: int, num_samples: int) -> tuple[str, ...]:
    """The flags of the training that has the ``chosen`` values, in the output folder ``out``."""
    known = get_options(ModelOptions)
    shared = {name: str(value) for name, value in shared_options(run).items() if name not in chosen}
    flags = [flag for name, value in (shared | dict(chosen)).items() for flag in as_flag(known.get(name), name, value)]
    overwrite = ["--overwrite"] if run.settings.overwrite else []
    return *flags, f"--out={out}", f"--manualSeed={seed}", f"--num_samples={num_samples}", *overwrite


def shared_options(run: Run) -> dict[str, object]:
    """The options given by the user that hold for every training, by name."""
    models = {name: getattr(run.options, name) for name in get_options(ModelOptions) if name in run.given}
    return models | {name: getattr(run.settings, name) for name in PASSED_ON if name in run.given}


def set_values(run: Run, chosen: Mapping[str, str]) -> ModelOptions:
    """The options given by the user, overridden by ``chosen`` and completed with their defaults."""
    known = get_options(ModelOptions)
    values = {name: getattr(run.options, name) for name in known if name in run.given}
    for name, text in chosen.items():
        try:
            values[name] = known[name].parse(text)
        except ValueError as error:
            raise ValueError(f"`{name}`: {error}") from None
    return ModelOptions(**values).complete(values)


def measure_speed(run: Run, engine: Engine) -> float:
    """The relative time (see ``Combination.cost``) that a second brings, measured on a few small iterations."""
    rng, size = run.fresh_rng(), 48
    image = torch.rand(1, run.options.net.channels, size, size, generator=rng, device=run.device)
    plan = Plan(num_scales=0, stop_scale=0, scale1=1.0, factor=1.0, sizes=((size, size),))
    times: list[float] = []

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: object) -> None:
        next(iter(losses.values())).item()  # waits for the device
        times.append(time.monotonic())

    plain = replace(
        run.options.training, niter=TRIALS + 1, texture_weight=0.0, perceptual_weight=0.0
    )  # VGG is not counted
    eager = Engine(precision=engine.precision, convolve=engine.convolve)
    list(train(image, plan, replace(run.options.net, stages=0), plain, rng, watch=watch, engine=eager))
    return (
        TRIALS
        * sum(scale_costs(plan, replace(run.options.net, stages=0), run.device, engine.winograd))
        / (times[-1] - times[0])
    )
