"""Changes that a benchmark times on a GPU: each does what it says, to nearly the same losses."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.candidates import CHANGES, changed
from benchmarks.setting import settings
from SinGAN.engines.engine import EAGER
from SinGAN.models import NetConfig

CPU = torch.device("cpu")


class Operations(TorchDispatchMode):
    """The operations on images in its block, by name, each with its first tensor, or that which it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[str, Tensor]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        self.seen += [(function._overloadpacket.__name__, tensor) for tensor in tensors[:1]]
        return result


def run(name: str) -> tuple[Tensor, list[tuple[str, Tensor]]]:
    """The losses of the second iteration with a change, and its operations."""
    before = torch.backends.cudnn.benchmark
    *_, finest = settings(34, CPU, nets=NetConfig(filters=4, min_filters=4))
    step = changed(finest, EAGER, CHANGES[name])
    step()
    with Operations() as operations:
        losses = step()
    assert torch.backends.cudnn.benchmark is before
    return torch.stack(tuple(losses.values())), operations.seen


def wide_convolution(dtype: torch.dtype, layout: torch.memory_format) -> Callable[[str, Tensor], bool]:
    return lambda name, first: (
        name == "convolution"
        and first.shape[1] == 4
        and first.dtype is dtype
        and first.is_contiguous(memory_format=layout)
    )


FLAT, LAST = torch.contiguous_format, torch.channels_last
SIGNS: dict[str, tuple[Callable[[str, Tensor], bool], bool]] = {
    "channels last": (wide_convolution(torch.float32, FLAT), False),
    "coarser scales in bf16": (wide_convolution(torch.bfloat16, FLAT), True),
    "resize in float32": (lambda name, first: first.dtype is torch.float64, False),
    "these together": (wide_convolution(torch.bfloat16, LAST), True),
    "draws for nothing": (lambda name, first: name in ("normal_", "randn", "rand"), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_does_what_it_says(name: str) -> None:
    (plain, before), (losses, after) = run("as it is"), run(name)
    if name != "draws for nothing":  # other samples
        torch.testing.assert_close(losses, plain, rtol=0.05, atol=0.05)
    if name in SIGNS:
        sign, there = SIGNS[name]
        assert any(sign(*operation) for operation in before) is not there
        assert any(sign(*operation) for operation in after) is there
