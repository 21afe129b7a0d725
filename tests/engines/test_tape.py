"""A CUDA graph can repeat an iteration: each is the same operations, with the same numbers, on the same memory."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from Pix2Pix.losses.step import LossConfig, Nets, train_step
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, initialise, set_generator
from SinGAN.concurrent.stage import prepare_iteration
from SinGAN.concurrent.training import make_grown_pyramid, start_stage
from SinGAN.engines.engine import EAGER
from SinGAN.kinds import KINDS
from SinGAN.options.growing import CONCURRENT, GENERATION, HARMONIZATION, RECIPES
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.planning import build_reals
from tests.engines.test_engine import NoWaiting
from tests.workspace import stripes

WARM_UP = 2  # iterations: the optimizers' first step is lazy


class Tape(TorchDispatchMode):
    """The operations of its block, in order, with their numbers, and where the tensors are that it did not make."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        self.operations: list[tuple[str, list[Any]]] = []
        self.made: dict[int, int] = {}  # by address of the memory: the operation that took it
        self.kept: list[Any] = []  # so that no memory is taken twice

    def place(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf if isinstance(leaf, (int, float, bool, str, type(None), torch.dtype)) else type(leaf)
        address = leaf.untyped_storage().data_ptr()
        origin = self.made.get(address)
        return tuple(leaf.shape), leaf.stride(), leaf.storage_offset(), address if origin is None else f"of {origin}"

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tree_leaves((args, kwargs or {}))
        self.operations.append((str(function), [self.place(leaf) for leaf in given]))
        result = function(*args, **(kwargs or {}))
        before = {leaf.untyped_storage().data_ptr() for leaf in given if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in before:
                self.made.setdefault(leaf.untyped_storage().data_ptr(), len(self.operations))
                self.kept.append(leaf.untyped_storage())
        return result


def taped(step: Callable[[], object]) -> list[tuple[str, list[Any]]]:
    """The operations of ``step``, none of which waits for the device."""
    tape = Tape()
    with NoWaiting(), tape:
        step()
    return tape.operations


def check(step: Callable[[], object], before: Callable[[int], None] = lambda index: None) -> None:
    """Run ``step`` some times, ``before`` each what can't be a part of a graph, and compare the last two."""
    for index in range(WARM_UP):
        before(index)
        step()
    before(WARM_UP)
    first = taped(step)
    before(WARM_UP + 1)
    second = taped(step)
    assert len(first) > 100
    assert first == second


@pytest.mark.parametrize(
    ("recipe", "losses"),
    [
        *((recipe, {}) for recipe in RECIPES),
        (GENERATION, {"feature_weight": 1.0, "penalty": "r1"}),
        (HARMONIZATION, {"feature_weight": 1.0, "penalty": "one_sided"}),
    ],
)
def test_a_stage_of_concurrent_training(recipe: str, losses: dict[str, Any], rng: torch.Generator) -> None:
    options = ModelOptions(
        train_mode=CONCURRENT, recipe=recipe, nfc=4, min_size=12, max_size=24, train_stages=3, **losses
    ).complete()
    image, net, config = stripes(), options.net, options.training
    plan = KINDS[CONCURRENT].plan(image.shape[-2], image.shape[-1], options, TRAIN)
    pyramid = make_grown_pyramid((), plan, net, config)
    for index, real in enumerate(build_reals(image, plan)):
        stage = start_stage(pyramid, real, net.at(index), config, rng)
        if index in (0, 2):
            check(*prepare_iteration(stage, rng, EAGER))
        pyramid = make_grown_pyramid((*pyramid.scales, stage.trained()), plan, net, config)


@pytest.mark.parametrize("stochastic", ["dropout", "weights", "none"])
def test_a_step_of_translation(stochastic: str, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its optimizers count as they do on a GPU."""
    monkeypatch.setattr(sys.modules["torch.optim.adam"], "_get_capturable_supported_devices", lambda *_, **__: ["cpu"])
    generator = GeneratorConfig("unet_32", 3, 3, 4, Layers("batch", stochastic, 0.5)).build()
    critic = CriticConfig("patch", (3, 3), 4, 1).build()
    for net in (generator, critic):
        initialise(net, "normal", 0.02, rng)
    set_generator(generator, rng)
    nets, a = Nets.of(generator, critic), torch.rand(2, 3, 32, 32, generator=rng)
    for group in nets.groups:
        group["capturable"], group["lr"] = True, torch.tensor(group["lr"])
    b = a.flip(3)
    check(lambda: train_step(nets, a, b, LossConfig(), rng))


@pytest.mark.parametrize("changing", ["number", "memory", "operations"])
def test_what_changes_is_found(changing: str) -> None:
    calls: list[Tensor] = []

    def step() -> None:
        calls.append(torch.ones(2))
        value = torch.ones(2) if changing != "memory" else calls[0] if len(calls) < WARM_UP + 2 else calls[1]
        for _ in range(60 + (changing == "operations" and len(calls))):
            value = value * (len(calls) if changing == "number" else 2) + 1

    with pytest.raises(AssertionError):
        check(step)
