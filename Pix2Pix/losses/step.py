"""One step of the game: the critic's, then the generator's, on one batch of pairs (Isola et al. 2017, Sect. 3)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from Pix2Pix.losses import games
from Pix2Pix.losses.games import GAMES
from Pix2Pix.losses.perceptual import Perceptual

BETA2 = 0.999
D_REAL, D_FAKE, PENALTY, D_TOTAL = "D_real", "D_fake", "D_penalty", "D_total"
G_GAN, G_L1, G_VGG, G_TOTAL = "G_GAN", "G_L1", "G_VGG", "G_total"


@dataclass(frozen=True)
class LossConfig:
    """The losses and their weights."""

    gan_mode: str = "vanilla"  # of ``games.GAMES``
    lambda_L1: float = 100.0
    lambda_grad: float = 0.0
    perceptual_weight: float = 0.0

    def names(self, has_critic: bool = True) -> tuple[str, ...]:
        """The losses of a step, in order; those without a weight are left out, but L1, which is always measured."""
        game = [G_GAN] if has_critic else []
        own = [D_REAL, D_FAKE, *([PENALTY] if self.lambda_grad else []), D_TOTAL] if has_critic else []
        return (*game, G_L1, *([G_VGG] if self.perceptual_weight else []), G_TOTAL, *own)


@dataclass(frozen=True, eq=False)
class Nets:
    """Both nets with their optimizers."""

    generator: nn.Module
    critic: nn.Module | None  # None: only the distances are minimised
    generator_optimizer: torch.optim.Adam
    critic_optimizer: torch.optim.Adam | None
    perceptual: Perceptual | None = field(default=None)

    @classmethod
    def of(
        cls,
        generator: nn.Module,
        critic: nn.Module | None,
        *,
        lr: float = 0.0002,
        beta1: float = 0.5,
        perceptual: Perceptual | None = None,
    ) -> "Nets":
        """The nets in training, with fresh optimizers."""
        ours = torch.optim.Adam(generator.train().parameters(), lr=lr, betas=(beta1, BETA2))
        theirs = None if critic is None else torch.optim.Adam(critic.train().parameters(), lr=lr, betas=(beta1, BETA2))
        nets = cls(generator, critic, ours, theirs, perceptual)
        nets.allow_capture()
        return nets

    @property
    def groups(self) -> Iterator[dict[str, Any]]:
        """The groups of parameters of both optimizers."""
        for optimizer in filter(None, (self.generator_optimizer, self.critic_optimizer)):
            yield from optimizer.param_groups

    def allow_capture(self) -> None:
        """Let a CUDA graph hold the optimizers' steps: they count on the device, and read their rate there."""
        weight = next(self.generator.parameters())
        for group in self.groups:
            group["capturable"] = weight.is_cuda
            group["lr"] = (
                torch.tensor(float(group["lr"]), device=weight.device) if weight.is_cuda else float(group["lr"])
            )

    def set_rate(self, lr: float) -> None:
        """Give both optimizers the learning rate ``lr``."""
        for group in self.groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)  # where a graph reads it
            else:
                group["lr"] = lr


def train_step(nets: Nets, a: Tensor, b: Tensor, config: LossConfig, rng: torch.Generator) -> dict[str, Tensor]:
    """Train the critic, then the generator, on the pairs ``a``, ``b`` (B, C, H, W); returns the losses by name.

    Each loss is as it is minimised, with its weight.
    """
    fake: Tensor = nets.generator(a)
    losses = critic_step(nets, a, b, fake.detach(), config, rng)
    losses |= generator_step(nets, a, b, fake, config)
    return {name: losses[name] for name in config.names(nets.critic is not None)}


def critic_step(
    nets: Nets, a: Tensor, b: Tensor, fake: Tensor, config: LossConfig, rng: torch.Generator
) -> dict[str, Tensor]:
    """Train the critic to distinguish ``b`` from ``fake``; does nothing if there is no critic."""
    critic, optimizer, game = nets.critic, nets.critic_optimizer, GAMES[config.gan_mode]
    if critic is None or optimizer is None:
        return {}
    critic.requires_grad_(True)
    optimizer.zero_grad()
    losses = {
        D_FAKE: games.mean_loss(game.fake, critic(a, fake)),
        D_REAL: games.mean_loss(game.real, critic(a, b)),
    }
    total = (losses[D_FAKE] + losses[D_REAL]) / 2
    if config.lambda_grad:
        mix = torch.rand(len(a), generator=rng, device=a.device)
        losses[PENALTY] = config.lambda_grad * games.gradient_penalty(critic, a, b, fake, mix)
        total = total + losses[PENALTY]
    total.backward()
    optimizer.step()
    if game.clip is not None:
        with torch.no_grad():
            for weight in critic.parameters():
                weight.clamp_(-game.clip, game.clip)
    return {name: value.detach() for name, value in {**losses, D_TOTAL: total}.items()}


def generator_step(nets: Nets, a: Tensor, b: Tensor, fake: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Train the generator, which translated ``a`` to ``fake``, to fool the critic and to approach ``b``."""
    losses: dict[str, Tensor] = {}
    if nets.critic is not None:
        nets.critic.requires_grad_(False)
        losses[G_GAN] = games.mean_loss(GAMES[config.gan_mode].generator, nets.critic(a, fake))
    distance = (fake - b).abs().mean()
    losses[G_L1] = config.lambda_L1 * distance
    if nets.perceptual is not None:
        losses[G_VGG] = config.perceptual_weight * nets.perceptual(fake, b)
    total = torch.stack(list(losses.values())).sum()
    nets.generator_optimizer.zero_grad()
    total.backward()
    nets.generator_optimizer.step()
    return {name: value.detach() for name, value in {**losses, G_TOTAL: total}.items()}
