"""Adversarial losses: the critic's on real and fake scores, the generator's on fake ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""A scalar to be minimised, as a function of a map of scores (B, 1, H, W)."""


@dataclass(frozen=True)
class AdversarialLoss:
    """A game between critic and generator, gradient penalty aside."""

    real: Loss
    fake: Loss
    generator: Loss
    clip: float | None = None  # the critic's weights are kept within [-clip, clip]


def high(scores: Tensor) -> Tensor:
    """The negative mean of scores: minimised by high ones."""
    return -scores.mean()


def low(scores: Tensor) -> Tensor:
    """The mean of scores: minimised by low ones."""
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
    """The mean amount by which scores fall short of 1."""
    return F.relu(1 - scores).mean()


def below_minus_one(scores: Tensor) -> Tensor:
    """The mean amount by which scores exceed -1."""
    return F.relu(1 + scores).mean()


WASSERSTEIN = AdversarialLoss(high, low, high)  # Gulrajani et al. 2017, with the gradient penalty
GAN_MODES = {
    "wgan-gp": WASSERSTEIN,
    "wgan": AdversarialLoss(high, low, high, clip=0.01),  # Arjovsky et al. 2017
    "vanilla": AdversarialLoss(called_real, called_fake, called_real),  # Goodfellow et al. 2014, non-saturating
    "lsgan": AdversarialLoss(near_one, near_zero, near_one),  # Mao et al. 2017
    "hinge": AdversarialLoss(above_one, below_minus_one, high),  # Lim and Ye 2017
}
