"""Winograd's convolutions in training: which engines and nets use them, and for which derivatives."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import main_train
from SinGAN.engines import engine as engines
from SinGAN.engines import winograd
from SinGAN.engines.convolution import convolving
from SinGAN.engines.engine import EAGER, Engine, EngineSettings
from SinGAN.engines.recompute import differentiate_with_recomputation
from SinGAN.engines.winograd import conv2d, library
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.iteration import differentiate_eagerly, iteration
from SinGAN.losses.terms import PENALTIES, critic_loss
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Conv2d, Discriminator, NetConfig, initialise
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target, start_nets
from tests.engines.test_recompute import nets_of
from tests.engines.test_winograd import Operators
from tests.losses.penalties import penalty, penalty_term
from tests.workspace import SMALL, Capture, Workspace, refusal, stripes

CPU = torch.device("cpu")
NET = NetConfig(filters=16, min_filters=16)
Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.skipif(library() is None, reason="needs g++")


def test_only_the_nets_that_are_named_use_them_and_only_within() -> None:
    x, ours, other = torch.randn(1, 16, 5, 5), Conv2d(16, 32, 3), Conv2d(16, 32, 3)
    inner = partial(conv2d, last=True)
    with pytest.raises(KeyError), convolving([ours], conv2d):
        with convolving([torch.nn.Sequential(ours)], inner):
            assert ours.backend is inner
        assert ours.backend is conv2d
        assert other.backend is F.conv2d
        raise KeyError
    with Operators() as called:
        ours(x)
        F.conv2d(x, ours.weight)
    assert ours.backend is F.conv2d
    assert not any("singan" in name for name in called.names)


@pytest.mark.parametrize("differentiate", [differentiate_eagerly, differentiate_with_recomputation])
@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty(differentiate: Callable[..., Tensor], name: str, rng: torch.Generator) -> None:
    real, fake = (torch.rand(1, 3, 31, 34, generator=rng) for _ in range(2))

    def slopes(critic: Discriminator, how: Callable[..., Tensor], *images: Tensor) -> dict[str, Tensor]:
        real, fake = images
        mix = torch.tensor(0.3).to(real)
        bound = partial(critic_loss, critic=critic, real=real, fake=fake, mix=mix, adversarial=WASSERSTEIN)
        how(partial(bound, term=penalty_term(name)))
        return {name: value.grad for name, value in critic.named_parameters() if value.grad is not None}

    exact = slopes(nets_of(NET)[1].double(), differentiate_eagerly, real.double(), fake.double())
    critic = nets_of(NET)[1]
    with convolving([critic], conv2d):
        ours = slopes(critic, differentiate, real, fake)
    largest = max(float(one.abs().max()) for one in exact.values())
    assert all(float((ours[name] - one).abs().max()) < 2e-5 * largest for name, one in exact.items() if name in ours)


def losses(engine: Engine) -> Tensor:
    """Those of the first iteration of a scale."""
    rng = torch.Generator().manual_seed(1)
    real, pyramid, config = stripes(), Pyramid[TrainedScale]((), 0.75, NET.margin), TrainConfig()
    z_rec = first_z_rec(pyramid, real, rng)
    nets, target = Adversaries.of(*start_nets(pyramid, NET, rng), config), make_target(pyramid, real, z_rec, config)
    drawn = draw(pyramid, real, z_rec, config.Dsteps, rng)
    run = engine.run(lambda: iteration(nets, target, drawn, config), [nets.generator, nets.critic], rng, 1)
    return torch.stack(tuple(run().values()))


def test_an_engine_uses_them_or_not() -> None:
    with Operators() as called:
        plain = losses(EAGER)
    assert not any("singan" in name for name in called.names)
    with Operators() as called:
        ours = losses(EngineSettings("eager", "fp32", winograd="always").choose(CPU))
    assert "singan::convolve" in called.names
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)  # three steps of Adam, which amplifies rounding


@pytest.mark.slow
def test_a_compiled_engine_uses_them() -> None:
    ours = losses(EngineSettings("compiled", "fp32", winograd="always").choose(CPU))
    torch.testing.assert_close(ours, losses(EAGER), rtol=1e-3, atol=1e-4)


def test_auto_takes_them_for_fp32_on_the_cpu(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engines, "can_compile", lambda: True)
    assert EngineSettings("eager").choose(CPU).describe() == "eager, fp32, winograd"
    for name, words in (("auto", "eager, compiled where that pays"), ("compiled", "compiled")):
        engine = EngineSettings(name).choose(CPU)
        assert engine.describe() == f"{words}, fp32, winograd"
        assert engine.programs is not None
        assert engine.programs.winograd
    assert not EngineSettings(winograd="never").choose(CPU).winograd
    assert not EngineSettings(precision="bf16").choose(CPU).winograd
    assert not EngineSettings("eager", "fp32").choose(torch.device("cuda")).winograd


def test_always_is_for_fp32_on_the_cpu(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    flags = [*workspace.flags(), *SMALL, "--winograd", "always", "--precision", "bf16"]
    words = "always is for fp32 on the CPU, not for bf16 on cpu: leave it out"
    assert words in refusal(capsys, lambda: main_train.main(flags))
    assert not workspace.out.exists()


def test_no_derivative_is_made_that_nobody_wants(monkeypatch: Patch) -> None:
    """Of the slope's derivatives none by weights, and without BatchNorm none that is zero."""
    made = {"convolve": 0, "weight_gradient": 0}
    for method, name in (("forward", "convolve"), ("by_input", "convolve"), ("by_weight", "weight_gradient")):
        original = getattr(winograd.WinogradKernel, method)

        def counted(*given: Any, name: str = name, original: Any = original) -> Any:
            made[name] += 1
            return original(*given)

        monkeypatch.setattr(winograd.WinogradKernel, method, counted)
    config = NetConfig(filters=16, min_filters=16, batch_norm=False)
    critic, rng = Discriminator(config), torch.Generator().manual_seed(1)
    initialise(critic, rng)
    real, fake = torch.randn(2, 1, 3, 24, 24, generator=rng)
    with convolving([critic], conv2d):
        value = penalty(critic, real, fake, torch.tensor(0.3))
        assert made == {"convolve": 5 + 5, "weight_gradient": 0}
        value.backward()
    assert made == {"convolve": 5 + 5 + 4, "weight_gradient": 5}
    ours = [parameter.grad for parameter in critic.parameters()]
    critic.zero_grad()
    monkeypatch.setattr("SinGAN.models.leaky_relu_", F.leaky_relu)
    penalty(critic, real, fake, torch.tensor(0.3)).backward()
    for mine, parameter in zip(ours, critic.parameters(), strict=True):
        if mine is not None and parameter.grad is not None:
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-6)
        else:
            assert parameter.grad is None or not parameter.grad.any()
