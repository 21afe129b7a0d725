"""What channels and maps cost the instant engine: CPU seconds and memory beside those of the plain photo.

python benchmarks/maps.py PHOTO --megapixels 0.25 4 --channels 1 4 16 64

Each case runs in a process of its own, on one thread, without decoding and writing; cases take turns.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # the project, where this is started as a script

import numpy as np
import torch
from PIL import Image

import SinGAN
from SinGAN.runs.progress import peak_memory

CPU = torch.device("cpu")


def one_case(path: Path, megapixels: float, case: str, channels: int) -> tuple[str, float, float]:
    """The size of the photo at so many ``megapixels``, the CPU seconds of a ``case`` of retargeting, and its bytes."""
    torch.set_num_threads(1)
    with Image.open(path) as picture:
        factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        size = round(picture.width * factor), round(picture.height * factor)
        levels = np.array(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    planes = levels[..., np.arange(channels) % 3] + np.linspace(0, 1, channels, dtype=np.float32)
    maps: dict[str, Any] = {}
    if case == "labels":
        maps = {"m": levels[..., 0] // 16}
    elif case == "maps":
        maps = {"m": planes}
    more: dict[str, Any] = {"maps": maps} if maps else {}
    if case == "coordinates":
        more = {"coordinates": "uint16"}
    SinGAN.instant(levels[:40, :40]).retarget(scale_h=1.1, seed=1)  # compiles
    start = time.process_time()
    model = SinGAN.instant(SinGAN.Raster.of(planes) if case == "data" else levels, **more)
    if more:
        model.retarget(scale_h=1.5, seed=1, maps=True)
    else:
        model.retarget(scale_h=1.5, seed=1)
    return f"{levels.shape[1]} x {levels.shape[0]}", time.process_time() - start, peak_memory(CPU)


def main() -> None:
    """Print a row for each case and size, medians of the rounds."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("path", type=Path, help="a photo")
    flags.add_argument("--megapixels", type=float, nargs="+", default=[0.25, 4])
    flags.add_argument("--channels", type=int, nargs="+", default=[1, 4, 16, 64])
    flags.add_argument("--rounds", type=int, default=3)
    args = flags.parse_args()
    cases = [("plain", 3), ("labels", 1), ("coordinates", 2)]
    cases += [(case, count) for case in ("maps", "data") for count in args.channels]
    print("| pixels | case | channels | CPU s | ratio | peak GB |\n|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for megapixels in args.megapixels:
            runs: dict[tuple[str, int], list[tuple[str, float, float]]] = {case: [] for case in cases}
            for _ in range(args.rounds):
                for kind in cases:
                    runs[kind].append(pool.apply(one_case, (args.path, megapixels, *kind)))
            plain = statistics.median(run[1] for run in runs["plain", 3])
            for (case, count), found in runs.items():
                seconds, memory = statistics.median(run[1] for run in found), max(run[2] for run in found)
                row = [found[0][0], case, count, f"{seconds:.2f}", f"{seconds / plain:.2f}", f"{memory / 2**30:.2f}"]
                print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
