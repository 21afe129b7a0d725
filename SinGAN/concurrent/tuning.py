"""Fine-tuning: the newest blocks of a finished generator learn to harmonize one naive picture (Hinz et al. 2021)."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from SinGAN.concurrent.inputs import EDITING, JITTER
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.concurrent.stage import Stage, parameter_groups, train_stage
from SinGAN.engines.engine import EAGER, Engine
from SinGAN.imresize import imresize_to
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.variants.growing import GrowingGenerator

Tuned = Callable[[int, GrownPyramid], None]
"""Called with the number of iterations that are done, and the pyramid after them."""


def fine_tune(
    pyramid: Pyramid[TrainedScale],
    naive: Tensor,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    every: int,
    tuned: Tuned,
    tick: Callable[[], object],
    engine: Engine = EAGER,
) -> None:
    """Fine-tune copies of the newest blocks of ``pyramid`` for ``config.niter`` iterations, on one picture.

    Arguments:
        naive: the picture (1, C, H, W), in [-1, 1], to be harmonized.
        every: iterations between two calls of ``tuned``.
        tuned: called with the iterations so far and a pyramid, of which only the finest scale differs.
        tick: called after each iteration.

    Raises:
        ValueError: the model is not one of concurrent training, or a weight is NaN or infinite.
    """
    if not isinstance(pyramid, GrownPyramid):
        raise ValueError("`fine_tune` is for models of `train_mode` concurrent: leave it out, or name such a model")
    coarsest, finest = pyramid.scales[0], pyramid.scales[-1]
    generator, critic = copy.deepcopy(finest.generator).train(), copy.deepcopy(finest.critic).train()
    assert isinstance(generator, GrowingGenerator)
    critic.requires_grad_(True)
    config = replace(config, texture_weight=0.0, perceptual_weight=0.0)
    nets = Adversaries.of(generator, critic, config, parameter_groups(generator, config))
    small = imresize_to(naive, coarsest.size, pyramid.exact)

    def first() -> Tensor:
        if pyramid.recipe != EDITING:
            return small
        return small + JITTER * torch.randn(small.shape, generator=rng, device=small.device)

    def watched(scale: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]) -> None:
        tick()
        if (iteration + 1) % every == 0 or iteration + 1 == config.niter:
            if not all(weight.isfinite().all() for weight in generator.parameters()):
                raise ValueError(f"the fine-tuning diverged within {iteration + 1} iterations: `fine_tune` fewer")
            nets_now = copy.deepcopy(generator), copy.deepcopy(critic)
            nets_now[0].frozen = 0
            scale_now = TrainedScale.of(*nets_now, finest.real, finest.z_rec, finest.noise_amp)
            tuned(iteration + 1, replace(pyramid, scales=(*pyramid.scales[:-1], scale_now)))

    target = Target(finest.real, torch.zeros_like(finest.real), 1.0, None)
    reals, amps = [scale.real for scale in pyramid.scales], [scale.noise_amp for scale in pyramid.scales]
    stage = Stage(pyramid, nets, generator, target, reals, pyramid.z_rec(), amps, config, first)
    train_stage(stage, rng, watch=watched, engine=engine)
