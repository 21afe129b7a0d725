"""The terms of a scale's losses, each a function of nets and tensors (paper, Sect. 2.2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.functions import gradient_penalty
from SinGAN.losses.gan import Loss
from SinGAN.losses.perceptual import VGG, perceptual_distance, texture_distance
from SinGAN.models import Discriminator, Generator


def critic_loss(critic: Discriminator, image: Tensor, loss: Loss) -> Tensor:
    """``loss`` of D's scores of ``image``, which D sees (1, C or 2 C, H, W); the mean where D is several."""
    return mean([loss(one(seen)) for one, seen in critic.looks(image)])


def weighted_penalty(critic: Discriminator, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> Tensor:
    """``weight`` times the gradient penalty between ``real`` and ``fake``, which D sees (1, C or 2 C, H, W).

    Where D sees the previous images, too, its slope by them counts: they differ between real and
    fake, and D would tell these by them alone.
    """
    pairs = zip(critic.looks(real), critic.looks(fake), strict=True)
    return weight * mean([gradient_penalty(one, seen, made, mix) for (one, seen), (_, made) in pairs])


def fake_losses(
    generator: Generator,
    critic: Discriminator,
    z: Tensor,
    previous: Tensor,
    chance: Tensor | None,
    loss: Loss,
    vgg: VGG | None,
    texture_weight: float,
    *grams: Tensor,
) -> Tensor:
    """Of G's image: ``loss`` of D's scores; then the weighted texture distance, if it counts (1 or 2,)."""
    fake = generator(z, previous, chance)
    adversarial = critic_loss(critic, critic.show(fake, previous), loss)
    if vgg is None or not texture_weight:
        return adversarial[None]
    return torch.stack([adversarial, texture_weight * texture_distance(vgg(fake), grams)])


def reconstruction_losses(
    generator: Generator,
    z: Tensor,
    previous: Tensor,
    chance: Tensor | None,
    real: Tensor,
    vgg: VGG | None,
    features: Tensor | None,
    alpha: float,
    perceptual_weight: float,
) -> Tensor:
    """Of ``real`` (1, C, H, W) and what G makes of its noise: the weighted squared distance; then the weighted
    perceptual one, if it counts (1 or 2,).
    """
    rebuilt = generator(z, previous, chance)
    distance = alpha * F.mse_loss(rebuilt, real)
    if vgg is None or features is None or not perceptual_weight:
        return distance[None]
    return torch.stack([distance, perceptual_weight * perceptual_distance(vgg(rebuilt), features)])


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of scalars."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean()
