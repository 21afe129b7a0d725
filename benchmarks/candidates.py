"""Changes that may make an iteration on a GPU faster, each beside the engine as it is: interleaved, medians, ratios.

    python benchmarks/candidates.py --device cuda --scales 0 3 5 8

None of them is a part of the product: one becomes that where it gains enough, and the golden numbers still hold.
"draws for nothing" uses the same samples of the coarser scales again and again: no way to draw them ahead, or at the
same time, can gain more.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import Setting, choose_engine, machine, medians, of_scales, parser, seconds, settings
from SinGAN import imresize
from SinGAN.engines import ENGINES, PRECISIONS
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.engines.engine import Engine, Step
from SinGAN.losses.iteration import Draw
from SinGAN.models import Conv2d
from SinGAN.training import draw

Change = Callable[[], AbstractContextManager[object]]
"""Makes a context that can be entered again and again, and keeps its state."""


def channels_last() -> AbstractContextManager[object]:
    """Convolutions whose images and weights have the channels last in memory; what comes between keeps that."""
    last = partial(torch.Tensor.contiguous, memory_format=torch.channels_last)

    def forward(self: Conv2d, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return original(self, last(image), last(weight), bias)

    original = Conv2d._conv_forward
    return patch.object(Conv2d, "_conv_forward", forward)


class ChosenByClock(AbstractContextManager[None]):
    """The algorithms of cuDNN that are the fastest in a trial."""

    def __enter__(self) -> None:
        torch.backends.cudnn.benchmark = True

    def __exit__(self, *_: object) -> None:
        torch.backends.cudnn.benchmark = False  # as PyTorch has it


def coarser_in_bfloat16() -> AbstractContextManager[object]:
    """Samples of the coarser scales by convolutions in bfloat16."""

    def drawn(pyramid: Any, real: Tensor, *others: Any) -> Draw:
        with torch.autocast(real.device.type, torch.bfloat16, cache_enabled=False):
            return draw(pyramid, real, *others)

    return patch("benchmarks.setting.draw", drawn)


def resize_in_float32() -> AbstractContextManager[object]:
    """The resize between scales in float32: some of its 8-bit levels are others then."""
    weights = lru_cache(256)(lambda *key: imresize._weights(*key).float())

    def resize(image: Tensor, size: tuple[int, int], scale: tuple[float, float]) -> Tensor:
        levels, narrow = imresize.to_levels(image), scale[0] < 1
        levels = weights(image.shape[-2], size[0], scale[0], narrow, image.device) @ levels
        levels = levels @ weights(image.shape[-1], size[1], scale[1], narrow, image.device).T
        return imresize.from_levels(levels)

    return patch.object(imresize, "_resize", resize)


def draws_for_nothing() -> AbstractContextManager[object]:
    """The samples of the coarser scales that the first iteration draws, in all others."""
    kept: list[Draw] = []

    def drawn(*arguments: Any) -> Draw:
        if not kept:
            kept.append(draw(*arguments))
        return kept[0]

    return patch("benchmarks.setting.draw", drawn)


class Together(AbstractContextManager[None]):
    """All of these that are no bound."""

    def __init__(self) -> None:
        self.changes = channels_last(), ChosenByClock(), coarser_in_bfloat16(), resize_in_float32()

    def __enter__(self) -> None:
        for change in self.changes:
            change.__enter__()

    def __exit__(self, *error: Any) -> None:
        for change in reversed(self.changes):
            change.__exit__(*error)


CHANGES: dict[str, Change] = {
    "as it is": nullcontext,
    "channels last": channels_last,
    "cuDNN's trials": ChosenByClock,
    "coarser scales in bf16": coarser_in_bfloat16,
    "resize in float32": resize_in_float32,
    "these together": Together,
    "draws for nothing": draws_for_nothing,
}


def changed(setting: Setting, engine: Engine, change: Change) -> Step:
    """An iteration of ``setting`` by ``engine``, with ``change`` in place whenever it runs."""
    step, context = setting.step(engine), change()

    def once() -> dict[str, Tensor]:
        with context:
            return step()

    return once


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--size", type=int, default=250, help="longer side of the picture, in pixels")
    flags.add_argument("--scales", type=int, nargs="+", help="which ones to time [all]")
    flags.add_argument("--engine", choices=ENGINES, default="auto")
    flags.add_argument("--precision", choices=PRECISIONS, default="auto")
    flags.add_argument("--iterations", type=int, default=9, help="timed at each scale")
    args = flags.parse_args()
    device: torch.device = args.device
    engine = choose_engine(args.engine, args.precision, device)
    print(f"{machine(device)}, {engine.described()}; times as fast as it is\n")
    print(f"| scale | size | filters | as it is, s | {' | '.join(list(CHANGES)[1:])} |")
    print("|---" * (3 + len(CHANGES)) + "|")
    for index, setting in of_scales(settings(args.size, device), args.scales):
        steps = [changed(setting, engine, change) for change in CHANGES.values()]
        for step in steps:
            seconds(lambda: [step() for _ in range(WARM_UP + 1)], device)  # noqa: B023
        slow, *others = medians(list(steps), device, args.iterations)
        ratios = " | ".join(f"{slow / time:.2f}" for time in others)
        print(f"| {index} | {setting.size} | {setting.net.filters} | {slow:.4f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
