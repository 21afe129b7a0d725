"""A training that is asked for: what is trained, and the folder where its model is kept."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.concurrent.pyramid import pyramid_of
from SinGAN.concurrent.training import train_stages
from SinGAN.engines.compiled import NEEDED, compiles
from SinGAN.engines.engine import Engine, EngineSettings
from SinGAN.engines.estimates import ScaleSetting
from SinGAN.functions import quantise
from SinGAN.losses.perceptual import trained
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.growing import GENERATION
from SinGAN.options.model import CRITICS, ModelOptions
from SinGAN.options.tasks import ANIMATION, PAINT, TRAIN, Task
from SinGAN.planning import Plan
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.lookup import SavedModel, find_same
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.storage.tensors import load_weights
from SinGAN.training import StartWeights, start_nets, train, train_scale, trained_vgg

Watch = Callable[[int, int, Mapping[str, Tensor], Callable[[], TrainingState]], None]
"""As ``SinGAN.training`` calls it after each iteration."""


@dataclass(frozen=True)
class Source:
    """The picture that a model is made from."""

    name: str  # of its file
    sha256: str  # of its content
    image: Tensor  # (1, C, H, W), in [-1, 1]


@dataclass(frozen=True, eq=False)
class Retraining:
    """One scale of a trained model, to be trained anew on coarser images of few colours: quantized painting."""

    base: Pyramid[TrainedScale]
    scale: int
    palette: Tensor  # (K, C), in [-1, 1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Training:
    """A training: of a whole model, or of one scale anew."""

    manifest: Manifest
    image: Tensor  # (1, C, H, W), in [-1, 1]
    plan: Plan
    net: NetConfig
    config: TrainConfig
    weights: Callable[[], StartWeights] = StartWeights  # read only when something is to be trained
    retraining: Retraining | None = None  # of one scale, in place of a training of all

    @classmethod
    def of(
        cls, source: Source, options: ModelOptions, task: Task = TRAIN, *, seed: int, vgg_weights: Path | None = None
    ) -> "Training":
        """The training of a model of ``source`` for ``task``; ``vgg_weights`` is a file, torchvision's where None.

        Raises:
            ValueError: the picture has no valid pyramid.
        """
        image, device = source.image, source.image.device
        if task is ANIMATION and options.grows and options.recipe != GENERATION:
            raise ValueError(f"animations need `recipe` {GENERATION}, not {options.recipe}: leave `recipe` out")
        check_size(image.shape[2], image.shape[3], options)
        plan = task.plan(image.shape[2], image.shape[3], options.pyramid)
        manifest = Manifest.of(
            picture=source.name, sha256=source.sha256, options=options, seed=seed, plan=plan, device=device, task=task
        )
        return cls(
            manifest=manifest,
            image=image,
            plan=plan,
            net=options.net,
            config=replace(options.training, noise_border=task.noise_border),
            weights=lambda: start_weights(options, vgg_weights),
        )

    @classmethod
    def of_one_scale(
        cls, base: Manifest, options: ModelOptions, asked: Retraining, *, seed: int, vgg_weights: Path | None = None
    ) -> "Training":
        """The retraining of one scale of a model with the manifest ``base`` and ``options``."""
        sizes = tuple(scale.size for scale in asked.base.scales)
        last = len(sizes) - 1
        return cls(
            manifest=base.changed(options=options.as_dict(), task=PAINT.name, seed=seed),
            image=asked.base.scales[-1].real,
            plan=Plan(num_scales=last, stop_scale=last, scale1=1.0, factor=asked.base.factor, sizes=sizes),
            net=options.net,
            config=options.training,
            weights=lambda: StartWeights(vgg=vgg_of(options, vgg_weights)),
            retraining=asked,
        )

    @property
    def device(self) -> torch.device:
        """The device that trains."""
        return self.image.device

    @property
    def scales(self) -> Sequence[int]:
        """The scales that are trained, where nothing is there yet."""
        return range(len(self.plan.sizes)) if self.retraining is None else [self.retraining.scale]

    def base_noise(self) -> Tensor | None:
        """z* of the model that a retrained scale belongs to, which tells that model from others; else None."""
        return None if self.retraining is None else self.retraining.base.scales[0].z_rec

    def fits(self, base_noise: Tensor | None) -> bool:
        """Whether a checkpoint or model with this ``base_noise`` belongs to the same base."""
        wanted = self.base_noise()
        return wanted is None or (base_noise is not None and torch.equal(base_noise, wanted))

    def nothing_yet(self) -> Pyramid[TrainedScale]:
        """The pyramid that the training begins from: no scale, or the base of a retrained one."""
        if self.retraining is not None:
            return self.retraining.base
        return pyramid_of((), self.plan.factor, self.net, self.config.noise_border, self.config.recipe)

    def run(
        self,
        start: Pyramid[TrainedScale],
        engine: Engine,
        rng: torch.Generator,
        resume: TrainingState | None,
        watch: Watch,
    ) -> Iterator[tuple[int, Pyramid[TrainedScale]]]:
        """Train what ``start`` lacks, the first scale from ``resume``; gives each scale's index with the pyramid."""
        if self.retraining is not None:
            yield self.retraining.scale, self._retrained(self.retraining, engine, rng, resume, watch)
            return
        trainer = train_stages if self.net.stages else train
        larger = trainer(
            self.image, self.plan, self.net, self.config, rng,
            watch=watch, weights=self.weights(), finished=start.scales, resume=resume, engine=engine,
        )  # fmt: skip
        for pyramid in larger:
            yield len(pyramid) - 1, pyramid

    def _retrained(
        self, asked: Retraining, engine: Engine, rng: torch.Generator, resume: TrainingState | None, watch: Watch
    ) -> Pyramid[TrainedScale]:
        """The base with one scale trained anew, from fresh weights, on images in the palette's colours."""
        replaced = asked.base.scales[asked.scale]
        generator, critic = start_nets(replace(asked.base, scales=()), replaced.generator.config, rng)
        scale = train_scale(
            asked.base.below(asked.scale), replaced.real, generator, critic, self.config, rng,
            watch=watch, edit=lambda image: quantise(image, asked.palette),
            vgg=trained_vgg(self.config, self.weights(), rng.device), resume=resume, engine=engine,
        )  # fmt: skip
        return asked.base.with_scale(asked.scale, scale)

    @property
    def settings(self) -> list[ScaleSetting]:
        """Each scale, as an engine has to know it."""
        return [ScaleSetting(self.net.at(k), size, self.device, self.config) for k, size in enumerate(self.plan.sizes)]

    def notes(self, engine: Engine, scales: Sequence[int]) -> list[str]:
        """Lines on what the user may wonder at when ``scales`` are trained: less speed, or a late start."""
        lines = []
        (height, width), (finest, wide) = self.image.shape[2:], self.plan.sizes[-1]
        if (height, width) != (finest, wide) and self.retraining is None:
            lines.append(
                f"the picture is reduced from {width} x {height} to {wide} x {finest} pixels "
                f"(`max_size` {self.manifest.options['max_size']})"
            )
        settings = self.settings
        short = [scale for scale in scales if engine.recomputes(settings[scale])]
        if short and engine.recompute == "auto":
            most = engine.bytes_needed(settings[short[-1]]) / 2**30
            lines.append(
                f"scales {short[0]} to {short[-1]} compute activations again where others keep them: that would take "
                f"about {most:.1f} GB (`recompute` never keeps them all, a smaller `max_size` needs less)"
            )
        programmed = [scale for scale in scales if engine.wants_programs(settings[scale])]
        if programmed and not compiles():
            lines.append(f"running without compiled programs, more slowly: they need {NEEDED}")
        elif programmed:
            lines.append(
                f"scales {programmed[0]} to {programmed[-1]} run compiled programs: "
                "they begin after a minute or less of compilation (`engine` eager does without)"
            )
        return lines


def check_size(height: int, width: int, options: ModelOptions) -> None:
    """Raise a ValueError, with what works, where a picture is smaller than what the nets see at once: a sprite."""
    net, shorter = options.net, min(height, width)
    if shorter >= net.receptive_field:
        return
    advice = f"enlarge it {math.ceil(options.min_size / shorter)} times first, pixel by pixel"
    smaller = [replace(net, num_layer=count) for count in range(2, net.num_layer)]
    fitting = [one for one in smaller if one.receptive_field <= 0.7 * shorter]  # with room for a second scale
    if fitting:
        advice += (
            f", or use smaller nets: `num_layer` {fitting[-1].num_layer}, `min_size` {fitting[-1].receptive_field}"
        )
    raise ValueError(
        f"the picture is {height} x {width} (height x width), and the nets see {net.receptive_field} pixels at once: "
        + advice
    )


def start_weights(options: ModelOptions, vgg_weights: Path | None) -> StartWeights:
    """The weights in the files that ``options`` name, and VGG's where a loss needs it."""
    files = (options.netG, None if options.netD in CRITICS else options.netD)
    generator, critic = (load_weights(Path(file)) if file else None for file in files)
    return StartWeights(generator, critic, vgg_of(options, vgg_weights))


def vgg_of(options: ModelOptions, file: Path | None) -> dict[str, Tensor] | None:
    """VGG's weights, from ``file`` or torchvision's, where a loss needs them."""
    return trained(file) if options.training.uses_vgg else None


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingRequest:
    """A training whose model is to be in a folder."""

    training: Training
    folder: Path
    engine: EngineSettings = EngineSettings()  # chosen only when something is to be trained
    checkpoint_every: float = 60.0  # seconds
    seed_matters: bool = False  # whether a model that is there must have the manifest's seed

    def saved(self, folder: Path | None = None) -> SavedModel | None:
        """The model in the folder, or another one; None where there is none.

        Raises:
            ValueError: it is another model than the one asked for.
        """
        return find_same(folder or self.folder, self.training.manifest, self.seed_matters)

    def is_done(self) -> bool:
        """Whether the folder holds the whole model."""
        model = self.saved()
        return model is not None and model.is_whole
