"""SIFID: how far generated pictures are from real ones in the statistics of their Inception features.

The single-image Fréchet inception distance (SinGAN, Sect. 3.2) compares the distributions of the features at all
locations of a picture. Pictures are not resized; only their pixels count, not their file format.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the project's modules are

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts("sifid")  # before the imports that take seconds


import csv
import io
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from SIFID.frechet import frechet_distance
from SIFID.inception import check_size, moments_of, trained_inception
from SIFID.pairs import pairs
from SinGAN.engines.engine import choose_device
from SinGAN.options.measures import SifidOptions
from SinGAN.options.option import get_options
from SinGAN.options.run import RunOptions
from SinGAN.pictures import images
from SinGAN.storage.escaping import escape_cell
from SinGAN.storage.files import files_into, write_whole
from SinGAN.terminal.flags import make_parser, read_options
from SinGAN.terminal.messages import say


def run(argv: Sequence[str]) -> None:
    """Compute the SIFID of the pairs of pictures that ``argv`` names."""
    options = read_options(SifidOptions, make_parser("sifid").parse_args(argv))
    compared = pairs(options.path2real, options.path2fake, options.images_suffix)
    device = choose_device(parse_gpu(options.gpu))
    net = trained_inception(options.dims, options.weights).to(device)
    distances = list(
        tqdm(compute_sifids(compared, net, options.dims, device), total=len(compared), unit="pair", disable=None)
    )
    write(options.out, compared, distances)
    for (real, fake), distance in zip(compared, distances, strict=True):
        say(f"{real.name}  {fake.name}  {distance:.6g}")
    say(
        f"SIFID: {np.mean(distances):.6g}, standard deviation {np.std(distances):.6g}, "
        f"of {len(compared)} pairs, {options.dims} features: {options.out / 'SIFID.csv'}"
    )


def parse_gpu(number: str) -> torch.device:
    """The GPU with ``number``, or the CPU if that is empty; raise a ValueError for anything else."""
    name = f"cuda:{number.strip()}" if number.strip() else "cpu"
    try:
        get_options(RunOptions)["device"].check(name)
    except ValueError as error:
        raise ValueError(f"`gpu` {error}") from error
    return torch.device(name)


main = script(run)


def compute_sifids(
    pairs: Sequence[tuple[Path, Path]], net: nn.Module, dims: int, device: torch.device
) -> Iterator[float]:
    """The SIFID of each of ``pairs`` (real, generated), from the ``dims`` features of ``net``.

    Raises:
        ValueError: a picture can't be read, or is too small for ``dims``.
    """
    reals = dict.fromkeys(real for real, _ in pairs)
    real_moments = moments_of(net, (read(path, dims, device) for path in reals))
    fake_moments = moments_of(net, (read(path, dims, device) for _, path in pairs))
    if len(reals) == 1:
        real_moments = itertools.repeat(next(real_moments))
    for real, fake in zip(real_moments, fake_moments, strict=False):
        yield frechet_distance(real, fake)


def read(path: Path, dims: int, device: torch.device) -> Tensor:
    """The picture at ``path`` as (1, 3, H, W) in [-1, 1]; a ValueError if it is too small for ``dims`` features."""
    image = images.read(path)
    try:
        check_size(image.shape[-2], image.shape[-1], dims)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return image.to(device)


def write(folder: Path, pairs: Sequence[tuple[Path, Path]], distances: Sequence[float]) -> None:
    """Write ``SIFID.npy``, the distances, and ``SIFID.csv``, with the pictures, into ``folder``."""
    with files_into(folder) as draft:
        array = io.BytesIO()  # np.save reports a full disk without its number
        np.save(array, np.asarray(distances))
        write_whole(draft / "SIFID.npy", array.getvalue())
        with (draft / "SIFID.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["real", "fake", "sifid"])
            table.writerows(
                [*(escape_cell(str(path)) for path in pair), distance]
                for pair, distance in zip(pairs, distances, strict=True)
            )


if __name__ == "__main__":
    main()
