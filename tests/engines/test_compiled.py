"""Compiled programs: where they pay, that they do what eager execution does, and where they can't be had."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from SinGAN.engines import engine as engines
from SinGAN.engines import winograd
from SinGAN.engines.compiled import Compiled, has_compiler, missing_requirement
from SinGAN.engines.engine import Engine, EngineSettings
from SinGAN.engines.estimates import SAVED, ScaleSetting, bytes_needed, pays_to_compile
from SinGAN.engines.recompute import differentiate_with_recomputation
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.iteration import differentiate_eagerly, iteration
from SinGAN.losses.terms import critic_loss, terms_on_critic
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.planning import Size, plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import draw, first_z_rec, make_target, train
from tests.conftest import TINY, TINY_NET
from tests.engines.test_engine import CPU, Patch, equal, trained
from tests.workspace import SMALL, Capture, Workspace, stripes

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
    setting = ScaleSetting(net, size, CPU, training)
    assert pays_to_compile(setting) is worth_while
    assert pays_to_compile(replace(setting, training=replace(training, Gsteps=0, Dsteps=0))) is False
    auto, asked = Engine(programs=programs), Engine("compiled", programs=programs)
    for can in (True, False):
        monkeypatch.setattr(engines, "can_compile", lambda can=can: can)
        assert (auto.differentiation(setting) is programs) is (can and worth_while)
        assert (asked.differentiation(setting) is programs) is can
        assert Engine().differentiation(setting) is differentiate_eagerly
        short = Engine(recompute="always", programs=programs)
        assert short.differentiation(setting) is differentiate_with_recomputation
    assert auto.wants_programs(setting) is worth_while
    assert not short.wants_programs(setting)


@pytest.mark.parametrize("missing", ["compiler", "headers"])
def test_programs_need_a_compiler(monkeypatch: Patch, missing: str) -> None:
    if missing == "compiler":
        monkeypatch.setattr(shutil, "which", lambda name: None)
        monkeypatch.setattr(winograd, "library", lambda: None)  # not kept for the tests after this one
        assert EngineSettings().choose(CPU).programs is None
        assert missing_requirement.__wrapped__().endswith("headers of Python: install them")
    monkeypatch.setattr(engines, "can_compile", lambda: False)
    monkeypatch.setattr(engines, "missing_requirement", lambda: "a C++ compiler")
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler; or leave it out"):
        EngineSettings("compiled").choose(CPU)


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_failing_compiler_is_quoted(monkeypatch: Patch, tmp_path: Path) -> None:
    spaced = tmp_path / "a b"
    spaced.mkdir()
    line = "x.cpp:1:10: fatal error: Python.h: No such file or directory"
    shown = RuntimeError(
        f"CppCompileError: C++ compile error\n\nCommand:\ng++ x\n\nOutput:\n{line}\ncompilation terminated.\n"
    )

    def fail(*_: object) -> None:
        raise shown

    monkeypatch.setattr("SinGAN.engines.compiled.compile_graph", fail)
    assert missing_requirement.__wrapped__().endswith(f"that work; a test failed: {line}")
    monkeypatch.setattr("tempfile.tempdir", str(spaced))
    assert missing_requirement.__wrapped__().endswith(f"has a space in its name: set another TMPDIR than {spaced})")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no Python.h"), PermissionError("cache"), ImportError("moved"), AttributeError("_x"), TypeError("y")],
)
def test_what_can_not_be_compiled_is_found_out(monkeypatch: Patch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("SinGAN.engines.compiled.compile_graph", fail)
    assert missing_requirement.__wrapped__().endswith(f"a test failed: {error}")


FAILURES = [OSError("No space left on device\nat all"), TypeError("No space left on device")]  # or PyTorch has changed


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
@pytest.mark.parametrize("error", FAILURES)
def test_a_program_that_can_not_be_compiled(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("SinGAN.engines.compiled.compile_loss", fail)
    monkeypatch.setattr(engines, "can_compile", lambda: True)
    config = TrainConfig(niter=2)
    with pytest.raises(ValueError, match=r"compiled \(No space left on device\): `engine` eager needs none"):
        trained(EngineSettings("compiled").choose(CPU), config)
    monkeypatch.setattr("SinGAN.engines.estimates.COMPILING", 0.0)
    without, losses = trained(EngineSettings().choose(CPU), config)
    eager, eager_losses = trained(EngineSettings("eager").choose(CPU), config)
    assert equal(without, eager)
    assert torch.equal(torch.stack(losses), torch.stack(eager_losses))
    (line,) = caplog.messages
    assert line.endswith("(No space left on device): continuing without it, more slowly")


PROGRAM = """
import torch
from SinGAN.engines.compiled import compile_graph
print(compile_graph(lambda x: [2 * x.sin().relu()], [torch.zeros(64)], {})(torch.ones(64))[0][0].item())
"""


KILLING = """#!/bin/sh
# A C++ compiler; with KILL set it cuts off the first library and kills the process that waits for it.
g++ "$@" || exit
[ -z "$KILL" ] && exit
for word; do
    case $before:$word in -o:*.so) truncate -s 5000 "$word" && kill -9 $(cat "$KILL") ;; esac
    before=$word
done
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("damage", ["emptied", "killed"])
def test_a_damaged_program_is_compiled_again(damage: str, tmp_path: Any) -> None:
    """In processes of their own: PyTorch remembers what it loaded. Loading a library that is cut off ends a process."""
    compiler, cache, process = tmp_path / "compiler", tmp_path / "cache", tmp_path / "pid"
    compiler.write_text(KILLING)
    compiler.chmod(0o755)
    environment = {**os.environ, "CXX": str(compiler), "TORCHINDUCTOR_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", f"import os; open({str(process)!r}, 'w').write(str(os.getpid()))\n{PROGRAM}"]
    if damage == "killed":
        died = subprocess.run(command, env={**environment, "KILL": str(process)}, capture_output=True)
        assert died.returncode == -9, died.stderr
        assert any(cache.glob("*/*.so"))
    for attempt in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout[:6]) == (0, "1.6829"), done.stderr
        assert ("it is compiled again" in done.stderr) is (attempt == (damage == "emptied"))
        for library in cache.glob("*/*.so") if damage == "emptied" else ():
            library.write_bytes(b"")


@pytest.mark.slow
def test_a_compiler_that_fails_is_found_out(tmp_path: Any) -> None:
    """In a process of its own: PyTorch remembers what a compiler can do."""
    workspace = Workspace(tmp_path)
    command = [sys.executable, "main_train.py", *workspace.flags(), *SMALL, "--engine", "compiled"]
    fails = {**os.environ, "CXX": "false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, env=fails, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--engine compiled needs a C++ compiler (as g++)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not workspace.out.exists()


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_compiled_score_is_the_eager_one() -> None:
    results = []
    for differentiate in (differentiate_eagerly, Compiled()):
        torch.manual_seed(0)
        critic = Discriminator(replace(TINY_NET, num_layer=3))
        image, (_, term, _) = stripes(14, 18), terms_on_critic(TrainConfig())
        bound = partial(critic_loss, critic=critic, real=image, fake=image, mix=torch.tensor(0.3))
        score = differentiate(partial(bound, adversarial=WASSERSTEIN, term=term))
        results.append((score, [weight.grad for weight in critic.parameters()], critic.state_dict()))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_iteration_is_the_eager_one(rng: torch.Generator) -> None:
    """Losses, gradients' steps and running statistics, of a net that is not the golden one, twice."""
    config, below = TrainConfig(), Pyramid[TrainedScale]((), 0.75, TINY_NET.margin)
    real = stripes(14, 18)
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    draws = [draw(below, real, z_rec, config.Dsteps, rng) for _ in range(2)]
    compiled = Compiled()
    results = []
    for differentiate in (differentiate_eagerly, compiled):
        torch.manual_seed(0)
        nets = Adversaries.of(Generator(TINY_NET), Discriminator(TINY_NET), config)
        reported = [iteration(nets, target, drawn, config, differentiate) for drawn in draws]
        losses = torch.stack([torch.stack(tuple(each.values())) for each in reported])
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
    *_, before, last = [bytes_needed(TINY_NET.at(index), size) for index, size in enumerate(sizes)]
    monkeypatch.setattr("SinGAN.engines.estimates.COMPILING", SAVED * config.niter * (before + last) / 2)
    auto, auto_losses = trained(EngineSettings().choose(CPU), config)
    assert len(auto) == len(sizes)
    engine, nets = EngineSettings().choose(CPU), [TINY_NET.at(index) for index in range(len(sizes))]
    wanted = [engine.wants_programs(ScaleSetting(*each, CPU, config)) for each in zip(nets, sizes, strict=True)]
    assert wanted == [False] * (len(sizes) - 1) + [True]
    _, eager_losses = trained(EngineSettings("eager").choose(CPU), config)
    same = [torch.equal(*pair) for pair in zip(auto_losses, eager_losses, strict=True)]
    assert same[: 2 * (len(sizes) - 1)] == [True] * 2 * (len(sizes) - 1)
    assert same[-2:] == [False, False]  # rounding
    again, _ = trained(EngineSettings().choose(CPU), config)
    assert equal(again, auto)


@pytest.mark.slow
def test_a_compiled_training_resumes_to_the_same_bits() -> None:
    image, states = stripes(), list[Any]()
    plan, config = plan_scales(24, 32, replace(TINY, max_size=16)), TrainConfig(niter=3)

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: Callable[[], Any]) -> None:
        states.append(deepcopy(state()))

    def pyramid(watch: Any, resume: Any = None) -> Pyramid[TrainedScale]:
        rng, engine = torch.Generator().manual_seed(3), Engine("compiled", programs=Compiled())
        return next(train(image, plan, TINY_NET, config, rng, watch=watch, resume=resume, engine=engine))

    whole = pyramid(watch)
    assert equal(whole, pyramid(watch, resume=states[0]))
    assert not equal(whole, pyramid(watch, resume=replace(states[0], iterations=0)))


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_training_says_that_it_would_be_faster_compiled(tmp_path: Any, monkeypatch: Patch, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    monkeypatch.setattr("SinGAN.engines.estimates.COMPILING", 0.0)
    for module in ("engines.engine", "runs.pictures"):
        monkeypatch.setattr(f"SinGAN.{module}.can_compile", lambda: False)
    monkeypatch.setattr("SinGAN.runs.pictures.missing_requirement", lambda: "a C++ compiler")
    workspace.train("--max_size", "16")
    assert "running without compiled programs, more slowly: they need a C++ compiler" in capsys.readouterr().out


@pytest.mark.slow
def test_a_compiled_training_by_its_flag(tmp_path: Any, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.train("--engine", "compiled", "--max_size", "16")
    shown = capsys.readouterr()
    assert "scales 0 to 1 run compiled programs" in shown.out
    assert "CUDA" not in shown.err
    assert '"engine": "compiled, fp32' in (workspace.model() / "manifest.json").read_text()
    assert (workspace.out / "RandomSamples" / "x" / "gen_start_scale=0" / "grid.png").exists()
