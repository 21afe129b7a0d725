"""The picture model that a command's options ask for: a trained one, or patches of the picture."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from SinGAN.options.applications import DENOISE, INSTANT, SINGAN, MethodOptions, PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import ANIMATION, TRAIN, Task
from SinGAN.patches.instant import Instant
from SinGAN.patches.levels import limit_levels
from SinGAN.patches.makers import Maker, Refiner, Trained
from SinGAN.patches.published import Published, limit_image
from SinGAN.pictures import images, masks
from SinGAN.runs.run import Run
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder

LOG = logging.getLogger(__name__)
DEFAULTS = ModelOptions().as_dict()


@dataclass(frozen=True, eq=False)
class Source:
    """What makes pictures, and where they come from."""

    maker: Maker
    label: str  # of the results' folder: the method, and its settings; "" for a model of sequential training
    file: Path  # results that are older are of another picture or model
    manifest: Manifest | None = None  # of the trained model

    @property
    def real(self) -> Tensor:
        """The picture at the finest scale, (1, C, H, W): of 8 bits by the instant engine, else in [-1, 1]."""
        return self.maker.real


def source_of(run: Run, options: MethodOptions, draws: bool = False, measured: bool = False) -> Source:
    """What the options ask for.

    Arguments:
        run: of the picture.
        options: that say what makes the pictures.
        draws: whether they are only drawn, nothing put in or trained: then a model for animation serves, too.
        measured: whether they are measured, which is done at `max_size`.

    Raises:
        FileNotFoundError: there is no such model, or picture.
        ValueError: it can't be used, or options contradict each other.
    """
    if options.method != SINGAN:
        if options.refine or options.full_size:
            name = "refine" if options.refine else "full_size"
            raise ValueError(
                f"`{name}` is for `method` {SINGAN}: results of {options.method} have the picture's detail"
            )
        return untrained(run, options, measured)
    if options.full_size and (measured or not options.refine):
        raise ValueError("`full_size` " + ("is not for measures" if measured else "needs `refine`") + ": leave it out")
    for name in ("variety", "balance"):
        if name in run.given:
            raise ValueError(f"`{name}` is for methods without training, not for `method` {SINGAN}: leave one out")
    opened, task = drawing_model(run) if draws else (None, TRAIN)
    model, pyramid = run.load(task, opened)
    maker = model.manifest.kind_of_model.maker(pyramid)
    if options.refine:
        if not isinstance(maker, Trained):
            raise ValueError("results of this model have the photo's detail already: leave `refine` out")
        photo = images.read_levels(run.picture, run.options.nc_im) if options.full_size else None
        maker = Trained(pyramid, Refiner(pyramid.scales[-1].real, photo))
    refined = "refined" + (",full_size" if options.full_size else "") if options.refine else ""
    words = (refined, run.options.label, "noise_padding" if task is ANIMATION else "")
    return Source(maker, ",".join(filter(None, words)), model.folder / "Zs.pth", model.manifest)


def drawing_model(run: Run) -> tuple[ModelFolder | None, Task]:
    """The model that the options name, and its task: where there is none, the one for animation.

    Its folder does not tell alphas apart: where one is given, it is no substitute.
    """
    model = run.find(run.model)
    animated = None if model is not None or "alpha" in run.given else run.find(run.model_for_animation)
    if animated is None or not animated.is_whole:
        return model, TRAIN
    LOG.info(f"there is no model in {run.model}: that for animation is used, {animated.folder}")
    return animated, ANIMATION


def untrained(run: Run, options: PatchOptions, measured: bool = False) -> Source:
    """What makes pictures of the run's picture without training.

    The instant engine works at the picture's own size, unless `max_size` is given or the results are ``measured``; the
    published methods at `max_size`.
    """
    if options.method != DENOISE and "balance" in run.given:
        raise ValueError(f"`balance` is for `method` {DENOISE}, not for {options.method}: leave one out")
    levels, limit = images.read_levels(run.picture, run.options.nc_im), run.options.max_size
    erased = masks.find_erased(run.picture, run.options.nc_im)
    (height, width), is_instant = levels.shape[:2], options.method == INSTANT
    is_reduced = max(height, width) > limit and not (is_instant and has_own_size(run, measured))
    maker: Instant | Published
    if is_instant:
        if is_reduced:
            levels = limit_levels(levels, limit)
        maker = replace(Instant.of(levels, options.variety, run.device), erased=erased)
    else:
        real = limit_image(images.to_tensor(levels).to(run.device), limit)
        maker = Published(real, options.method, options.variety, options.balance, erased)
    if is_reduced:
        low, narrow = maker.real.shape[-2:]
        LOG.info(f"the picture is reduced from {width} x {height} to {narrow} x {low} pixels (`max_size` {limit})")
    return Source(maker, label(run, options), run.picture)


def has_own_size(run: Run, measured: bool = False) -> bool:
    """Whether the instant engine works at the picture's own size."""
    return "max_size" not in run.given and not measured


def label(run: Run, options: PatchOptions) -> str:
    """The method, and its settings that are not the defaults."""
    shown = {"variety": (options.variety, "medium"), "balance": (options.balance, "full")}
    shown |= {name: (getattr(run.options, name), DEFAULTS[name]) for name in ("max_size", "nc_im")}
    changed = [f"{name}={value}" for name, (value, default) in shown.items() if value != default]
    if options.method == INSTANT and "max_size" in run.given and run.options.max_size == DEFAULTS["max_size"]:
        changed.append(f"max_size={run.options.max_size}")
    return ",".join([f"method={options.method}", *changed])
