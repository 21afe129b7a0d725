"""Adversarial losses: what the critic minimises on real and fake scores, and the generator on fake ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""Of a map of scores (B, 1, H, W), a scalar to be minimised."""


@dataclass(frozen=True)
class AdversarialLoss:
    """A game between critic and generator, gradient penalty aside."""

    real: Loss
    fake: Loss
    generator: Loss
    clip: float | None = None  # the critic's weights are kept within [-clip, clip]


def high(scores: Tensor) -> Tensor:
    """Minimised by high scores: their negative mean."""
    return -scores.mean()


def low(scores: Tensor) -> Tensor:
    """Minimised by low scores: their mean."""
    return scores.mean()


def called_real(scores: Tensor) -> Tensor:
    """Binary cross entropy of scores as logits against the label real."""
    return F.softplus(-scores).mean()


def called_fake(scores: Tensor) -> Tensor:
    """Binary cross entropy of scores as logits against the label fake."""
    return F.softplus(scores).mean()


def near_one(scores: Tensor) -> Tensor:
    """Half the mean squared distance from 1."""
    return 0.5 * (scores - 1).square().mean()


def near_zero(scores: Tensor) -> Tensor:
    """Half the mean squared distance from 0."""
    return 0.5 * scores.square().mean()


def above_one(scores: Tensor) -> Tensor:
    """How far scores fall short of 1."""
    return F.relu(1 - scores).mean()


def below_minus_one(scores: Tensor) -> Tensor:
    """How far scores exceed -1."""
    return F.relu(1 + scores).mean()


WASSERSTEIN = AdversarialLoss(high, low, high)  # Gulrajani et al. 2017, with the gradient penalty
GAN_MODES = {
    "wgan-gp": WASSERSTEIN,
    "wgan": AdversarialLoss(high, low, high, clip=0.01),  # Arjovsky et al. 2017
    "vanilla": AdversarialLoss(called_real, called_fake, called_real),  # Goodfellow et al. 2014, non-saturating
    "lsgan": AdversarialLoss(near_one, near_zero, near_one),  # Mao et al. 2017
    "hinge": AdversarialLoss(above_one, below_minus_one, high),  # Lim and Ye 2017
}
