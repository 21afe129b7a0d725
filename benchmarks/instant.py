"""Samples without training, by method, on a folder of pictures: their quality, and what they cost.

python benchmarks/instant.py FOLDER --weights FILE --samples 4 --foreign singan=FOLDER2 --sheet sheet.png
python benchmarks/instant.py PHOTO --megapixels 0.05 1 12 --tasks sample inpaint

The first form prints for each method, as a table in Markdown: SIFID (64 features), its mean and median; the difference
to the picture in grey levels, mean absolute, its mean and least; the share of samples below 5; coherent copies and the
largest copied region (``SIFID/copies.py``), mean and largest; the mean difference between samples of a picture; CPU
seconds of a sample, median; peak memory of the process so far. Methods take turns, picture by picture. A foreign folder
holds samples of somebody else's, each under its picture's name.

The second form prints CPU seconds and memory of tasks on one photo, enlarged or reduced to so many megapixels; each
runs in a process of its own, after its code is compiled, without decoding and writing.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the project, where this is started as a script

import numpy as np
import torch
from PIL import Image

from benchmarks.setting import present
from SIFID.copies import copied_regions
from SIFID.evaluation import compute_sifids
from SIFID.inception import trained_inception
from SinGAN.library.instant import instant
from SinGAN.patches.instant import Instant, as_image
from SinGAN.patches.levels import Levels
from SinGAN.pictures import images, sheets
from SinGAN.runs.progress import peak_memory

METHODS = ("instant", "patches", "denoise")
TASKS = ("sample", "retarget", "tile", "inpaint", "edit")
CPU = torch.device("cpu")
NAMES = (
    "SIFID mean", "median", "difference mean", "least", "below 5", "coherent", "largest mean", "worst",
    "between samples", "CPU s", "GB",
)  # fmt: skip


@dataclass
class Measured:
    """What is known of a method's samples so far."""

    sifid: list[float] = field(default_factory=list)
    difference: list[float] = field(default_factory=list)
    coherent: list[float] = field(default_factory=list)
    largest: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """The cells of ``NAMES``."""
        numbers = [
            *(statistics.mean(self.sifid), statistics.median(self.sifid)),
            *(statistics.mean(self.difference), min(self.difference)),
            statistics.mean(difference < 5 for difference in self.difference),
            *(statistics.mean(self.coherent), statistics.mean(self.largest), max(self.largest)),
            statistics.mean(self.between) if self.between else float("nan"),
            statistics.median(self.seconds) if self.seconds else float("nan"),
            peak_memory(CPU) / 2**30,
        ]
        return ["-" if number != number else f"{number:.3g}" for number in numbers]


def gap(one: Levels, other: Levels) -> float:
    """The mean absolute difference of two pictures (H, W, C) of one size, in grey levels."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def drawn(picture: Levels, method: str, variety: str, count: int, seed: int) -> Iterator[tuple[Levels, float]]:
    """Samples and the CPU seconds of each."""
    model = instant(picture, method, variety=variety, max_size=250, device="cpu")
    start = time.process_time()
    for image in model.engine.sample(torch.Generator().manual_seed(seed), count):
        yield images.to_levels(image), time.process_time() - start
        start = time.process_time()


def compare(args: argparse.Namespace) -> None:
    """Print the table, and write the sheet."""
    net, foreign = trained_inception(64, args.weights), dict(text.split("=", 1) for text in args.foreign)
    found = {name: Measured() for name in (*args.methods, *foreign)}
    tiles: list[Levels] = []
    for file in sorted(path for path in args.path.iterdir() if path.suffix in (".jpg", ".png")):
        picture = images.read_levels(file)
        real = images.to_tensor(picture)
        tiles.append(sheets.tile(real, file.stem))
        for name, measured in found.items():
            if name in foreign:
                others = sorted(Path(foreign[name]).glob(f"{file.stem}.*"))
                pairs = [(images.read_levels(other), float("nan")) for other in others]
            else:
                pairs = list(drawn(picture, name, args.variety, args.samples, args.seed))
            samples = [sample for sample, _ in pairs]
            for sample in samples:
                image = images.to_tensor(sample)
                measured.sifid += compute_sifids(net, image, real)
                measured.difference += [gap(sample, picture)] if sample.shape == picture.shape else []
                regions = copied_regions(image, real)
                measured.coherent.append(regions.coherent)
                measured.largest.append(regions.largest)
            measured.between += [gap(*two) for two in combinations(samples, 2)]
            measured.seconds += [seconds for _, seconds in pairs if seconds == seconds]
            like = images.to_tensor(picture)
            tiles += [sheets.beside(images.to_tensor(sample), like, name) for sample in samples[: args.shown]]
        print(f"{file.name}: " + ", ".join(f"{name} {one.sifid[-1]:.2f}" for name, one in found.items()), flush=True)
    print(f"\n| samples | {' | '.join(NAMES)} |\n|{'---|' * (len(NAMES) + 1)}")
    for name, measured in found.items():
        print(f"| {name} | {' | '.join(measured.row())} |")
    if args.sheet:
        height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
        padded = [
            np.pad(tile, ((0, height - tile.shape[0]), (0, width - tile.shape[1]), (0, 0)), constant_values=255)
            for tile in tiles
        ]
        shown = 1 + sum(min(args.shown, 1 if name in foreign else args.samples) for name in found)
        Image.fromarray(sheets.contact_sheet(padded, columns=shown)).save(args.sheet)


def hole_of(height: int, width: int) -> torch.Tensor:
    """A mask (1, 1, height, width) of an ellipse that covers 13 % of the photo, 8 bits."""
    y, x = torch.arange(height)[:, None] / height - 0.5, torch.arange(width) / width - 0.6
    return ((y / 0.22).square() + (x / 0.19).square() < 1).to(torch.uint8)[None, None]


def one_task(path: Path, megapixels: float, task: str, device: torch.device = CPU) -> tuple[str, float, float]:
    """The size of the photo in ``path`` at so many ``megapixels``, and the CPU seconds and bytes of a ``task``."""
    torch.set_num_threads(1)
    with Image.open(path) as picture:
        factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        size = round(picture.width * factor), round(picture.height * factor)
        levels = np.array(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    warm = Instant.of(levels[:60, :60].copy())
    next(warm.inpaint(hole_of(60, 60), None, torch.Generator()))
    engine, rng = Instant.of(levels, device=device), torch.Generator().manual_seed(1)
    height, width = engine.size
    start = time.process_time()
    if task == "sample":
        next(engine.sample(rng, 1))
    elif task == "retarget":
        next(engine.retarget(rng, 1, (1.0, 1.5)))
    elif task == "tile":
        next(engine.tile(rng, 1))
    elif task == "inpaint":
        next(engine.inpaint(hole_of(height, width), None, rng, 1))
    else:
        reference, mask = levels.copy(), torch.zeros(1, 1, height, width, dtype=torch.uint8)
        box = slice(int(0.3 * height), int(0.7 * height)), slice(int(0.5 * width), int(0.87 * width))
        rows, columns = (part.stop - part.start for part in box)
        top, left = int(0.2 * height), int(0.1 * width)
        reference[box] = levels[top : top + rows, left : left + columns]
        mask[0, 0][box] = 1
        start = time.process_time()
        list(engine.retouch(as_image(reference), mask, [engine.injection_scale], rng).pictures)
    return f"{width} x {height}", time.process_time() - start, peak_memory(CPU)


def time_tasks(args: argparse.Namespace) -> None:
    """Print a row for each task and size, medians of ``args.rounds``."""
    print("| task | pixels | CPU s | peak GB |\n|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for task in args.tasks:
            for megapixels in args.megapixels:
                runs = [pool.apply(one_task, (args.path, megapixels, task, args.device)) for _ in range(args.rounds)]
                seconds, memory = statistics.median(run[1] for run in runs), max(run[2] for run in runs)
                print(f"| {task} | {runs[0][0]} | {seconds:.2f} | {memory / 2**30:.2f} |", flush=True)


def main() -> None:
    """Measure what the arguments name."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("path", type=Path, help="a folder of pictures, or a photo")
    flags.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    flags.add_argument("--foreign", nargs="+", default=[], metavar="NAME=FOLDER", help="samples of somebody else's")
    flags.add_argument("--weights", type=Path, help="file of the Inception weights, of torch or npz")
    flags.add_argument("--variety", default="medium", choices=("low", "medium", "high"))
    flags.add_argument("--samples", type=int, default=4, help="of each method for each picture")
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--sheet", type=Path, help="write the pictures and some samples of each into this file")
    flags.add_argument("--shown", type=int, default=2, help="samples of each method on the sheet")
    flags.add_argument("--megapixels", type=float, nargs="+", help="time tasks on a photo of these sizes")
    flags.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--device", type=present, default=CPU, help="of the layouts of samples, with --megapixels")
    args = flags.parse_args()
    torch.set_num_threads(1)
    if args.megapixels:
        time_tasks(args)
    elif args.path.is_dir():
        compare(args)
    else:
        flags.error(f"{args.path} is no folder: name one, or sizes with --megapixels")


if __name__ == "__main__":
    main()
