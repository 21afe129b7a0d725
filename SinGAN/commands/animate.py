"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

import itertools

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import AnimationOptions
from SinGAN.options.tasks import ANIMATION
from SinGAN.pictures import animations
from SinGAN.runs.run import Run
from SinGAN.runs.training import load_or_train
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.terminal.watchers import watcher


def animate(run: Run, options: AnimationOptions) -> None:
    """Write an animation for each combination of start scale, alpha and beta."""
    animations.check_format(options.format)
    model = own_or_shipped(run)
    training = run.with_options_of(model).training(model.folder if model else run.model_for_animation, ANIMATION)
    manipulate.check_walk(training.net)
    for start in options.animation_start_scale:
        manipulate.check_start_scale(start, len(training.plan.sizes))
    if run.settings.overwrite or not training.is_done():
        print("*** Train SinGAN for animation ***")
    print(f"random seed: {run.seed}")
    pyramid = load_or_train(training, overwrite=run.settings.overwrite, watcher=watcher())
    rng = run.fresh_rng()
    choices = itertools.product(options.animation_start_scale, options.alpha_animation, options.beta_animation)
    for start, alpha, beta in choices:
        frames = manipulate.animate(pyramid, rng, options.num_frames, start, alpha, beta)
        place = layout.animation(run.out, run.name, start, alpha, beta, options.format)
        place = layout.of_method(place.parent, run.options.label) / place.name
        animations.write(place, frames, options.fps)
        print(place)


def own_or_shipped(run: Run) -> ModelFolder | None:
    """The model in the run's folder; where there is none, a shipped one with the options that were given."""
    model = None if run.settings.overwrite else run.find(run.model_for_animation)
    is_own = model is not None and model.folder == run.model_for_animation
    return model if model is None or is_own or not run.contradictions(model.manifest) else None


main = Command("animate", animate, flags={"start_scale": "animation_start_scale"})
