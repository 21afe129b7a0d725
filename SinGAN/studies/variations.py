"""What a study varies: the options that the user names, or those of a ready-made study."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from SinGAN.kinds import KINDS
from SinGAN.options.measures import STUDIES, Varied
from SinGAN.options.model import CRITICS, ModelOptions
from SinGAN.options.option import options_of
from SinGAN.options.tasks import TRAIN
from SinGAN.pictures import images
from SinGAN.runs.run import Run

FACTORS = 4  # values of the ready study of scale factors, at most


def variations(run: Run, study: str | None, vary: Sequence[str], needs_some: bool = True) -> Varied:
    """The options to vary, with their values as text.

    Arguments:
        run: the run, from whose options and picture a study's values may follow.
        study: the name of a ready-made study, if one is asked for.
        vary: options and values that the user names, each as alpha=0,1,10.
        needs_some: whether there must be one.

    Raises:
        ValueError: an option is named twice, or none is, or one is none.
    """
    ready_made = STUDIES.get(study or "", {})
    named = [variation(text) for text in vary]
    names = [name for name, _ in named] + list(ready_made)
    if len(set(names)) < len(names):
        raise ValueError(f"`vary` and `study` name a flag twice: {', '.join(names)}")
    varied = {**ready_made, **dict(named)}
    if not varied and needs_some:
        raise ValueError(f"nothing to study: name flags with `vary`, or one of `study` {', '.join(STUDIES)}")
    if study == "niter":
        varied["niter"] = list(dict.fromkeys(str(max(1, run.options.niter // part)) for part in (8, 4, 2, 1)))
    if study == "sizes":
        longer = min(run.options.max_size, max(images.size(run.picture)))
        varied["max_size"] = list(dict.fromkeys(str(max(1, longer * part // 4)) for part in (3, 4)))
    if study == "scale_factor":
        varied["scale_factor"] = scale_factors(run)
    return varied


def scale_factors(run: Run) -> list[str]:
    """Scale factors that give the run's picture different numbers of scales: about four, its own among them."""
    own = run.options.scale_factor
    by_scales: dict[int, float] = {}
    for factor in (own, 0.75, 0.4, 0.55, 0.85, 0.25, 0.5, 0.65, 0.8, 0.9):
        with contextlib.suppress(ValueError):
            options = replace(run.options, scale_factor=factor)
            plan = KINDS[options.kind].plan(*images.size(run.picture), options, TRAIN)
            by_scales.setdefault(len(plan.sizes), factor)
    factors = sorted(by_scales.values())
    if len(factors) > FACTORS:
        places = [round(index * (len(factors) - 1) / (FACTORS - 1)) for index in range(FACTORS)]
        nearest = min(range(FACTORS), key=lambda index: abs(places[index] - factors.index(own)))
        factors = [own if index == nearest else factors[place] for index, place in enumerate(places)]
    return [f"{factor:g}" for factor in factors] or [f"{own:g}"]


def variation(text: str) -> tuple[str, list[str]]:
    """An option of the model and its values, from ``text``: NAME=A,B,..; a ValueError where it is none."""
    name, _, listed = text.partition("=")
    values = listed.split(",")
    if name not in options_of(ModelOptions) or name == "netG" or not all(values):
        raise ValueError(f"`vary` must be a flag of the model and its values, as alpha=0,1,10, not {text}")
    if name == "netD" and not CRITICS.keys() >= set(values):
        raise ValueError(f"`vary` must have values of {', '.join(CRITICS)}, not {listed}")
    if len(set(values)) < len(values):
        raise ValueError(f"`vary` names a value twice: {text}")
    if any((value in ("True", "False")) != (options_of(ModelOptions)[name].kind is bool) for value in values):
        raise ValueError(f"`vary` must have values of `{name}`, not {listed}")
    return name, values
