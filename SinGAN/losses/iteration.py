"""The two adversaries of a scale, and one iteration: a function of tensors (paper, Sect. 2.2).

A loss is a sum of the terms in ``SinGAN.losses.terms``; what differentiates them is an argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.losses.gan import WASSERSTEIN, AdversarialLoss
from SinGAN.losses.perceptual import Seen
from SinGAN.losses.terms import critic_loss, fake_losses, reconstruction_losses, weighted_penalty
from SinGAN.models import Discriminator, Generator

LOSSES = ("D_real", "D_fake", "gradient_penalty", "D_total", "G_adversarial", "reconstruction", "G_total")
"""What an iteration reports of its last critic step and of its last generator step.

``D_real`` and ``D_fake`` are the mean scores; with other losses than WGAN's, minus the critic's loss
on the real image, and its loss on the fake one.
"""


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
    lambda_grad: float = 0.1  # weight of the gradient penalty; 0: none
    alpha: float = 10.0  # weight of the reconstruction loss
    noise_amp: float = 0.1  # noise amplitude for each unit of the previous scale's error
    redraw_z_rec: bool = False  # the authors' code: z* anew in every iteration, the last one kept
    noise_border: bool = False  # animation: the noise covers the margin too
    adversarial: AdversarialLoss = WASSERSTEIN
    texture_weight: float = 0.0  # weight of the fake's texture distance
    perceptual_weight: float = 0.0  # weight of the reconstruction's perceptual distance

    @property
    def uses_vgg(self) -> bool:
        """Whether a VGG's view of the images counts."""
        return bool(self.texture_weight or self.perceptual_weight)

    @property
    def losses(self) -> tuple[str, ...]:
        """What an iteration reports: ``LOSSES``, and of the other losses those that count."""
        others = {"texture": self.texture_weight, "perceptual": self.perceptual_weight}
        return (*LOSSES, *(name for name, weight in others.items() if weight))


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
        made = cls(generator, critic, *adams)
        made._allow_capture()
        return made

    def _allow_capture(self) -> None:
        """Let a CUDA graph hold the optimizers' steps: they count on the device."""
        on_gpu = next(self.generator.parameters()).is_cuda
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["capturable"] = on_gpu

    def load(self, state: Mapping[str, Any]) -> None:
        """Take on the states by name that ``parts`` had, on this device or on another."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self._allow_capture()

    def parts(self) -> dict[str, Any]:
        """Nets and optimizers by name: what has a state."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def multiply_learning_rates(self, gamma: float) -> None:
        """Multiply both learning rates by ``gamma``."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] *= gamma


@dataclass(frozen=True, eq=False)
class Target:
    """What stays the same while a scale trains."""

    real: Tensor  # (1, C, H, W)
    reconstruction: Tensor  # (1, C, H + 2 m, W + 2 m): the coarser scales' reconstruction, enlarged
    noise_amp: float
    seen: Seen | None = None  # what a VGG sees of ``real``, where that counts


@dataclass(frozen=True, eq=False)
class Draw:
    """What one iteration draws anew."""

    noise: Tensor  # (1, C, H + 2 m, W + 2 m): this scale's noise, of variance 1
    previous: Tensor  # (Dsteps, C, H + 2 m, W + 2 m): samples of the coarser scales, enlarged
    mix: Tensor  # (Dsteps,) in [0, 1]: where between fake and real the critic's slope is taken
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m)


Differentiate = Callable[..., Tensor]
"""Called with a term of a loss and its arguments: adds the term's gradient to that of every parameter
that wants one, and returns the term's value without graph: a scalar, or the parts (n,) of a sum."""


def eagerly(term: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """Differentiate ``term(*arguments)`` as PyTorch does by default."""
    value = term(*arguments)
    value.sum().backward()
    return value.detach()


def iteration(
    nets: Adversaries, target: Target, draw: Draw, config: TrainConfig, differentiate: Differentiate = eagerly
) -> Tensor:
    """``Dsteps`` critic steps, each on its own sample, then ``Gsteps`` generator steps on the last.

    Returns the losses, in the order of ``config.losses``. A function of tensors: no randomness, no
    synchronisation with the device.
    """
    critic_losses = generator_losses = target.real.new_zeros(0)
    real = nets.critic.show(target.real, target.reconstruction)
    for previous, mix in zip(draw.previous.split(1), draw.mix, strict=True):
        with torch.no_grad():
            fake = nets.generator(*nets.generator.inputs(draw.noise, draw.z_rec, previous, target.noise_amp))
        critic_losses = critic_step(nets, real, nets.critic.show(fake, previous), mix, config, differentiate)
    nets.critic.requires_grad_(False)
    for _ in range(config.Gsteps):
        generator_losses = generator_step(nets, target, draw, config, differentiate)
    nets.critic.requires_grad_(True)
    return torch.cat([critic_losses, generator_losses])


def critic_step(
    nets: Adversaries,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    config: TrainConfig,
    differentiate: Differentiate = eagerly,
) -> Tensor:
    """One step of D on what it sees; returns D(real), D(fake), gradient penalty and total (4,).

    Real, fake and mixed image pass one by one: BatchNorm's statistics must not mix. Each term is
    differentiated before the next begins, so that only one keeps its activations.
    """
    nets.critic_optimizer.zero_grad()
    score_real = -differentiate(critic_loss, nets.critic, real, config.adversarial.real)
    score_fake = differentiate(critic_loss, nets.critic, fake, config.adversarial.fake)
    penalty = torch.zeros_like(score_fake)
    if config.lambda_grad:
        penalty = differentiate(weighted_penalty, nets.critic, real, fake, mix, config.lambda_grad)
    nets.critic_optimizer.step()
    if config.adversarial.clip is not None:
        clip(nets.critic, config.adversarial.clip)
    return torch.stack([score_real, score_fake, penalty, score_fake - score_real + penalty])


def generator_step(
    nets: Adversaries, target: Target, draw: Draw, config: TrainConfig, differentiate: Differentiate = eagerly
) -> Tensor:
    """One step of G; returns adversarial loss, reconstruction loss, the sum of all, then the others that count."""
    nets.generator_optimizer.zero_grad()
    generator, amp, seen = nets.generator, target.noise_amp, target.seen
    vgg, features, grams = (seen.vgg, seen.features, seen.grams) if seen else (None, None, ())
    inputs = generator.inputs(draw.noise, draw.z_rec, draw.previous[-1:], amp)
    game, weight = config.adversarial.generator, config.texture_weight
    fooled = differentiate(fake_losses, generator, nets.critic, *inputs, game, vgg, weight, *grams)
    rebuilt = torch.zeros_like(fooled[:1])
    if config.alpha or config.perceptual_weight:
        inputs = generator.inputs(draw.z_rec, draw.z_rec, target.reconstruction, amp)
        weights = config.alpha, config.perceptual_weight
        rebuilt = differentiate(reconstruction_losses, generator, *inputs, target.real, vgg, features, *weights)
    nets.generator_optimizer.step()
    total = (fooled.sum() + rebuilt.sum())[None]
    return torch.cat([fooled[:1], rebuilt[:1], total, fooled[1:], rebuilt[1:]])


@torch.no_grad()
def clip(net: nn.Module, limit: float) -> None:
    """Bring every weight of ``net`` into [-limit, limit] (Arjovsky et al. 2017)."""
    for parameter in net.parameters():
        parameter.clamp_(-limit, limit)
