"""What every script needs, made from its flags: configs, device, random generator, and the models they name."""

import glob
import itertools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from SinGAN import images, layout
from SinGAN.adversarial import TrainConfig
from SinGAN.dispatch import Task
from SinGAN.engines import Engine
from SinGAN.files import keep_inside
from SinGAN.jobs import Job
from SinGAN.losses import GAN_MODES
from SinGAN.manifest import Manifest, load
from SinGAN.models import NetConfig
from SinGAN.planning import Plan, PyramidConfig, plan_scales, plan_super_resolution_scales
from SinGAN.pyramid import Pyramid, read_weights
from SinGAN.training import StartWeights

# fmt: off
MODEL_FLAGS = [
    "nc_im", "nc_z", "nfc", "min_nfc", "ker_size", "num_layer", "stride", "padd_size", "netG", "netD",
    "scale_factor", "noise_amp", "min_size", "max_size",
    "niter", "gamma", "lr_g", "lr_d", "beta1", "Gsteps", "Dsteps", "lambda_grad", "alpha", "z_rec",
    "no_residual", "gan_mode",
]
# fmt: on
"""What shapes a model, and so stands in its manifest."""


def model_options(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``flags`` that shape a model, as a manifest holds them, with what follows from others filled in.

    Raises:
        ValueError: they contradict each other.
    """
    options = {flag: str(flags[flag]) if isinstance(flags[flag], Path) else flags[flag] for flag in MODEL_FLAGS}
    if options["nc_z"] not in (None, options["nc_im"]):
        raise ValueError(f"--nc_z {options['nc_z']} differs from --nc_im {options['nc_im']}: leave --nc_z out")
    options["nc_z"] = options["nc_im"]
    if options["lambda_grad"] is None:
        options["lambda_grad"] = 0.1 if options["gan_mode"] == "wgan-gp" else 0.0
    return options


def net_config(options: Mapping[str, Any]) -> NetConfig:
    """The nets that ``options``, flags by name, ask for at the coarsest scale."""
    shape = [options[flag] for flag in ("nc_im", "nfc", "min_nfc", "ker_size", "num_layer")]
    return replace(NetConfig(*shape), residual=not options["no_residual"])


def train_config(options: Mapping[str, Any]) -> TrainConfig:
    """The training that ``options``, flags by name, ask for."""
    same = ("niter", "Gsteps", "Dsteps", "lr_g", "lr_d", "gamma", "beta1", "lambda_grad", "alpha", "noise_amp")
    return TrainConfig(
        redraw_z_rec=options["z_rec"] == "redrawn",
        adversarial=GAN_MODES[options["gan_mode"]],
        **{flag: options[flag] for flag in same},
    )


def configs(options: Mapping[str, Any]) -> dict[str, Any]:
    """The configs of a run by name, from ``options``, flags by name."""
    try:
        pyramid = PyramidConfig(*(options[flag] for flag in ("min_size", "max_size", "scale_factor")))
        return {"net": net_config(options), "pyramid": pyramid, "training": train_config(options)}
    except KeyError as error:
        raise ValueError(f"the model's manifest lacks the option {error}: train again with --overwrite") from error
    except TypeError as error:
        raise ValueError(f"the model's manifest has a wrong option ({error}): train again with --overwrite") from error


@dataclass(frozen=True)
class Run:
    """What every script needs, made from the flags."""

    picture: Path
    name: str  # of the picture, in every result
    out: Path
    device: torch.device
    seed: int
    overwrite: bool
    checkpoint_every: float  # seconds
    engine: Engine
    net: NetConfig
    pyramid: PyramidConfig
    training: TrainConfig
    options: dict[str, Any]  # all of MODEL_FLAGS
    given: frozenset[str]  # the flags given by hand

    def check_links(self) -> None:
        """Raise a ValueError where a link leads the picture or its results out of their folders."""
        keep_inside(self.picture.parent, [self.picture])
        name = glob.escape(self.name)
        keep_inside(self.out, (path for depth in ("", "/*", "/*/*") for path in self.out.glob(f"*/{name}{depth}")))

    @property
    def model(self) -> Path:
        """The folder of the model that the flags name."""
        return layout.trained(self.out, self.name, self.pyramid.scale_factor, self.training.alpha)

    def adopting(self, folder: Path) -> "Run":
        """The run with the options of the model in ``folder``, if there is one, but for those given by hand."""
        if self.overwrite or not folder.exists():
            return self
        found = Manifest.read(folder).all_options(self.options)
        options = {**found, **{flag: self.options[flag] for flag in MODEL_FLAGS if flag in self.given}}
        return replace(self, options=options, **configs(options))

    def job(self, folder: Path, task: str) -> Job:
        """The training of the model in ``folder``, for ``task``: its picture read, its scales planned.

        Raises:
            ValueError: the picture can't be read, or has no valid pyramid.
        """
        image = images.read(self.picture, self.net.channels).to(self.device)
        planned = plan_super_resolution_scales if task == "SR" else plan_scales
        plan = planned(image.shape[2], image.shape[3], self.pyramid)
        manifest = Manifest.of(self.picture, self.options, self.seed, plan, self.device, task, self.engine)
        training = replace(self.training, noise_border=task == "animation")
        asked = task == "train" and "manualSeed" in self.given  # elsewhere it is the seed of what the model is used for
        start = self._start_weights
        return Job(folder, manifest, asked, image, plan, self.net, training, start, self.checkpoint_every, self.engine)

    def _start_weights(self) -> StartWeights:
        return StartWeights(
            *(self.options[flag] and read_weights(Path(self.options[flag])) for flag in ("netG", "netD"))
        )

    def model_flags(self) -> str:
        """The flags that name this model to another script, quoted for a shell."""
        naming = ("input_name", "scale_factor", "alpha", "out")
        values = {**self.options, "input_name": self.picture.name, "out": self.out}
        flags = [(f"--{flag}", str(values[flag])) for flag in naming if flag in self.given]
        parts = [[f"{flag}={value}"] if value.startswith("-") else [flag, value] for flag, value in flags]
        return shlex.join(itertools.chain(*parts))

    def fresh_rng(self) -> torch.Generator:
        """A random generator at the run's seed."""
        return torch.Generator(self.device).manual_seed(self.seed)

    def with_scale_factor(self, scale_factor: float) -> "Run":
        """The run with another ``--scale_factor``, unless one was given by hand."""
        if "scale_factor" in self.given:
            return self
        pyramid = replace(self.pyramid, scale_factor=scale_factor)
        return replace(self, pyramid=pyramid, options={**self.options, "scale_factor": scale_factor})

    def of_picture(self, input_name: str) -> "Run":
        """The run with the model of another picture, of the same folder."""
        return replace(self, name=layout.stem(input_name), picture=self.picture.with_name(input_name))

    def task(self, script: Path, flags: tuple[str, ...], mode: str) -> Task:
        """The run as one of several; ``flags`` are all but the picture and the device."""
        studies = layout.study(self.out, self.name, "")
        folder = {"train": self.model, "study": studies}.get(mode, self.model.parent)
        return Task(self.picture, script, flags, folder)

    def paint_job(self, base: Manifest, pyramid: Pyramid, start_scale: int) -> Job:
        """The retraining of one scale of ``pyramid`` for quantized painting, with the options of its manifest."""
        folder = layout.trained_for_paint(self.out, self.name, self.pyramid.scale_factor, start_scale)
        options = base.all_options(self.options)
        sizes, own = tuple(scale.size for scale in pyramid.scales), configs(options)
        return Job(
            folder=folder,
            manifest=replace(base, options=options, task="paint", seed=self.seed),
            seed_asked=False,
            image=pyramid.scales[-1].real,
            plan=Plan(len(sizes) - 1, len(sizes) - 1, 1.0, pyramid.factor, sizes),
            net=own["net"],
            config=own["training"],
            weights=StartWeights,
            checkpoint_every=self.checkpoint_every,
            engine=self.engine,
        )

    def load(self, task: str = "train") -> tuple[Manifest, Pyramid]:
        """The model that the flags name, trained for ``task``; says which given flags have no effect.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is incomplete, or has another number of channels than asked.
        """
        manifest, pyramid = load(self.model, self.device, task)
        if "nc_im" in self.given and self.net.channels != manifest.options["nc_im"]:
            channels = manifest.options["nc_im"]
            raise ValueError(f"--nc_im {self.net.channels} asked, but the model {self.model} has {channels} channels")
        differences = manifest.differences({flag: self.options[flag] for flag in MODEL_FLAGS if flag in self.given})
        if differences:
            print(f"note: the model keeps the options that it was trained with: {'; '.join(differences)}")
        return manifest, pyramid
