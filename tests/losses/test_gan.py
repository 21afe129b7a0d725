"""The adversarial losses: known values, their gradients, and the trainer's use of them."""

import math

import pytest
import torch

from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import GAN_MODES
from SinGAN.losses.iteration import critic_step, generator_step
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target
from tests.conftest import TINY_NET
from tests.workspace import stripes

SCORES = torch.tensor([-2.0, 0.0, 3.0]).reshape(1, 1, 1, 3)


def softplus(value: float) -> float:
    return math.log(1 + math.exp(value))


@pytest.mark.parametrize(
    ("mode", "real", "fake", "generator"),
    [
        ("wgan-gp", -1 / 3, 1 / 3, -1 / 3),
        ("wgan", -1 / 3, 1 / 3, -1 / 3),
        (
            "vanilla",
            (softplus(2) + softplus(0) + softplus(-3)) / 3,
            (softplus(-2) + softplus(0) + softplus(3)) / 3,
            (softplus(2) + softplus(0) + softplus(-3)) / 3,
        ),
        ("lsgan", (9 + 1 + 4) / 6, (4 + 0 + 9) / 6, (9 + 1 + 4) / 6),
        ("hinge", (3 + 1 + 0) / 3, (0 + 1 + 4) / 3, -1 / 3),
    ],
)
def test_losses_of_known_scores(mode: str, real: float, fake: float, generator: float) -> None:
    game = GAN_MODES[mode]
    assert float(game.real(SCORES)) == pytest.approx(real)
    assert float(game.fake(SCORES)) == pytest.approx(fake)
    assert float(game.generator(SCORES)) == pytest.approx(generator)


@pytest.mark.parametrize("mode", GAN_MODES)
def test_each_game_pulls_real_scores_up_and_fake_ones_down(mode: str) -> None:
    game, pulls = GAN_MODES[mode], []
    for loss in (game.real, game.fake, game.generator):
        scores = torch.full((1, 1, 2, 2), 0.3, requires_grad=True)
        loss(scores).backward()
        assert scores.grad is not None
        pulls.append(float(-scores.grad.sum()))
    assert pulls[0] > 0
    assert pulls[1] < 0
    assert pulls[2] > 0


@pytest.mark.parametrize("mode", GAN_MODES)
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_a_step_with_each_game(mode: str, penalty: float, rng: torch.Generator) -> None:
    game = GAN_MODES[mode]
    config = TrainConfig(adversarial=game, lambda_grad=penalty)
    nets = Adversaries.of(Generator(TINY_NET), Discriminator(TINY_NET), config)
    below, real = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin), stripes(12, 16)
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    drawn = draw(below, real, z_rec, config.Dsteps, rng)
    weights = [parameter.detach().clone() for net in (nets.critic, nets.generator) for parameter in net.parameters()]
    losses = critic_step(nets, real, torch.rand_like(real), drawn.mix[0], config)
    assert float(losses["D_total"]) == pytest.approx(
        float(losses["D_fake"] - losses["D_real"] + losses["gradient_penalty"]), abs=1e-6
    )
    assert (float(losses["gradient_penalty"]) != 0) == (penalty != 0)
    if game.clip is not None:
        assert max(float(parameter.detach().abs().max()) for parameter in nets.critic.parameters()) <= game.clip
    generator_step(nets, target, drawn, config)
    after = [parameter.detach() for net in (nets.critic, nets.generator) for parameter in net.parameters()]
    assert sum(not torch.equal(a, b) for a, b in zip(weights, after, strict=True)) > len(after) // 2
    assert all(torch.isfinite(parameter).all() for parameter in after)
