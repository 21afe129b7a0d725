"""Concurrent training: stage by stage the generator grows by a block, and its newest blocks train together.

After ConSinGAN (Hinz, Fisher, Wang, Wermter, *Improved Techniques for Training Single-Image GANs*, WACV 2021, Sect. 3).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from SinGAN.concurrent.inputs import RANDOM, coarsest_input, first_z_rec
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.concurrent.stage import Stage, draw_noise, parameter_groups, train_stage
from SinGAN.engines.engine import EAGER, Engine, use_precision
from SinGAN.losses import terms
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.perceptual import VGG, VGGTarget
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, NetConfig, initialise
from SinGAN.planning import Plan, build_masks, build_reals, scale_seed
from SinGAN.pyramid import TrainedScale
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.training import StartWeights, Watch, trained_vgg, unwatched
from SinGAN.variants.build import build_critic
from SinGAN.variants.growing import GrowingGenerator


def train_stages(
    image: Tensor,
    plan: Plan,
    net: NetConfig,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    watch: Watch = unwatched,
    weights: StartWeights = StartWeights(),
    finished: tuple[TrainedScale, ...] = (),
    resume: TrainingState | None = None,
    engine: Engine = EAGER,
    valid: Tensor | None = None,
) -> Iterator[GrownPyramid]:
    """Train the stages of ``image`` (1, C, H, W), coarse to fine; yields the pyramid after each.

    The arguments are those of ``training.train``; of ``weights`` only a VGG's count.

    Raises:
        ValueError: the coarsest stage is smaller than the receptive field, or ``resume`` does not fit.
    """
    if min(plan.sizes[0]) < net.receptive_field:
        raise ValueError(
            f"the coarsest stage, {plan.sizes[0][0]} x {plan.sizes[0][1]}, is smaller than the receptive field of "
            f"{net.receptive_field} pixels: raise `min_size` or lower `num_layer` or `ker_size`"
        )
    scales, seed, vgg = finished, rng.initial_seed(), trained_vgg(config, weights, rng.device)
    reals = build_reals(image, plan)
    masks = build_masks(valid, reals)
    for index, real in list(enumerate(reals))[len(finished) :]:
        rng.manual_seed(scale_seed(seed, index))
        pyramid = make_grown_pyramid(scales, plan, net, config)
        stage = start_stage(pyramid, real, net.at(index), config, rng, vgg, engine, masks[index])
        train_stage(stage, rng, watch=watch, vgg=vgg, resume=resume, engine=engine)
        scales, resume = (*scales, stage.trained()), None
        yield make_grown_pyramid(scales, plan, net, config)


def make_grown_pyramid(
    scales: tuple[TrainedScale, ...], plan: Plan, net: NetConfig, config: TrainConfig
) -> GrownPyramid:
    """The pyramid of ``scales``."""
    return GrownPyramid.of(scales, plan.factor, net, config.noise_border, config.recipe, plan.exact)


def start_stage(
    pyramid: GrownPyramid,
    real: Tensor,
    net: NetConfig,
    config: TrainConfig,
    rng: torch.Generator,
    vgg: VGG | None = None,
    engine: Engine = EAGER,
    valid: Tensor | None = None,
) -> Stage:
    """The stage of ``real`` (1, C, H, W), on top of ``pyramid``, the coarser ones, before its first iteration."""
    generator, critic = start_nets(pyramid, net, rng)
    nets = Adversaries.of(generator, critic, config, parameter_groups(generator, config))
    shown = real if valid is None else real * valid
    z_rec = draw_first_map(pyramid, shown, config, rng)
    amps = [scale.noise_amp for scale in pyramid.scales]
    with use_precision(engine, rng.device):
        vgg_target = None if vgg is None else VGGTarget.of(vgg, shown)
        target = Target(shown, torch.zeros_like(real), 1.0, vgg_target, valid)
        amps.append(config.noise_amp * reconstruction_rmse(pyramid, generator, target) if pyramid.scales else 1.0)
    reals = [*(scale.real for scale in pyramid.scales), real]
    first = None if config.recipe in RANDOM else lambda: coarsest_input(reals[0], config.recipe, rng)
    return Stage(pyramid, nets, generator, target, reals, [*pyramid.z_rec(), z_rec], amps, config, first)


def start_nets(pyramid: GrownPyramid, net: NetConfig, rng: torch.Generator) -> tuple[GrowingGenerator, Discriminator]:
    """The nets of the next stage: those of the last one, the generator with a copy of its newest block behind it."""
    generator, critic = GrowingGenerator(net).to(rng.device), build_critic(net).to(rng.device)
    if not pyramid.scales:
        for fresh in (generator, critic):
            initialise(fresh, rng, spread=True)
        return generator, critic
    before, new = pyramid.scales[-1], net.stages - 1
    state = before.generator.state_dict()
    newest = f"body.{new - 1}."
    copied = {name.replace(newest, f"body.{new}.", 1): state[name] for name in state if name.startswith(newest)}
    generator.load_state_dict(state | copied)
    critic.load_state_dict(before.critic.state_dict())
    return generator, critic


def draw_first_map(pyramid: GrownPyramid, real: Tensor, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """The noise of the next stage that is to give ``real`` back."""
    if pyramid.scales:
        return draw_noise(pyramid, real, rng, len(pyramid))
    return first_z_rec(real, config.recipe, rng, animated=config.noise_border)


def reconstruction_rmse(pyramid: GrownPyramid, generator: GrowingGenerator, target: Target) -> float:
    """The root mean squared error of the picture given back, before the newest block has noise of its own."""
    height, width = target.real.shape[-2:]
    border = 2 * pyramid.margin
    silent = target.real.new_zeros(1, pyramid.filters, height + border, width + border)
    maps = [*pyramid.amplify(pyramid.z_rec()), silent]
    error = terms.reconstruction_mse(generator, generator.window(maps), target).sqrt()
    return float(error if target.valid is None else error / target.valid.mean().sqrt())
