"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

import itertools
from pathlib import Path

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import AnimationOptions
from SinGAN.options.tasks import ANIMATION
from SinGAN.pictures import animations
from SinGAN.runs.obtain import obtain
from SinGAN.runs.run import Run
from SinGAN.saved_models.lookup import find
from SinGAN.storage import layout
from SinGAN.terminal.watchers import watcher


def animate(run: Run, options: AnimationOptions) -> None:
    """Write an animation for each combination of start scale, alpha and beta."""
    animations.check_format(options.format)
    folder = folder_of(run)
    request = run.with_options_of(folder).request(folder, ANIMATION)
    manipulate.check_walk(request.training.net)
    for start in options.animation_start_scale:
        manipulate.check_start_scale(start, len(request.training.plan.sizes))
    if run.overwrite or not request.is_done():
        print("*** Train SinGAN for animation ***")
    print(f"random seed: {run.seed}")
    pyramid = obtain(request, overwrite=run.overwrite, watcher=watcher())
    rng = run.fresh_rng()
    choices = itertools.product(options.animation_start_scale, options.alpha_animation, options.beta_animation)
    for start, alpha, beta in choices:
        frames = manipulate.animate(pyramid, rng, options.num_frames, start, alpha, beta)
        place = layout.animation(run.out, run.name, start, alpha, beta, options.format)
        place = layout.of_method(place.parent, run.options.label) / place.name
        animations.write(place, frames, options.fps)
        print(place)


def folder_of(run: Run) -> Path:
    """The folder of the model: a shipped one serves where it has the options that were given."""
    own = run.model_for_animation
    kept = own if run.overwrite else run.kept(own)
    model = find(kept)
    return own if model is None or run.contradictions(model.manifest) else kept


main = Command("animate", animate, flags={"start_scale": "animation_start_scale"})
