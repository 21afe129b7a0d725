"""The tasks that a model is trained for, and what each changes in its training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A purpose of a training; the options' other defaults are in ``Option.in_tasks``."""

    name: str  # in manifests
    planner: str = "standard"  # of its scales, as manifests name it
    noise_border: bool = False  # the noise covers the margin, too


TRAIN = Task("train")
SUPER_RESOLUTION = Task("SR", planner="super_resolution")
ANIMATION = Task("animation", noise_border=True)
PAINT = Task("paint")  # one scale of a trained model, retrained
TASKS = {task.name: task for task in (TRAIN, SUPER_RESOLUTION, ANIMATION, PAINT)}
