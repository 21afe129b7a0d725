"""Construction of the nets of a config: the paper's, or a variant of them."""

from dataclasses import replace

from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.variants.critics import ConditionalCritic, SeveralConditionalCritics, SeveralCritics
from SinGAN.variants.growing import GrowingGenerator
from SinGAN.variants.stochastic import DropoutGenerator, WeightNoiseGenerator


def build_generator(config: NetConfig) -> Generator:
    """The generator of one scale, with weights to be initialised or loaded."""
    if config.stages:
        return GrowingGenerator(config)
    if config.dropout:
        return DropoutGenerator(config)
    return WeightNoiseGenerator(config) if config.weight_noise else Generator(config)


def build_critic(config: NetConfig) -> Discriminator:
    """The critic of one scale, with weights to be initialised or loaded; without norms for a growing generator."""
    if config.stages:
        return Discriminator(replace(config, batch_norm=False))
    if config.critics > 1:
        return SeveralConditionalCritics(config) if config.conditional else SeveralCritics(config)
    return ConditionalCritic(config) if config.conditional else Discriminator(config)
