"""Activations made anew: the same losses, gradients and statistics in less memory, chosen where memory is short."""

import copy
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from SinGAN.engines import engine as engines
from SinGAN.engines import recompute as frugal
from SinGAN.engines.engine import EAGER, Engine, choose
from SinGAN.engines.recompute import frugally, memory_of, needed
from SinGAN.losses.gan import GAN_MODES, high
from SinGAN.losses.iteration import Adversaries, TrainConfig, eagerly, iteration
from SinGAN.losses.terms import critic_loss, fake_losses, reconstruction_losses, weighted_penalty
from SinGAN.models import Discriminator, Generator, NetConfig, initialise
from SinGAN.pyramid import Pyramid
from SinGAN.training import draw, first_z_rec, make_target, start_nets
from tests.conftest import TINY_NET, stripes
from tests.runs.test_resume import CutError, bits, cut_after
from tests.workspace import Capture, Workspace, refusal

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
    nets = Generator(config).train(), Discriminator(config).train()
    for net in nets:
        initialise(net, rng)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(4)
    return nets


def cases(config: NetConfig) -> dict[str, tuple[Callable[..., Tensor], list[Any]]]:
    """Each term with its arguments."""
    rng, (generator, critic) = torch.Generator().manual_seed(2), nets_of(config)
    real, fake = (torch.rand(1, 3, 44, 46, generator=rng) * 2 - 1 for _ in range(2))
    noise = torch.randn(1, 3, 54, 56, generator=rng)
    previous = torch.rand(1, 3, 54, 56, generator=rng)
    inputs = generator.inputs(noise, torch.ones_like(noise), previous, 0.5)
    shown = critic.show(real, previous), critic.show(fake, previous)
    return {
        "critic": (critic_loss, [critic, shown[0], GAN_MODES["hinge"].real]),
        "penalty": (weighted_penalty, [critic, *shown, torch.tensor(0.3), 0.1]),
        "fake": (fake_losses, [generator, critic.requires_grad_(False), *inputs, high, None, 0.0]),
        "reconstruction": (reconstruction_losses, [generator, *inputs, real, None, None, 10.0, 0.0]),
    }


@pytest.mark.parametrize("term", ["critic", "penalty", "fake", "reconstruction"])
@pytest.mark.parametrize("net", NETS)
def test_values_gradients_and_statistics_are_those_of_eager_execution(net: str, term: str) -> None:
    function, arguments = cases(NETS[net])[term]
    if term in ("critic", "penalty"):
        arguments[0].requires_grad_(True)
    others = copy.deepcopy(arguments)
    torch.testing.assert_close(frugally(function, *others), eagerly(function, *arguments), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(others, arguments, strict=True):
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
        assert not any("forward" in module.__dict__ for module in ours.modules())


def test_gradients_add_up() -> None:
    function, arguments = cases(NETS["plain"])["penalty"]
    critic = arguments[0].requires_grad_(True)
    frugally(function, *arguments)
    once = critic.head.conv.weight.grad.clone()
    frugally(function, *arguments)
    torch.testing.assert_close(critic.head.conv.weight.grad, 2 * once)


class Memory(TorchDispatchMode):
    """Measures how many bytes of tensors live at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
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


@pytest.mark.parametrize(("term", "most"), [("critic", 0.85), ("penalty", 0.6), ("fake", 0.6)])
def test_it_takes_less_memory(term: str, most: float) -> None:
    peaks = []
    for differentiate in (eagerly, frugally):
        function, arguments = cases(NetConfig())[term]
        if term != "fake":
            arguments[0].requires_grad_(True)
        with Memory() as memory:
            differentiate(function, *arguments)
        peaks.append(memory.peak)
    assert peaks[1] < most * peaks[0], peaks


def test_bf16_stays_near_fp32(rng: torch.Generator) -> None:
    function, arguments = cases(NETS["plain"])["penalty"]
    arguments[0].requires_grad_(True)
    others = copy.deepcopy(arguments)
    with torch.autocast("cpu", torch.bfloat16):
        half = frugally(function, *others)
    torch.testing.assert_close(half, frugally(function, *arguments), rtol=0.05, atol=0.05)
    assert {value.grad.dtype for value in others[0].parameters() if value.grad is not None} == {torch.float32}


def test_it_is_chosen_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    net, size, training = NetConfig(filters=128, min_filters=128), (768, 1024), TrainConfig()
    assert needed(net, *size) / 2**30 == pytest.approx(10.5, abs=0.1)  # measured: 9.6
    assert needed(replace(net, conditional=True), *size) == 2 * needed(net, *size)
    assert needed(net, 10, 10, uses_vgg=True) - needed(net, 10, 10) == 4 * 270 * 100
    assert memory_of(CPU) > 2**30
    for gigabytes, short in ((8, True), (16, False), (0, False)):  # 0: unknown
        monkeypatch.setattr(engines, "memory_of", lambda device, gigabytes=gigabytes: gigabytes * 2**30)
        assert EAGER.recomputes(net, size, CPU, training) is short
        assert (EAGER.differentiating(net, size, CPU, training) is frugally) is short
        assert Engine(recompute="always").differentiating(net, size, CPU, training) is frugally
        assert Engine(recompute="never").differentiating(net, size, CPU, training) is eagerly
    monkeypatch.setattr(engines, "memory_of", lambda device: 8 * 2**30)
    assert EAGER.recomputes(net, (192, 256), CPU, training) is False
    assert Engine(precision="bf16").recomputes(net, (512, 768), CPU, training) is False
    assert choose("auto", "auto", CPU, "always", "never").described() == "eager, fp32, recompute always"
    assert choose("eager", "auto", CPU, winograd="never").described() == "eager, fp32"


def test_a_container_has_the_memory_that_it_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(frugal, "LIMIT", limit)
    whole = memory_of(CPU)
    limit.write_text("max\n")
    assert memory_of(CPU) == whole
    limit.write_text("1000000\n")
    assert memory_of(CPU) == 1_000_000


def test_an_iteration_as_eager(rng: torch.Generator) -> None:
    below, real = Pyramid((), 0.75, TINY_NET.margin), stripes(14, 18)
    z_rec, config = first_z_rec(below, real, rng), TrainConfig()
    drawn = draw(below, real, z_rec, config.Dsteps, rng)
    target = make_target(below, real, z_rec, config)
    results = []
    for differentiate in (eagerly, frugally):
        nets = Adversaries.of(*start_nets(below, TINY_NET, rng.manual_seed(4)), config)
        results.append(iteration(nets, target, drawn, config, differentiate))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)


def test_a_training_by_its_flag_goes_on_and_says_when_memory_is_short(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    always, cut, auto = (Workspace(tmp_path / name) for name in ("always", "cut", "auto"))
    always.train("--recompute", "always")
    assert "make activations anew" not in capsys.readouterr().out
    with cut_after(3), pytest.raises(CutError):
        cut.train("--recompute", "always", "--checkpoint_every", "0")
    cut.train("--recompute", "always", "--checkpoint_every", "0")
    assert bits(cut) == bits(always)
    assert ', recompute always"' in (always.model() / "manifest.json").read_text()
    monkeypatch.setattr(engines, "memory_of", lambda device: 150_000)  # room for scale 0 alone
    auto.train()
    assert "scales 1 to 2 make activations anew where others keep them" in capsys.readouterr().out
    same, other = ((workspace.model() / "0" / "netG.pth").read_bytes() for workspace in (always, auto))
    assert same != other  # made anew, and not: up to rounding


def test_programs_are_not_made_anew(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    line = refusal(capsys, lambda: workspace.train("--engine", "compiled", "--recompute", "always"))
    assert "--engine compiled and --recompute always contradict each other: leave one out" in line
