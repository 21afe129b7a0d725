"""One iteration of the training of a scale: a function of tensors (paper, Sect. 2.2).

A loss is a sum of the terms in ``SinGAN.losses.terms``. The function that differentiates them is an argument.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor, nn

from SinGAN.losses import terms
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.terms import GeneratorContext, Target, Term
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Inputs


@dataclass(frozen=True, eq=False)
class Draw:
    """The random values of one iteration."""

    noise: Tensor  # (1, C, H + 2 m, W + 2 m): noise of this scale, of variance 1
    previous: Tensor  # (Dsteps, C, H + 2 m, W + 2 m): enlarged samples of the coarser scales
    mix: Tensor  # (Dsteps,) in [0, 1]: share of the real image in the input at which the gradient penalty is computed
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m): noise of the reconstruction


BoundLoss = partial[Tensor]
"""A function of ``SinGAN.losses.terms`` with all its arguments bound by name."""

Differentiate = Callable[[BoundLoss], Tensor]
"""A function that computes a loss, adds its gradients to those of all parameters that require one, and returns the
detached value: a scalar, or the summands (n,) of a sum."""


def differentiate_eagerly(bound: BoundLoss) -> Tensor:
    """Differentiate the loss ``bound`` with PyTorch's eager autograd."""
    value = bound()
    value.sum().backward()
    return value.detach()


def iteration(
    nets: Adversaries,
    target: Target,
    draw: Draw,
    config: TrainConfig,
    differentiate: Differentiate = differentiate_eagerly,
) -> dict[str, Tensor]:
    """Run ``Dsteps`` critic steps, each on its own sample, then ``Gsteps`` generator steps on the last sample.

    It draws no random numbers and never synchronises with the device.

    Returns:
        The losses of the last step of each network, scalars by the names of ``loss_names(config)``.
    """
    losses: dict[str, Tensor] = {}
    real = nets.critic.critic_input(target.real, target.reconstruction)
    for previous, mix in zip(draw.previous.split(1), draw.mix, strict=True):
        with torch.no_grad():
            inputs = nets.generator.inputs(draw.noise, draw.z_rec, previous, target.noise_amp)
            fake = target.masked(nets.generator(*inputs))
        losses |= critic_step(nets, real, nets.critic.critic_input(fake, previous), mix, config, differentiate)
    with frozen(nets.critic):
        for _ in range(config.Gsteps):
            losses |= generator_step(nets, target, draw, config, differentiate)
    if not config.alpha:
        inputs = nets.generator.inputs(draw.z_rec, draw.z_rec, target.reconstruction, target.noise_amp)
        losses[terms.MEASURED] = terms.reconstruction_mse(nets.generator, inputs, target)
    return {name: losses[name] for name in terms.loss_names(config)}


def critic_step(
    nets: Adversaries,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    config: TrainConfig,
    differentiate: Differentiate = differentiate_eagerly,
) -> dict[str, Tensor]:
    """Make one step of the critic on its inputs ``real`` and ``fake`` (1, C or 2 C, H, W); returns its losses by name.

    Each term is differentiated before the next one is computed, so that only one keeps its activations. The images
    pass one by one, because BatchNorm must not mix their statistics.
    """
    critic, values = nets.critic, dict[str, Tensor]()
    rows = terms.terms_on_critic(config)
    nets.critic_optimizer.zero_grad()
    loss = partial(terms.critic_loss, critic=critic, real=real, fake=fake, mix=mix, adversarial=config.adversarial)
    for term in rows:
        values[term.name] = real.new_zeros(()) if term.weight == 0 else differentiate(partial(loss, term=term))
    nets.critic_optimizer.step()
    if config.adversarial.clip is not None:
        clip(critic, config.adversarial.clip)
    total = reduce(add, values.values())
    reported = {term.name: -values[term.name] if term.negated else values[term.name] for term in rows}
    return {**reported, terms.D_TOTAL: total}


def generator_step(
    nets: Adversaries,
    target: Target,
    draw: Draw,
    config: TrainConfig,
    differentiate: Differentiate = differentiate_eagerly,
) -> dict[str, Tensor]:
    """Make one step of the generator; returns its losses by name: each term, and their sum."""
    generator = nets.generator
    sampled = generator.inputs(draw.noise, draw.z_rec, draw.previous[-1:], target.noise_amp)
    rebuilt_from = generator.inputs(draw.z_rec, draw.z_rec, target.reconstruction, target.noise_amp)
    return make_generator_steps(nets, target, sampled, rebuilt_from, config, differentiate)


def make_generator_steps(
    nets: Adversaries,
    target: Target,
    sampled_from: Inputs,
    rebuilt_from: Inputs,
    config: TrainConfig,
    differentiate: Differentiate = differentiate_eagerly,
    steps: int = 1,
) -> dict[str, Tensor]:
    """Make ``steps`` of the generator's optimizer with one gradient; returns the losses by name.

    ``sampled_from`` and ``rebuilt_from`` are the generator's inputs for the sample and for the reconstruction.
    """
    nets.generator_optimizer.zero_grad()
    on_fake, on_rebuilt = terms.terms_on_fake(config), terms.terms_on_rebuilt(config)

    def losses_of(critic: Discriminator | None, inputs: Inputs, rows: tuple[Term[GeneratorContext], ...]) -> Tensor:
        bound = partial(terms.generator_losses, generator=nets.generator, critic=critic, inputs=inputs, target=target)
        return differentiate(partial(bound, adversarial=config.adversarial, terms=rows))

    fake = losses_of(nets.critic, sampled_from, on_fake)
    rebuilt = torch.zeros_like(fake[:1]).expand(len(on_rebuilt))
    if any(term.weight for term in on_rebuilt):
        critic = nets.critic if any(term.uses_critic for term in on_rebuilt) else None
        rebuilt = losses_of(critic, rebuilt_from, on_rebuilt)
    for _ in range(steps):
        nets.generator_optimizer.step()
    names = (term.name for term in (*on_fake, *on_rebuilt))
    losses = dict(zip(names, (*fake.unbind(), *rebuilt.unbind()), strict=True))
    return {**losses, terms.TOTAL: fake.sum() + rebuilt.sum()}


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Let the parameters of ``net`` require no gradient inside the block."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


@torch.no_grad()
def clip(net: nn.Module, limit: float) -> None:
    """Clip every weight of ``net`` to [-limit, limit] (Arjovsky et al. 2017)."""
    for parameter in net.parameters():
        parameter.clamp_(-limit, limit)
