"""The options of each application, and of what makes its pictures: a trained model, or the picture's patches."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from SinGAN.options.option import HUGE, option

COUNT: dict[str, Any] = {"least": 1, "most": HUGE}
ALL = "all"  # stands for every scale
BACK_PROJECTION = 3  # more bring next to nothing but rings round edges
INSTANT, PATCHES, DENOISE, SINGAN = "instant", "patches", "denoise", "singan"
VARIETIES = ("low", "medium", "high")
BALANCES = ("off", "light", "full")
SIZE: dict[str, Any] = {"pattern": r"[1-9]\d{0,4}[xX][1-9]\d{0,4}", "meant": "width x height in pixels, as 400x200"}


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """How patches become pictures."""

    method: str = option(
        INSTANT,
        "instant: the default; published methods for comparison, at most --max_size: patches, nearest neighbours; "
        "denoise, patch diffusion",
        group="method", choices=(INSTANT, PATCHES, DENOISE),
    )  # fmt: skip
    variety: str = option("medium", "how far from the picture", group="method", choices=VARIETIES)
    balance: str = option(
        "full", "with denoise: how evenly all parts of the picture are used", group="method", choices=BALANCES
    )


@dataclass(frozen=True, kw_only=True)
class MethodOptions(PatchOptions):
    """What makes the pictures: a trained model, or patches without training."""

    method: str = option(
        SINGAN,
        "singan: a trained model; without training, from the photo's own patches: instant; or the published methods "
        "patches, denoise",
        group="method", choices=(SINGAN, INSTANT, PATCHES, DENOISE),
    )  # fmt: skip
    refine: bool = option(
        False, "with singan: give the results the photo's own detail, by a short run of patches", group="method"
    )
    full_size: bool = option(
        False, "with --refine: give them the photo's own resolution, too, whatever --max_size", group="method"
    )


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The extras that a training leaves beside its model."""

    num_samples: int = option(50, "random samples drawn at the end", **COUNT)
    tensorboard: bool = option(False, "write losses and images as TensorBoard events")


@dataclass(frozen=True, kw_only=True)
class SampleOptions(MethodOptions):
    """Random samples."""

    gen_start_scale: tuple[int | None, ...] = option(
        (0,), "first scale with fresh noise: one, several, or: all", group="samples", least=0, every=ALL
    )
    scale_h: float = option(
        1.5, "with random_samples_arbitrary_sizes: width, in training pictures", group="samples", above=0
    )
    scale_v: float = option(
        1.0, "with random_samples_arbitrary_sizes: height, in training pictures", group="samples", above=0
    )
    size: tuple[str, ...] = option(
        (), "in place of these: width x height in pixels, as 400x200; one or several", group="samples", **SIZE
    )
    num_samples: int = option(50, "how many to draw", group="samples", **COUNT)


def injection_scales(task: str) -> Any:
    """The scales at which a reference is put in; ``task`` names the flag."""
    words = (
        "scales at which the reference is put in, from 1 (free) to the finest (hardly a change): several, or: all; "
        "with --train_mode concurrent only 0"
    )
    unset = "needed; with --method instant the level of 64 pixels or more"
    return option((), words, unset=unset, group="reference", least=0, every=ALL, flag=f"{task}_start_scale")


def reference_folder(name: str) -> Any:
    """The folder of the references of a task."""
    return option(Path("Input") / name, "folder of references", group="reference")


@dataclass(frozen=True, kw_only=True)
class HarmonizationOptions(MethodOptions):
    """A reference that is put into the pyramid: an object pasted into the picture."""

    ref_name: str = option(MISSING, "the reference: a file in --ref_dir", group="reference")
    ref_dir: Path = reference_folder("Harmonization")
    start_scales: tuple[int | None, ...] = injection_scales("harmonization")
    num_samples: int = option(1, "pictures for each scale", group="reference", **COUNT)
    fine_tune: int | None = option(
        None, "with --train_mode concurrent: first learn this reference for so many iterations, a result every 100",
        group="reference", bare=1000, unset="not at all", **COUNT,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EditingOptions(HarmonizationOptions):
    """The same for an edit of the picture."""

    ref_dir: Path = reference_folder("Editing")
    start_scales: tuple[int | None, ...] = injection_scales("editing")


@dataclass(frozen=True, kw_only=True)
class PaintOptions(HarmonizationOptions):
    """The same for a paint."""

    ref_dir: Path = reference_folder("Paint")
    start_scales: tuple[int | None, ...] = injection_scales("paint")
    quantization_flag: bool = option(
        False, "reduce paint and picture to 5 colours, and retrain the injection scale on them",
        group="reference", bare=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SuperResolutionOptions:
    """Enlargement."""

    sr_factor: float = option(4.0, "enlargement", group="super resolution", above=1)
    back_projection: int = option(
        BACK_PROJECTION, "rounds that bring the result, reduced, near to the picture; 0: none, as the authors do",
        group="super resolution", least=0, most=1000,
    )  # fmt: skip
    num_samples: int = option(1, "results whose mean is taken: smoother, and nearer", group="super resolution", **COUNT)
    ground_truth: Path | None = option(
        None, "the true large picture: prints PSNR, SSIM, RMSE and blur", group="super resolution"
    )
    model_name: str | None = option(
        None, "use the model of this picture instead", unset="input_name", group="super resolution"
    )


@dataclass(frozen=True, kw_only=True)
class AnimationOptions:
    """Animations; of several values each combination is made."""

    alpha_animation: tuple[float, ...] = option((0.1,), "pull to the picture", group="animation", least=0, most=1)
    beta_animation: tuple[float, ...] = option((0.8, 0.85, 0.9, 0.95), "smoothness", group="animation", least=0, most=1)
    animation_start_scale: tuple[int, ...] = option((0, 1, 2), "first scale that moves", group="animation", least=0)
    num_frames: int = option(100, "frames of each", group="animation", **COUNT)
    fps: float = option(10.0, "frames per second", group="animation", least=0.1, most=100)
    format: str = option("gif", "kind of file", group="animation", choices=("gif", "mp4", "webp"))
