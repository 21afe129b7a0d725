"""The engines: which one is chosen, and that a CUDA graph and bf16 do what eager fp32 execution does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import main_train
from SinGAN.engines import cuda_graph as graphs_module
from SinGAN.engines import engine as engines
from SinGAN.engines.compiled import has_compiler
from SinGAN.engines.cuda_graph import Captured
from SinGAN.engines.engine import Engine, EngineSettings, choose_device, no_capture, precision_of
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


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_tf32_is_on_only_where_it_is_asked_for_and_only_within(precision: str) -> None:
    before, engine = torch.backends.cudnn.allow_tf32, EngineSettings("eager", precision).choose(CUDA)
    for chosen in (engine, precision):
        with pytest.raises(KeyError), precision_of(chosen, CUDA):
            assert torch.backends.cudnn.allow_tf32 is (precision == "tf32")
            raise KeyError
        assert torch.backends.cudnn.allow_tf32 is before
    with precision_of("fp32", CPU):
        assert torch.backends.cudnn.allow_tf32 is before


CONTRADICTIONS = [
    (EngineSettings("cudagraph"), "`engine` cudagraph needs a CUDA device, not cpu: leave it out"),
    (EngineSettings(precision="tf32"), "`precision` tf32 needs a CUDA device, not cpu: leave it out"),
    (EngineSettings("compiled", "bf16"), "`engine` compiled can't be had in bf16: leave one out"),
    (EngineSettings("compiled", recompute="always"), "`engine` compiled and `recompute` always contradict each other"),
    (EngineSettings(winograd="always", precision="bf16"), "`winograd` always is for fp32 on the CPU, not for bf16"),
]


@pytest.mark.parametrize(("settings", "words"), CONTRADICTIONS)
def test_contradictions_are_found_without_compiling(settings: EngineSettings, words: str, monkeypatch: Patch) -> None:
    monkeypatch.setattr(engines, "compiles", lambda: pytest.fail("compiled"))
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
        (["--engine", "compiled", "--precision", "bf16"], "compiled can't be had in bf16: leave one out"),
        (["--engine", "warp"], "invalid choice: 'warp'"),
    ],
)
def test_what_the_machine_lacks_is_one_line(tmp_path: Any, capsys: Capture, flags: list[str], words: str) -> None:
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

    def capture(self, step: Any, rng: torch.Generator) -> Callable[[], Tensor]:
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
    monkeypatch.setattr(graphs_module, "aside", graphs.run_aside)
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

    monkeypatch.setattr(graphs_module, "aside", run_aside)
    for scales, captured in ((1, True), (2, False)):
        aside.clear()
        losses = engine.run(lambda: {"loss": torch.ones(())}, [], rng, scales)()
        assert {name: float(value) for name, value in losses.items()} == {"loss": 1}
        assert bool(aside) is captured


WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_pin_memory", "lift_fresh")


class NoWaiting(TorchDispatchMode):
    """Refuses what a graph can't hold: values that the host must know, and ways between devices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

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
