"""The engines: which one is chosen, and that a CUDA graph and bf16 do what eager fp32 execution does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import main_train
import SinGAN
from SinGAN.engines import cuda_graph as graphs_module
from SinGAN.engines import engine as engines
from SinGAN.engines.compiled import has_compiler
from SinGAN.engines.cuda_graph import Captured
from SinGAN.engines.engine import Engine, EngineSettings, choose_device, no_capture, tf32, use_precision
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import iteration
from SinGAN.losses.train_config import TrainConfig
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target, start_nets, train
from tests.conftest import TINY, TINY_NET
from tests.workspace import SMALL, Capture, Workspace, refusal, stripes

Patch = pytest.MonkeyPatch
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_what_auto_chooses() -> None:
    on_cpu, on_gpu = EngineSettings().choose(CPU), EngineSettings().choose(CUDA)
    assert (on_cpu.name, on_cpu.precision, on_cpu.prepare) == ("eager", "fp32", no_capture)
    assert (on_gpu.name, on_gpu.precision, on_gpu.prepare) == ("cudagraph", "tf32", Captured)
    assert (on_cpu.programs is not None) is has_compiler()
    for settings in (EngineSettings("eager"), EngineSettings(precision="bf16"), EngineSettings(recompute="always")):
        assert settings.choose(CPU).programs is on_gpu.programs is None


@pytest.fixture
def global_tf32() -> Iterator[None]:
    """TF32 for everything, as a user of PyTorch 2.9 or newer sets it."""
    backends: Any = torch.backends
    backends.fp32_precision = "tf32"
    yield
    backends.fp32_precision = "none"


def settings_of_cuda() -> tuple[str, str, bool]:
    cudnn: Any = torch.backends.cudnn
    return cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision, cudnn.deterministic


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="needs PyTorch 2.9")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("set_by_user", [False, True])
def test_tf32_is_on_only_where_it_is_asked_for_and_only_within(
    precision: str, set_by_user: bool, request: pytest.FixtureRequest
) -> None:
    if set_by_user:
        request.getfixturevalue("global_tf32")
    before, engine = settings_of_cuda(), EngineSettings("eager", precision).choose(CUDA)
    for chosen in (engine, precision):
        with pytest.raises(KeyError), use_precision(chosen, CUDA):
            conv, matmul, deterministic = settings_of_cuda()
            assert conv == ("tf32" if precision == "tf32" else "ieee")
            assert matmul == (before[1] if precision == "tf32" else "ieee")
            assert deterministic
            raise KeyError
        assert settings_of_cuda() == before
    with use_precision("fp32", CPU):
        assert settings_of_cuda() == before


def test_older_versions_of_pytorch_have_another_attribute() -> None:
    class Old:
        allow_tf32 = True

    class Backend:
        matmul = Old()

    assert tf32(Old(), "conv", allowed=False)[1:] == ("allow_tf32", False)
    assert tf32(Backend(), "matmul", allowed=True) == (Backend.matmul, "allow_tf32", True)


def test_bf16_needs_a_gpu_that_has_it(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, served in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        words = r"needs compute capability 8\.0, and cuda has"
        with nullcontext() if served else pytest.raises(ValueError, match=words):
            EngineSettings(precision="bf16").check(CUDA)


@pytest.fixture
def card(monkeypatch: Patch) -> Callable[[tuple[int, int]], None]:
    """Pretends that there is one CUDA device, of a given compute capability, and a PyTorch for some."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some Card")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_100", "compute_120"])

    def has(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return has


CARDS = {(7, 0): False, (7, 5): True, (8, 6): True, (9, 0): False, (10, 3): True, (11, 0): False, (13, 0): True}
"""By the compute capability: whether the PyTorch of ``card`` serves it."""


@pytest.mark.parametrize(("capability", "served"), CARDS.items())
def test_a_card_without_kernels_is_not_used(
    card: Any, capability: tuple[int, int], served: bool, caplog: pytest.LogCaptureFixture
) -> None:
    card(capability)
    with caplog.at_level("INFO", "SinGAN"):
        assert choose_device(None).type == ("cuda" if served else "cpu")
    words = f"has no kernels for Some Card, of compute capability {capability[0]}.{capability[1]}"
    assert any(words in line and "running on the CPU" in line for line in caplog.messages) is not served
    with nullcontext() if served else pytest.raises(ValueError, match=f"{words}: install another PyTorch, or use"):
        assert choose_device("cuda:0") == torch.device("cuda:0")


def test_other_makers_kernels_are_not_judged(card: Any, monkeypatch: Patch) -> None:
    card((9, 4))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx90a", "gfx942"])
    assert choose_device("cuda") == CUDA


@pytest.mark.parametrize("name", ["mps", "cpuu", "", "xla", "cuda:x", "meta"])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`device` must be cpu, cuda or cuda:<n>, not {name}"):
        choose_device(name)
    with pytest.raises(ValueError, match="`device` must be"):
        SinGAN.instant(np.zeros((30, 30, 3), np.uint8), device=name)


def test_an_iteration_that_cannot_be_captured_runs_eagerly(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    """The training has the bits of an eager one; a warning names each failed capture."""

    def failing(work: Callable[[], Tensor], rng: torch.Generator, stream: object) -> Callable[[], Tensor]:
        raise torch.AcceleratorError("operation not permitted when stream is capturing\nCompile with X")

    monkeypatch.setattr(graphs_module, "side_stream", lambda device: None)
    monkeypatch.setattr(graphs_module, "run_on_stream", lambda work, stream, device: work())
    monkeypatch.setattr(graphs_module, "capture", failing)
    config = TrainConfig(niter=6)
    eager, eager_losses = trained(Engine(), config)
    caplog.clear()
    captured, losses = trained(Engine("cudagraph", prepare=Captured), config)
    assert equal(eager, captured)
    assert torch.equal(torch.stack(eager_losses), torch.stack(losses))
    assert "an iteration can't be captured as a CUDA graph (operation not permitted when" in caplog.messages[0]
    assert "Compile" not in caplog.text


def test_an_iteration_that_fails_leaves_the_critic_in_training(
    pyramid: Pyramid[TrainedScale], rng: torch.Generator, monkeypatch: Patch
) -> None:
    below, real, config = pyramid.below(2), pyramid.scales[2].real, TrainConfig()
    z_rec = first_z_rec(below, real, rng)
    target, nets = make_target(below, real, z_rec, config), Adversaries.of(*start_nets(below, TINY_NET, rng), config)
    drawn = draw(below, real, z_rec, config.Dsteps, rng)
    monkeypatch.setattr(nets.generator_optimizer, "step", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        iteration(nets, target, drawn, config)
    assert all(weight.requires_grad for weight in nets.critic.parameters())


def test_a_trained_scale_keeps_no_gradients(pyramid: Pyramid[TrainedScale]) -> None:
    nets = [net for scale in pyramid.scales for net in (scale.generator, scale.critic)]
    assert all(weight.grad is None for net in nets for weight in net.parameters())


def test_one_stream_serves_all_captures_of_a_device(monkeypatch: Patch) -> None:
    made: list[torch.device] = []

    def stream(device: torch.device) -> object:
        made.append(device)
        return object()

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    graphs_module.side_stream.cache_clear()
    try:
        places = [torch.device("cuda", index) for index in (0, 1, 0, 1)]
        streams = [graphs_module.side_stream(place) for place in places]
    finally:
        graphs_module.side_stream.cache_clear()
    assert made == places[:2]
    assert streams[0] is streams[2] is not streams[1]


CONTRADICTIONS = [
    (EngineSettings("cudagraph"), "`engine` cudagraph needs a CUDA device, not cpu: leave it out"),
    (EngineSettings(precision="tf32"), "`precision` tf32 needs a CUDA device, not cpu: leave it out"),
    (EngineSettings("compiled", "bf16"), "`engine` compiled does not support bf16: leave one out"),
    (EngineSettings("compiled", recompute="always"), "`engine` compiled and `recompute` always contradict each other"),
    (EngineSettings(winograd="always", precision="bf16"), "`winograd` always is for fp32 on the CPU, not for bf16"),
]


@pytest.mark.parametrize(("settings", "words"), CONTRADICTIONS)
def test_contradictions_are_found_without_compiling(settings: EngineSettings, words: str, monkeypatch: Patch) -> None:
    monkeypatch.setattr(engines, "can_compile", lambda: pytest.fail("compiled"))
    for refuses in (settings.check, settings.choose):
        with pytest.raises(ValueError, match=words):
            refuses(CPU)
    EngineSettings().check(CPU)


def test_the_device_is_noted_not_printed(caplog: pytest.LogCaptureFixture, capsys: Capture) -> None:
    with caplog.at_level("INFO", "SinGAN"):
        assert choose_device(None, not_cuda=True) == CPU
    assert caplog.messages == ["running on the CPU"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--engine", "cudagraph"], "cudagraph needs a CUDA device, not cpu: leave it out"),
        (["--precision", "tf32"], "tf32 needs a CUDA device, not cpu: leave it out"),
        (["--engine", "compiled", "--precision", "bf16"], "compiled does not support bf16: leave one out"),
        (["--engine", "warp"], "invalid choice: 'warp'"),
    ],
)
def test_missing_requirements_are_one_line(tmp_path: Any, capsys: Capture, flags: list[str], words: str) -> None:
    workspace = Workspace(tmp_path)
    assert words in refusal(capsys, lambda: main_train.main([*workspace.flags(), *SMALL, *flags]))
    assert not workspace.out.exists()


def trained(engine: Engine, config: TrainConfig) -> tuple[Pyramid[TrainedScale], list[Tensor]]:
    """A tiny training by ``engine``: the pyramid and the losses of all iterations."""
    image = stripes()
    losses: list[Tensor] = []
    plan = plan_scales(image.shape[-2], image.shape[-1], TINY)

    def watch(scale: int, iteration: int, now: Mapping[str, Tensor], state: object) -> None:
        losses.append(torch.stack(tuple(now.values())))

    rng = torch.Generator().manual_seed(3)
    *_, pyramid = train(image, plan, TINY_NET, config, rng, watch=watch, engine=engine)
    return pyramid, losses


def equal(ours: Pyramid[TrainedScale], theirs: Pyramid[TrainedScale]) -> bool:
    """Whether two pyramids have the same bits."""
    pairs = [
        (a, b)
        for one, other in zip(ours.scales, theirs.scales, strict=True)
        for net in ("generator", "discriminator")
        for a, b in zip(getattr(one, net).state_dict().values(), getattr(other, net).state_dict().values(), strict=True)
    ]
    return all(torch.equal(a, b) for a, b in pairs)


class Graphs:
    """Stands for the GPU's graphs: repeats the step, but only where a real graph would do the same.

    A graph works on fixed memory, with the learning rates of its capture, and overwrites its output.
    """

    def __init__(self) -> None:
        self.aside = self.captured = self.repeated = 0

    def run_aside(self, step: Callable[[], Tensor], stream: None, device: torch.device) -> Tensor:
        self.aside += 1
        return step()

    def capture(self, step: Any, rng: torch.Generator, stream: object) -> Callable[[], Tensor]:
        self.captured += 1
        seen: list[Any] = []
        held_losses: list[Tensor] = []

        def repeat() -> Tensor:
            self.repeated += 1
            assert rng.device == CPU
            bound = dict(zip(step.__code__.co_freevars, (cell.cell_contents for cell in step.__closure__), strict=True))
            inner = bound["step"]
            names = inner.__code__.co_freevars
            held = dict(zip(names, (cell.cell_contents for cell in inner.__closure__), strict=True))
            nets = held["nets"]
            tensors = [held["z_rec"], *nets.generator.parameters(), *nets.critic.buffers()]
            tensors += [value for state in nets.critic_optimizer.state.values() for value in state.values()]
            rates = [group["lr"] for group in nets.generator_optimizer.param_groups]
            fixed = [tensor.data_ptr() for tensor in tensors], rates
            seen.append(fixed)
            assert fixed == seen[0]
            losses = step()
            if not held_losses:
                held_losses.append(torch.zeros_like(losses))
            return held_losses[0].copy_(losses)

        return repeat


@pytest.mark.slow
@pytest.mark.parametrize("redraw", [False, True])
def test_a_captured_training_is_the_eager_one(monkeypatch: Patch, redraw: bool) -> None:
    graphs = Graphs()
    monkeypatch.setattr(graphs_module, "side_stream", lambda device: None)
    monkeypatch.setattr(graphs_module, "run_on_stream", graphs.run_aside)
    monkeypatch.setattr(graphs_module, "capture", graphs.capture)
    config = TrainConfig(niter=20, redraw_z_rec=redraw)
    eager, eager_losses = trained(Engine(), config)
    captured, captured_losses = trained(Engine("cudagraph", prepare=Captured), config)
    assert equal(eager, captured)
    assert torch.equal(torch.stack(eager_losses), torch.stack(captured_losses))
    scales = len(eager)  # of each: 16 iterations, then 4 at the lower learning rates, 3 to warm up
    assert (graphs.aside, graphs.captured, graphs.repeated) == (6 * scales, 2 * scales, 14 * scales)


def test_too_many_scales_are_not_captured(monkeypatch: Patch, rng: torch.Generator) -> None:
    monkeypatch.setattr(engines, "MOST_SCALES", 1)
    monkeypatch.setattr(graphs_module, "side_stream", lambda device: None)
    engine = Engine("cudagraph", prepare=Captured)
    aside: list[object] = []

    def run_aside(work: Callable[[], Tensor], stream: None, device: torch.device) -> Tensor:
        aside.append(work)
        return work()

    monkeypatch.setattr(graphs_module, "run_on_stream", run_aside)
    for scales, captured in ((1, True), (2, False)):
        aside.clear()
        losses = engine.run(lambda: {"loss": torch.ones(())}, [], rng, scales)()
        assert {name: float(value) for name, value in losses.items()} == {"loss": 1}
        assert bool(aside) is captured


WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_pin_memory", "lift_fresh")


class NoWaiting(TorchDispatchMode):
    """Refuses what a graph can't hold: values that the host must know, and ways between devices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._overloadpacket.__name__
        assert name not in WAITING, name
        assert "device" not in (kwargs or {}) or kwargs["device"] in (None, CPU), name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("border", [False, True])
def test_an_iteration_never_waits_for_the_device(
    pyramid: Pyramid[TrainedScale], rng: torch.Generator, border: bool
) -> None:
    config = TrainConfig(noise_border=border)
    below, real = pyramid.below(2), pyramid.scales[2].real
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    nets = Adversaries.of(*start_nets(below, TINY_NET, rng), config)
    iteration(nets, target, draw(below, real, z_rec, config.Dsteps, rng), config)  # the optimizers' first step is lazy
    with NoWaiting():
        losses = iteration(nets, target, draw(below, real, z_rec, config.Dsteps, rng), config)
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            float(losses["D_real"])


def test_bf16_trains_close_to_fp32_and_keeps_fp32_weights() -> None:
    config = TrainConfig(niter=2)
    full, full_losses = trained(Engine(), config)
    half, half_losses = trained(Engine(precision="bf16"), config)
    assert not equal(full, half)
    assert {value.dtype for value in half.scales[0].generator.parameters()} == {torch.float32}
    assert half_losses[0].dtype == torch.float32
    torch.testing.assert_close(half_losses[0], full_losses[0], rtol=0.05, atol=0.05)
    sample = half.generate(half.draw(torch.Generator().manual_seed(1)))
    assert sample.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")
