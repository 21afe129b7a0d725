"""Activations made anew: the same losses, gradients and statistics in less memory, chosen where memory is short."""

import copy
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from SinGAN.engines import engine as engines
from SinGAN.engines import estimates
from SinGAN.engines.engine import EAGER, Engine, EngineSettings
from SinGAN.engines.estimates import ScaleSetting, available_memory, bytes_needed
from SinGAN.engines.recompute import differentiate_with_recomputation
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import GAN_MODES
from SinGAN.losses.iteration import differentiate_eagerly, iteration
from SinGAN.losses.terms import (
    PENALTIES,
    Target,
    critic_loss,
    generator_losses,
    terms_on_critic,
    terms_on_fake,
    terms_on_rebuilt,
)
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Conv2d, Discriminator, Generator, NetConfig, initialise
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target, start_nets
from SinGAN.variants.build import build_critic, build_generator
from tests.conftest import TINY_NET
from tests.cuts import CutError, bits, cut_after
from tests.losses.penalties import penalty_term
from tests.workspace import Capture, Workspace, refusal, stripes

CPU = torch.device("cpu")
NETS = {
    "plain": NetConfig(filters=20, min_filters=10),
    "several": NetConfig(filters=8, min_filters=8, critics=2),
    "conditional": NetConfig(filters=8, min_filters=8, critics=2, conditional=True),
    "dropout": NetConfig(filters=8, min_filters=8, dropout=0.3),
    "weights": NetConfig(filters=8, min_filters=8, weight_noise=0.3),
}


def nets_of(config: NetConfig) -> tuple[Generator, Discriminator]:
    """A generator and a critic in training, with weights large enough that all of them count."""
    rng = torch.Generator().manual_seed(1)
    nets = build_generator(config).train(), build_critic(config).train()
    for net in nets:
        initialise(net, rng)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(4)
    return nets


def cases(config: NetConfig) -> dict[str, "partial[Tensor]"]:
    """Each loss bound to its arguments."""
    rng, (generator, critic) = torch.Generator().manual_seed(2), nets_of(config)
    real, fake = (torch.rand(1, 3, 44, 46, generator=rng) * 2 - 1 for _ in range(2))
    noise = torch.randn(1, 3, 54, 56, generator=rng)
    previous = torch.rand(1, 3, 54, 56, generator=rng)
    inputs = generator.inputs(noise, torch.ones_like(noise), previous, 0.5)
    shown = {name: critic.critic_input(image, previous) for name, image in (("real", real), ("fake", fake))}
    target, still = Target(real, previous, 0.5), copy.deepcopy(critic).requires_grad_(False)
    training = TrainConfig(adversarial=GAN_MODES["hinge"])
    real_term, *_ = terms_on_critic(training)
    bound = partial(
        generator_losses, generator=generator, inputs=inputs, target=target, adversarial=training.adversarial
    )
    arguments: dict[str, Any] = {**shown, "mix": torch.tensor(0.3), "adversarial": training.adversarial}
    on_critic = partial(critic_loss, critic=critic, **arguments)
    return {
        "critic": partial(on_critic, term=real_term),
        **{name: partial(on_critic, term=penalty_term(name)) for name in PENALTIES},
        "fake": partial(bound, critic=still, terms=terms_on_fake(training)),
        "features": partial(bound, critic=still, terms=terms_on_fake(replace(training, feature_weight=2.0))),
        "reconstruction": partial(bound, critic=None, terms=terms_on_rebuilt(training)),
    }


def copied(bound: "partial[Tensor]") -> "partial[Tensor]":
    """The same loss of copies of its arguments."""
    return partial(bound.func, **copy.deepcopy(bound.keywords))


@pytest.mark.parametrize("term", ["critic", *PENALTIES, "fake", "features", "reconstruction"])
@pytest.mark.parametrize("net", NETS)
def test_values_gradients_and_statistics_are_those_of_eager_execution(net: str, term: str) -> None:
    bound = cases(NETS[net])[term]
    other = copied(bound)
    torch.testing.assert_close(
        differentiate_with_recomputation(other), differentiate_eagerly(bound), rtol=1e-5, atol=1e-6
    )
    for ours, theirs in zip(other.keywords.values(), bound.keywords.values(), strict=True):
        if not isinstance(ours, nn.Module):
            continue
        gradients = [value.grad for value in theirs.parameters() if value.grad is not None]
        largest = max((float(gradient.abs().max()) for gradient in gradients), default=0.0)
        for (name, mine), wanted in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert (mine.grad is None) == (wanted.grad is None), name
            if wanted.grad is not None:
                torch.testing.assert_close(mine.grad, wanted.grad, rtol=1e-4, atol=1e-5 * largest, msg=name)
        statistics = zip(ours.buffers(), theirs.buffers(), strict=True)
        assert all(torch.equal(mine, wanted) for mine, wanted in statistics)  # counted once
        assert not any("wrapper" in module.__dict__ for module in ours.modules())


def test_gradients_add_up() -> None:
    bound = cases(NETS["plain"])["gp"]
    critic = bound.keywords["critic"]
    differentiate_with_recomputation(bound)
    once = critic.head.conv.weight.grad.clone()
    differentiate_with_recomputation(bound)
    torch.testing.assert_close(critic.head.conv.weight.grad, 2 * once)


class Memory(TorchDispatchMode):
    """Measures how many bytes of tensors live at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            storage = leaf.untyped_storage() if isinstance(leaf, Tensor) else None
            if storage is not None and storage.data_ptr() not in self.known:
                self.known.add(storage.data_ptr())
                self.now += storage.nbytes()
                weakref.finalize(storage, self.gone, storage.data_ptr(), storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def gone(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size


@pytest.mark.parametrize(("term", "most"), [("critic", 0.85), ("gp", 0.6), ("fake", 0.6)])
def test_it_takes_less_memory(term: str, most: float) -> None:
    peaks = []
    for differentiate in (differentiate_eagerly, differentiate_with_recomputation):
        bound = cases(NetConfig())[term]
        with Memory() as memory:
            differentiate(bound)
        peaks.append(memory.peak)
    assert peaks[1] < most * peaks[0], peaks


def test_bf16_stays_near_fp32(rng: torch.Generator) -> None:
    bound = cases(NETS["plain"])["gp"]
    other = copied(bound)
    with torch.autocast("cpu", torch.bfloat16):
        half = differentiate_with_recomputation(other)
    torch.testing.assert_close(half, differentiate_with_recomputation(bound), rtol=0.05, atol=0.05)
    assert {value.grad.dtype for value in other.keywords["critic"].parameters() if value.grad is not None} == {
        torch.float32
    }


def test_it_is_chosen_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    net, size = NetConfig(filters=128, min_filters=128), (768, 1024)
    setting = ScaleSetting(net, size, CPU, TrainConfig())
    assert bytes_needed(net, size) / 2**30 == pytest.approx(10.5, abs=0.1)  # measured: 9.6
    assert bytes_needed(replace(net, conditional=True), size) == 2 * bytes_needed(net, size)
    assert bytes_needed(net, (10, 10), uses_vgg=True) - bytes_needed(net, (10, 10)) == 4 * 270 * 100
    assert available_memory(CPU) > 2**30
    for gigabytes, short in ((8, True), (16, False), (0, False)):  # 0: unknown
        monkeypatch.setattr(engines, "available_memory", lambda device, gigabytes=gigabytes: gigabytes * 2**30)
        assert EAGER.recomputes(setting) is short
        assert (EAGER.differentiation(setting) is differentiate_with_recomputation) is short
        assert Engine(recompute="always").differentiation(setting) is differentiate_with_recomputation
        assert Engine(recompute="never").differentiation(setting) is differentiate_eagerly
    monkeypatch.setattr(engines, "available_memory", lambda device: 8 * 2**30)
    assert EAGER.recomputes(replace(setting, size=(192, 256))) is False
    assert Engine(precision="bf16").recomputes(replace(setting, size=(512, 768))) is False
    assert (
        EngineSettings(recompute="always", winograd="never").choose(CPU).describe() == "eager, fp32, recompute always"
    )
    assert EngineSettings("eager", winograd="never").choose(CPU).describe() == "eager, fp32"


def test_a_container_has_the_memory_that_it_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(estimates, "LIMIT", limit)
    whole = available_memory(CPU)
    limit.write_text("max\n")
    assert available_memory(CPU) == whole
    limit.write_text("1000000\n")
    assert available_memory(CPU) == 1_000_000


def test_an_iteration_as_eager(rng: torch.Generator) -> None:
    below, real = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin), stripes(14, 18)
    z_rec, config = first_z_rec(below, real, rng), TrainConfig()
    drawn = draw(below, real, z_rec, config.Dsteps, rng)
    target = make_target(below, real, z_rec, config)
    results = []
    for differentiate in (differentiate_eagerly, differentiate_with_recomputation):
        nets = Adversaries.of(*start_nets(below, TINY_NET, rng.manual_seed(4)), config)
        results.append(iteration(nets, target, drawn, config, differentiate))
    ours, theirs = results
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_training_by_its_flag_resumes_and_says_when_memory_is_short(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    always, cut, auto = (Workspace(tmp_path / name) for name in ("always", "cut", "auto"))
    always.train("--recompute", "always")
    assert "recompute activations" not in capsys.readouterr().out
    with cut_after(3), pytest.raises(CutError):
        cut.train("--recompute", "always", "--checkpoint_every", "0")
    cut.train("--recompute", "always", "--checkpoint_every", "0")
    assert bits(cut) == bits(always)
    assert ', recompute always"' in (always.model() / "manifest.json").read_text()
    monkeypatch.setattr(engines, "available_memory", lambda device: 150_000)  # room for scale 0 alone
    auto.train()
    assert "scales 1 to 2 recompute activations" in capsys.readouterr().out
    same, other = ((workspace.model() / "0" / "netG.pth").read_bytes() for workspace in (always, auto))
    assert same != other  # made anew, and not: up to rounding


def test_programs_are_not_compiled_again(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    line = refusal(capsys, lambda: workspace.train("--engine", "compiled", "--recompute", "always"))
    assert "always contradict each other: leave one out" in line


def test_a_block_that_it_does_not_know_is_refused() -> None:
    bound = cases(NETS["plain"])["gp"]
    head = bound.keywords["critic"].head
    head.norm = nn.InstanceNorm2d(20)
    with pytest.raises(ValueError, match=r"`recompute` supports blocks of convolution, BatchNorm and LeakyReLU"):
        differentiate_with_recomputation(bound)
    head.norm, head.conv = nn.BatchNorm2d(20), Conv2d(3, 20, 3, padding=1)
    with pytest.raises(ValueError, match="without padding"):
        differentiate_with_recomputation(bound)


def test_epsilon_and_slope_are_those_of_the_modules() -> None:
    bound = cases(NETS["plain"])["gp"]
    for block in bound.keywords["critic"].blocks():
        block.norm.eps, block.LeakyRelu.negative_slope = 0.1, 0.4
    other = copied(bound)
    differentiate_with_recomputation(other), differentiate_eagerly(bound)
    ours, theirs = (each.keywords["critic"].head.conv.weight.grad for each in (other, bound))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))
