"""Animate a picture: a random walk near it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from SinGAN.options.option import MANY, option
from SinGAN.options.tasks import ANIMATION
from SinGAN.tasks.task import Call, Results, Task, make_generator, name_by_index

if TYPE_CHECKING:
    from SinGAN.tasks._types import ModelFolder, Run, Seed, Trained

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Animate:
    """Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

    alpha_animation: tuple[float, ...] = option(
        (0.1,), "pull to the picture", group="animation", least=0, most=1, argument="alpha", slider=(0, 1, 0.1, 0.05)
    )
    beta_animation: tuple[float, ...] = option(
        (0.8, 0.85, 0.9, 0.95), "smoothness", group="animation", least=0, most=1, argument="beta",
        slider=(0, 1, 0.9, 0.05),
    )  # fmt: skip
    animation_start_scale: tuple[int, ...] = option(
        (0, 1, 2), "first scale that moves", group="animation", least=0, argument="start_scale"
    )
    num_frames: int = option(
        100, "frames of each", group="animation", least=1, most=MANY, argument="frames", slider=(2, 100, 40, 1)
    )
    fps: float = option(10.0, "frames per second", group="animation", least=0.1, most=100, slider=(1, 30, 10, 1))
    format: str = option("gif", "kind of file", group="animation", choices=("gif", "mp4", "webp"))


def animate(
    model: Trained, frames: int = 100, *, start_scale: int = 0, alpha: float = 0.1, beta: float = 0.9, seed: Seed = None
) -> Results:
    """Frames of a random walk through the noise about the training picture (paper, supplementary).

    A model that was trained for it, ``SinGAN.train(picture, task="animation")``, also moves at its borders.

    Arguments:
        frames: number of frames.
        start_scale: the first scale that moves.
        alpha: pull to the training picture, 0 to 1.
        beta: smoothness, 0 to 1.
        seed: of the random numbers.

    Raises:
        ValueError: the model lacks ``start_scale``, or its randomness is not noise.
    """
    from SinGAN import manipulate

    manipulate.check_walk(model.pyramid.scales[0].generator.config)
    walk = manipulate.animate(model.pyramid, make_generator(model, seed), frames, start_scale, alpha, beta)
    return Results(name_by_index(walk))


def run(call: Call[Animate]) -> Iterator[Results]:
    """Write an animation for each combination of start scale, alpha and beta; its model is trained if need be."""
    from SinGAN import manipulate
    from SinGAN.patches.makers import Trained
    from SinGAN.pictures import animations
    from SinGAN.runs.results import write_results
    from SinGAN.runs.training import load_or_train
    from SinGAN.storage import layout

    run, options = call.run, call.options
    animations.check_format(options.format)
    saved = find_model(run)
    training = run.with_options_of(saved).training(saved.folder if saved else run.model_for_animation, ANIMATION)
    manipulate.check_walk(training.net)
    for start in options.animation_start_scale:
        manipulate.check_start_scale(start, len(training.plan.sizes))
    if run.settings.overwrite or not training.is_done():
        LOG.info("*** Train SinGAN for animation ***")
    LOG.info(f"random seed: {run.seed}")
    pyramid, layers = load_or_train(training, overwrite=run.settings.overwrite, watcher=call.watcher), training.layers
    model = Trained.of(pyramid, layers)
    rng = run.fresh_rng()
    choices = itertools.product(options.animation_start_scale, options.alpha_animation, options.beta_animation)
    for start, alpha, beta in choices:
        results = animate(model, options.num_frames, start_scale=start, alpha=alpha, beta=beta, seed=rng)
        place = layout.results(run.out, "Animation", run.name, f"start_scale={start}", run.options.label)
        file = place / f"alpha={alpha:f}_beta={beta:f}.{options.format}"
        frames = (frame for _, frame in results.pictures)
        if layers is not None:  # the animation shows previews: the frames themselves, and their maps, lie beside it
            drawn = list(frames)
            write_results(place / file.stem, {}, dict(name_by_index(drawn)), None, model.layers)
            frames = (layers.preview(frame) for frame in drawn)
        animations.write(file, frames, options.fps)
        LOG.info(str(file))
    yield from ()


def find_model(run: Run) -> ModelFolder | None:
    """The model in the run's folder; if there is none, a shipped one with the options that were given."""
    model = None if run.settings.overwrite else run.find(run.model_for_animation)
    is_own = model is not None and model.folder == run.model_for_animation
    return model if model is None or is_own or not run.contradictions(model.manifest) else None


TASK = Task(
    name="animate", row="animate a picture", options=Animate, modes=("animation",), trains=True, purpose=ANIMATION,
    run=run, method=animate, folders=("Animation",),
)  # fmt: skip
