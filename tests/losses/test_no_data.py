"""Pixels without data are not learned: no loss depends on what stands there."""

from dataclasses import replace

import pytest
import torch

from SinGAN.concurrent.training import train_stages
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import Draw, iteration
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig, initialise
from SinGAN.planning import build_masks, build_reals, plan_scales
from SinGAN.training import train
from SinGAN.variants.build import build_critic, build_generator
from tests.conftest import TINY, TINY_NET
from tests.workspace import stripes

CONFIG = TrainConfig(niter=2, feature_weight=0.5)


def gap(height: int = 24, width: int = 32) -> torch.Tensor:
    """The mask of a picture with a gap."""
    valid = torch.ones(1, 1, height, width)
    valid[..., 6:15, 8:20] = 0
    return valid


def after_an_iteration(hidden: float, config: TrainConfig, net: NetConfig) -> list[torch.Tensor]:
    """The losses and weights after an iteration, where the value ``hidden`` stands in the gap."""
    rng = torch.Generator().manual_seed(0)
    valid, margin = gap(), net.margin
    real = stripes() * valid + hidden * (1 - valid)
    generator, critic = build_generator(net), build_critic(net)
    for each in (generator, critic):
        initialise(each, rng)
    wide = (1, 3, 24 + 2 * margin, 32 + 2 * margin)
    noise, z_rec, rebuilt = (torch.randn(wide, generator=rng) for _ in range(3))
    previous = torch.randn((config.Dsteps, *wide[1:]), generator=rng)
    target = Target(real * valid, rebuilt, 0.1, None, valid)
    draw = Draw(noise, previous, torch.rand(config.Dsteps, generator=rng), z_rec)
    losses = iteration(Adversaries.of(generator, critic, config), target, draw, config)
    return [*losses.values(), *generator.state_dict().values(), *critic.state_dict().values()]


@pytest.mark.parametrize("changes", [{}, {"penalty": "r1"}, {"alpha": 0.0}])
def test_an_iteration_does_not_depend_on_hidden_pixels(changes: dict[str, object]) -> None:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]  # values by name have one common type
    net = NetConfig(filters=4, min_filters=4, num_layer=3)
    one, two = after_an_iteration(-0.9, config, net), after_an_iteration(0.7, config, net)
    assert all(map(torch.equal, one, two))


def test_the_generator_gets_no_gradient_from_hidden_pixels() -> None:
    valid = gap()
    image = torch.zeros(1, 3, 24, 32, requires_grad=True)
    Target(stripes() * valid, image, 0.1, None, valid).masked(image).sum().backward()
    assert image.grad is not None
    assert (image.grad * (1 - valid)).abs().max() == 0
    assert (image.grad * valid).sum() == 3 * valid.sum()


def test_masks_have_the_sizes_of_the_scales() -> None:
    plan = plan_scales(24, 32, TINY)
    reals = build_reals(stripes(), plan)
    masks = build_masks(gap(), reals)
    for mask, real in zip(masks, reals, strict=True):
        assert mask is not None
        assert mask.shape == (1, 1, *real.shape[-2:])
        assert {*mask.unique().tolist()} == {0, 1}
        assert abs(float(mask.mean()) - float(gap().mean())) < 0.06
    assert build_masks(None, reals) == [None] * len(reals)


@pytest.mark.parametrize("kind", ["singan", "concurrent"])
def test_trainings_do_not_depend_on_the_middle_of_a_gap(kind: str) -> None:
    """The resize between scales mixes what is nearer to its rim; there stand values of the nearest pixels with data."""
    plan, trainer, net, config = replace(plan_scales(24, 32, TINY), exact=True), train, TINY_NET, TrainConfig(niter=2)
    if kind == "concurrent":
        net = replace(TINY_NET, stages=1, batch_norm=False, leak=0.05, noisy_margins=True)
        trainer, config = train_stages, replace(config, train_depth=3, recipe="generation")
    valid = torch.ones(1, 1, 24, 32)
    valid[..., 1:23, 4:28] = 0

    def weights(hidden: float, mask: torch.Tensor | None) -> torch.Tensor:
        real = stripes()
        real[..., 12, 16] = hidden
        pyramids = list(trainer(real, plan, net, config, torch.Generator().manual_seed(0), valid=mask))
        scales = pyramids[-1].scales
        return torch.cat([value.flatten() for scale in scales for value in scale.generator.state_dict().values()])

    assert torch.equal(weights(-1.0, valid), weights(1.0, valid))
    assert not torch.equal(weights(-1.0, None), weights(1.0, None))


def test_a_mask_of_ones_changes_nothing() -> None:
    plan = plan_scales(24, 32, TINY)
    one, two = (
        list(train(stripes(), plan, TINY_NET, TrainConfig(niter=2), torch.Generator().manual_seed(0), valid=valid))[-1]
        for valid in (None, torch.ones(1, 1, 24, 32))
    )
    for a, b in zip(one.scales, two.scales, strict=True):
        assert all(map(torch.equal, a.generator.state_dict().values(), b.generator.state_dict().values()))
        assert a.noise_amp == pytest.approx(b.noise_amp)
