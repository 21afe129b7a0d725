"""Seconds a sample of the instant engine takes, by method and size, and the memory that it needs.

python benchmarks/instant.py Input/Images/rocket.png --sizes 100 250

The methods run in turns, on the number of threads given; medians. ``--parts`` also says where the time of one goes.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the project, where this is started as a script

import torch
from SinGAN.patches.engine import Instant, reduced

from benchmarks.setting import present
from SinGAN.pictures import images
from SinGAN.runs.progress import peak_memory

METHODS = ("patches", "denoise")


def main() -> None:
    """Measure, and print a line for each size and method."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("picture", type=Path)
    flags.add_argument("--sizes", type=int, nargs="+", default=[100, 250])
    flags.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--threads", type=int, default=torch.get_num_threads())
    flags.add_argument("--device", type=present, default=torch.device("cpu"))
    flags.add_argument("--parts", action="store_true", help="the operations that take the time")
    args = flags.parse_args()
    torch.set_num_threads(args.threads)
    for size in args.sizes:
        real = reduced(images.read(args.picture).to(args.device), size)
        engines, ready = {}, {}
        for method in args.methods:
            start = time.monotonic()
            engines[method] = Instant(real, method)
            len(engines[method].pyramid.scales)
            ready[method] = time.monotonic() - start
        times: dict[str, list[float]] = {method: [] for method in args.methods}
        for seed in range(args.rounds):
            for method, engine in engines.items():
                times[method].append(one(engine, seed, args.device))
        for method in args.methods:
            print(
                f"{real.shape[3]} x {real.shape[2]}, {method}: {ready[method]:.2f} s once, "
                f"{statistics.median(times[method]):.2f} s a sample ({args.threads} threads); "
                f"peak memory so far {peak_memory(args.device) / 2**30:.2f} GB",
                flush=True,
            )
            if args.parts:
                with torch.profiler.profile() as profile:
                    one(engines[method], 0, args.device)
                print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=8))


def one(engine: Instant, seed: int, device: torch.device) -> float:
    """The seconds that a sample takes."""
    start = time.monotonic()
    next(engine.sample(torch.Generator(device).manual_seed(seed), 1))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
