"""SIFID: how far generated pictures are from real ones in the statistics of their Inception features.

The single-image Fréchet inception distance (SinGAN, Sect. 3.2): each picture's features at all locations are one
cloud; no resizing; PNG, JPEG and all other kinds of files count as their pixels.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the project's modules are

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import csv
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

import config
from SIFID.frechet import frechet_distance
from SIFID.inception import LAYERS, check_size, moments_of, trained_inception
from SIFID.pairs import pairs
from SinGAN.engines import engine as engines
from SinGAN.pictures import images
from SinGAN.storage.files import files_into


@script
def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    found = pairs(args.path2real, args.path2fake, args.images_suffix)
    device = engines.choose_device(args.gpu, not_cuda=False)
    net = trained_inception(args.dims, args.weights).to(device)
    distances = list(tqdm(sifids(found, net, args.dims, device), total=len(found), unit="pair", disable=None))
    write(args.out, found, distances)
    for (real, fake), distance in zip(found, distances, strict=True):
        print(f"{real.name}  {fake.name}  {distance:.6g}")
    print(
        f"SIFID: {np.mean(distances):.6g}, standard deviation {np.std(distances):.6g}, "
        f"of {len(found)} pairs, {args.dims} features: {args.out / 'SIFID.csv'}"
    )


def parser() -> config.Parser:
    """The authors' flags, and ours."""
    made = config.Parser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add = made.add_argument
    add("--path2real", type=Path, required=True, help="folder of the real pictures, or one picture for all")
    add("--path2fake", type=Path, required=True, help="folder of the generated pictures, or one")
    add("-c", "--gpu", type=gpu, default=torch.device("cpu"), help="number of the GPU to use [the CPU]")
    add("--images_suffix", help="how the names end of the files that count, as jpg [every picture]")
    add_inception_flags(made)
    add("--out", type=Path, default=Path("Output"), help="folder of SIFID.npy and SIFID.csv [%(default)s]")
    return made


def add_inception_flags(parser: config.Parser) -> None:
    """Which features, from which weights."""
    add = parser.add_argument_group("Inception").add_argument
    add("--dims", type=int, choices=tuple(LAYERS), default=64, help="which features: how many there are [%(default)s]")
    add("--weights", type=Path, help="file of the weights, of torch or npz [torchvision's, downloaded once]")


def gpu(text: str) -> torch.device:
    """A converter from a GPU's number, or nothing for the CPU."""
    return config.device(f"cuda:{text}") if text.strip() else torch.device("cpu")


def sifids(pairs: Sequence[tuple[Path, Path]], net: nn.Module, dims: int, device: torch.device) -> Iterator[float]:
    """The SIFID of each of ``pairs`` (real, generated), with features of ``net``, of ``dims`` channels.

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
    """The picture at ``path`` as (1, 3, H, W) in [-1, 1], large enough for features of ``dims``."""
    image = images.read(path)
    try:
        check_size(image.shape[-2], image.shape[-1], dims)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return image.to(device)


def write(folder: Path, pairs: Sequence[tuple[Path, Path]], distances: Sequence[float]) -> None:
    """Write ``SIFID.npy``, the distances, and ``SIFID.csv``, with the pictures, into ``folder``."""
    with files_into(folder) as draft:
        np.save(draft / "SIFID.npy", np.asarray(distances))
        with (draft / "SIFID.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["real", "fake", "sifid"])
            table.writerows([*pair, distance] for pair, distance in zip(pairs, distances, strict=True))


if __name__ == "__main__":
    main()
