"""Training of the whole pyramid, of one scale, and the random draws of an iteration (paper, Sect. 2.2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from SinGAN.engines.engine import EAGER, Engine, use_precision
from SinGAN.engines.estimates import ScaleSetting
from SinGAN.functions import centre_crop, pad, rmse
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import Draw, iteration
from SinGAN.losses.perceptual import VGG, VGGTarget
from SinGAN.losses.states import capture_state, fits, restore
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator, NetConfig, initialise
from SinGAN.planning import Plan, build_masks, build_reals, scale_seed
from SinGAN.pyramid import Pyramid, TrainedScale, convolving_by
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.variants.build import build_critic, build_generator

LR_DROP = 0.8  # share of the iterations after which the learning rates are multiplied by gamma

Watch = Callable[[int, int, Mapping[str, Tensor], Callable[[], TrainingState]], None]
"""A callback after each iteration: (scale, iteration, losses by name, function that returns the state)."""
Edit = Callable[[Tensor], Tensor]
"""A function applied to the enlarged images (B, C, H, W) of the coarser scales before a scale refines them."""

Weights = Mapping[str, Tensor]


def unchanged(image: Tensor) -> Tensor:
    """Return ``image``: the edit that changes nothing."""
    return image


@dataclass(frozen=True)
class StartWeights:
    """State dicts: of networks to start from where they fit, instead of random weights, and of a VGG."""

    generator: Weights | None = None
    critic: Weights | None = None
    vgg: Weights | None = None  # required if ``TrainConfig.uses_vgg``


def unwatched(scale: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], TrainingState]) -> None:
    """The callback that does nothing."""


def train(
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
) -> Iterator[Pyramid[TrainedScale]]:
    """Train the pyramid of ``image`` (1, C, H, W), coarse to fine; yields it after each scale.

    Arguments:
        net: the networks of the coarsest scale; ``NetConfig.at`` returns those of the others.
        rng: the source of all randomness, on the device of ``image``; it is seeded for each scale.
        watch: called after each iteration.
        weights: of networks that can't start from those of a coarser scale, and of a VGG.
        finished: the coarsest scales, if they are already trained.
        resume: a state of the first unfinished scale, from which its training resumes.
        engine: how iterations are run.
        valid: (1, 1, H, W), 1 where ``image`` has data, else 0: what is there is not learned. None: everywhere.

    Raises:
        ValueError: the coarsest scale is smaller than the receptive field, or ``weights`` or ``resume`` don't fit.
    """
    if min(plan.sizes[0]) < net.receptive_field:
        raise ValueError(
            f"the coarsest scale, {plan.sizes[0][0]} x {plan.sizes[0][1]}, is smaller than the receptive field "
            f"of {net.receptive_field} pixels: raise `min_size` or lower `num_layer` or `ker_size`"
        )
    pyramid, seed = Pyramid(finished, plan.factor, net.margin, config.noise_border, plan.exact), rng.initial_seed()
    vgg, reals = trained_vgg(config, weights, rng.device), build_reals(image, plan)
    masks = build_masks(valid, reals)
    for index, real in list(enumerate(reals))[len(finished) :]:
        rng.manual_seed(scale_seed(seed, index))
        nets = start_nets(pyramid, net.at(index), rng, weights)
        scale = train_scale(
            pyramid, real, *nets, config, rng,
            watch=watch, vgg=vgg, resume=resume, engine=engine, valid=masks[index],
        )  # fmt: skip
        pyramid, resume = pyramid.with_scale(index, scale), None
        yield pyramid


def trained_vgg(config: TrainConfig, weights: StartWeights, device: torch.device) -> VGG | None:
    """The VGG whose activations a loss compares, if one does; raises a ValueError if its weights are missing."""
    if config.uses_vgg and weights.vgg is None:
        raise ValueError("texture and perceptual loss need the weights of a VGG16")
    return VGG.of(weights.vgg).to(device) if config.uses_vgg and weights.vgg is not None else None


def start_nets(
    pyramid: Pyramid[TrainedScale], config: NetConfig, rng: torch.Generator, weights: StartWeights = StartWeights()
) -> tuple[Generator, Discriminator]:
    """The networks of the next scale, with the weights of the last scale if the shape is the same, else random ones.

    The second stream of a conditional critic, which the coarsest scale lacks, starts from random weights at the next.
    """
    generator, critic = build_generator(config).to(rng.device), build_critic(config).to(rng.device)
    for net in (generator, critic):
        initialise(net, rng)
    if pyramid.scales and replace(pyramid.scales[-1].generator.config, conditional=config.conditional) == config:
        generator.load_state_dict(pyramid.scales[-1].generator.state_dict())
        critic.load_state_dict(pyramid.scales[-1].critic.state_dict(), strict=not config.conditional)
        return generator, critic
    for name, net, state in (("netG", generator, weights.generator), ("netD", critic, weights.critic)):
        if state is not None and fits(net, state):
            net.load_state_dict(state)
        elif state is not None and not pyramid.scales:
            raise ValueError(f"the weights given with `{name}` don't fit a net of {config.filters} filters")
    return generator, critic


def train_scale(
    pyramid: Pyramid[TrainedScale],
    real: Tensor,
    generator: Generator,
    critic: Discriminator,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    watch: Watch = unwatched,
    edit: Edit = unchanged,
    vgg: VGG | None = None,
    resume: TrainingState | None = None,
    engine: Engine = EAGER,
    valid: Tensor | None = None,
) -> TrainedScale:
    """Train the scale of ``real`` (1, C, H, W) on top of ``pyramid``, the coarser scales; its networks are then frozen.

    Arguments:
        rng: the source of all randomness, on the device of ``real``.
        watch: called after each iteration.
        edit: applied to the enlarged images of the coarser scales.
        vgg: for the losses that compare its activations.
        resume: a state that ``watch`` received in an earlier training; the results have the same bits as without the
            interruption.
        engine: how iterations are run.
        valid: (1, 1, H, W), 1 where ``real`` has data, else 0; None: everywhere.
    """
    nets = Adversaries.of(generator, critic, config)
    z_rec, done = first_z_rec(pyramid, real, rng), 0
    with use_precision(engine, rng.device):
        target = make_target(pyramid, real, z_rec, config, edit, vgg, valid)
    if resume is not None:
        done = restore(resume, nets, rng, z_rec)
    coarser = convolving_by(pyramid, engine.convolve)
    size = (real.shape[-2], real.shape[-1])
    setting = ScaleSetting(generator.config, size, rng.device, config)
    differentiate = engine.differentiation(setting)

    def step() -> dict[str, Tensor]:
        drawn = draw(coarser, real, z_rec, config.Dsteps, rng, edit)
        return iteration(nets, target, drawn, config, differentiate)

    def renew(index: int) -> None:
        if config.redraw_z_rec and not pyramid.scales and index:
            z_rec.copy_(first_z_rec(pyramid, real, rng))

    in_use = [net for net in (generator, critic, vgg) if net is not None]
    with engine.threads(setting):
        iterate(len(pyramid), step, renew, nets, in_use, z_rec, config, rng, done=done, watch=watch, engine=engine)
    return TrainedScale.of(generator, critic, real, z_rec, target.noise_amp)


def iterate(
    scale: int,
    step: Callable[[], dict[str, Tensor]],
    renew: Callable[[int], None],
    nets: Adversaries,
    in_use: Sequence[nn.Module],
    z_rec: Tensor,
    config: TrainConfig,
    rng: torch.Generator,
    *,
    done: int,
    watch: Watch,
    engine: Engine,
) -> None:
    """Repeat ``step`` until ``scale`` has ``config.niter`` iterations, the first ``done`` of which are already run.

    Arguments:
        step: one iteration; it changes ``nets`` and other tensors in place, and uses the networks ``in_use``.
        renew: called with the index of each iteration before it, for work that can't be captured by a CUDA graph.
    """
    run = engine.run(step, in_use, rng, scale + 1)
    for index in range(done, config.niter):
        if index == max(1, int(LR_DROP * config.niter)):
            nets.multiply_learning_rates(config.gamma)
            run = engine.run(step, in_use, rng, scale + 1)
        renew(index)
        losses = run()
        watch(scale, index, losses, partial(capture_state, nets, z_rec, rng, index + 1))


def first_z_rec(pyramid: Pyramid[TrainedScale], real: Tensor, rng: torch.Generator) -> Tensor:
    """The noise from which ``real`` is reconstructed: z* at the coarsest scale, zero at the others (Sect. 2.2)."""
    height, width = real.shape[-2:]
    if not pyramid.scales:
        return pyramid.draw_map(rng, real, (height, width), coarsest=True)
    return pad(torch.zeros_like(real), pyramid.margin)


def make_target(
    pyramid: Pyramid[TrainedScale],
    real: Tensor,
    z_rec: Tensor,
    config: TrainConfig,
    edit: Edit = unchanged,
    vgg: VGG | None = None,
    valid: Tensor | None = None,
) -> Target:
    """The target of the next scale; its noise amplitude is proportional to the error of the unedited reconstruction."""
    real = real if valid is None else real * valid
    vgg_target = None if vgg is None else VGGTarget.of(vgg, real)
    target = Target(real, torch.zeros_like(z_rec), 1.0, vgg_target, valid)
    if not pyramid.scales:
        return target
    enlarged = pyramid.enlarge(pyramid.generate(pyramid.z_rec()))
    height, width = real.shape[-2:]
    error = rmse(real, target.masked(centre_crop(pyramid.fit(enlarged, z_rec), (height, width))))
    if valid is not None:
        error = error / valid.mean().sqrt()  # the mean over the pixels with data alone
    amp = float(config.noise_amp * error)
    return replace(target, reconstruction=pyramid.fit(edit(enlarged), z_rec), noise_amp=amp)


def draw(
    pyramid: Pyramid[TrainedScale],
    real: Tensor,
    z_rec: Tensor,
    Dsteps: int,
    rng: torch.Generator,
    edit: Edit = unchanged,
) -> Draw:
    """The random values of one iteration: the noise of the scale, then ``Dsteps`` samples of the coarser scales."""
    height, width = real.shape[-2:]
    noise = pyramid.draw_map(rng, real, (height, width), coarsest=not pyramid.scales)
    if pyramid.scales:
        samples = pyramid.generate(pyramid.draw(rng, Dsteps))
        previous = pyramid.fit(edit(pyramid.enlarge(samples)), noise)
    else:
        previous = torch.zeros_like(noise).expand(Dsteps, -1, -1, -1)
    mix = torch.rand(Dsteps, generator=rng, device=real.device)
    return Draw(noise, previous, mix, z_rec)
