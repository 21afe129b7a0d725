"""What a training costs: time and peak memory by picture size, measured over a few iterations of each scale.

    python benchmarks/cost.py --sizes 64 128 250

Each size runs in a process of its own; the time of a whole run is the sum over the scales of the
median iteration times --niter.
"""

import argparse
import multiprocessing
import platform
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from SinGAN.adversarial import Adversaries, TrainConfig, iteration
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig, build_reals, plan_scales
from SinGAN.progress import duration, peak_memory
from SinGAN.pyramid import Pyramid, Scale
from SinGAN.training import draw, first_z_rec, make_target, start_nets


def measure(size: int, device: torch.device, iterations: int) -> tuple[list[float], int]:
    """Median seconds of an iteration at each scale of a ``size`` x 3/4 ``size`` picture, and the peak memory."""
    rng = torch.Generator(device).manual_seed(1)
    image = torch.rand(1, 3, size, size * 3 // 4, generator=rng, device=device) * 2 - 1
    plan = plan_scales(image.shape[2], image.shape[3], PyramidConfig(max_size=size))
    config, pyramid, medians = TrainConfig(), Pyramid((), plan.factor, NetConfig().margin), []
    for index, real in enumerate(build_reals(image, plan)):
        generator, critic = start_nets(pyramid, NetConfig().at(index), rng)
        nets, z_rec = Adversaries.of(generator, critic, config), first_z_rec(pyramid, real, rng)
        target, times = make_target(pyramid, real, z_rec, config), []
        for _ in range(iterations + 1):
            start = time.perf_counter()
            float(iteration(nets, target, draw(pyramid, real, z_rec, config.Dsteps, rng), config).sum())
            times.append(time.perf_counter() - start)
        medians.append(statistics.median(times[1:]))
        pyramid = pyramid.with_scale(index, Scale(generator, critic, real, z_rec, target.noise_amp))
    return medians, peak_memory(device)


def machine(device: torch.device) -> str:
    """The machine in words."""
    name = f"{torch.get_num_threads()} CPU threads ({platform.processor() or platform.machine()})"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return f"{name}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 250], help="longer sides, in pixels")
    parser.add_argument("--iterations", type=int, default=5, help="timed at each scale")
    parser.add_argument("--niter", type=int, default=2000, help="iterations per scale of the whole run")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    print(f"{machine(args.device)}, {args.niter} iterations per scale\n")
    print("| picture | scales | s per iteration, coarsest .. finest | whole run | peak memory |")
    print("|---|---|---|---|---|")
    for size in args.sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            medians, memory = pool.apply(measure, (size, args.device, args.iterations))
        whole = duration(sum(medians) * args.niter)
        spread = f"{medians[0]:.2f} .. {medians[-1]:.2f}"
        print(
            f"| {size} x {size * 3 // 4} | {len(medians)} | {spread} | {whole} | {memory / 2**30:.1f} GB |", flush=True
        )


if __name__ == "__main__":
    main()
