"""What an iteration costs at each scale, against a plain baseline: interleaved, medians, ratios.

    python benchmarks/speed.py --size 110 --iterations 5

The arithmetic is counted by PyTorch, multiplications and additions of the convolutions; the peak is that of a matrix
product on this machine.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.baseline import Baseline
from benchmarks.cost import machine
from SinGAN.adversarial import Adversaries, TrainConfig, iteration
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig, build_reals, plan_scales
from SinGAN.pyramid import Pyramid, Scale
from SinGAN.training import draw, first_z_rec, make_target, start_nets


class Arithmetic(TorchDispatchMode):
    """Counts multiplications and additions; PyTorch's own FlopCounterMode can't look into second derivatives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=result) if count else 0
        return result


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long ``work`` takes, the device's part included."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak(device: torch.device, width: int = 2048) -> float:
    """Multiplications and additions a second of a matrix product."""
    square = torch.rand(width, width, device=device)
    return 2 * width**3 / min(seconds(lambda: square @ square, device) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=250, help="longer side of the picture, in pixels")
    parser.add_argument("--iterations", type=int, default=5, help="timed at each scale")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    device, rng = args.device, torch.Generator(args.device).manual_seed(1)
    image = torch.rand(1, 3, args.size * 3 // 4, args.size, generator=rng, device=device) * 2 - 1
    plan = plan_scales(image.shape[2], image.shape[3], PyramidConfig(max_size=args.size))
    config, pyramid = TrainConfig(), Pyramid((), plan.factor, NetConfig().margin)
    limit = peak(device)
    print(f"{machine(device)}, {limit / 1e9:.0f} GFLOP/s in a matrix product\n")
    print("| scale | size | filters | baseline, s | eager, s | ratio | GFLOP | of the peak |")
    print("|---|---|---|---|---|---|---|---|")
    for index, real in enumerate(build_reals(image, plan)):
        z_rec = first_z_rec(pyramid, real, rng)
        target = make_target(pyramid, real, z_rec, config)
        generator, critic = start_nets(pyramid, NetConfig().at(index), rng)
        nets = Adversaries.of(generator, critic, config)
        plain = Baseline(pyramid, target, z_rec, *start_nets(pyramid, NetConfig().at(index), rng), config, rng)

        def ours() -> object:
            return iteration(nets, target, draw(pyramid, real, z_rec, config.Dsteps, rng), config)  # noqa: B023

        with Arithmetic() as arithmetic:
            ours()
        plain.iteration()
        times = [(seconds(plain.iteration, device), seconds(ours, device)) for _ in range(args.iterations)]
        slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
        work, filters = arithmetic.total, NetConfig().at(index).filters
        print(
            f"| {index} | {real.shape[2]} x {real.shape[3]} | {filters} | {slow:.3f} | {fast:.3f} "
            f"| {slow / fast:.2f} | {work / 1e9:.1f} | {work / fast / limit:.0%} |",
            flush=True,
        )
        pyramid = pyramid.with_scale(index, Scale(generator, critic, real, z_rec, target.noise_amp))


if __name__ == "__main__":
    main()
