"""What makes a command's pictures, as its options ask: the trained model, or patches of the picture."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from SinGAN.options.applications import DENOISE, SINGAN, MethodOptions, PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import ANIMATION, TRAIN, Task
from SinGAN.patches.engine import Instant, reduced
from SinGAN.patches.makers import Maker, Refiner, Trained
from SinGAN.pictures import images
from SinGAN.runs.run import Run
from SinGAN.saved_models.lookup import find
from SinGAN.saved_models.manifest import Manifest

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
        """The training picture at the finest scale, (1, C, H, W)."""
        return self.maker.pyramid.scales[-1].real


def source_of(run: Run, options: MethodOptions, draws: bool = False) -> Source:
    """What the options ask for.

    Arguments:
        run: of the picture.
        options: that say what makes the pictures.
        draws: whether they are only drawn, nothing put in or trained: then a model for animation serves, too.

    Raises:
        FileNotFoundError: there is no such model, or picture.
        ValueError: it can't be used, or options contradict each other.
    """
    if options.method != SINGAN:
        if options.refine:
            raise ValueError(
                f"`refine` is for `method` {SINGAN}: results of {options.method} have the picture's detail"
            )
        return instant_of(run, options)
    for name in ("variety", "balance"):
        if name in run.given:
            raise ValueError(f"`{name}` is for `method` patches or denoise, not for {SINGAN}: leave one out")
    folder, task = drawing_model(run) if draws else (run.kept(run.model), TRAIN)
    manifest, pyramid = run.load(task, folder)
    maker = Trained(pyramid, Refiner(pyramid.scales[-1].real) if options.refine else None)
    words = ("refined" if options.refine else "", run.options.label, "noise_padding" if task is ANIMATION else "")
    return Source(maker, ",".join(filter(None, words)), folder / "Zs.pth", manifest)


def drawing_model(run: Run) -> tuple[Path, Task]:
    """The folder of the model that the options name, and its task: where there is none, of that for animation.

    That one's folder does not tell alphas apart: where one is asked for, it is no substitute.
    """
    folder, animated = run.kept(run.model), run.kept(run.model_for_animation)
    model = find(animated)
    if find(folder) is not None or model is None or not model.is_whole or "alpha" in run.given:
        return folder, TRAIN
    print(f"there is no model in {folder}: that for animation is used, {animated}")
    return animated, ANIMATION


def instant_of(run: Run, options: PatchOptions) -> Source:
    """The instant engine on the run's picture, reduced to `max_size`."""
    if options.method != DENOISE and "balance" in run.given:
        raise ValueError(f"`balance` is for `method` {DENOISE}, not for {options.method}: leave one out")
    image = images.read(run.picture, run.net.channels).to(run.device)
    real = reduced(image, run.pyramid.max_size)
    if real.shape != image.shape:
        (height, width), (low, narrow) = image.shape[2:], real.shape[2:]
        print(
            f"the picture is reduced from {width} x {height} to {narrow} x {low} pixels "
            f"(--max_size {run.pyramid.max_size})"
        )
    return Source(Instant(real, options.method, options.variety, options.balance), label(run, options), run.picture)


def label(run: Run, options: PatchOptions) -> str:
    """The method, and its settings that are not the defaults."""
    shown = {"variety": (options.variety, "medium"), "balance": (options.balance, "full")}
    shown |= {name: (getattr(run.options, name), DEFAULTS[name]) for name in ("max_size", "nc_im")}
    changed = [f"{name}={value}" for name, (value, default) in shown.items() if value != default]
    return ",".join([f"method={options.method}", *changed])
