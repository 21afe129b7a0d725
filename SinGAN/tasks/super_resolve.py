"""Enlarge a picture, with detail from a model that is trained on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SinGAN.options.applications import NUMBER
from SinGAN.options.option import option
from SinGAN.options.tasks import SUPER_RESOLUTION
from SinGAN.tasks.task import Call, Results, Task, make_generator

if TYPE_CHECKING:
    from SinGAN.tasks._types import Layers, Picture, Pyramid, Run, Seed, Tensor, Trained, TrainedScale

LOG = logging.getLogger(__name__)
BACK_PROJECTION = 3  # rounds; more add next to nothing but rings around edges
MANY_SCALES = 30  # factors near 1 enlarge in one small step, and need steps as small between the scales


@dataclass(frozen=True, kw_only=True)
class SuperResolve:
    """Enlarge a picture, with detail from a SinGAN that is trained on it."""

    sr_factor: float = option(
        4.0, "enlargement", group="super resolution", above=1, argument="factor", slider=(1.5, 8, 4, 0.5)
    )
    back_projection: int = option(
        BACK_PROJECTION, "rounds that bring the result, reduced, near to the picture; 0: none, as the authors do",
        group="super resolution", least=0, most=1000, slider=(0, 20, BACK_PROJECTION, 1),
    )  # fmt: skip
    num_samples: int = option(
        1, "results whose mean is taken: smoother, and nearer", group="super resolution", **NUMBER
    )
    ground_truth: Path | None = option(
        None,
        "the true large picture, a path or a name in --input_dir: prints PSNR, SSIM, RMSE and blur",
        group="super resolution",
    )
    model_name: str | None = option(
        None,
        "use the model of this picture, a path or a name in --input_dir, instead",
        unset="input_name",
        group="super resolution",
    )


def trained_factor(factor: float) -> float:
    """The ``scale_factor`` of a model that is trained to enlarge by ``factor``."""
    from SinGAN import manipulate

    return 1 / manipulate.enlargement_steps(factor)[1]


def super_resolve(
    model: Trained, picture: Picture | None = None, *, factor: float = 4.0, count: int = 1,
    back_projection: int = BACK_PROJECTION, seed: Seed = None,
) -> Results:  # fmt: skip
    """``picture``, or the training picture, enlarged to (int(factor * H), int(factor * W), C) (paper, Sect. 4).

    A model that was trained for it, ``SinGAN.train(picture, task="SR", sr_factor=factor)``, does it best.

    Arguments:
        picture: to be enlarged; also an image (1, C, H, W) in [-1, 1].
        factor: of the enlargement.
        count: number of results whose mean is taken.
        back_projection: rounds that bring the result, reduced, near to the picture; 0: none, as the authors do.
        seed: of the random numbers.

    Raises:
        ValueError: ``factor`` is not above 1, ``count`` is below 1, or ``back_projection`` below 0.
    """
    import torch

    from SinGAN import manipulate
    from SinGAN.pictures import arrays

    if picture is not None and model.layers is not None and not isinstance(picture, torch.Tensor):
        raise ValueError("`picture` is for models of pictures of 8 bits without maps: leave it out")
    image = model.real if picture is None else picture
    if isinstance(image, torch.Tensor) and image.ndim == 4:
        image = arrays.check_image(image, model.real)
    else:
        image = arrays.to_image(image, model.real.shape[1], opaque=True).to(model.real.device)
    large = manipulate.super_resolve(model.pyramid, image, factor, make_generator(model, seed), count, back_projection)
    return Results([("0", large)])


def run(call: Call[SuperResolve]) -> Iterator[Results]:
    """Write the picture enlarged; say how near it is to the true one, where that is known."""
    from SinGAN import manipulate
    from SinGAN.patches.makers import Trained
    from SinGAN.runs.results import write_results
    from SinGAN.saved_models.model_folder import ModelFolder
    from SinGAN.storage import layout

    options, run = call.options, call.run.with_scale_factor(trained_factor(call.options.sr_factor))
    owner = run.of_picture(layout.locate(options.model_name or run.input_name, run.settings.input_dir))
    owner = owner.with_options_of(ModelFolder.find(owner.model))
    image, layers = read_small(run, owner, options)
    small = manipulate.reduce(image, owner.options.max_size, exact=layers is not None)
    named = options.ground_truth and layout.locate(str(options.ground_truth), run.settings.input_dir)
    truth = read_truth(named, small, options.sr_factor)
    pyramid = load_model(call, owner, named=options.model_name is not None)
    if options.model_name is None:
        small = pyramid.scales[-1].real
    if small.shape != image.shape:
        LOG.info(
            f"{run.picture} is reduced to {small.shape[-2]} x {small.shape[-1]} first: raise `max_size` to keep it"
        )
    model = Trained.of(pyramid, layers)
    ((_, result),) = super_resolve(
        model, small, factor=options.sr_factor, count=options.num_samples,
        back_projection=options.back_projection, seed=run.seed,
    ).pictures  # fmt: skip
    lines = [] if truth is None else compare(result, manipulate.bicubic(small, options.sr_factor), truth)
    suffix = ".png" if layers is None else layers.picture.form.suffix
    place = run.out / TASK.folders[0] / f"{options.sr_factor:g}" / f"{run.name}_HR{suffix}"
    write_results(place.parent, {}, {place.stem: result}, layers=model.layers)
    for line in (f"random seed: {run.seed}", *lines, f"enlarged to {result.shape[-2]} x {result.shape[-1]}: {place}"):
        LOG.info(line)
    yield from ()


def read_small(run: Run, owner: Run, options: SuperResolve) -> tuple[Tensor, Layers | None]:
    """The picture (1, C, H, W) that is enlarged by the model of ``owner``, and its layers; None: it has 8 bits.

    Raises:
        ValueError: an option is not for data and maps.
    """
    from SinGAN.pictures import images
    from SinGAN.pictures.arrays import is_data

    if not run.settings.maps and not is_data(run.picture):
        return images.read(run.picture, owner.options.nc_im, opaque=True).to(run.device), None
    for name in ("model_name", "ground_truth"):
        if getattr(options, name) is not None:
            raise ValueError(f"`{name}` is for pictures of 8 bits without maps: leave it out")
    opened = run.open()
    assert opened.layers is not None
    return opened.image.to(run.device), run.viewed(opened.layers, opened.image)


def load_model(call: Call[SuperResolve], run: Run, named: bool) -> Pyramid[TrainedScale]:
    """The model of ``run``, trained if there is none; one that is ``named`` serves without its picture."""
    from SinGAN.runs.training import load_or_train

    if named and run.model.exists() and not run.settings.overwrite:
        return run.load(SUPER_RESOLUTION)[1]
    training = run.training(run.model, SUPER_RESOLUTION)
    scales = len(training.plan.sizes)
    if scales > MANY_SCALES:
        LOG.info(f"note: this trains {scales} scales; `scale_factor` 0.75 would train fewer")
    if run.settings.overwrite or not training.is_done():
        LOG.info("*** Train SinGAN for SR ***")
    return load_or_train(training, overwrite=run.settings.overwrite, watcher=call.watcher)


def read_truth(path: Path | None, small: Tensor, factor: float) -> Tensor | None:
    """The picture at ``path``, if one is named; it must show what ``small`` (1, C, H, W), enlarged, shows."""
    from SinGAN.pictures import images, similarity
    from SinGAN.storage.files import suggest_name

    if path is None:
        return None
    if not path.exists():
        raise FileNotFoundError(f"no true picture {path}{suggest_name(path)} (`ground_truth`)")
    truth = images.read(path, small.shape[1], opaque=True)
    size = int(factor * small.shape[-2]), int(factor * small.shape[-1])
    similarity.check_sizes(size, (truth.shape[-2], truth.shape[-1]))
    return truth


def compare(result: Tensor, bicubic: Tensor, truth: Tensor) -> list[str]:
    """A line each for the enlarged picture, the bicubic one and the true one: how near it is to the true one."""
    from SinGAN.pictures import similarity

    pictures = {"SinGAN": result, "bicubic": bicubic, "truth": truth}
    scores = {name: (similarity.compare(image, truth), similarity.blur(image)) for name, image in pictures.items()}
    return [
        f"{name:8} PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}, RMSE {score.rmse:.2f} levels, blur {blur:.3f}"
        for name, (score, blur) in scores.items()
    ]


TASK = Task(
    name="super-resolve", row="enlarge a picture", options=SuperResolve, modes=("SR",), trains=True,
    purpose=SUPER_RESOLUTION, input_name="coffee_LR.png", run=run, method=super_resolve, folders=("SR",),
)  # fmt: skip
