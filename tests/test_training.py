"""Training: what one golden iteration can't tell, and what a short training must achieve."""

from collections.abc import Mapping
from functools import partial

import pytest
import torch

from SinGAN import training
from SinGAN.functions import rmse
from SinGAN.imresize import imresize
from SinGAN.losses import iteration as adversarial
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import Draw
from SinGAN.losses.terms import Target, generator_losses, loss_names
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.planning import PyramidConfig, build_reals, plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import StartWeights, train
from tests.conftest import TINY, TINY_NET, train_tiny
from tests.workspace import stripes

Patch = pytest.MonkeyPatch


def adversaries(config: TrainConfig) -> Adversaries:
    return Adversaries.of(Generator(TINY_NET), Discriminator(TINY_NET), config)


def first_draw(config: TrainConfig, rng: torch.Generator) -> tuple[Target, Draw]:
    empty, real = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin), stripes(12, 16)
    z_rec = training.first_z_rec(empty, real, rng)
    return training.make_target(empty, real, z_rec, config), training.draw(empty, real, z_rec, config.Dsteps, rng)


def test_adam_has_the_papers_betas_and_rates() -> None:
    nets = adversaries(TrainConfig(lr_g=0.003, lr_d=0.007, beta1=0.4))
    assert nets.generator_optimizer.param_groups[0]["betas"] == (0.4, 0.999)
    assert nets.generator_optimizer.param_groups[0]["lr"] == 0.003
    assert nets.critic_optimizer.param_groups[0]["lr"] == 0.007
    default = adversaries(TrainConfig())
    assert default.critic_optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    assert default.critic_optimizer.param_groups[0]["lr"] == 0.0005


@pytest.mark.parametrize("niter", [5, 10])
def test_the_learning_rates_drop_at_80_percent(niter: int, monkeypatch: Patch) -> None:
    rates: list[tuple[float, float]] = []

    def spy(nets: Adversaries, *rest: object) -> dict[str, torch.Tensor]:
        optimizers = nets.generator_optimizer, nets.critic_optimizer
        for optimizer in optimizers:
            optimizer.step()
        rates.append((optimizers[0].param_groups[0]["lr"], optimizers[1].param_groups[0]["lr"]))
        return {"G_total": torch.zeros(())}

    monkeypatch.setattr(training, "iteration", spy)
    train_tiny(stripes(), TrainConfig(niter=niter, gamma=0.1, lr_g=0.002))
    full = int(0.8 * niter)
    assert rates[:full] == [(0.002, 0.0005)] * full
    for late in rates[full:niter]:
        assert late == pytest.approx((0.0002, 0.00005))
    assert rates[niter] == (0.002, 0.0005)  # the next scale starts anew


@pytest.mark.parametrize(("Gsteps", "Dsteps"), [(1, 1), (2, 4), (5, 3)])
def test_the_numbers_of_steps(Gsteps: int, Dsteps: int, rng: torch.Generator) -> None:
    config = TrainConfig(Gsteps=Gsteps, Dsteps=Dsteps)
    nets = adversaries(config)
    losses = adversarial.iteration(nets, *first_draw(config, rng), config)
    assert tuple(losses) == loss_names(config)
    passes = (
        nets.critic.state_dict()["head.norm.num_batches_tracked"],
        nets.generator.state_dict()["head.norm.num_batches_tracked"],
    )
    assert passes == (3 * Dsteps + Gsteps, Dsteps + 2 * Gsteps)
    steps = [
        int(next(iter(optimizer.state.values()))["step"])
        for optimizer in (nets.critic_optimizer, nets.generator_optimizer)
    ]
    assert steps == [Dsteps, Gsteps]


def test_every_critic_step_sees_coarser_scales_drawn_again(
    pyramid: Pyramid[TrainedScale], rng: torch.Generator, monkeypatch: Patch
) -> None:
    below, real = pyramid.below(2), pyramid.scales[2].real
    z_rec = training.first_z_rec(below, real, rng)
    drawn = training.draw(below, real, z_rec, 3, rng)
    assert drawn.previous.shape[0] == 3
    assert not torch.equal(drawn.previous[0], drawn.previous[1])
    assert not torch.equal(drawn.previous[1], drawn.previous[2])
    assert len(set(drawn.mix.tolist())) == 3

    seen: list[torch.Tensor] = []
    step = adversarial.critic_step

    def spy(nets: Adversaries, real: torch.Tensor, fake: torch.Tensor, *rest: object) -> dict[str, torch.Tensor]:
        seen.append(fake.clone())
        return step(nets, real, fake, *rest)  # type: ignore[arg-type]  # the rest is passed on

    monkeypatch.setattr(adversarial, "critic_step", spy)
    config = TrainConfig(lr_g=1e-12)
    target = training.make_target(below, real, z_rec, config)
    adversarial.iteration(adversaries(config), target, drawn, config)
    assert len({float(fake.sum()) for fake in seen}) == 3


def test_the_generator_steps_use_the_last_critic_steps_sample(rng: torch.Generator) -> None:
    config = TrainConfig(Gsteps=2)
    target, drawn = first_draw(config, rng)
    drawn = Draw(drawn.noise, torch.arange(3.0).reshape(3, 1, 1, 1) + drawn.previous, drawn.mix, drawn.z_rec)
    seen: list[torch.Tensor] = []

    def differentiate(bound: "partial[torch.Tensor]") -> torch.Tensor:
        if bound.func is generator_losses and bound.keywords["critic"] is not None:  # on the sample
            seen.append(bound.keywords["inputs"][1])
        return adversarial.differentiate_eagerly(bound)

    adversarial.iteration(adversaries(config), target, drawn, config, differentiate)
    assert [previous.unique().tolist() for previous in seen] == [[2.0], [2.0]]


def test_alpha_weighs_the_reconstruction(rng: torch.Generator) -> None:
    target, drawn = first_draw(TrainConfig(), rng)
    for alpha in (0.0, 10.0, 30.0):
        torch.manual_seed(0)
        nets = adversaries(TrainConfig())
        nets.generator.train()
        losses = adversarial.generator_step(nets, target, drawn, TrainConfig(alpha=alpha))
        critic_score, reconstruction, total = (losses[name] for name in ("G_adversarial", "reconstruction", "G_total"))
        if alpha == 10:
            unit = float(reconstruction) / alpha
        elif alpha == 30:
            assert float(reconstruction) == pytest.approx(alpha * unit, rel=1e-5)
        else:
            assert float(reconstruction) == 0
        assert float(total) == pytest.approx(float(critic_score + reconstruction))


def test_z_rec_fixed_is_drawn_once_and_redrawn_in_every_iteration(monkeypatch: Patch) -> None:
    seen: list[torch.Tensor] = []
    iterate = adversarial.iteration

    def spy(nets: Adversaries, target: Target, drawn: Draw, *rest: object) -> Mapping[str, torch.Tensor]:
        seen.append(drawn.z_rec.clone())
        return iterate(nets, target, drawn, *rest)  # type: ignore[arg-type]  # the rest is passed on

    monkeypatch.setattr(training, "iteration", spy)
    for redraw, different in ((False, 1), (True, 4)):
        seen.clear()
        pyramid = train_tiny(stripes(), TrainConfig(niter=4, redraw_z_rec=redraw))
        coarsest = [z for z in seen if z.shape == pyramid.scales[0].z_rec.shape]
        assert len({float(z.sum()) for z in coarsest}) == different
        assert torch.equal(pyramid.scales[0].z_rec, coarsest[-1])
        assert all(not scale.z_rec.any() for scale in pyramid.scales[1:])


def test_two_trainings_with_one_seed_give_the_same_bits(pyramid: Pyramid[TrainedScale]) -> None:
    again = train_tiny(stripes(), TrainConfig(niter=12))
    for ours, theirs in zip(pyramid.scales, again.scales, strict=True):
        for net in ("generator", "discriminator"):
            a, b = getattr(ours, net).state_dict(), getattr(theirs, net).state_dict()
            assert all(torch.equal(a[key], b[key]) for key in a)
        assert ours.noise_amp == theirs.noise_amp
    other = train_tiny(stripes(), TrainConfig(niter=1), seed=2)
    assert not torch.equal(other.scales[0].z_rec, pyramid.scales[0].z_rec)


@pytest.mark.slow
def test_training_lowers_the_reconstruction_error_and_z_rec_gives_the_image_back(rng: torch.Generator) -> None:
    image = (stripes() + 0.25 * torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    plan = plan_scales(24, 32, PyramidConfig(min_size=12, max_size=32, scale_factor=0.5))
    net, config = NetConfig(filters=8, min_filters=8), TrainConfig(niter=100, lr_g=0.002, lr_d=0.002)
    *_, pyramid = train(image, plan, net, config, torch.Generator().manual_seed(1))
    for index in range(1, len(pyramid)):
        real = pyramid.scales[index].real
        below, here = pyramid.below(index), pyramid.below(index + 1)
        coarser = below.enlarge(below.generate(below.z_rec()))[:, :, : real.shape[2], : real.shape[3]]
        assert float(rmse(here.generate(here.z_rec()), real)) < float(rmse(coarser, real))
    finest, rebuilt = pyramid.scales[-1].real, pyramid.generate(pyramid.z_rec())
    sample = pyramid.generate(pyramid.draw(rng))
    assert float(rmse(rebuilt, finest)) < 0.6 * float(finest.std())
    assert float(rmse(sample, finest)) > 1.5 * float(rmse(rebuilt, finest))


def test_the_noise_amplitude_is_a_tenth_of_the_coarser_scales_error(pyramid: Pyramid[TrainedScale]) -> None:
    assert pyramid.scales[0].noise_amp == 1
    for index in range(1, len(pyramid)):
        below, real = pyramid.below(index), pyramid.scales[index].real
        rebuilt = imresize(below.generate(below.z_rec()), 1 / pyramid.factor)[:, :, : real.shape[2], : real.shape[3]]
        assert pyramid.scales[index].noise_amp == pytest.approx(0.1 * float(rmse(real, rebuilt)), rel=1e-5)


def test_a_scale_of_equal_width_starts_from_the_coarser_scales_weights(rng: torch.Generator) -> None:
    image = stripes(40, 52)
    plan = plan_scales(40, 52, PyramidConfig(min_size=12, max_size=52, scale_factor=0.8))
    assert plan.stop_scale >= 4  # the fifth scale is wider
    empty = Pyramid[TrainedScale]((), plan.factor, TINY_NET.margin)
    *_, pyramid = train(image, plan, TINY_NET, TrainConfig(niter=1), rng)
    for index in range(len(pyramid)):
        below = pyramid.below(index)
        generator, critic = training.start_nets(below or empty, TINY_NET.at(index), rng)
        fresh = index in (0, 4)
        for net, kind in ((generator, "generator"), (critic, "discriminator")):
            if fresh:
                assert not net.state_dict()["head.conv.bias"].any()
            else:
                before = getattr(below.scales[-1], kind).state_dict()
                assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_given_weights_start_the_coarsest_scale(rng: torch.Generator) -> None:
    empty = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin)
    state = Generator(TINY_NET).state_dict()
    generator, critic = training.start_nets(empty, TINY_NET, rng, StartWeights(generator=state))
    assert torch.equal(generator.state_dict()["tail.0.weight"], state["tail.0.weight"])
    assert not critic.state_dict()["tail.bias"].any()
    with pytest.raises(ValueError, match="`netG` don't fit a net of 32 filters"):
        training.start_nets(empty, NetConfig(), rng, StartWeights(generator=state))


def test_a_receptive_field_larger_than_the_coarsest_scale_is_refused(rng: torch.Generator) -> None:
    plan = plan_scales(24, 32, TINY)
    with pytest.raises(ValueError, match="receptive field of 15 pixels"):
        next(train(stripes(), plan, NetConfig(num_layer=7), TrainConfig(niter=1), rng))


@pytest.mark.parametrize("colour", [-1.0, 0.1])
def test_a_picture_of_one_colour_trains_without_nan(colour: float, rng: torch.Generator) -> None:
    pyramid = train_tiny(torch.full((1, 3, 24, 32), colour), TrainConfig(niter=3))
    assert torch.isfinite(pyramid.generate(pyramid.draw(rng))).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels(channels: int, rng: torch.Generator) -> None:
    image = torch.cat([stripes(), stripes()[:, :1]], dim=1)[:, :channels]
    net = NetConfig(channels, filters=4, min_filters=4)
    *_, pyramid = train(image, plan_scales(24, 32, TINY), net, TrainConfig(niter=2), rng)
    assert pyramid.generate(pyramid.draw(rng)).shape == (1, channels, 24, 32)


def test_noise_border_training(rng: torch.Generator) -> None:
    pyramid = train_tiny(stripes(), TrainConfig(niter=2, noise_border=True))
    assert bool((pyramid.scales[0].z_rec != 0).all())
    assert pyramid.noise_border


def test_the_watcher_sees_every_iteration(rng: torch.Generator) -> None:
    seen = []
    plan = plan_scales(24, 32, TINY)
    config = TrainConfig(niter=3)
    for _ in train(
        stripes(), plan, TINY_NET, config, rng, watch=lambda scale, index, *more: seen.append((scale, index))
    ):
        pass
    assert seen == [(scale, index) for scale in range(len(plan.sizes)) for index in range(3)]


def test_the_reals_are_those_of_the_plan(pyramid: Pyramid[TrainedScale]) -> None:
    reals = build_reals(stripes(), plan_scales(24, 32, TINY))
    assert all(torch.equal(scale.real, real) for scale, real in zip(pyramid.scales, reals, strict=True))
