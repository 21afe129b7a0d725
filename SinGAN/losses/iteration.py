"""One iteration of a scale's training: a function of tensors (paper, Sect. 2.2).

A loss is a sum of the terms in ``SinGAN.losses.terms``; what differentiates them is an argument.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from SinGAN.losses import terms
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.terms import ADVERSARIAL, CRITIC_LOSSES, TOTAL, Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Inputs


@dataclass(frozen=True, eq=False)
class Draw:
    """The random values of one iteration."""

    noise: Tensor  # (1, C, H + 2 m, W + 2 m): this scale's noise, of variance 1
    previous: Tensor  # (Dsteps, C, H + 2 m, W + 2 m): samples of the coarser scales, enlarged
    mix: Tensor  # (Dsteps,) in [0, 1]: where between fake and real the critic's slope is taken
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m)


BoundLoss = partial[Tensor]
"""A function of ``SinGAN.losses.terms`` with all its arguments, each by its name."""

Differentiate = Callable[[BoundLoss], Tensor]
"""Called with a loss and its arguments: adds its gradient to that of every parameter that wants
one, and returns its value without graph: a scalar, or the summands (n,) of a sum."""


def eagerly(bound: BoundLoss) -> Tensor:
    """Differentiate the loss ``bound`` as PyTorch does by default."""
    value = bound()
    value.sum().backward()
    return value.detach()


def iteration(
    nets: Adversaries, target: Target, draw: Draw, config: TrainConfig, differentiate: Differentiate = eagerly
) -> dict[str, Tensor]:
    """``Dsteps`` critic steps, each on its own sample, then ``Gsteps`` generator steps on the last.

    Returns the losses, scalars by the names of ``loss_names(config)``, of the last step of each net.
    A function of tensors: no randomness, no synchronisation with the device.
    """
    losses: dict[str, Tensor] = {}
    real = nets.critic.critic_input(target.real, target.reconstruction)
    for previous, mix in zip(draw.previous.split(1), draw.mix, strict=True):
        with torch.no_grad():
            fake = nets.generator(*nets.generator.inputs(draw.noise, draw.z_rec, previous, target.noise_amp))
        losses |= critic_step(nets, real, nets.critic.critic_input(fake, previous), mix, config, differentiate)
    with frozen(nets.critic):
        for _ in range(config.Gsteps):
            losses |= generator_step(nets, target, draw, config, differentiate)
    if not config.alpha:
        inputs = nets.generator.inputs(draw.z_rec, draw.z_rec, target.reconstruction, target.noise_amp)
        losses[terms.MEASURED] = terms.measured_error(nets.generator, inputs, target)
    return {name: losses[name] for name in terms.loss_names(config)}


def critic_step(
    nets: Adversaries,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    config: TrainConfig,
    differentiate: Differentiate = eagerly,
) -> dict[str, Tensor]:
    """One step of D on ``real`` and ``fake``, its inputs (1, C or 2 C, H, W); returns the ``CRITIC_LOSSES`` by name.

    Real, fake and mixed image pass one by one: BatchNorm's statistics must not mix. Each term is
    differentiated before the next begins, so that only one keeps its activations.
    """
    critic, game = nets.critic, config.adversarial
    nets.critic_optimizer.zero_grad()
    score_real = -differentiate(partial(terms.critic_loss, critic=critic, image=real, loss=game.real))
    score_fake = differentiate(partial(terms.critic_loss, critic=critic, image=fake, loss=game.fake))
    if config.lambda_grad:
        slopes = partial(terms.weighted_penalty, critic=critic, real=real, fake=fake, mix=mix)
        penalty = differentiate(partial(slopes, weight=config.lambda_grad))
    else:
        penalty = torch.zeros_like(score_fake)
    nets.critic_optimizer.step()
    if game.clip is not None:
        clip(critic, game.clip)
    values = score_real, score_fake, penalty, score_fake - score_real + penalty
    return dict(zip(CRITIC_LOSSES, values, strict=True))


def generator_step(
    nets: Adversaries, target: Target, draw: Draw, config: TrainConfig, differentiate: Differentiate = eagerly
) -> dict[str, Tensor]:
    """One step of G; returns its losses by name: the adversarial one, each term, and their sum."""
    generator = nets.generator
    sampled = generator.inputs(draw.noise, draw.z_rec, draw.previous[-1:], target.noise_amp)
    rebuilt = generator.inputs(draw.z_rec, draw.z_rec, target.reconstruction, target.noise_amp)
    return steps_of_generator(nets, target, sampled, rebuilt, config, differentiate)


def steps_of_generator(
    nets: Adversaries,
    target: Target,
    sampled: Inputs,
    rebuilt_from: Inputs,
    config: TrainConfig,
    differentiate: Differentiate = eagerly,
    steps: int = 1,
) -> dict[str, Tensor]:
    """``steps`` of G's optimizer by one gradient; ``sampled`` and ``rebuilt_from`` are what its images come from."""
    nets.generator_optimizer.zero_grad()
    on_fake, on_rebuilt = terms.terms_on_fake(config), terms.terms_on_rebuilt(config)
    game = config.adversarial.generator
    bound = partial(terms.fake_losses, generator=nets.generator, critic=nets.critic, inputs=sampled)
    fooled = differentiate(partial(bound, target=target, loss=game, terms=on_fake))
    rebuilt = torch.zeros_like(fooled[:1]).expand(len(on_rebuilt))
    if any(term.weight for term in on_rebuilt):
        bound = partial(terms.reconstruction_losses, generator=nets.generator, inputs=rebuilt_from)
        rebuilt = differentiate(partial(bound, target=target, terms=on_rebuilt))
    for _ in range(steps):
        nets.generator_optimizer.step()
    names = ADVERSARIAL, *(term.name for term in (*on_fake, *on_rebuilt))
    losses = dict(zip(names, (*fooled.unbind(), *rebuilt.unbind()), strict=True))
    return {**losses, TOTAL: fooled.sum() + rebuilt.sum()}


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Let the parameters of ``net`` want no gradients in the block; however that ends, they want them after it."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


@torch.no_grad()
def clip(net: nn.Module, limit: float) -> None:
    """Bring every weight of ``net`` into [-limit, limit] (Arjovsky et al. 2017)."""
    for parameter in net.parameters():
        parameter.clamp_(-limit, limit)
