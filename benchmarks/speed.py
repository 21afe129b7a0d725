"""The time of an iteration at each scale, by engine, against the plain baseline: interleaved, medians, ratios.

    python benchmarks/speed.py --size 110 --engines eager compiled
    python benchmarks/speed.py --device cuda --engines eager cudagraph
    python benchmarks/speed.py --scales 3 --profile 12

PyTorch counts the arithmetic, multiplications and additions, as that of plain convolutions: Winograd's need fewer.
The peak is that of a matrix product on this machine; PyTorch's convolutions can be above it.
"""

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # missing in the stubs
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import choose_engine, machine, medians, of_scales, parser, seconds, settings
from SinGAN.engines import ENGINES, PRECISIONS, WINOGRAD
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.engines.engine import EAGER, Step, no_capture

NO_KERNELS = ("_unsafe_view", "_reshape_alias", "detach", "empty", "new_empty", "is_same_size", "_record_function")
"""Beginnings of the names of operations, besides views, that launch nothing."""


class Arithmetic(TorchDispatchMode):
    """A counter of multiplications and additions, and of the operations that a GPU would launch kernels for.

    PyTorch's own FlopCounterMode misses second derivatives.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        self.total, self.launches = 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.launches += not (function.is_view or function._overloadpacket.__name__.startswith(NO_KERNELS))
        count = flop_registry.get(function._overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=result) if count else 0
        return result


def peak(device: torch.device, width: int = 2048) -> float:
    """Multiplications and additions per second of a product of two ``width`` x ``width`` matrices."""
    square = torch.rand(width, width, device=device)
    return 2 * width**3 / min(seconds(lambda: square @ square, device) for _ in range(5))


def launches(step: Step) -> int:
    """The operations of an iteration by ``step`` that launch kernels; those of compiled programs don't count."""
    step()  # optimizers do more in their first step
    with Arithmetic() as arithmetic:
        step()
    return int(arithmetic.launches)


def profiled(step: Step, device: torch.device, rows: int) -> str:
    """The ``rows`` operations that take the most time in an iteration by ``step``, on the device itself."""
    with torch.profiler.profile() as profile:  # of the CPU, and of CUDA where that is there
        wall = seconds(step, device)
    averages = profile.key_averages()
    table = str(averages.table(f"self_{device.type}_time_total", row_limit=rows, max_name_column_width=60))
    if device.type != "cuda":
        return table
    kernels = [event for event in averages if event.device_type == DeviceType.CUDA]
    busy = sum(event.self_device_time_total for event in kernels) / 1e6
    reserved = torch.cuda.max_memory_reserved(device) / 2**30
    count = sum(event.count for event in kernels)
    return f"{count} kernels, {busy:.4f} of {wall:.4f} s; {reserved:.2f} GB reserved\n{table}"


def arguments() -> argparse.Namespace:
    """The flags of the process."""
    flags = parser(__doc__)
    flags.add_argument("--size", type=int, default=250, help="longer side of the picture, in pixels")
    flags.add_argument("--scales", type=int, nargs="+", help="which ones to time [all]")
    flags.add_argument("--engines", nargs="+", choices=ENGINES[1:], default=["eager"])
    flags.add_argument("--precision", choices=PRECISIONS, default="auto")
    flags.add_argument("--winograd", nargs="+", choices=WINOGRAD, default=["auto"], help="each with each engine")
    flags.add_argument("--iterations", type=int, default=5, help="timed at each scale")
    flags.add_argument(
        "--profile", type=int, default=0, metavar="N", help="the N operations that take the most time, too"
    )
    return flags.parse_args()


def main() -> None:
    args = arguments()
    device: torch.device = args.device
    limit = peak(device)
    print(f"{machine(device)}, {limit / 1e9:.0f} GFLOP/s in a matrix product\n")
    pairs = list(itertools.product(args.engines, args.winograd))
    engines = [choose_engine(name, args.precision, device, winograd=winograd) for name, winograd in pairs]
    names = "".join(f" {engine.describe()}, s | ratio | first, s | launches |" for engine in engines)
    print(f"| scale | size | filters | GFLOP | baseline, s | of the peak |{names} of the peak |")
    print("|---|---|---|---|---|---|" + "---|---|---|---|" * len(engines) + "---|")
    for index, setting in of_scales(settings(args.size, device), args.scales):
        with Arithmetic() as arithmetic:
            setting.step(EAGER)()
        work = arithmetic.total
        steps = [setting.step(engine) for engine in engines]
        counts = [launches(setting.step(replace(engine, prepare=no_capture))) for engine in engines]
        firsts = [seconds(lambda: [step() for _ in range(WARM_UP + 1)], device) for step in steps]  # noqa: B023  # called within the same loop
        plain = setting.baseline()
        plain.iteration()
        slow, *fast = medians([plain.iteration, *steps], device, args.iterations)
        columns = [
            f"{time:.4f} | {slow / time:.2f} | {first:.1f} | {count}"
            for time, first, count in zip(fast, firsts, counts, strict=True)
        ]
        shares = [work / slow / limit, work / fast[-1] / limit]
        print(
            f"| {index} | {setting.size} | {setting.net.filters} | {work / 1e9:.1f} | {slow:.4f} | {shares[0]:.0%} "
            f"| {' | '.join(columns)} | {shares[1]:.0%} |",
            flush=True,
        )
        for engine, step in zip(engines, steps, strict=True):
            if args.profile:
                print(f"\n{engine.describe()}\n{profiled(step, device, args.profile)}", flush=True)


if __name__ == "__main__":
    main()
