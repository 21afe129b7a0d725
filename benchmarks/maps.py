"""What channels and maps cost: CPU seconds and memory beside those of the plain photo, instant and trained.

python benchmarks/maps.py PHOTO [--methods instant trained] [--channels 1 4 16 64] [--rounds 1]

Instant: the photo is opened and retargeted to 1.5 times its width. Trained: a model of all scales is trained for a few
iterations each, and draws four samples. Each case runs in a process of its own, on one thread, without decoding and
writing; cases take turns.
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
import numpy.typing as npt
import torch
from PIL import Image

import SinGAN
from SinGAN.runs.events import NOBODY
from SinGAN.runs.progress import peak_memory

CPU = torch.device("cpu")


def read(path: Path, pixels: float) -> npt.NDArray[np.uint8]:
    """The photo (H, W, 3), resized to so many ``pixels``."""
    with Image.open(path) as picture:
        factor = (pixels / (picture.width * picture.height)) ** 0.5
        size = round(picture.width * factor), round(picture.height * factor)
        return np.array(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def one_case(path: Path, pixels: float, niter: int, case: str, channels: int) -> tuple[str, float, float]:
    """The photo's size, the CPU seconds of a ``case`` at so many ``pixels``, and the peak of bytes.

    A model is trained for ``niter`` iterations of each scale, or, with 0, the photo is retargeted by its patches.
    """
    torch.set_num_threads(1)
    levels = read(path, pixels)
    planes = levels[..., np.arange(channels) % 3] + np.linspace(0, 1, channels, dtype=np.float32)
    maps: dict[str, Any] = {"labels": {"m": levels[..., 0] // 16}, "maps": {"m": planes}}.get(case, {})
    picture = SinGAN.Raster.of(planes) if case == "data" else levels
    SinGAN.instant(levels[:40, :40]).retarget(scale_h=1.1, seed=1)  # compiles
    start = time.process_time()
    if niter:
        sizes: dict[str, Any] = {"max_size": max(levels.shape), "niter": niter, "seed": 1, "device": "cpu"}
        settings: dict[str, Any] = {"engine": SinGAN.EngineSettings("eager"), "watcher": NOBODY}
        SinGAN.train(picture, maps=maps, **sizes, **settings).sample(4, seed=1)
    else:
        coordinates = "uint16" if case == "coordinates" else None
        model = SinGAN.instant(picture, maps=maps, coordinates=coordinates)
        model.retarget(scale_h=1.5, seed=1)
    return f"{levels.shape[1]} x {levels.shape[0]}", time.process_time() - start, peak_memory(CPU)


def main() -> None:
    """Print a row for each case and method, medians of the rounds."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("path", type=Path, help="a photo")
    methods = ["instant", "trained"]
    flags.add_argument("--methods", nargs="+", choices=methods, default=methods, help="one or both [both]")
    flags.add_argument("--megapixels", type=float, default=0.25, help="of the photo without training [0.25]")
    flags.add_argument("--size", type=int, default=60, help="of the trained photo, the root of its pixels [60]")
    flags.add_argument("--niter", type=int, default=2, help="iterations of each scale [2]")
    flags.add_argument("--channels", type=int, nargs="+", default=[1, 4, 16, 64], help="of maps and data [1 4 16 64]")
    flags.add_argument("--rounds", type=int, default=1, help="of which the median is printed [1]")
    args = flags.parse_args()
    cases = [("plain", 3), ("labels", 1), ("coordinates", 2)]
    cases += [(case, count) for case in ("maps", "data") for count in args.channels]
    print("| method | pixels | case | channels | CPU s | ratio | peak GB |\n|---|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for method in args.methods:
            pixels, niter = (args.megapixels * 1e6, 0) if method == "instant" else (args.size**2, args.niter)
            of_method = [case for case in cases if not niter or case[0] != "coordinates"]
            runs: dict[tuple[str, int], list[tuple[str, float, float]]] = {case: [] for case in of_method}
            for number in range(args.rounds):
                for case, count in of_method:
                    found = runs[case, count]
                    found.append(pool.apply(one_case, (args.path, pixels, niter, case, count)))
                    if number < args.rounds - 1:
                        continue
                    plain = statistics.median(run[1] for run in runs["plain", 3])
                    seconds, memory = statistics.median(run[1] for run in found), max(run[2] for run in found)
                    numbers = [f"{seconds:.2f}", f"{seconds / plain:.2f}", f"{memory / 2**30:.2f}"]
                    print(f"| {' | '.join([method, found[0][0], case, str(count), *numbers])} |", flush=True)


if __name__ == "__main__":
    main()
