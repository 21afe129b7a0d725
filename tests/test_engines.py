"""The engines: which one is chosen, and that each does what the eager one does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import main_train
from SinGAN import engines
from SinGAN import graphs as graphs_module
from SinGAN.adversarial import Adversaries, TrainConfig, eagerly, iteration
from SinGAN.engines import Engine, as_it_is, choose, has_compiler
from SinGAN.frugal import frugally, needed
from SinGAN.graphs import Captured
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.planning import Size, plan_scales
from SinGAN.programs import SAVED, Compiled, compiles, pays
from SinGAN.pyramid import Pyramid
from SinGAN.training import draw, first_z_rec, make_target, start_nets, train
from tests.conftest import TINY, TINY_NET, stripes
from tests.studio import SMALL, Capture, Studio, refusal

Patch = pytest.MonkeyPatch
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def tf32() -> Iterator[None]:
    """Puts PyTorch's setting back."""
    before = torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32 = before


def test_what_auto_chooses(tf32: None) -> None:
    on_cpu, on_gpu = choose("auto", "auto", CPU), choose("auto", "auto", CUDA)
    assert (on_cpu.name, on_cpu.precision, on_cpu.prepare) == ("eager", "fp32", as_it_is)
    assert (on_gpu.name, on_gpu.precision, on_gpu.prepare) == ("cudagraph", "tf32", Captured)
    assert (on_cpu.programs is not None) is has_compiler()
    for without in (choose("eager", "auto", CPU), choose("auto", "bf16", CPU), choose("auto", "auto", CPU, "always")):
        assert without.programs is on_gpu.programs is None


COARSE, MIDDLE, FINE = (NetConfig().at(scale) for scale in (0, 4, 8))
PAYING = [  # net, size, --niter, whether the minute of compilation is worth while
    (COARSE, (25, 34), 2000, False),
    (COARSE, (25, 34), 100000, True),
    (COARSE, (54, 72), 250, False),
    (MIDDLE, (88, 118), 2000, True),
    (MIDDLE, (88, 118), 100, False),
    (FINE, (187, 250), 2000, True),
    (FINE, (187, 250), 20, False),
]


@pytest.mark.parametrize(("net", "size", "niter", "worth_while"), PAYING)
def test_auto_compiles_where_that_pays(
    net: NetConfig, size: Size, niter: int, worth_while: bool, monkeypatch: Patch
) -> None:
    programs, training = Compiled(), TrainConfig(niter=niter)
    assert pays(net, size, training) is worth_while
    assert pays(net, size, replace(training, Gsteps=0, Dsteps=0)) is False
    auto, asked = Engine(programs=programs), Engine("compiled", programs=programs)
    for can in (True, False):
        monkeypatch.setattr(engines, "compiles", lambda can=can: can)
        assert (auto.differentiating(net, size, CPU, training) is programs) is (can and worth_while)
        assert (asked.differentiating(net, size, CPU, training) is programs) is can
        assert Engine().differentiating(net, size, CPU, training) is eagerly
        short = Engine(recompute="always", programs=programs)
        assert short.differentiating(net, size, CPU, training) is frugally
    assert auto.wants_programs(net, size, CPU, training) is worth_while
    assert not short.wants_programs(net, size, CPU, training)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_tf32_is_on_only_where_it_is_asked_for(precision: str, tf32: None) -> None:
    choose("eager", precision, CUDA)
    assert torch.backends.cudnn.allow_tf32 is (precision == "tf32")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--engine", "cudagraph"], "--engine cudagraph needs a CUDA device, not cpu: leave it out"),
        (["--precision", "tf32"], "--precision tf32 needs a CUDA device, not cpu: leave it out"),
        (["--engine", "compiled", "--precision", "bf16"], "--engine compiled can't be had in bf16: leave one out"),
        (["--engine", "warp"], "invalid choice: 'warp'"),
    ],
)
def test_what_the_machine_lacks_is_one_line(tmp_path: Any, capsys: Capture, flags: list[str], words: str) -> None:
    studio = Studio(tmp_path)
    assert words in refusal(capsys, lambda: main_train.main([*studio.flags(), *SMALL, *flags]))
    assert not studio.out.exists()


@pytest.mark.parametrize("lacking", ["compiler", "headers"])
def test_programs_need_a_compiler(monkeypatch: Patch, lacking: str) -> None:
    if lacking == "compiler":
        monkeypatch.setattr(shutil, "which", lambda name: None)
        assert choose("auto", "auto", CPU).programs is None
    monkeypatch.setattr(engines, "compiles", lambda: False)
    with pytest.raises(ValueError, match="needs a C\\+\\+ compiler"):
        choose("compiled", "auto", CPU)


@pytest.mark.parametrize("error", [RuntimeError("no Python.h"), PermissionError("cache")])
def test_what_can_not_be_compiled_is_found_out(monkeypatch: Patch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("SinGAN.programs.built", fail)
    assert not compiles.__wrapped__()


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_program_that_can_not_be_compiled(monkeypatch: Patch, capsys: Capture) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device\nat all")

    monkeypatch.setattr("SinGAN.programs.compiled", fail)
    monkeypatch.setattr(engines, "compiles", lambda: True)
    config = TrainConfig(niter=2)
    with pytest.raises(ValueError, match=r"compiled \(No space left on device\): --engine eager does without"):
        trained(choose("compiled", "auto", CPU), config)
    monkeypatch.setattr("SinGAN.programs.COMPILING", 0.0)
    without, losses = trained(choose("auto", "auto", CPU), config)
    eager, eager_losses = trained(choose("eager", "auto", CPU), config)
    assert equal(without, eager)
    assert torch.equal(torch.stack(losses), torch.stack(eager_losses))
    assert "(No space left on device): going on without, more slowly" in (err := capsys.readouterr().err)
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_compiler_that_fails_is_found_out(tmp_path: Any) -> None:
    """In a process of its own: PyTorch remembers what a compiler can do."""
    studio = Studio(tmp_path)
    command = [sys.executable, "main_train.py", *studio.flags(), *SMALL, "--engine", "compiled"]
    fails = {**os.environ, "CXX": "false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, env=fails, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--engine compiled needs a C++ compiler (as g++)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not studio.out.exists()


def trained(engine: Engine, config: TrainConfig) -> tuple[Pyramid, list[Tensor]]:
    """A tiny training by ``engine``: the pyramid and the losses of all iterations."""
    image = stripes()
    losses: list[Tensor] = []
    plan = plan_scales(image.shape[-2], image.shape[-1], TINY)

    def watch(scale: int, iteration: int, now: Tensor, state: object) -> None:
        losses.append(now)

    rng = torch.Generator().manual_seed(3)
    *_, pyramid = train(image, plan, TINY_NET, config, rng, watch, engine=engine)
    return pyramid, losses


def equal(ours: Pyramid, theirs: Pyramid) -> bool:
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


@pytest.mark.parametrize("redraw", [pytest.param(False, marks=pytest.mark.slow), True])
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
    assert isinstance(engine.run(lambda: torch.zeros(7), rng, scales=1), Captured)
    assert not isinstance(engine.run(lambda: torch.zeros(7), rng, scales=2), Captured)


WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_pin_memory", "lift_fresh")


class NoWaiting(TorchDispatchMode):
    """Refuses what a graph can't hold: values that the host must know, and ways between devices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._overloadpacket.__name__
        assert name not in (
            "_local_scalar_dense",
            "nonzero",
            "masked_select",
            "is_nonzero",
            "_pin_memory",
            "lift_fresh",
        ), name
        assert "device" not in (kwargs or {}) or kwargs["device"] in (None, CPU), name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("border", [False, True])
def test_an_iteration_never_waits_for_the_device(pyramid: Pyramid, rng: torch.Generator, border: bool) -> None:
    config = TrainConfig(noise_border=border)
    below, real = pyramid.below(2), pyramid.scales[2].real
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    nets = Adversaries.of(*start_nets(below, TINY_NET, rng), config)
    iteration(nets, target, draw(below, real, z_rec, config.Dsteps, rng), config)  # the optimizers' first step is lazy
    with NoWaiting():
        losses = iteration(nets, target, draw(below, real, z_rec, config.Dsteps, rng), config)
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            float(losses[0])


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


@pytest.mark.slow
def test_a_compiled_iteration_is_the_eager_one(rng: torch.Generator) -> None:
    """Losses, gradients' steps and running statistics, of a net that is not the golden one, twice."""
    config, below = TrainConfig(), Pyramid((), 0.75, TINY_NET.margin)
    real = stripes(14, 18)
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    draws = [draw(below, real, z_rec, config.Dsteps, rng) for _ in range(2)]
    compiled = Compiled()
    results = []
    for differentiate in (eagerly, compiled):
        torch.manual_seed(0)
        nets = Adversaries.of(Generator(TINY_NET), Discriminator(TINY_NET), config)
        losses = torch.stack([iteration(nets, target, drawn, config, differentiate) for drawn in draws])
        results.append((losses, nets.critic.state_dict()))
    assert len(compiled.programs) == 5  # the two scores, the penalty, the generator's two terms: each compiled once
    (eager_losses, eager_state), (losses, state) = results
    torch.testing.assert_close(losses, eager_losses, rtol=1e-3, atol=1e-3)
    assert all(torch.equal(state[key], eager_state[key]) for key in state if key.endswith("num_batches_tracked"))
    for key in state:
        if key.endswith("running_var"):
            torch.testing.assert_close(state[key], eager_state[key], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_what_auto_compiles_is_what_compiled_does(monkeypatch: Patch) -> None:
    config, sizes = TrainConfig(niter=2), plan_scales(24, 32, TINY).sizes
    *_, before, last = [needed(TINY_NET.at(index), *size) for index, size in enumerate(sizes)]
    monkeypatch.setattr("SinGAN.programs.COMPILING", SAVED * config.niter * (before + last) / 2)
    auto, auto_losses = trained(choose("auto", "auto", CPU), config)
    assert len(auto) == len(sizes)
    engine, nets = choose("auto", "auto", CPU), [TINY_NET.at(index) for index in range(len(sizes))]
    wanted = [engine.wants_programs(*each, CPU, config) for each in zip(nets, sizes, strict=True)]
    assert wanted == [False] * (len(sizes) - 1) + [True]
    _, eager_losses = trained(choose("eager", "auto", CPU), config)
    same = [torch.equal(*pair) for pair in zip(auto_losses, eager_losses, strict=True)]
    assert same[: 2 * (len(sizes) - 1)] == [True] * 2 * (len(sizes) - 1)
    assert same[-2:] == [False, False]  # rounding
    again, _ = trained(choose("auto", "auto", CPU), config)
    assert equal(again, auto)


@pytest.mark.slow
def test_a_compiled_training_goes_on_to_the_same_bits() -> None:
    image, states = stripes(), list[Any]()
    plan, config = plan_scales(24, 32, replace(TINY, max_size=16)), TrainConfig(niter=3)

    def watch(scale: int, iteration: int, losses: Tensor, state: Callable[[], Any]) -> None:
        states.append(deepcopy(state()))

    def pyramid(watch: Any, resume: Any = None) -> Pyramid:
        rng, engine = torch.Generator().manual_seed(3), Engine("compiled", programs=Compiled())
        return next(train(image, plan, TINY_NET, config, rng, watch, resume=resume, engine=engine))

    whole = pyramid(watch)
    assert equal(whole, pyramid(watch, resume=states[0]))
    assert not equal(whole, pyramid(watch, resume={**states[0], "iterations": 0}))


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_training_says_that_it_would_be_faster_compiled(tmp_path: Any, monkeypatch: Patch, capsys: Capture) -> None:
    studio = Studio(tmp_path)
    monkeypatch.setattr("SinGAN.programs.COMPILING", 0.0)
    for module in ("engines", "jobs"):
        monkeypatch.setattr(f"SinGAN.{module}.compiles", lambda: False)
    studio.train("--max_size", "16")
    assert "running without compiled programs, more slowly: they need a C++ compiler" in capsys.readouterr().out


@pytest.mark.slow
def test_a_compiled_training_by_its_flag(tmp_path: Any, capsys: Capture) -> None:
    studio = Studio(tmp_path)
    studio.train("--engine", "compiled", "--max_size", "16")
    shown = capsys.readouterr()
    assert "scales 0 to 1 run compiled programs" in shown.out
    assert "CUDA" not in shown.err
    assert '"engine": "compiled, fp32' in (studio.model() / "manifest.json").read_text()
    assert (studio.out / "RandomSamples" / "x" / "gen_start_scale=0" / "grid.png").exists()
