"""A stage of concurrent training: the parts of the generator that learn, and an iteration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.engines.engine import EAGER, Engine, Step, use_precision
from SinGAN.engines.estimates import ScaleSetting
from SinGAN.losses import terms
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import critic_step, frozen, make_generator_steps
from SinGAN.losses.perceptual import VGG
from SinGAN.losses.states import restore
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.pyramid import TrainedScale
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.training import Watch, iterate, unwatched
from SinGAN.variants.growing import GrowingGenerator


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage to be trained, on top of the coarser ones."""

    pyramid: GrownPyramid  # draws the noise
    nets: Adversaries
    generator: GrowingGenerator  # that of ``nets``
    target: Target
    reals: list[Tensor]  # of all stages up to this one, as the next two
    z_rec: list[Tensor]
    amps: list[float]
    config: TrainConfig
    first: Callable[[], Tensor] | None  # makes the coarsest input, where that is not noise

    @property
    def setting(self) -> ScaleSetting:
        """The stage, as an engine has to know it."""
        real = self.target.real
        return ScaleSetting(self.generator.config, (real.shape[-2], real.shape[-1]), real.device, self.config)

    def trained(self) -> TrainedScale:
        """The stage when its training is done."""
        self.generator.frozen = 0
        return TrainedScale.of(self.generator, self.nets.critic, self.reals[-1], self.z_rec[-1], self.amps[-1])


def train_stage(
    stage: Stage,
    rng: torch.Generator,
    *,
    watch: Watch = unwatched,
    vgg: VGG | None = None,
    resume: TrainingState | None = None,
    engine: Engine = EAGER,
) -> None:
    """Train the nets of ``stage``; the arguments are those of ``training.train_scale``."""
    step, renew = prepare_iteration(stage, rng, engine)
    nets, z_rec, config = stage.nets, stage.z_rec[-1], stage.config
    done = restore(resume, nets, rng, z_rec) if resume is not None else 0
    in_use: list[nn.Module] = [nets.generator, nets.critic, *([] if vgg is None else [vgg])]
    last = len(stage.reals) - 1
    with engine.threads(stage.setting):
        iterate(last, step, renew, nets, in_use, z_rec, config, rng, done=done, watch=watch, engine=engine)


def prepare_iteration(stage: Stage, rng: torch.Generator, engine: Engine) -> tuple[Step, Callable[[int], None]]:
    """An iteration of ``stage``, and a function to be called before it with its index.

    The critic makes its steps on one sample, and the generator as many of its own by one gradient.
    """
    nets, generator, target, config, first = stage.nets, stage.generator, stage.target, stage.config, stage.first
    with use_precision(engine, rng.device):
        rebuilt = tuple(z.clone() for z in generator.window(amplify(stage.z_rec, stage.amps)))
    given = torch.zeros_like(stage.reals[0])  # the output of ``first``, in one place for CUDA graphs
    differentiate = engine.differentiation(stage.setting)

    def renew(index: int) -> None:
        if first is not None:
            given.copy_(first())

    def step() -> dict[str, Tensor]:
        maps = [
            given if not place and first is not None else draw_noise(stage.pyramid, image, rng, place)
            for place, image in enumerate(stage.reals)
        ]
        mix = torch.rand(config.Dsteps, generator=rng, device=target.real.device)
        sampled, losses = generator.window(amplify(maps, stage.amps)), dict[str, Tensor]()
        with torch.no_grad():
            fake = target.masked(generator(*sampled))
        for share in mix:
            losses |= critic_step(nets, target.real, fake, share, config, differentiate)
        with frozen(nets.critic):
            losses |= make_generator_steps(nets, target, sampled, rebuilt, config, differentiate, config.Gsteps)
        if not config.alpha:
            losses[terms.MEASURED] = terms.reconstruction_mse(generator, rebuilt, target)
        return {name: losses[name] for name in terms.loss_names(config)}

    return step, renew


def draw_noise(pyramid: GrownPyramid, real: Tensor, rng: torch.Generator, index: int) -> Tensor:
    """Noise for the stage ``index`` of ``real`` (1, C, H, W)."""
    return pyramid.draw_map(rng, real, (real.shape[-2], real.shape[-1]), coarsest=index == 0)


def amplify(maps: list[Tensor], amps: list[float]) -> list[Tensor]:
    """The noise ``maps`` of the stages, each times its amplitude."""
    return [amp * z for amp, z in zip(amps, maps, strict=True)]


def parameter_groups(generator: GrowingGenerator, config: TrainConfig) -> list[dict[str, Any]]:
    """The parts of ``generator`` that learn, with their learning rates; all others are frozen.

    These are the tail, the newest ``config.train_depth`` blocks, each with the share ``config.lr_scale`` of the next
    newer one's rate, and the head while all blocks learn.
    """
    newest = len(generator.body) - 1
    generator.frozen = max(0, newest + 1 - config.train_depth)
    generator.requires_grad_(False)
    parts: list[tuple[nn.Module, float]] = [
        (generator.body[index], config.lr_g * config.lr_scale ** (newest - index))
        for index in range(generator.frozen, newest + 1)
    ]
    if not generator.frozen:
        parts.append((generator.head, config.lr_g * config.lr_scale**newest))
    parts.append((generator.tail, config.lr_g))
    return [{"params": list(part.requires_grad_(True).parameters()), "lr": rate} for part, rate in parts]
