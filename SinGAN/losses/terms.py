"""The terms of a scale's losses, each with its name and its weight (paper, Sect. 2.2).

A new loss of the generator is one function of an image and the ``Target``, one row in
``terms_on_fake`` or ``terms_on_rebuilt``, and one option in ``TrainConfig`` for its weight.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import gradient_penalty
from SinGAN.losses.gan import Loss
from SinGAN.losses.perceptual import VGGTarget, perceptual_distance, texture_distance
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator, Inputs

CRITIC_LOSSES = ("D_real", "D_fake", "gradient_penalty", "D_total")
"""The critic's losses in its last step of an iteration.

``D_real`` and ``D_fake`` are the mean scores; with other losses than WGAN's, minus the critic's loss
on the real image, and its loss on the fake one.
"""
PENALTY, TEXTURE, PERCEPTUAL = "gradient_penalty", "texture", "perceptual"
ADVERSARIAL, RECONSTRUCTION, TOTAL = "G_adversarial", "reconstruction", "G_total"
MEASURED = "reconstruction_error"  # the squared error of a training that does not minimise it


@dataclass(frozen=True, eq=False)
class Target:
    """The values that stay the same while a scale trains."""

    real: Tensor  # (1, C, H, W)
    reconstruction: Tensor  # (1, C, H + 2 m, W + 2 m): the coarser scales' reconstruction, enlarged
    noise_amp: float
    vgg: VGGTarget | None = None  # the activations of a VGG for ``real``, where a loss compares them


@dataclass(frozen=True)
class Term:
    """One summand of the generator's loss: its name in losses.csv, its weight, and its value for an image.

    ``weight`` is a constant of the training, and ``value`` a function of a module, the same one each
    time: both are part of what a compiled program or a CUDA graph is made for. A weight that changes
    with time must be a tensor in ``Draw``, handed to the term as one, so that graphs and programs
    read it anew.
    """

    name: str
    weight: float
    value: Callable[[Tensor, Target], Tensor]  # of an image (1, C, H, W): a scalar


def reconstruction_error(rebuilt: Tensor, target: Target) -> Tensor:
    """The mean squared distance of ``rebuilt`` (1, C, H, W) from the real image."""
    return F.mse_loss(rebuilt, target.real)


def texture(fake: Tensor, target: Target) -> Tensor:
    """The texture distance of ``fake`` (1, C, H, W) from the real image."""
    vgg = _vgg_target(target)
    return texture_distance(vgg.net(fake), vgg.grams)


def perceptual(rebuilt: Tensor, target: Target) -> Tensor:
    """The perceptual distance of ``rebuilt`` (1, C, H, W) from the real image."""
    vgg = _vgg_target(target)
    return perceptual_distance(vgg.net(rebuilt), vgg.features)


def _vgg_target(target: Target) -> VGGTarget:
    if target.vgg is None:
        raise ValueError("texture and perceptual loss need a VGG")
    return target.vgg


def terms_on_fake(config: TrainConfig) -> tuple[Term, ...]:
    """The terms on the generator's sample, beside the adversarial loss."""
    rows = (Term(TEXTURE, config.texture_weight, texture),)
    return tuple(row for row in rows if row.weight)


def terms_on_rebuilt(config: TrainConfig) -> tuple[Term, ...]:
    """The terms on the reconstruction; the squared error is always one, even where it has no weight."""
    rows = (Term(PERCEPTUAL, config.perceptual_weight, perceptual),)
    return Term(RECONSTRUCTION, config.alpha, reconstruction_error), *(row for row in rows if row.weight)


def loss_names(config: TrainConfig) -> tuple[str, ...]:
    """The names of all losses that an iteration reports, each multiplied by its weight."""
    extra = (term.name for term in (*terms_on_fake(config), *terms_on_rebuilt(config)) if term.name != RECONSTRUCTION)
    measured = () if config.alpha else (MEASURED,)
    return (*CRITIC_LOSSES, ADVERSARIAL, RECONSTRUCTION, TOTAL, *extra, *measured)


def weights(config: TrainConfig) -> dict[str, float]:
    """The weight of every loss that has one, by the name of the loss."""
    terms = (*terms_on_rebuilt(config), *terms_on_fake(config))
    return {PENALTY: config.lambda_grad, **{term.name: term.weight for term in terms}}


def unweighted(losses: Mapping[str, float], config: TrainConfig) -> dict[str, float]:
    """The losses of an iteration as people compare them: each without its weight; the two totals as minimised.

    NaN stands for a gradient penalty that has no weight: it is not computed.
    """
    without = {RECONSTRUCTION: losses.get(MEASURED, nan), PENALTY: nan}  # of those that have no weight
    values = {name: value for name, value in losses.items() if name != MEASURED}
    for name, weight in weights(config).items():
        values[name] = values[name] / weight if weight else without[name]
    return values


def critic_loss(critic: Discriminator, image: Tensor, loss: Loss) -> Tensor:
    """``loss`` of the scores of ``image``, a critic's input (1, C or 2 C, H, W); the mean over several critics."""
    return mean([loss(each(view)) for each, view in critic.critics_and_inputs(image)])


def weighted_penalty(critic: Discriminator, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> Tensor:
    """``weight`` times the gradient penalty between ``real`` and ``fake``, critic's inputs (1, C or 2 C, H, W).

    A conditional critic's slope by the previous images counts, too: they differ between real and
    fake, and D would tell these by them alone.
    """
    pairs = zip(critic.critics_and_inputs(real), critic.critics_and_inputs(fake), strict=True)
    return weight * mean([gradient_penalty(each, a, b, mix) for (each, a), (_, b) in pairs])


def fake_losses(
    generator: Generator,
    critic: Discriminator,
    inputs: Inputs,
    target: Target,
    loss: Loss,
    terms: tuple[Term, ...],
) -> Tensor:
    """``loss`` of D's scores of the generator's sample, then its weighted ``terms``: (1 + n,).

    ``inputs`` is what ``Generator.inputs`` or ``GrowingGenerator.window`` gives.
    """
    fake, previous = generator(*inputs), inputs[min(1, len(inputs) - 1)]
    adversarial = critic_loss(critic, critic.critic_input(fake, previous), loss)
    return torch.stack([adversarial, *_weighted(terms, fake, target)])


def reconstruction_losses(generator: Generator, inputs: Inputs, target: Target, terms: tuple[Term, ...]) -> Tensor:
    """The weighted ``terms`` of the image that the generator makes of the reconstruction's noise: (n,)."""
    return torch.stack(_weighted(terms, generator(*inputs), target))


@torch.no_grad()
def measured_error(generator: Generator, inputs: Inputs, target: Target) -> Tensor:
    """``reconstruction_error`` of the image that the generator makes of ``inputs``; its batch statistics stay."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        return reconstruction_error(generator(*inputs), target)
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _weighted(terms: tuple[Term, ...], image: Tensor, target: Target) -> list[Tensor]:
    return [term.weight * term.value(image, target) for term in terms]


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of scalars."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean()
