"""The critics: one patch critic, several at halved sizes, one that sees the previous scale's image."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import GAN_MODES, WASSERSTEIN
from SinGAN.losses.iteration import differentiate_eagerly, iteration
from SinGAN.losses.terms import critic_loss, terms_on_critic
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig, initialise
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target, start_nets
from SinGAN.variants.build import build_critic
from SinGAN.variants.critics import ConditionalCritic
from tests.conftest import TINY_NET
from tests.losses.penalties import penalty, penalty_term
from tests.workspace import stripes

SEVERAL, CONDITIONAL = replace(TINY_NET, critics=3), replace(TINY_NET, conditional=True)
BOTH = replace(TINY_NET, critics=2, conditional=True)


def test_a_plain_critic_has_no_other_weights() -> None:
    critic = build_critic(TINY_NET)
    assert not any(name.startswith(("coarser", "stream")) for name in critic.state_dict())
    image = torch.rand(1, 3, 20, 24)
    assert [seen is image for _, seen in critic.critics_and_inputs(critic.critic_input(image, image))] == [True]


def test_several_critics_see_1_1_2_and_1_4_of_the_size() -> None:
    critic, image = build_critic(SEVERAL), torch.rand(1, 3, 100, 88)
    looks = list(critic.critics_and_inputs(image))
    assert [tuple(seen.shape[2:]) for _, seen in looks] == [(100, 88), (50, 44), (25, 22)]
    assert len({id(one) for one, _ in looks}) == 3
    inner = F.avg_pool2d(image, 3, 2, 1)[..., 1:-1, 1:-1]  # at the edge only what is there is averaged
    torch.testing.assert_close(looks[1][1][..., 1:-1, 1:-1], inner)
    assert float(list(critic.critics_and_inputs(torch.ones(1, 3, 100, 88)))[2][1].min()) == pytest.approx(1)


def test_sizes_of_few_patches_are_left_out() -> None:
    critic = build_critic(SEVERAL)  # of patches of 11 pixels
    counts = {side: len(list(critic.critics_and_inputs(torch.zeros(1, 3, side, 90)))) for side in (11, 42, 43, 84, 85)}
    assert counts == {11: 1, 42: 1, 43: 2, 84: 2, 85: 3}


def test_the_loss_is_the_mean_of_the_critics() -> None:
    critic, image, other = build_critic(SEVERAL), torch.rand(1, 3, 88, 90), torch.rand(1, 3, 88, 90)
    mix = torch.tensor(0.3)
    alone = [-one(seen).mean().item() for one, seen in critic.critics_and_inputs(image)]
    given = critic, image, other, mix, WASSERSTEIN
    real_term, *_ = terms_on_critic(TrainConfig())
    assert critic_loss(*given, real_term).item() == pytest.approx(sum(alone) / 3, rel=1e-5)
    pairs = zip(critic.critics_and_inputs(image), critic.critics_and_inputs(other), strict=True)
    slopes = [penalty(one, a, b, mix).item() for (one, a), (_, b) in pairs]
    assert critic_loss(*given, penalty_term()).item() == pytest.approx(0.1 * sum(slopes) / 3, rel=1e-5)


def test_one_map_weighs_all_features_and_none_leaves_them() -> None:
    critic, image = ConditionalCritic(CONDITIONAL).eval(), torch.rand(1, 3, 20, 24)
    plain = build_critic(TINY_NET).eval()
    plain.load_state_dict({k: v for k, v in critic.state_dict().items() if not k.startswith("stream")})
    margin = CONDITIONAL.margin
    nothing, previous = torch.zeros(1, 3, 30, 34), torch.rand(1, 3, 30, 34)
    shown = critic.critic_input(image, previous)
    assert shown.shape == (1, 6, 20, 24)
    assert torch.equal(shown[:, 3:], previous[..., margin:-margin, margin:-margin])
    with torch.no_grad():
        for name, value in critic.stream.named_parameters():
            if name.endswith("bias"):
                value.zero_()
    torch.testing.assert_close(critic(critic.critic_input(image, nothing)), plain(image))
    weights = critic.stream.features(shown[:, 3:]).sum(dim=1, keepdim=True)  # one map for all features
    features = plain.features(image) * (1 + weights)
    torch.testing.assert_close(critic(shown), plain.tail(features))
    assert not torch.allclose(critic(shown), plain(image))


@pytest.mark.parametrize("net", [SEVERAL, CONDITIONAL, BOTH], ids=["several", "conditional", "both"])
@pytest.mark.parametrize("mode", GAN_MODES)
def test_an_iteration_trains_every_part(net: NetConfig, mode: str, rng: torch.Generator) -> None:
    torch.manual_seed(1)  # of the nets' first weights
    below = Pyramid[TrainedScale]((), 0.75, net.margin)
    first = stripes(32, 32)
    z_rec = first_z_rec(below, first, rng)
    below = below.with_scale(0, TrainedScale.of(*start_nets(below, net, rng), first, z_rec, 1.0))
    real = stripes(44, 44)
    config = TrainConfig(adversarial=GAN_MODES[mode], lambda_grad=0.1, lr_g=0.01, lr_d=0.01, feature_weight=1.0)
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    nets = Adversaries.of(Generator(net), build_critic(net), config)
    clip = config.adversarial.clip or float("inf")
    before = {name: value.clamp(-clip, clip) for name, value in nets.critic.state_dict().items()}
    losses = iteration(nets, target, draw(below, real, z_rec, 3, rng), config, differentiate_eagerly)
    assert float(losses["feature_matching"]) > 0
    assert bool(torch.isfinite(torch.stack(tuple(losses.values()))).all())
    after = nets.critic.state_dict()
    unused = "coarser.1" if net.critics == 3 else "nothing"  # 11 pixels are one patch
    for part in ("head", "tail", "stream.body", "coarser.0.tail", "coarser.1.tail"):
        names = [name for name in before if name.startswith(part) and name.endswith("weight")]
        moved = [not torch.equal(before[name], after[name]) for name in names]
        assert all(moved) if not part.startswith(unused) else not any(moved), part


def test_a_conditional_critic_tells_the_image_by_its_map() -> None:
    """The same image scores otherwise beside another map, and G is told by the map that it was given."""
    critic, image = ConditionalCritic(CONDITIONAL).eval(), torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(3)
    one, other = (critic(critic.critic_input(image, torch.full((1, 3, 30, 34), value))) for value in (0.1, 0.9))
    assert not torch.allclose(one, other)


def test_the_coarsest_scale_has_no_image_to_see(rng: torch.Generator) -> None:
    assert not CONDITIONAL.at(0).conditional
    assert CONDITIONAL.at(1).conditional
    first, nets = (
        stripes(24, 24),
        start_nets(Pyramid[TrainedScale]((), 0.75, CONDITIONAL.margin), CONDITIONAL.at(0), rng),
    )
    below = Pyramid[TrainedScale]((), 0.75, CONDITIONAL.margin)
    below = below.with_scale(0, TrainedScale.of(*nets, first, first_z_rec(below, first, rng), 1.0))
    generator, critic = start_nets(below, CONDITIONAL.at(1), rng)
    for ours, theirs in ((generator, nets[0]), (critic, nets[1])):
        own = ours.state_dict()
        assert all(torch.equal(own[name], value) for name, value in theirs.state_dict().items())
    assert any(name.startswith("stream") for name in critic.state_dict())


def test_a_conditional_critic_can_not_tell_by_the_map_alone(rng: torch.Generator) -> None:
    """Of one image beside two maps the penalty sees the slope from map to map."""
    critic, image = ConditionalCritic(CONDITIONAL), torch.rand(1, 3, 25, 33, generator=rng)
    initialise(critic, rng)
    maps = (torch.rand(1, 3, 35, 43, generator=rng) for _ in range(2))
    one, other = (critic.critic_input(image, previous).requires_grad_() for previous in maps)
    assert torch.equal(one[:, :3], other[:, :3])
    scores = critic(0.4 * one + 0.6 * other).sum()
    (slope,) = torch.autograd.grad(scores, one)
    wanted = ((slope / 0.4).norm(2, dim=1) - 1).square().mean()
    assert float(slope[:, 3:].abs().max()) > 0
    assert penalty(critic, one, other, torch.tensor(0.4)).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_coarsest_scales_penalty_is_a_patch_critics(rng: torch.Generator) -> None:
    critic = build_critic(CONDITIONAL.at(0))
    initialise(critic, rng)
    real, fake = (torch.rand(1, 3, 25, 33, generator=rng) for _ in range(2))
    nothing = torch.zeros(1, 3, 35, 43)
    shown = critic.critic_input(real, nothing), critic.critic_input(fake, nothing)
    assert 0 < penalty(critic, *shown, torch.tensor(0.4)).item() < 2
