"""What makes a command's pictures, as its options ask: the trained model, or patches of the picture."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from SinGAN.options.applications import DENOISE, SINGAN, MethodOptions, PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.patches.engine import Instant, reduced
from SinGAN.patches.makers import Maker, Refiner, Trained
from SinGAN.pictures import images
from SinGAN.runs.run import Run
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


def source_of(run: Run, options: MethodOptions) -> Source:
    """What the options ask for.

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
    manifest, pyramid = run.load()
    maker = Trained(pyramid, Refiner(pyramid.scales[-1].real) if options.refine else None)
    label = ",".join(filter(None, ("refined" if options.refine else "", run.options.label)))
    return Source(maker, label, run.kept(run.model) / "Zs.pth", manifest)


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
