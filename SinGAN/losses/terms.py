"""The terms of the losses, each with a name and a weight (paper, Sect. 2.2).

The critic minimises the sum of ``terms_on_critic``, the generator the sum of ``terms_on_fake`` and
``terms_on_rebuilt``. A term is a row in one of these functions. Its value is a function of a context, which holds
everything that the term may use.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import slope_of
from SinGAN.losses.gan import AdversarialLoss
from SinGAN.losses.perceptual import VGGTarget, perceptual_distance, texture_distance
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator, Inputs

D_REAL, D_FAKE, PENALTY, D_TOTAL = "D_real", "D_fake", "gradient_penalty", "D_total"
ADVERSARIAL, RECONSTRUCTION, TOTAL = "G_adversarial", "reconstruction", "G_total"
TEXTURE, PERCEPTUAL, FEATURES = "texture", "perceptual", "feature_matching"
MEASURED = "reconstruction_error"  # the squared error, where it is not minimised
"""Names of losses: columns of ``losses.csv`` and of checkpoints, which older trainings hold, too."""


@dataclass(frozen=True, eq=False)
class Target:
    """The values that are constant while a scale trains."""

    real: Tensor  # (1, C, H, W)
    reconstruction: Tensor  # (1, C, H + 2 m, W + 2 m): the enlarged reconstruction of the coarser scales
    noise_amp: float
    vgg: VGGTarget | None = None  # the activations of a VGG for ``real``, if a loss compares them
    valid: Tensor | None = None  # (1, 1, H, W): 0 where there is no data, else 1; ``real`` is 0 there; None: all data

    def masked(self, image: Tensor) -> Tensor:
        """``image`` (B, C, H, W), 0 where there is no data: losses and critics see none of it (Bora et al. 2018)."""
        return image if self.valid is None else image * self.valid


@dataclass(frozen=True, eq=False)
class CriticContext:
    """The values that a term of the critic's loss may use."""

    critic: Discriminator  # of several critics, one
    real: Tensor  # (1, C or 2 C, H, W): the critic's input for the real image
    fake: Tensor  # (1, C or 2 C, H, W): the critic's input for the sample
    mix: Tensor  # a random scalar in [0, 1]
    adversarial: AdversarialLoss


@dataclass(frozen=True, eq=False)
class GeneratorContext:
    """The values that a term of the generator's loss may use; those of the critic are computed when first used."""

    image: Tensor  # (1, C, H, W): the sample, or the reconstruction
    previous: Tensor  # (1, C, H + 2 m, W + 2 m): the enlarged image of the coarser scales, which ``image`` refines
    target: Target
    adversarial: AdversarialLoss
    critic: Discriminator | None  # its parameters require no gradient; None: no term uses it

    @cached_property
    def scores_and_features(self) -> list[tuple[Tensor, Tensor]]:
        """For each critic its scores of ``image`` (1, 1, h, w) and the features (1, F, h, w) that they come from."""
        return self._criticise(self.image, self.previous)

    @cached_property
    def features_of_real(self) -> list[Tensor]:
        """For each critic its features (1, F, h, w) of the real image, constants."""
        with torch.no_grad():
            return [features for _, features in self._criticise(self.target.real, self.target.reconstruction)]

    def _criticise(self, image: Tensor, previous: Tensor) -> list[tuple[Tensor, Tensor]]:
        if self.critic is None:
            raise ValueError("a term that uses the critic must be marked with `uses_critic`")
        views = self.critic.critics_and_inputs(self.critic.critic_input(image, previous))
        return [critic.scores_and_features(view) for critic, view in views]


Context = TypeVar("Context")


@dataclass(frozen=True)
class Term(Generic[Context]):
    """A summand of a loss.

    ``weight`` is a constant of the training, and ``value`` a module-level function or a frozen dataclass: both are part
    of the key of a compiled program and are baked into a CUDA graph. A weight that changes with time must be a tensor
    in ``Draw`` that reaches the term through its context.
    """

    name: str  # a column of losses.csv
    weight: float | None  # None: 1, without a column of its own
    value: Callable[[Context], Tensor]  # a scalar
    negated: bool = False  # whether minus the value is reported
    uses_critic: bool = False  # of a term on the reconstruction: whether it uses the critic

    def weighted(self, values: Sequence[Tensor]) -> Tensor:
        """The mean of ``values``, scalars, times the weight."""
        value = mean(values)
        return value if self.weight is None else self.weight * value


def real_loss(context: CriticContext) -> Tensor:
    """The adversarial loss of the critic for the real image."""
    return context.adversarial.real(context.critic(context.real))


def fake_loss(context: CriticContext) -> Tensor:
    """The adversarial loss of the critic for the sample."""
    return context.adversarial.fake(context.critic(context.fake))


@dataclass(frozen=True)
class Penalty:
    """A gradient penalty, the value of a term of the critic.

    The slope (1, C or 2 C, H, W) is the gradient of the sum of the critic's scores with respect to its input, as in the
    authors' code. For a conditional critic it includes the gradient with respect to the previous image: that differs
    between real and fake, and the critic could tell them by it alone.
    """

    point: Callable[[CriticContext], Tensor]  # the input (1, C or 2 C, H, W) at which the slope is computed
    cost: Callable[[Tensor], Tensor]  # a scalar, from the slope

    def __call__(self, context: CriticContext) -> Tensor:
        """The penalty, a scalar."""
        return self.cost(slope_of(context.critic, self.leaf(context), create_graph=True))

    def leaf(self, context: CriticContext) -> Tensor:
        """The input at which the slope is computed, as a leaf that requires a gradient."""
        return self.point(context).detach().requires_grad_()


def mixed_input(context: CriticContext) -> Tensor:
    """A random point on the line from the fake input to the real one."""
    return context.mix * context.real + (1 - context.mix) * context.fake


def real_input(context: CriticContext) -> Tensor:
    """The real input."""
    return context.real


def two_sided(slope: Tensor) -> Tensor:
    """The mean of (norm - 1)^2 over all positions; the norm of ``slope`` (B, C, H, W) is over its channels."""
    excess: Tensor = slope.norm(2, dim=1) - 1
    return excess.square().mean()


def one_sided(slope: Tensor) -> Tensor:
    """The mean of max(0, norm - 1)^2 over all positions; the norm of ``slope`` (B, C, H, W) is over its channels."""
    return F.relu(slope.norm(2, dim=1) - 1).square().mean()


def half_square(slope: Tensor) -> Tensor:
    """Half the mean squared norm over all positions; the norm of ``slope`` (B, C, H, W) is over its channels."""
    return 0.5 * slope.square().sum(dim=1).mean()


PENALTIES = {
    "gp": Penalty(mixed_input, two_sided),  # Gulrajani et al. 2017, Sect. 4
    "one_sided": Penalty(mixed_input, one_sided),  # Petzka et al. 2018, WGAN-LP
    "r1": Penalty(real_input, half_square),  # Mescheder et al. 2018, Sect. 4.1
}
"""The gradient penalties by the value of ``penalty``."""


def adversarial_loss(context: GeneratorContext) -> Tensor:
    """The adversarial loss of the generator; the mean over several critics."""
    return mean([context.adversarial.generator(scores) for scores, _ in context.scores_and_features])


def feature_matching(context: GeneratorContext) -> Tensor:
    """The squared distance of the critic's mean features of the image from those of the real one.

    Salimans et al. 2016, Sect. 3.1: the expectation is the mean over all positions of a feature map of the critic's
    last block. The mean over the F features, not their sum, keeps the value independent of their number.
    """
    pairs = zip(context.scores_and_features, context.features_of_real, strict=True)
    return mean([F.mse_loss(over_positions(fake), over_positions(real)) for (_, fake), real in pairs])


def over_positions(features: Tensor) -> Tensor:
    """The mean (B, F) of each map of ``features`` (B, F, h, w)."""
    return features.float().mean(dim=(2, 3))


def reconstruction_error(context: GeneratorContext) -> Tensor:
    """The mean squared error of the image."""
    return F.mse_loss(context.image, context.target.real)


def texture(context: GeneratorContext) -> Tensor:
    """The texture distance between the image and the real one."""
    vgg = _vgg_target(context.target)
    return texture_distance(vgg.net(context.image), vgg.grams)


def perceptual(context: GeneratorContext) -> Tensor:
    """The perceptual distance between the image and the real one."""
    vgg = _vgg_target(context.target)
    return perceptual_distance(vgg.net(context.image), vgg.features)


def _vgg_target(target: Target) -> VGGTarget:
    if target.vgg is None:
        raise ValueError("texture and perceptual loss need a VGG")
    return target.vgg


def terms_on_critic(config: TrainConfig) -> tuple[Term[CriticContext], ...]:
    """The terms of the critic's loss; the penalty is always one of them, also with a weight of 0."""
    return (
        Term(D_REAL, None, real_loss, negated=True),  # a score, which the critic maximises
        Term(D_FAKE, None, fake_loss),
        Term(PENALTY, config.lambda_grad, PENALTIES[config.penalty]),
    )


def terms_on_fake(config: TrainConfig) -> tuple[Term[GeneratorContext], ...]:
    """The terms on the generator's sample."""
    rows = (Term(TEXTURE, config.texture_weight, texture), Term(FEATURES, config.feature_weight, feature_matching))
    return Term(ADVERSARIAL, None, adversarial_loss), *(row for row in rows if row.weight)


def terms_on_rebuilt(config: TrainConfig) -> tuple[Term[GeneratorContext], ...]:
    """The terms on the reconstruction; the squared error is always one of them, also with a weight of 0."""
    rows = (Term(PERCEPTUAL, config.perceptual_weight, perceptual),)
    return Term(RECONSTRUCTION, config.alpha, reconstruction_error), *(row for row in rows if row.weight)


def critic_losses(config: TrainConfig) -> tuple[str, ...]:
    """The names of the critic's losses.

    ``D_real`` and ``D_fake`` are the mean scores; in GAN modes other than WGAN's, minus the critic's loss for the real
    image, and its loss for the sample.
    """
    return *(term.name for term in terms_on_critic(config)), D_TOTAL


def loss_names(config: TrainConfig) -> tuple[str, ...]:
    """The names of all losses that an iteration reports, each multiplied by its weight."""
    first = (ADVERSARIAL, RECONSTRUCTION, TOTAL)
    extra = (term.name for term in (*terms_on_fake(config), *terms_on_rebuilt(config)) if term.name not in first)
    measured = () if config.alpha else (MEASURED,)
    return (*critic_losses(config), *first, *extra, *measured)


def weights(config: TrainConfig) -> dict[str, float]:
    """The weight of every loss that has one, by the name of the loss."""
    rows: tuple[Term[Any], ...] = (*terms_on_critic(config), *terms_on_rebuilt(config), *terms_on_fake(config))
    return {term.name: term.weight for term in rows if term.weight is not None}


def unweighted(losses: Mapping[str, float], config: TrainConfig) -> dict[str, float]:
    """The losses of an iteration, each divided by its weight; the two totals as minimised.

    A loss with a weight of 0 is NaN: it is not computed. The error of the reconstruction is measured instead.
    """
    values = {name: value for name, value in losses.items() if name != MEASURED}
    for name, weight in weights(config).items():
        unknown = losses.get(MEASURED, nan) if name == RECONSTRUCTION else nan
        values[name] = values[name] / weight if weight else unknown
    return values


def critic_loss(
    critic: Discriminator,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    adversarial: AdversarialLoss,
    term: Term[CriticContext],
) -> Tensor:
    """The weighted ``term`` of the critic's loss, a scalar; the mean over several critics.

    ``real`` and ``fake`` are inputs of a critic (1, C or 2 C, H, W).
    """
    return term.weighted([term.value(each) for each in critic_contexts(critic, real, fake, mix, adversarial)])


def critic_contexts(
    critic: Discriminator, real: Tensor, fake: Tensor, mix: Tensor, adversarial: AdversarialLoss
) -> list[CriticContext]:
    """The context of each of the critics whose mean ``critic`` is."""
    pairs = zip(critic.critics_and_inputs(real), critic.critics_and_inputs(fake), strict=True)
    return [CriticContext(each, a, b, mix, adversarial) for (each, a), (_, b) in pairs]


def generator_losses(
    generator: Generator,
    critic: Discriminator | None,
    inputs: Inputs,
    target: Target,
    adversarial: AdversarialLoss,
    terms: tuple[Term[GeneratorContext], ...],
) -> Tensor:
    """The weighted ``terms`` (n,) of the image that the generator makes from ``inputs``.

    ``inputs`` is the result of ``Generator.inputs`` or ``GrowingGenerator.window``.
    """
    image = target.masked(generator(*inputs))
    context = GeneratorContext(image, inputs[min(1, len(inputs) - 1)], target, adversarial, critic)
    return torch.stack([term.weighted([term.value(context)]) for term in terms])


@torch.no_grad()
def reconstruction_mse(generator: Generator, inputs: Inputs, target: Target) -> Tensor:
    """The mean squared error of the image that the generator makes from ``inputs``.

    Running statistics of BatchNorm are left unchanged.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        return F.mse_loss(target.masked(generator(*inputs)), target.real)
    finally:
        for norm in norms:
            norm.track_running_stats = True


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of scalars."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean()
