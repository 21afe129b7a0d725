"""The tasks that a model is trained for, and what each changes in its training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SinGAN.planning import Plan, PyramidConfig

PLANNERS = ("standard", "super_resolution", "stages")


@dataclass(frozen=True)
class Task:
    """A purpose of a training; the options' other defaults are in ``Option.in_tasks``."""

    name: str  # in manifests
    planner: str = "standard"  # of PLANNERS
    noise_border: bool = False  # the noise covers the margin, too

    def plan(self, height: int, width: int, config: "PyramidConfig") -> "Plan":
        """The scales of a picture of ``height`` x ``width`` pixels; a ValueError where there is no valid pyramid."""
        from SinGAN.planning import plan_scales, plan_super_resolution_scales

        if self.planner == "standard":
            return plan_scales(height, width, config)
        if config.stages:
            raise ValueError(
                "a model of `train_mode` concurrent can't enlarge: features go from stage to stage, not images"
            )
        return plan_super_resolution_scales(height, width, config)


TRAIN = Task("train")
SUPER_RESOLUTION = Task("SR", planner="super_resolution")
ANIMATION = Task("animation", noise_border=True)
PAINT = Task("paint")  # one scale of a trained model, retrained
TASKS = {task.name: task for task in (TRAIN, SUPER_RESOLUTION, ANIMATION, PAINT)}
