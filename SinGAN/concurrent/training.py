"""Concurrent training: stage by stage the generator grows by a block, and its newest blocks train together.

After ConSinGAN (Hinz, Fisher, Wang, Wermter, *Improved Techniques for Training Single-Image GANs*, WACV 2021, Sect. 3).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.concurrent.inputs import RANDOM, coarsest_input, first_z_rec
from SinGAN.concurrent.pyramid import GrownPyramid, pyramid_of
from SinGAN.engines.engine import EAGER, Engine, precision_of
from SinGAN.engines.estimates import ScaleSetting
from SinGAN.losses import terms
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import critic_step, steps_of_generator
from SinGAN.losses.perceptual import VGG, VGGTarget
from SinGAN.losses.states import restore
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, NetConfig, initialise
from SinGAN.planning import Plan, build_reals
from SinGAN.pyramid import TrainedScale
from SinGAN.storage.checkpoints import ScaleState
from SinGAN.training import StartWeights, Watch, iterate, scale_seed, trained_vgg, unwatched
from SinGAN.variants.build import build_critic
from SinGAN.variants.growing import GrowingGenerator


def train_stages(
    image: Tensor,
    plan: Plan,
    net: NetConfig,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    watch: Watch = unwatched,
    weights: StartWeights = StartWeights(),
    finished: tuple[TrainedScale, ...] = (),
    resume: ScaleState | None = None,
    engine: Engine = EAGER,
) -> Iterator[GrownPyramid]:
    """Train the stages of ``image`` (1, C, H, W), coarse to fine; yields the pyramid after each.

    The arguments are those of ``training.train``; of ``weights`` only a VGG's count.

    Raises:
        ValueError: the coarsest stage is smaller than the receptive field, or ``resume`` does not fit.
    """
    if min(plan.sizes[0]) < net.receptive_field:
        raise ValueError(
            f"the coarsest stage, {plan.sizes[0][0]} x {plan.sizes[0][1]}, is smaller than the receptive field of "
            f"{net.receptive_field} pixels: raise `min_size` or lower `num_layer` or `ker_size`"
        )
    scales, seed, vgg = finished, rng.initial_seed(), trained_vgg(config, weights, rng.device)
    for index, real in list(enumerate(build_reals(image, plan)))[len(finished) :]:
        rng.manual_seed(scale_seed(seed, index))
        pyramid = grown(scales, plan, net, config)
        scale = train_stage(
            pyramid, real, net.at(index), config, rng, watch=watch, vgg=vgg, resume=resume, engine=engine
        )
        scales, resume = (*scales, scale), None
        yield grown(scales, plan, net, config)


def grown(scales: tuple[TrainedScale, ...], plan: Plan, net: NetConfig, config: TrainConfig) -> GrownPyramid:
    """The pyramid of ``scales``."""
    pyramid = pyramid_of(scales, plan.factor, net, config.noise_border, config.recipe)
    assert isinstance(pyramid, GrownPyramid)
    return pyramid


def train_stage(
    pyramid: GrownPyramid,
    real: Tensor,
    net: NetConfig,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    watch: Watch = unwatched,
    vgg: VGG | None = None,
    resume: ScaleState | None = None,
    engine: Engine = EAGER,
) -> TrainedScale:
    """Train the stage of ``real`` (1, C, H, W) on top of ``pyramid``, the coarser ones; arguments as ``train_scale``'s.

    The critic makes its steps on one sample, and the generator as many of its own by one gradient.
    """
    index, size = len(pyramid), (real.shape[-2], real.shape[-1])
    generator, critic = start_nets(pyramid, net, rng)
    nets = Adversaries.of(generator, critic, config, groups(generator, config))
    z_rec = first_map(pyramid, real, config, rng)
    below, reals = [scale.z_rec for scale in pyramid.scales], [*(scale.real for scale in pyramid.scales), real]
    amps = [scale.noise_amp for scale in pyramid.scales]
    with precision_of(engine, rng.device):
        target = Target(real, torch.zeros_like(real), 1.0, None if vgg is None else VGGTarget.of(vgg, real))
        amps.append(config.noise_amp * missing(pyramid, generator, target) if index else 1.0)
        rebuilt = tuple(z.clone() for z in generator.window(amplified([*below, z_rec], amps)))
    done = restore(resume, nets, rng, z_rec) if resume is not None else 0  # last: the amplitude is that of the start
    given = torch.zeros_like(reals[0])  # the coarsest input, where it is not noise

    def renew(index: int) -> None:
        if config.recipe not in RANDOM:
            given.copy_(coarsest_input(reals[0], config.recipe, rng))

    def step() -> dict[str, Tensor]:
        maps = [
            given if not place and config.recipe not in RANDOM else drawn(pyramid, image, rng, place)
            for place, image in enumerate(reals)
        ]
        mix = torch.rand(config.Dsteps, generator=rng, device=real.device)
        sampled, losses = generator.window(amplified(maps, amps)), dict[str, Tensor]()
        with torch.no_grad():
            fake = generator(*sampled)
        for share in mix:
            losses |= critic_step(nets, real, fake, share, config, differentiate)
        critic.requires_grad_(False)
        losses |= steps_of_generator(nets, target, sampled, rebuilt, config, differentiate, config.Gsteps)
        critic.requires_grad_(True)
        if not config.alpha:
            losses[terms.MEASURED] = terms.measured_error(generator, rebuilt, target)
        return {name: losses[name] for name in terms.loss_names(config)}

    differentiate = engine.differentiating(ScaleSetting(net, size, rng.device, config))
    in_use: list[nn.Module] = [generator, critic, *([] if vgg is None else [vgg])]
    iterate(index, step, renew, nets, in_use, z_rec, config, rng, done=done, watch=watch, engine=engine)
    generator.frozen = 0
    return TrainedScale.of(generator, critic, real, z_rec, amps[-1])


def drawn(pyramid: GrownPyramid, real: Tensor, rng: torch.Generator, index: int) -> Tensor:
    """Noise for the stage ``index`` of ``real`` (1, C, H, W)."""
    return pyramid.draw_map(rng, real, (real.shape[-2], real.shape[-1]), coarsest=index == 0)


def amplified(maps: list[Tensor], amps: list[float]) -> list[Tensor]:
    """The noise ``maps`` of the stages, each times its amplitude."""
    return [amp * z for amp, z in zip(amps, maps, strict=True)]


def start_nets(pyramid: GrownPyramid, net: NetConfig, rng: torch.Generator) -> tuple[GrowingGenerator, Discriminator]:
    """The nets of the next stage: those of the last one, the generator with a copy of its newest block behind it."""
    generator, critic = GrowingGenerator(net).to(rng.device), build_critic(net).to(rng.device)
    if not pyramid.scales:
        for fresh in (generator, critic):
            initialise(fresh, rng, spread=True)
        return generator, critic
    before, new = pyramid.scales[-1], net.stages - 1
    state = before.generator.state_dict()
    newest = f"body.{new - 1}."
    copied = {name.replace(newest, f"body.{new}.", 1): state[name] for name in state if name.startswith(newest)}
    generator.load_state_dict(state | copied)
    critic.load_state_dict(before.discriminator.state_dict())
    return generator, critic


def groups(generator: GrowingGenerator, config: TrainConfig) -> list[dict[str, Any]]:
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


def first_map(pyramid: GrownPyramid, real: Tensor, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """The noise of the next stage that is to give ``real`` back."""
    if pyramid.scales:
        return drawn(pyramid, real, rng, len(pyramid))
    return first_z_rec(real, config.recipe, rng, animated=config.noise_border)


def missing(pyramid: GrownPyramid, generator: GrowingGenerator, target: Target) -> float:
    """The root mean squared error of the picture given back, before the newest block has noise of its own."""
    height, width = target.real.shape[-2:]
    border = 2 * pyramid.margin
    silent = target.real.new_zeros(1, pyramid.filters, height + border, width + border)
    maps = [*pyramid.amplified(pyramid.z_rec()), silent]
    return float(terms.measured_error(generator, generator.window(maps), target).sqrt())
