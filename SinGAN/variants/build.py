"""The nets that a config asks for: the paper's, or a variant of them."""

from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.variants.critics import ConditionalCritic, SeveralConditionalCritics, SeveralCritics
from SinGAN.variants.stochastic import DropoutGenerator, WeightNoiseGenerator


def build_generator(config: NetConfig) -> Generator:
    """The generator of one scale, with weights to be initialised or loaded."""
    if config.dropout:
        return DropoutGenerator(config)
    return WeightNoiseGenerator(config) if config.weight_noise else Generator(config)


def build_critic(config: NetConfig) -> Discriminator:
    """The critic of one scale, with weights to be initialised or loaded."""
    if config.critics > 1:
        return SeveralConditionalCritics(config) if config.conditional else SeveralCritics(config)
    return ConditionalCritic(config) if config.conditional else Discriminator(config)
