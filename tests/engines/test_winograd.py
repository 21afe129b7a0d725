"""Winograd's convolutions: PyTorch's values and derivatives, and which convolutions they replace."""

import itertools
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from SinGAN.engines.convolution import convolving
from SinGAN.engines.winograd import LAST, conv2d, convolve, library, weight_gradient
from SinGAN.models import Conv2d, Convolve, NetConfig

CPU = torch.device("cpu")
NET = NetConfig(filters=16, min_filters=16)
Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.skipif(library() is None, reason="needs g++")


def off(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    ours, theirs = ours.detach(), theirs.detach()
    return float((ours - theirs).abs().max() / theirs.abs().max())


WIDE = [(16, 16, 1), (16, 48, 3), (48, 16, 2), (32, 80, 1), (128, 64, 1)]
THIN = [(3, 16, 2), (3, 48, 1), (1, 32, 1), (4, 128, 1), (16, 3, 3), (32, 1, 2), (48, 4, 1), (128, 2, 1)]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("inputs", "outputs", "batch"), [*WIDE, *THIN])
def test_values_and_gradients_are_pytorchs(
    last: bool, inputs: int, outputs: int, batch: int, rng: torch.Generator
) -> None:
    for height, width, padding in itertools.product((1, 3, 6, 25), (4, 7, 18, 41), (0, 1, 2)):
        if height + 2 * padding < 3:
            continue
        x = torch.randn(batch, inputs, height, width, generator=rng)
        weight, bias = torch.randn(outputs, inputs, 3, 3, generator=rng), torch.randn(outputs, generator=rng)
        exact = [value.double().requires_grad_() for value in (x, weight)]
        made = F.conv2d(exact[0], exact[1], bias.double(), padding=padding)
        gradient = torch.randn(made.shape, generator=rng)
        by_x, by_weight = torch.autograd.grad(made, exact, gradient.double())
        ours = convolve(x, weight, bias, padding, False, last)
        assert ours.is_contiguous(memory_format=LAST if last else torch.contiguous_format)
        assert off(ours, made) < 5e-6
        assert off(convolve(gradient, weight, None, 2 - padding, True, last), by_x) < 5e-6
        assert off(weight_gradient(x, gradient, padding, last), by_weight) < 5e-6


@pytest.mark.parametrize(("inputs", "outputs"), [(128, 64), (3, 128), (128, 3)])
def test_bands_of_a_large_image_leave_no_seam(inputs: int, outputs: int, rng: torch.Generator) -> None:
    x, weight = (torch.randn(*size, generator=rng) for size in ((1, inputs, 61, 150), (outputs, inputs, 3, 3)))
    assert off(convolve(x, weight, None, 1, False, False), F.conv2d(x.double(), weight.double(), padding=1)) < 5e-6
    gradient = torch.randn(1, outputs, 61, 150, generator=rng)
    exact = weight.double().requires_grad_()
    (theirs,) = torch.autograd.grad(F.conv2d(x.double(), exact, padding=1), exact, gradient.double())
    assert off(weight_gradient(x, gradient, 1, False), theirs) < 1e-5


def orders(conv: Convolve, x: Tensor, first: Tensor, bias: Tensor, second: Tensor) -> list[Tensor]:
    """First, second and third derivatives of two convolutions with something curved after each."""
    leaves = [value.clone().requires_grad_() for value in (x, first, bias, second)]
    made = torch.tanh(conv(torch.tanh(conv(leaves[0], leaves[1], leaves[2])), leaves[3], padding=1))
    found, value = [made], made.square().mean()
    for _ in range(3):
        slopes = torch.autograd.grad(value, leaves, create_graph=True)
        found += slopes
        value = sum((slope.square().sum() for slope in slopes), torch.zeros(()).to(made))
    return [one.detach() for one in found]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("widths", [(16, 32, 16), (3, 16, 1)])
def test_derivatives_of_any_order(last: bool, widths: tuple[int, int, int], rng: torch.Generator) -> None:
    inputs, middle, outputs = widths
    x, sizes = (
        torch.randn(1, inputs, 9, 11, generator=rng),
        ((middle, inputs, 3, 3), (middle,), (outputs, middle, 3, 3)),
    )
    weights = [0.1 * torch.randn(size, generator=rng) for size in sizes]
    ours = orders(partial(conv2d, last=last), x, *weights)
    exact = orders(F.conv2d, x.double(), *(weight.double() for weight in weights))
    assert all(off(one, other) < 1e-4 for one, other in zip(ours, exact, strict=True))
    assert max(off(one, other) for one, other in zip(ours, exact, strict=True)) > 0


class Operators(TorchDispatchMode):
    """Keeps the names of what is called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(function.name())
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((16, 20, 3, 3), {}),
        ((20, 16, 3, 3), {}),
        ((5, 16, 3, 3), {}),
        ((3, 4, 3, 3), {}),
        ((16, 16, 5, 5), {}),
        ((16, 16, 1, 3), {}),
        ((16, 16, 3, 3), {"stride": 2}),
        ((16, 16, 3, 3), {"dilation": 2}),
        ((16, 16, 3, 3), {"padding": (0, 1)}),
        ((16, 16, 3, 3), {"padding": 3}),
        ((16, 16, 3, 3), {"padding": "same"}),
        ((32, 16, 3, 3), {"groups": 2}),
    ],
)
def test_other_convolutions_stay_pytorchs(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    inputs = shape[1] * options.get("groups", 1)
    x, weight = torch.randn(2, inputs, 12, 12), torch.randn(shape)
    with Operators() as called:
        ours = conv2d(x, weight, **options)
    assert torch.equal(ours, F.conv2d(x, weight, **options))
    assert not any("singan" in name for name in called.names)


def test_which_convolutions_are_replaced() -> None:
    x, module = torch.randn(1, 16, 5, 5), Conv2d(16, 32, 3)
    with convolving([module], conv2d), Operators() as called:
        module(x)
        conv2d(input=x, weight=module.weight, padding=2)
    assert called.names.count("singan::convolve") == 2
    with Operators() as called:
        conv2d(x.double(), module.weight.double())
        conv2d(x[:, :, :2], module.weight, padding=(1, 1))  # makes nothing smaller than what there is
        conv2d(x[0], module.weight)  # an image without batch
    assert called.names.count("singan::convolve") == 1


@pytest.mark.parametrize(("channels", "bias"), [(4, 16), (1, 16), (3, 15)])
def test_what_does_not_fit_together_fails_as_pytorchs(channels: int, bias: int) -> None:
    with pytest.raises(RuntimeError, match=r"channels|bias"):
        conv2d(torch.zeros(1, channels, 9, 9), torch.zeros(16, 3, 3, 3), torch.zeros(bias))


def test_a_convolution_without_output_fails_as_pytorchs() -> None:
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        conv2d(torch.randn(1, 16, 2, 9), torch.randn(16, 16, 3, 3))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 64), (3, 32), (32, 1)])
def test_the_bits_do_not_depend_on_the_threads(inputs: int, outputs: int, last: bool, rng: torch.Generator) -> None:
    x, weight = (torch.randn(*size, generator=rng) for size in ((1, inputs, 40, 50), (outputs, inputs, 3, 3)))
    gradient, before, found = torch.randn(1, outputs, 38, 48, generator=rng), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append((convolve(x, weight, None, 0, False, last), weight_gradient(x, gradient, 0, last)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for pair in found[1:] for one, other in zip(found[0], pair, strict=True))


def test_a_program_has_them_inside(rng: torch.Generator) -> None:
    x, weight = torch.randn(1, 3, 12, 14, generator=rng), torch.randn(16, 16, 3, 3, generator=rng)
    head = torch.randn(16, 3, 3, 3, generator=rng)

    def slope(conv: Convolve, x: Tensor, head: Tensor, weight: Tensor) -> list[Tensor]:
        leaves = [head.detach().requires_grad_(), weight.detach().requires_grad_()]
        return list(torch.autograd.grad(conv(conv(x, leaves[0]), leaves[1]).square().sum(), leaves))

    traced = make_fx(partial(slope, partial(conv2d, last=True)), tracing_mode="fake")(x, head, weight)
    names = [str(node.target) for node in traced.graph.nodes]
    assert {"singan.convolve.default", "singan.weight_gradient.default"} <= set(names)
    for ours, theirs in zip(
        traced(x, head, weight), slope(F.conv2d, x.double(), head.double(), weight.double()), strict=True
    ):
        assert off(ours, theirs) < 1e-5
