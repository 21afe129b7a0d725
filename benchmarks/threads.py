"""Iterations by one process and by two at once on the same cores, by the number of threads and the way they wait.

    python benchmarks/threads.py --size 128 --scales 0 6
    python benchmarks/threads.py --alone --size 250 --scales 0 3 6 --threads 1 2 4
    python benchmarks/threads.py --alone --size 64 --nfc 8 --min_size 12 --scales 0 2 4

--alone times one process only, by numbers of threads in turn, and tells which of them a training would choose.

A thread of OpenMP that waits for others keeps its core busy for a while (GOMP_SPINCOUNT rounds), which starves another
process; scripts set it to a hundredth of OpenMP's own choice.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import Setting, choose_engine, machine, medians, of_scales, parser, settings
from SinGAN.models import NetConfig
from SinGAN.terminal.script import WAITING

WAYS: dict[str, dict[str, str]] = {"OpenMP's": {}, "ours": WAITING, "asleep": {"OMP_WAIT_POLICY": "passive"}}
LIMIT = 120  # seconds


def iterations(size: int, scales: list[int], times: int) -> None:
    """Print the median seconds of an iteration of each of ``scales``."""
    engine, device = choose_engine("eager", "auto", torch.device("cpu")), torch.device("cpu")
    works: list[Callable[[], object]] = [scale.step(engine) for _, scale in of_scales(settings(size, device), scales)]
    medians(works, device, 1)
    print(*medians(works, device, times, settled=True))


def with_threads(count: int, scale: Setting) -> Callable[[], object]:
    """An iteration of ``scale`` by ``count`` threads."""
    torch.set_num_threads(count)
    step = scale.step(choose_engine("eager", "auto", torch.device("cpu")))

    def once() -> object:
        torch.set_num_threads(count)
        return step()

    return once


def alone(size: int, min_size: int, nfc: int, scales: list[int], threads: list[int], times: int) -> None:
    """Print the median milliseconds of an iteration of each of ``scales``, by each number of ``threads`` in turn."""
    device, nets = torch.device("cpu"), NetConfig(filters=nfc, min_filters=nfc)
    print(f"| scale | size | filters | {' | '.join(f'{count} threads, ms' for count in threads)} | chosen |")
    print("|---" * (4 + len(threads)) + "|")
    for index, scale in of_scales(settings(size, device, nets=nets, min_size=min_size), scales):
        works = [with_threads(count, scale) for count in threads]
        medians(works, device, 2)
        each = " | ".join(f"{1000 * time:.1f}" for time in medians(works, device, times))
        print(f"| {index} | {scale.size} | {scale.net.filters} | {each} | {chosen(scale, threads)} |", flush=True)


def chosen(scale: Setting, threads: list[int]) -> int:
    """The number of threads that a training gives ``scale`` where it may use as many as the most of ``threads``."""
    torch.set_num_threads(max(threads))
    engine = choose_engine("eager", "auto", torch.device("cpu"))
    with engine.threads(scale.scale_setting):
        return torch.get_num_threads()


def at_once(count: int, threads: int, way: dict[str, str], flags: list[str]) -> list[str]:
    """The seconds of an iteration of each scale by ``count`` processes at once: those of the slowest."""
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment = {**kept, "OMP_NUM_THREADS": str(threads), **way}
    command = [sys.executable, __file__, "--inner", *flags]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        outputs = [process.communicate(timeout=LIMIT)[0] for process in started]
    except subprocess.TimeoutExpired:
        return [f"not within {LIMIT} s"]
    finally:
        for process in started:
            process.kill()
            process.wait()
    if any(process.returncode for process in started):
        raise SystemExit(2)
    return [f"{max(map(float, column)):.2f}" for column in zip(*(line.split() for line in outputs), strict=True)]


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--size", type=int, default=128, help="longer side of the picture, in pixels")
    flags.add_argument("--scales", type=int, nargs="+", default=[0, 6])
    flags.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    flags.add_argument("--times", type=int, default=5, help="how often each is measured")
    flags.add_argument("--nfc", type=int, default=32, help="filters of the coarsest scales")
    flags.add_argument("--min_size", type=int, default=25, help="shorter side of the coarsest scale, in pixels")
    flags.add_argument("--alone", action="store_true", help="one process, by numbers of threads in turn")
    flags.add_argument("--inner", action="store_true", help="only print seconds, or one table")
    args = flags.parse_args()
    if args.inner and args.alone:
        return alone(args.size, args.min_size, args.nfc, args.scales, args.threads, args.times)
    if args.inner:
        return iterations(args.size, args.scales, args.times)
    if args.alone:  # in a process of its own: OpenMP reads how to wait when it is loaded
        command = [sys.executable, *sys.argv, "--inner"]
        raise SystemExit(subprocess.run(command, env={**os.environ, **WAITING}, check=False).returncode)
    print(f"{machine(args.device)}, seconds an iteration of scales {args.scales} of {args.size} pixels\n")
    print("| threads | waiting | one process | two at once |\n|---|---|---|---|")
    inner = ["--size", str(args.size), "--scales", *map(str, args.scales), "--times", str(args.times)]
    for threads in args.threads:
        for words, way in WAYS.items():
            rows = [", ".join(at_once(count, threads, way, inner)) for count in (1, 2)]
            print(f"| {threads} | {words} | {' | '.join(rows)} |", flush=True)


if __name__ == "__main__":
    main()
