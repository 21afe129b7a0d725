"""What every script needs, made from its flags: configs, device, random generator, and the models they name."""

import glob
import itertools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from SinGAN.engines.engine import Engine
from SinGAN.losses.iteration import TrainConfig
from SinGAN.losses.perceptual import trained
from SinGAN.models import NetConfig
from SinGAN.options.model import CRITICS, MODEL_FLAGS, configs
from SinGAN.parallel.jobs import Task
from SinGAN.pictures import images
from SinGAN.planning import Plan, PyramidConfig, plan_scales, plan_super_resolution_scales
from SinGAN.pyramid import Pyramid, read_weights
from SinGAN.runs.obtain import Job
from SinGAN.saved_models.manifest import Manifest, load
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.training import StartWeights


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
    vgg_weights: Path | None  # torchvision's where there is none
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
        files = (self.options["netG"], None if self.options["netD"] in CRITICS else self.options["netD"])
        generator, critic = (file and read_weights(Path(file)) for file in files)
        return StartWeights(generator, critic, self._vgg_weights())

    def _vgg_weights(self, options: Mapping[str, Any] | None = None) -> dict[str, Tensor] | None:
        options = options or self.options
        return trained(self.vgg_weights) if options["texture_weight"] or options["perceptual_weight"] else None

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
            weights=lambda: StartWeights(vgg=self._vgg_weights(options)),
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
