"""The command line of every command: a description, its own options, and which of the shared ones count."""

from collections.abc import Sequence
from dataclasses import dataclass

from SinGAN.options import applications, instant, measures
from SinGAN.options.growing import EDITING, GENERATION, HARMONIZATION
from SinGAN.options.tasks import ANIMATION, SUPER_RESOLUTION, TRAIN, Task


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The command line of a command that works on pictures."""

    description: str
    options: type  # a dataclass: its own options
    modes: Sequence[str]  # of several, one must be named
    task: Task = TRAIN  # of the models that it trains: their defaults hold
    input_name: str | None = None  # the picture where none is named; None: one must be named; "": none is needed
    trains: bool = True  # else the options of trainings have no effect
    recipe: str = GENERATION  # of the models that it uses, where these are of concurrent training


SAMPLE_MODES = ("random_samples", "random_samples_arbitrary_sizes")
USAGES = {
    "train": Usage(
        description="Train a SinGAN on one picture, then draw random samples from it.",
        options=applications.TrainOptions,
        modes=("train",),
    ),
    "sample": Usage(
        description="Draw random samples from a trained SinGAN, from any scale and at any size.",
        options=applications.SampleOptions,
        modes=SAMPLE_MODES,
        trains=False,
    ),
    "harmonize": Usage(
        description="Make an object pasted into the training picture look as if it belonged there.",
        options=applications.HarmonizationOptions,
        modes=("harmonization",),
        recipe=HARMONIZATION,
        trains=False,
    ),
    "edit": Usage(
        description="Make a crude edit of the training picture seamless.",
        options=applications.EditingOptions,
        modes=("editing",),
        recipe=EDITING,
        trains=False,
    ),
    "paint": Usage(
        description="Turn a paint, a few strokes of flat colour, into a picture like the training picture.",
        options=applications.PaintOptions,
        modes=("paint2image",),
        recipe=EDITING,
        trains=False,
    ),
    "super-resolve": Usage(
        description="Enlarge a picture, with detail from a SinGAN that is trained on it.",
        options=applications.SuperResolutionOptions,
        modes=("SR",),
        task=SUPER_RESOLUTION,
        input_name="coffee_LR.png",
    ),
    "animate": Usage(
        description="Animate a picture: a random walk near it, through a SinGAN with noise in its margins.",
        options=applications.AnimationOptions,
        modes=("animation",),
        task=ANIMATION,
    ),
    "retarget": Usage(
        description="Give a picture other proportions, without stretching what is in it.",
        options=instant.RetargetOptions,
        modes=("retarget",),
        trains=False,
    ),
    "inpaint": Usage(
        description="Fill what a mask marks from the rest of the picture.",
        options=instant.InpaintOptions,
        modes=("inpaint",),
        trains=False,
    ),
    "outpaint": Usage(
        description="Extend a picture beyond its edges, without training; its own pixels stay.",
        options=instant.OutpaintOptions,
        modes=("outpaint",),
        trains=False,
    ),
    "analogy": Usage(
        description="Give the structure of one picture the texture of another, without training.",
        options=instant.AnalogyOptions,
        modes=("analogy",),
        trains=False,
    ),
    "tile": Usage(
        description="Make a seamless tile of a picture's patches, without training.",
        options=instant.TileOptions,
        modes=("tile",),
        trains=False,
    ),
    "evaluate": Usage(
        description="Measure a trained model's samples, or one set of pictures against another.",
        options=measures.EvaluationOptions,
        modes=("evaluate",),
        input_name="",
        trains=False,
    ),
    "study": Usage(
        description="Train a picture under several settings, measure each, and show them side by side.",
        options=measures.StudyOptions,
        modes=("study",),
    ),
}
"""By the name of the command."""
