"""Convolutions whose second derivatives are convolutions with small filters again: what a GPU trains with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import main_train
import translate_train
from SinGAN.engines import convolution
from SinGAN.engines.convolution import conv2d
from SinGAN.engines.engine import Engine, EngineSettings
from tests.cases import mostly_slow
from tests.translation.tiny import TINY, data_set
from tests.workspace import KNOBS, SMALL, Workspace

Patch = pytest.MonkeyPatch
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
LARGEST = 4  # pixels, the side of a filter in any net here


class Filters(TorchDispatchMode):
    """Notes the sides of the filters of all convolutions, those of derivatives included."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        self.sides, self.backwards = set[int](), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.name()
        if name in ("aten::convolution", "aten::convolution_backward"):
            self.sides |= set(args[1 if name == "aten::convolution" else 2].shape[2:])
            self.backwards += name.endswith("backward")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1}, {"stride": 2, "padding": 1}, {"stride": (2, 1)}, {"groups": 2}, {"dilation": 2, "padding": 2}],
)
def test_derivatives_of_two_orders(options: dict[str, Any], rng: torch.Generator) -> None:
    x = torch.randn(2, 2, 5, 4, generator=rng, dtype=torch.double, requires_grad=True)
    inputs = 2 // options.get("groups", 1)
    weight = torch.randn(2, inputs, 3, 3, generator=rng, dtype=torch.double, requires_grad=True)
    bias = torch.randn(2, generator=rng, dtype=torch.double, requires_grad=True)
    assert torch.equal(conv2d(x, weight, bias, **options), F.conv2d(x, weight, bias, **options))
    assert torch.autograd.gradcheck(lambda *args: conv2d(*args, **options), (x, weight, bias))
    assert torch.autograd.gradgradcheck(lambda *args: conv2d(*args, **options), (x, weight, bias))


def test_autocast_sets_the_precision(rng: torch.Generator) -> None:
    x, weight = torch.randn(1, 3, 9, 9, generator=rng), torch.randn(8, 3, 3, 3, generator=rng, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = conv2d(x, weight), F.conv2d(x, weight)
    assert ours.dtype is torch.bfloat16
    assert torch.equal(ours, theirs)
    (gradient,) = torch.autograd.grad(ours.float().square().sum(), weight)
    assert gradient.dtype is torch.float32


def test_a_gpu_trains_with_them() -> None:
    assert EngineSettings().choose(CUDA).convolve is conv2d
    assert EngineSettings(winograd="never").choose(CPU).convolve is F.conv2d


@pytest.fixture
def as_on_a_gpu(monkeypatch: Patch) -> None:
    """Let trainings use the convolutions of a GPU."""
    choose = EngineSettings.choose

    def chosen(self: EngineSettings, device: torch.device) -> Engine:
        return replace(choose(self, device), convolve=convolution.conv2d, programs=None)

    monkeypatch.setattr(EngineSettings, "choose", chosen)


def train(workspace: Workspace, *flags: str) -> Filters:
    filters = Filters()
    with filters:
        main_train.main([*workspace.flags(), *SMALL, "--niter", "1", "--num_samples", "1", "--not_cuda", *flags])
    assert filters.backwards > 10
    return filters


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("knob", mostly_slow([None, *KNOBS], {None, "multiscale"}))
def test_no_filter_is_larger_than_those_of_the_nets(workspace: Workspace, knob: str | None, vgg_file: Path) -> None:
    flags = [str(vgg_file) if flag == "VGG" else flag for flag in KNOBS[knob]] if knob else []
    assert max(train(workspace, *flags).sides) <= LARGEST


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize(
    "more",
    mostly_slow(
        [("--train_mode", "concurrent"), ("--recompute", "always"), ("--precision", "bf16")],
        {("--train_mode", "concurrent")},
    ),
)
def test_no_filter_is_larger_in_other_ways_of_training(workspace: Workspace, more: tuple[str, str]) -> None:
    assert max(train(workspace, *more).sides) <= LARGEST


def test_pytorchs_own_second_derivative_has_one_as_large_as_the_picture(workspace: Workspace) -> None:
    flags = ["--winograd", "never", "--engine", "eager"]
    assert max(train(workspace, *flags).sides) > LARGEST


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("critic", mostly_slow(["basic", "multiscale", "sesame"], {"basic"}))
def test_no_filter_is_larger_in_translation(tmp_path: Path, critic: str) -> None:
    flags = ["--dataroot", str(data_set(tmp_path / "squares")), "--out", str(tmp_path / "out"), *TINY]
    with Filters() as filters:
        translate_train.main([*flags, "--gan_mode", "wgan-gp", "--norm", "instance", "--netD", critic])
    assert filters.backwards > 10
    assert max(filters.sides) <= LARGEST


def test_the_trainings_of_a_gpu_are_those_of_pytorch(workspace: Workspace, request: pytest.FixtureRequest) -> None:
    """Up to rounding: the losses of two iterations."""
    tables: list[Tensor] = []
    for name in ("plain", "ours"):
        if name == "ours":
            request.getfixturevalue("as_on_a_gpu")
        flags = ["--winograd", "never", "--engine", "eager", "--not_cuda", "--overwrite", "--manualSeed", "1"]
        main_train.main([*workspace.flags(), *SMALL, "--niter", "2", "--num_samples", "1", *flags])
        rows = (workspace.model() / "0" / "losses.csv").read_text().splitlines()[1:]
        tables.append(torch.tensor([[float(value) for value in row.split(",")] for row in rows]))
    torch.testing.assert_close(tables[1], tables[0], rtol=1e-4, atol=1e-4)
