"""The training of a model of one picture: its plan, its folder and the units that are trained."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.engines.compiled import can_compile, missing_requirement
from SinGAN.engines.engine import Engine, EngineSettings
from SinGAN.engines.estimates import ScaleSetting, scale_costs
from SinGAN.functions import quantise
from SinGAN.kinds import KINDS
from SinGAN.kinds.kind import LossColumns, Unit
from SinGAN.kinds.singan import SinGANKind
from SinGAN.losses.perceptual import load_vgg_weights
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.model import CRITICS, ModelOptions
from SinGAN.options.tasks import PAINT, TASKS, TRAIN, Task
from SinGAN.pictures.layers import Layers, Parts
from SinGAN.pictures.opening import Opened
from SinGAN.planning import Plan
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.folder import forget_scales, save_pyramid
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.storage.files import discard
from SinGAN.storage.tensors import load_weights
from SinGAN.training import StartWeights, Watch, start_nets, train_scale, trained_vgg


@dataclass(frozen=True)
class TrainingPicture:
    """The picture that a model is trained on."""

    name: str  # of its file
    sha256: str  # of its content
    image: Tensor  # (1, C, H, W), in [-1, 1], the channels of maps included
    layers: Layers | None = None  # of the channels; None: of 8 bits, without maps
    valid: Tensor | None = None  # (1, 1, H, W): 1 where there are data, else 0; None: everywhere
    parts: Parts | None = None  # the picture and its maps, their values not rounded


@dataclass(frozen=True, eq=False)
class Retraining:
    """One scale of a trained model, to be trained again on coarser images of few colours: quantized painting."""

    base: Pyramid[TrainedScale]
    scale: int
    palette: Tensor  # (K, C), in [-1, 1]


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureTraining:
    """The training of a model of one picture, or of one scale again."""

    manifest: Manifest
    image: Tensor  # (1, C, H, W), in [-1, 1]
    plan: Plan
    net: NetConfig
    config: TrainConfig
    layers: Layers | None = None  # of the channels; None: of 8 bits, without maps
    valid: Tensor | None = None  # (1, 1, H, W): 1 where there are data, else 0; None: everywhere
    parts: Parts | None = None  # the picture and its maps, their values not rounded
    weights: Callable[[], StartWeights] = StartWeights  # read only when something is to be trained
    retraining: Retraining | None = None  # of one scale, in place of a training of all
    folder: Path = Path()  # of the model; not used in memory
    engine: EngineSettings = EngineSettings()
    checkpoint_every: float = 60.0  # seconds
    seed_matters: bool = False  # whether a model in the folder must have the manifest's seed

    @classmethod
    def of(
        cls,
        picture: TrainingPicture,
        options: ModelOptions,
        task: Task = TRAIN,
        *,
        seed: int,
        vgg_weights: Path | None = None,
    ) -> "PictureTraining":
        """The training of a model of ``picture`` for ``task``; ``vgg_weights`` is a file, torchvision's where None.

        Raises:
            ValueError: the picture has no valid pyramid, or no model with ``options`` serves ``task``.
        """
        kind, layers = KINDS[options.kind], picture.layers
        if layers is not None:
            options = replace(options, nc_im=layers.picture.count, nc_z=layers.picture.count)
        image = kind.picture(picture.image, options, layers)
        (height, width), device = image.shape[2:], image.device
        check_size(height, width, options)
        plan = replace(kind.plan(height, width, options, task), exact=layers is not None)
        manifest = Manifest.of(
            picture=picture.name, sha256=picture.sha256, options=options, seed=seed, plan=plan, device=device,
            task=task, layers=layers,
        )  # fmt: skip
        return cls(
            manifest=manifest,
            image=image,
            plan=plan,
            net=replace(options.net, channels=image.shape[1]),
            config=replace(options.training, noise_border=task.noise_border),
            layers=layers,
            valid=None if picture.valid is None else picture.valid.to(device),
            parts=picture.parts,
            weights=lambda: start_weights(options, vgg_weights),
        )

    @classmethod
    def of_one_scale(
        cls, base: Manifest, options: ModelOptions, asked: Retraining, *, seed: int, vgg_weights: Path | None = None
    ) -> "PictureTraining":
        """The retraining of one scale of a model with the manifest ``base`` and ``options``."""
        sizes = tuple(scale.size for scale in asked.base.scales)
        last = len(sizes) - 1
        return cls(
            manifest=base.with_values(options=options.as_dict(), task=PAINT.name, seed=seed),
            image=asked.base.scales[-1].real,
            plan=Plan(num_scales=last, stop_scale=last, scale1=1.0, factor=asked.base.factor, sizes=sizes),
            net=options.net,
            config=options.training,
            weights=lambda: StartWeights(vgg=load_vgg(options, vgg_weights)),
            retraining=asked,
        )

    @property
    def kind(self) -> SinGANKind:
        """The kind of model."""
        return self.manifest.kind_of_model

    @property
    def device(self) -> torch.device:
        """The device that trains."""
        return self.image.device

    @property
    def columns(self) -> LossColumns:
        """The losses."""
        return self.kind.columns(self.config)

    @property
    def units(self) -> list[Unit]:
        """The scales."""
        return plan_units(self.plan, self.config.niter)

    @property
    def wanted(self) -> Sequence[int]:
        """The scales that are trained where the folder holds nothing."""
        return range(len(self.plan.sizes)) if self.retraining is None else [self.retraining.scale]

    @property
    def replaces(self) -> bool:
        """Whether the folder's model stays until the new one is whole.

        One retrained scale makes a whole model, of which the base's part is as good as the base.
        """
        return self.retraining is not None

    @property
    def base(self) -> Tensor | None:
        """z* of the model that a retrained scale belongs to, which distinguishes that model from others; else None."""
        return None if self.retraining is None else self.retraining.base.scales[0].z_rec

    def fits(self, base: Tensor | None) -> bool:
        """Whether a checkpoint or model with this ``base`` belongs to the same base."""
        return self.base is None or (base is not None and torch.equal(base, self.base))

    def find(self, folder: Path | None = None) -> ModelFolder | None:
        """The model in the folder, or another one; None where there is none.

        Raises:
            ValueError: it is another model than this training's, or damaged.
        """
        model = ModelFolder.find(folder or self.folder)
        if model is not None:
            model.check_same(self.manifest, self.seed_matters)
        return model

    def is_done(self) -> bool:
        """Whether the folder holds the whole model."""
        model = self.find()
        return model is not None and model.is_whole

    def load(self, saved: ModelFolder) -> Pyramid[TrainedScale] | None:
        """The whole model ``saved``; None where it belongs to another base."""
        pyramid = saved.load(self.device, TASKS[self.manifest.task])
        return pyramid if self.fits(pyramid.scales[0].z_rec) else None

    def resume(self, saved: ModelFolder | None, folder: Path) -> tuple[Pyramid[TrainedScale], Sequence[int]]:
        """The pyramid as far as it is trained, and the scales to be trained; removes others from ``folder``."""
        if saved is not None and saved.scales and (saved.is_whole or self.retraining is None):
            pyramid = saved.pyramid(self.device, self.net, self.config.noise_border)
            pyramid = replace(pyramid, factor=self.plan.factor)
            if self.fits(pyramid.scales[0].z_rec):
                rest = self.wanted[saved.scales :]
                for index in rest:
                    discard(folder / str(index))
                if not saved.is_whole:  # the lists, now without the scales that were removed
                    save_pyramid(pyramid, folder, sealed=saved.manifest.is_sealed)
                return pyramid, rest
        forget_scales(folder)
        return self.start(), self.wanted

    def start(self) -> Pyramid[TrainedScale]:
        """The pyramid before training: without scales, or the base of a retrained one."""
        if self.retraining is not None:
            return self.retraining.base
        plain = Pyramid[TrainedScale]((), self.plan.factor, self.net.margin, self.config.noise_border, self.plan.exact)
        return self.kind.pyramid(plain, self.net, self.manifest.options, {})

    def run(
        self,
        start: Pyramid[TrainedScale],
        engine: Engine,
        rng: torch.Generator,
        state: TrainingState | None,
        watch: Watch,
    ) -> Iterator[tuple[int, Pyramid[TrainedScale]]]:
        """Train the scales that ``start`` lacks, the first from ``state``; yields each one's index and the pyramid."""
        if self.retraining is not None:
            yield self.retraining.scale, self._retrained(self.retraining, engine, rng, state, watch)
            return
        opened = Opened(self.image, self.layers, self.valid, parts=self.parts)
        pyramids = self.kind.train(
            self.image, self.plan, self.net, self.config, rng,
            watch=watch, weights=self.weights(), finished=start.scales, resume=state, engine=engine,
            **({} if self.valid is None else {"valid": self.valid}),
        )  # fmt: skip
        for pyramid in pyramids:
            yield len(pyramid) - 1, self.kind.completed(pyramid, opened)

    def _retrained(
        self, asked: Retraining, engine: Engine, rng: torch.Generator, state: TrainingState | None, watch: Watch
    ) -> Pyramid[TrainedScale]:
        """The base with one scale trained again, from fresh weights, on images in the palette's colours."""
        replaced = asked.base.scales[asked.scale]
        generator, critic = start_nets(replace(asked.base, scales=()), replaced.generator.config, rng)
        scale = train_scale(
            asked.base.below(asked.scale), replaced.real, generator, critic, self.config, rng,
            watch=watch, edit=lambda image: quantise(image, asked.palette),
            vgg=trained_vgg(self.config, self.weights(), rng.device), resume=state, engine=engine,
        )  # fmt: skip
        return asked.base.with_scale(asked.scale, scale)

    def pictures(self, model: Pyramid[TrainedScale], unit: int, seed: int) -> dict[str, Tensor]:
        """Pictures (1, C, H, W) of a scale by file name: the real one, a sample and the reconstruction."""
        coarser, real = model.below(unit + 1), model.scales[unit].real
        rng = torch.Generator(real.device).manual_seed(seed)
        pictures = {
            "real_scale": real,
            "fake_sample": coarser.generate(coarser.draw(rng)),
            "G(z_opt)": coarser.generate(coarser.z_rec()),
        }
        return pictures if self.layers is None else {name: self.layers.preview(one) for name, one in pictures.items()}

    @cached_property
    def settings(self) -> list[ScaleSetting]:
        """Each scale, as an engine has to know it."""
        return [ScaleSetting(self.net.at(k), size, self.device, self.config) for k, size in enumerate(self.plan.sizes)]

    def costs(self, engine: Engine) -> list[float]:
        """The relative time of an iteration of each scale."""
        programmed = [index for index, setting in enumerate(self.settings) if engine.wants_programs(setting)]
        runs_programs = programmed if programmed and can_compile() else ()
        return scale_costs(self.plan, self.net, self.device, engine.winograd, runs_programs)

    def notes(self, engine: Engine, units: Sequence[int]) -> list[str]:
        """Lines that warn of less speed or a late start when the scales ``units`` are trained."""
        lines = []
        (height, width), (finest, wide) = self.image.shape[2:], self.plan.sizes[-1]
        if (height, width) != (finest, wide) and self.retraining is None:
            lines.append(self.kind.describe_reduction((height, width), (finest, wide), self.manifest.options))
        settings = self.settings
        short = [scale for scale in units if engine.recomputes(settings[scale])]
        if short and engine.recompute == "auto":
            most = engine.bytes_needed(settings[short[-1]]) / 2**30
            lines.append(
                f"scales {short[0]} to {short[-1]} recompute activations, because keeping them would take "
                f"about {most:.1f} GB (`recompute` never keeps them all, a smaller `max_size` needs less)"
            )
        programmed = [scale for scale in units if engine.wants_programs(settings[scale])]
        if programmed and not can_compile():
            lines.append(f"running without compiled programs, more slowly: they need {missing_requirement()}")
        elif programmed:
            lines.append(
                f"scales {programmed[0]} to {programmed[-1]} run compiled programs, "
                "after a minute or less of compilation (`engine` eager needs none)"
            )
        return lines


def plan_units(plan: Plan, niter: int) -> list[Unit]:
    """The scales of ``plan``, with ``niter`` iterations each."""
    return [
        Unit(f"scale {index}", f"scale {index} of 0..{plan.stop_scale} ({width} x {height})", niter, str(index))
        for index, (height, width) in enumerate(plan.sizes)
    ]


def check_size(height: int, width: int, options: ModelOptions) -> None:
    """Raise a ValueError, with a remedy, where a picture is smaller than the receptive field, as a sprite is."""
    net, shorter = options.net, min(height, width)
    if shorter >= net.receptive_field:
        return
    factor = math.ceil(max(options.min_size, net.receptive_field) / shorter)
    advice = f"enlarge it {factor} times first, pixel by pixel"
    smaller = [replace(net, num_layer=count) for count in range(3 if net.stages else 2, net.num_layer)]
    fitting = [one for one in smaller if one.receptive_field <= 0.7 * shorter]  # with room for a second scale
    if fitting:
        advice += (
            f", or use smaller nets: `num_layer` {fitting[-1].num_layer}, `min_size` {fitting[-1].receptive_field}"
        )
    raise ValueError(
        f"the picture is {height} x {width} (height x width), smaller than the nets' receptive field of "
        f"{net.receptive_field} pixels: " + advice
    )


def start_weights(options: ModelOptions, vgg_weights: Path | None) -> StartWeights:
    """The weights in the files that ``options`` name, and VGG's where a loss needs it."""
    files = (options.netG, None if options.netD in CRITICS else options.netD)
    generator, critic = (load_weights(Path(file)) if file else None for file in files)
    return StartWeights(generator, critic, load_vgg(options, vgg_weights))


def load_vgg(options: ModelOptions, file: Path | None) -> dict[str, Tensor] | None:
    """VGG's weights, from ``file`` or torchvision's, where a loss needs them."""
    return load_vgg_weights(file) if options.training.uses_vgg else None
