"""The picture model that a command's options ask for: a trained one, or patches of the picture."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.options.applications import DENOISE, INSTANT, SINGAN, MethodOptions, PatchOptions
from SinGAN.options.growing import HYBRID
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import ANIMATION, TRAIN, Task
from SinGAN.patches.hybrid import Hybrid
from SinGAN.patches.instant import Instant
from SinGAN.patches.layered import LayeredInstant
from SinGAN.patches.levels import Levels, limit_levels
from SinGAN.patches.makers import Maker, Trained
from SinGAN.patches.published import Published, limit_image
from SinGAN.pictures import arrays, images, masks
from SinGAN.pictures.arrays import Picture, is_data
from SinGAN.pictures.layers import Layers
from SinGAN.pictures.opening import Beside, Opened, maps_by_name, open_beside
from SinGAN.runs.run import Run
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage.hashes import sha256

LOG = logging.getLogger(__name__)
OF_INSTANT = ("also", "shares", "hard_votes", "coordinates")  # options of the instant engine alone
DEFAULTS = ModelOptions().as_dict()


@dataclass(frozen=True, eq=False)
class Source:
    """A picture model, and where it comes from."""

    maker: Maker
    label: str  # of the results' folder: the method, and its settings; "" for a model of sequential training
    file: Path  # of the picture or the model
    digest: str  # of that file: it distinguishes results of other models
    manifest: Manifest | None = None  # of the trained model
    pictures: tuple[str, ...] = ()  # names of the pictures that patches come from
    usage: list[list[float]] = field(default_factory=list)  # the share of each in the results so far, if several

    def describe_usage(self, results: Sequence[str]) -> list[str]:
        """The share of each picture, a line for each of ``results`` by name; clears ``usage``."""
        lines = []
        for result, shares in zip(results, self.usage, strict=False):
            parts = (f"{share:.0%} of {name}" for share, name in zip(shares, self.pictures, strict=True))
            lines.append(f"{result}: {', '.join(parts)}")
        self.usage.clear()
        return lines

    @property
    def layers(self) -> Layers | None:
        """The layers of its pictures' channels; None: they have 8 bits, and no maps."""
        return self.maker.layers

    @property
    def real(self) -> Tensor:
        """The picture at the finest scale, (1, C, H, W): of 8 bits by the instant engine, else in [-1, 1]."""
        return self.maker.real


def choose_source(run: Run, options: MethodOptions, draws: bool = False, measured: bool = False) -> Source:
    """The picture model that the options ask for.

    Arguments:
        draws: whether pictures are only drawn, and nothing is inserted or trained: a model for animation serves, too.
        measured: whether the pictures are measured, which is done at `max_size`.

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
        return open_patches(run, options, measured)
    if options.full_size and (measured or not options.refine):
        raise ValueError("`full_size` " + ("is not for measures" if measured else "needs `refine`") + ": leave it out")
    for name in ("variety", "balance", *OF_INSTANT):
        if name in run.given and name != "hard_votes":
            raise ValueError(f"`{name}` is for methods without training, not for `method` {SINGAN}: leave one out")
    opened, task = find_drawing_model(run) if draws else (None, TRAIN)
    model, pyramid = run.load(task, opened)
    layers = model.manifest.layers_of_pictures
    if layers is not None:
        layers = run.viewed(layers, pyramid.scales[-1].real)
    maker = model.manifest.kind_of_model.maker(pyramid, layers)
    if options.refine:
        if not isinstance(maker, Trained):
            raise ValueError("results of this model have the photo's detail already: leave `refine` out")
        photo: Levels | Opened | None = None
        if options.full_size and layers is None:
            photo = images.read_levels(run.picture, run.options.nc_im)
        elif options.full_size:
            photo = run.open(layered=True)
        maker = maker.refined_by(photo, options.hard_votes)
    elif options.hard_votes:
        if not isinstance(maker, Hybrid):
            raise ValueError(
                f"`hard_votes` is for patches: with `method` {SINGAN} it needs `refine`, or a model of `train_mode` "
                f"{HYBRID}; leave it out"
            )
        maker = maker.with_hard_votes
    refined = "refined" + (",full_size" if options.full_size else "") if options.refine else ""
    hard = "hard_votes" if options.hard_votes else ""
    words = (refined, hard, run.options.label, "noise_padding" if task is ANIMATION else "")
    return Source(maker, ",".join(filter(None, words)), model.folder / "Zs.pth", model.digest, model.manifest)


def find_drawing_model(run: Run) -> tuple[ModelFolder | None, Task]:
    """The model that the options name, and its task; if there is none, the model for animation.

    The name of its folder has no alpha, so it is no substitute if `alpha` is given.
    """
    model = run.find(run.model)
    animated = None if model is not None or "alpha" in run.given else run.find(run.model_for_animation)
    if animated is None or not animated.is_whole:
        return model, TRAIN
    LOG.info(f"there is no model in {run.model}: using the one for animation, {animated.folder}")
    return animated, ANIMATION


def open_patches(run: Run, options: PatchOptions, measured: bool = False) -> Source:
    """The picture model of the run's picture without training.

    The instant engine works at the picture's own size, unless `max_size` is given or the results are ``measured``; the
    published methods at `max_size`.

    Raises:
        ValueError: the options contradict each other, or ``open_engine`` raises it.
    """
    if options.method != DENOISE and "balance" in run.given:
        raise ValueError(f"`balance` is for `method` {DENOISE}, not for {options.method}: leave one out")
    if options.method != INSTANT and (named := [name for name in OF_INSTANT if name in run.given]):
        raise ValueError(f"`{named[0]}` is for `method` {INSTANT}, not for {options.method}: leave it out")
    if options.shares and not options.also:
        raise ValueError("`shares` is for several pictures: name more of them with `also`, or leave it out")
    has_layers = is_data(run.picture) or run.settings.maps or options.also or options.coordinates
    opened = run.open(layered=True) if has_layers else None
    for line in opened.notes if opened else ():
        LOG.info(line)
    others = open_beside(opened, options.also) if opened and options.also else None
    limit = None if options.method == INSTANT and has_own_size(run, measured) else run.options.max_size
    maker = open_engine(run.picture, opened, options, run.device, nc_im=run.options.nc_im, limit=limit, others=others)
    usage: list[list[float]] = []
    if isinstance(maker, LayeredInstant) and others is not None:
        maker = replace(maker, engine=replace(maker.engine, voted=lambda votes: usage.append(votes.shares)))
    if not isinstance(maker, Instant) and maker.layers is not None:
        maker = replace(maker, layers=run.viewed(maker.layers, maker.real))
    elif (size := images.read_size(run.picture)) != (reduced := tuple(maker.real.shape[-2:])):
        sizes = f"from {size[1]} x {size[0]} to {reduced[1]} x {reduced[0]} pixels"
        LOG.info(f"the picture is reduced {sizes} (`max_size` {limit})")
    names = tuple(file.name for file in (run.picture, *options.also))
    digest = sha256(run.picture.read_bytes())
    return Source(maker, source_label(run, options), run.picture, digest, pictures=names, usage=usage)


def open_engine(
    picture: Picture,
    opened: Opened | None,
    options: PatchOptions,
    device: torch.device,
    *,
    nc_im: int,
    limit: int | None,
    others: Beside | None = None,
) -> Instant | LayeredInstant | Published:
    """The engine that ``options`` ask for, of ``picture``: with its layers if it is ``opened``, else of 8 bits.

    The picture is reduced to ``limit`` pixels, its longer side; None, of the instant engine only: it keeps its size.
    Patches of ``others``, the pictures `also`, are used, too.

    Raises:
        ValueError: the picture can't be used, or the method can't leave out pixels without data.
    """
    published = options.method, options.variety, options.balance
    if opened is None:
        levels, erased = arrays.levels_of(picture, nc_im), masks.find_erased(picture, nc_im)
        if options.method == INSTANT:
            levels = levels if limit is None else limit_levels(levels, limit)
            return replace(Instant.of(levels, options.variety, device), hard=options.hard_votes, erased=erased)
        assert limit is not None
        return Published(limit_image(images.to_tensor(levels).to(device), limit), *published, erased=erased)
    if options.method == INSTANT:
        how = others, options.shares, options.hard_votes, options.coordinates or ""
        engine = LayeredInstant.of(opened, options.variety, device, limit, *how)
        return replace(engine, erased=None if is_data(picture) else masks.find_erased(picture, nc_im))
    if opened.valid is not None:
        raise ValueError(f"`method` {options.method} can't leave pixels without data out: fill them first")
    assert limit is not None
    return Published(limit_image(opened.image.to(device), limit), *published, opened.layers)


def has_own_size(run: Run, measured: bool = False) -> bool:
    """Whether the instant engine works at the picture's own size."""
    return "max_size" not in run.given and not measured


def source_label(run: Run, options: PatchOptions) -> str:
    """The method and those of its settings that differ from the defaults, as a folder name."""
    shown = {"variety": (options.variety, "medium"), "balance": (options.balance, "full")}
    shown |= {name: (getattr(run.options, name), DEFAULTS[name]) for name in ("max_size", "nc_im")}
    changed = [f"{name}={value}" for name, (value, default) in shown.items() if value != default]
    if options.method == INSTANT and "max_size" in run.given and run.options.max_size == DEFAULTS["max_size"]:
        changed.append(f"max_size={run.options.max_size}")
    if options.also:
        changed.append(f"also={'+'.join(file.stem for file in options.also)}"[:100])
    if options.shares:
        changed.append(f"shares={'+'.join(f'{share:g}' for share in options.shares)}"[:100])
    if options.hard_votes:
        changed.append("hard_votes")
    if options.coordinates:
        changed.append(f"coordinates={options.coordinates}")
    if run.settings.maps:
        changed.append(f"maps={'+'.join(maps_by_name(run.settings.maps))[:100]}")
    return ",".join([f"method={options.method}", *changed])
