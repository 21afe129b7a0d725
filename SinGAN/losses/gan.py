"""Adversarial losses: functions of the critic's scores of the real image and of the generator's sample."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""A function of a map of scores (B, 1, H, W) that returns a scalar to minimise."""


@dataclass(frozen=True)
class AdversarialLoss:
    """The losses of the critic and of the generator in one GAN mode."""

    real: Loss  # of the critic, for the real image
    fake: Loss  # of the critic, for the sample
    generator: Loss  # of the generator, for the sample
    clip: float | None = None  # the critic's weights are clipped to [-clip, clip]


def wasserstein_real(scores: Tensor) -> Tensor:
    """The negative mean score."""
    return -scores.mean()


def wasserstein_fake(scores: Tensor) -> Tensor:
    """The mean score."""
    return scores.mean()


def cross_entropy_real(scores: Tensor) -> Tensor:
    """The binary cross entropy between the scores, as logits, and the label 1."""
    return F.softplus(-scores).mean()


def cross_entropy_fake(scores: Tensor) -> Tensor:
    """The binary cross entropy between the scores, as logits, and the label 0."""
    return F.softplus(scores).mean()


def least_squares_real(scores: Tensor) -> Tensor:
    """Half the mean squared distance from 1."""
    return 0.5 * (scores - 1).square().mean()


def least_squares_fake(scores: Tensor) -> Tensor:
    """Half the mean squared distance from 0."""
    return 0.5 * scores.square().mean()


def hinge_real(scores: Tensor) -> Tensor:
    """The mean of max(0, 1 - score)."""
    return F.relu(1 - scores).mean()


def hinge_fake(scores: Tensor) -> Tensor:
    """The mean of max(0, 1 + score)."""
    return F.relu(1 + scores).mean()


WASSERSTEIN = AdversarialLoss(wasserstein_real, wasserstein_fake, wasserstein_real)  # Gulrajani et al. 2017
GAN_MODES = {
    "wgan-gp": WASSERSTEIN,
    "wgan": AdversarialLoss(wasserstein_real, wasserstein_fake, wasserstein_real, clip=0.01),  # Arjovsky et al. 2017
    "vanilla": AdversarialLoss(cross_entropy_real, cross_entropy_fake, cross_entropy_real),  # Goodfellow et al. 2014
    "lsgan": AdversarialLoss(least_squares_real, least_squares_fake, least_squares_real),  # Mao et al. 2017
    "hinge": AdversarialLoss(hinge_real, hinge_fake, wasserstein_real),  # Lim and Ye 2017
}
"""The adversarial losses by the value of ``gan_mode``; the generator's loss of vanilla does not saturate."""
