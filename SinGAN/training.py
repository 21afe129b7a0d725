"""Training: the losses, one iteration, one scale, the whole pyramid (paper, Sect. 2.2)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import centre_crop, gradient_penalty, pad, rmse
from SinGAN.models import Discriminator, Generator, NetConfig, initialise
from SinGAN.planning import Plan, build_reals
from SinGAN.pyramid import Pyramid, Scale

LOSSES = ("D_real", "D_fake", "gradient_penalty", "D_total", "G_adversarial", "reconstruction", "G_total")
"""What an iteration reports: scores of the last critic step and its loss, then the last generator step's."""

LR_DROP = 0.8  # of the iterations; then the learning rates are multiplied by gamma


@dataclass(frozen=True)
class TrainConfig:
    """How each scale is trained."""

    niter: int = 2000  # iterations per scale
    Gsteps: int = 3  # generator steps per iteration
    Dsteps: int = 3  # critic steps per iteration
    lr_g: float = 0.0005
    lr_d: float = 0.0005
    gamma: float = 0.1
    beta1: float = 0.5
    lambda_grad: float = 0.1  # weight of the gradient penalty
    alpha: float = 10.0  # weight of the reconstruction loss
    noise_amp: float = 0.1  # noise amplitude for each unit of the previous scale's error
    redraw_z_rec: bool = False  # the authors' code: z* anew in every iteration, the last one kept
    noise_border: bool = False  # animation: the noise covers the margin too


@dataclass(eq=False)
class Adversaries:
    """The nets that a scale trains, and their optimizers."""

    generator: Generator
    critic: Discriminator
    generator_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, generator: Generator, critic: Discriminator, config: TrainConfig) -> "Adversaries":
        adams = (
            torch.optim.Adam(net.train().parameters(), lr=lr, betas=(config.beta1, 0.999), fused=True)
            for net, lr in ((generator, config.lr_g), (critic, config.lr_d))
        )
        return cls(generator, critic, *adams)


@dataclass(frozen=True, eq=False)
class Target:
    """What stays the same while a scale trains."""

    real: Tensor  # (1, C, H, W)
    reconstruction: Tensor  # (1, C, H + 2 m, W + 2 m): the coarser scales' reconstruction, enlarged
    noise_amp: float


@dataclass(frozen=True, eq=False)
class Draw:
    """What one iteration draws anew."""

    noise: Tensor  # (1, C, H + 2 m, W + 2 m): this scale's noise, of variance 1
    previous: Tensor  # (Dsteps, C, H + 2 m, W + 2 m): samples of the coarser scales, enlarged
    mix: Tensor  # (Dsteps,) in [0, 1]: where between fake and real the critic's slope is taken
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m)


def iteration(nets: Adversaries, target: Target, draw: Draw, config: TrainConfig) -> Tensor:
    """``Dsteps`` critic steps, each on its own sample, then ``Gsteps`` generator steps on the last.

    Returns the losses (7,), in the order of ``LOSSES``. A function of tensors: no randomness, no
    synchronisation with the device.
    """
    critic_losses = generator_losses = target.real.new_zeros(0)
    for previous, mix in zip(draw.previous.split(1), draw.mix, strict=True):
        with torch.no_grad():
            fake = nets.generator(target.noise_amp * draw.noise + previous, previous)
        critic_losses = critic_step(nets, target.real, fake, mix, config)
    nets.critic.requires_grad_(False)
    for _ in range(config.Gsteps):
        generator_losses = generator_step(nets, target, draw.noise, draw.previous[-1:], draw.z_rec, config)
    nets.critic.requires_grad_(True)
    return torch.cat([critic_losses, generator_losses])


def critic_step(nets: Adversaries, real: Tensor, fake: Tensor, mix: Tensor, config: TrainConfig) -> Tensor:
    """One step of D on the WGAN-GP loss; returns D(real), D(fake), penalty and total (4,).

    Real, fake and mixed image pass one by one: BatchNorm's statistics must not mix.
    """
    nets.critic_optimizer.zero_grad()
    score_real = nets.critic(real).mean()
    score_fake = nets.critic(fake).mean()
    penalty = config.lambda_grad * gradient_penalty(nets.critic, real, fake, mix)
    loss = score_fake - score_real + penalty
    loss.backward()
    nets.critic_optimizer.step()
    return torch.stack([score_real, score_fake, penalty, loss]).detach()


def generator_step(
    nets: Adversaries, target: Target, noise: Tensor, previous: Tensor, z_rec: Tensor, config: TrainConfig
) -> Tensor:
    """One step of G on adversarial plus reconstruction loss; returns both and their sum (3,)."""
    nets.generator_optimizer.zero_grad()
    fake = nets.generator(target.noise_amp * noise + previous, previous)
    adversarial = -nets.critic(fake).mean()
    reconstruction = torch.zeros_like(adversarial)
    if config.alpha:
        rebuilt = nets.generator(target.noise_amp * z_rec + target.reconstruction, target.reconstruction)
        reconstruction = config.alpha * F.mse_loss(rebuilt, target.real)
    loss = adversarial + reconstruction
    loss.backward()
    nets.generator_optimizer.step()
    return torch.stack([adversarial, reconstruction, loss]).detach()


Watch = Callable[[int, int, Tensor], None]
"""Called after each iteration with the scale, the iteration in it, and the losses (7,)."""

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class StartWeights:
    """State dicts to start from where a scale would start from fresh weights and they fit."""

    generator: Weights | None = None
    critic: Weights | None = None


def train(
    image: Tensor,
    plan: Plan,
    net: NetConfig,
    config: TrainConfig,
    rng: torch.Generator,
    watch: Watch = lambda scale, iteration, losses: None,
    weights: StartWeights = StartWeights(),
) -> Iterator[Pyramid]:
    """Train the pyramid of ``image`` (1, C, H, W), coarse to fine; yields it after each scale.

    All randomness comes from ``rng``, which lives on the device of ``image``.

    Raises:
        ValueError: the coarsest scale is smaller than the receptive field, or ``weights`` don't
            fit it.
    """
    if min(plan.sizes[0]) < net.receptive_field:
        raise ValueError(
            f"the coarsest scale, {plan.sizes[0][0]} x {plan.sizes[0][1]}, is smaller than the receptive field "
            f"of {net.receptive_field} pixels: raise --min_size or lower --num_layer or --ker_size"
        )
    pyramid = Pyramid((), plan.factor, net.margin, config.noise_border)
    for index, real in enumerate(build_reals(image, plan)):
        generator, critic = start_nets(pyramid, net.at(index), rng, weights)
        pyramid = pyramid.with_scale(index, train_scale(pyramid, real, generator, critic, config, rng, watch))
        yield pyramid


def start_nets(
    pyramid: Pyramid, config: NetConfig, rng: torch.Generator, weights: StartWeights = StartWeights()
) -> tuple[Generator, Discriminator]:
    """The nets of the next scale: the last scale's weights where the shape is the same, else fresh."""
    generator, critic = Generator(config).to(rng.device), Discriminator(config).to(rng.device)
    for net in (generator, critic):
        initialise(net, rng)
    if pyramid.scales and pyramid.scales[-1].generator.config == config:
        generator.load_state_dict(pyramid.scales[-1].generator.state_dict())
        critic.load_state_dict(pyramid.scales[-1].discriminator.state_dict())
        return generator, critic
    for flag, net, state in (("--netG", generator, weights.generator), ("--netD", critic, weights.critic)):
        if state is not None and fits(net, state):
            net.load_state_dict(state)
        elif state is not None and not pyramid.scales:
            raise ValueError(f"the weights given with {flag} don't fit a net of {config.filters} filters")
    return generator, critic


def fits(net: nn.Module, state: Weights) -> bool:
    """Whether ``state`` has the names and shapes of ``net``'s weights."""
    own = net.state_dict()
    return own.keys() == state.keys() and all(own[key].shape == state[key].shape for key in own)


def train_scale(
    pyramid: Pyramid,
    real: Tensor,
    generator: Generator,
    critic: Discriminator,
    config: TrainConfig,
    rng: torch.Generator,
    watch: Watch,
) -> Scale:
    """Train the scale of ``real`` (1, C, H, W) on top of ``pyramid``; its nets are then frozen."""
    nets = Adversaries.of(generator, critic, config)
    schedules = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(LR_DROP * config.niter)], config.gamma)
        for optimizer in (nets.generator_optimizer, nets.critic_optimizer)
    ]
    z_rec = first_z_rec(pyramid, real, rng)
    target = make_target(pyramid, real, z_rec, config)
    for index in range(config.niter):
        if config.redraw_z_rec and not pyramid.scales and index:
            z_rec = first_z_rec(pyramid, real, rng)
        losses = iteration(nets, target, draw(pyramid, real, z_rec, config.Dsteps, rng), config)
        for schedule in schedules:
            schedule.step()
        watch(len(pyramid), index, losses)
    return Scale(generator, critic, real, z_rec, target.noise_amp)


def first_z_rec(pyramid: Pyramid, real: Tensor, rng: torch.Generator) -> Tensor:
    """The noise that shall give ``real`` back: z* at the coarsest scale, zero at the others (Sect. 2.2)."""
    height, width = real.shape[-2:]
    if not pyramid.scales:
        return pyramid.draw_map(rng, real, (height, width), coarsest=True)
    return pad(torch.zeros_like(real), pyramid.margin)


def make_target(pyramid: Pyramid, real: Tensor, z_rec: Tensor, config: TrainConfig) -> Target:
    """What the next scale learns from; its noise amplitude follows the coarser scales' error."""
    if not pyramid.scales:
        return Target(real, torch.zeros_like(z_rec), 1.0)
    reconstruction = pyramid.fit(pyramid.enlarge(pyramid.generate(pyramid.z_rec())), z_rec)
    height, width = real.shape[-2:]
    error = rmse(real, centre_crop(reconstruction, (height, width)))
    return Target(real, reconstruction, float(config.noise_amp * error))


def draw(pyramid: Pyramid, real: Tensor, z_rec: Tensor, Dsteps: int, rng: torch.Generator) -> Draw:
    """One iteration's randomness: the scale's noise, then ``Dsteps`` samples of the coarser scales."""
    height, width = real.shape[-2:]
    noise = pyramid.draw_map(rng, real, (height, width), coarsest=not pyramid.scales)
    if pyramid.scales:
        samples = pyramid.generate(pyramid.draw(rng, Dsteps))
        previous = pyramid.fit(pyramid.enlarge(samples), noise)
    else:
        previous = torch.zeros_like(noise).expand(Dsteps, -1, -1, -1)
    mix = torch.rand(Dsteps, generator=rng, device=real.device)
    return Draw(noise, previous, mix, z_rec)
