"""The parts of a picture, as sky, trees and rock: which is where, painted with a colour for each."""

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from SinGAN.pictures.arrays import as_raster
from SinGAN.pictures.images import Levels

MOST = 32  # parts of a picture
SUFFIX = "_labels"  # of the name of a label map: lake_labels.png of lake.jpg
FIRST = ("#8c8c8c", "#e6194b", "#3cb44b", "#4363d8", "#ffe119", "#911eb4", "#f58231", "#42d4f4")
"""The colours of the first parts, as different as can be; the first one is that of the rest."""
Size = tuple[int, int]  # height and width
Numbers = npt.NDArray[np.int32]  # (H, W): of the part at each pixel


@dataclass(frozen=True)
class Arrangement:
    """Which part is where: in the picture, and in the results."""

    now: Numbers
    wanted: Numbers

    def check(self) -> None:
        """Raise a ValueError if a part is wanted that the picture has not."""
        if set(np.unique(self.wanted)) - set(np.unique(self.now)):
            raise ValueError(
                "the new picture has a colour that your photo has not: show first, under \u201cIn your photo\u201d, "
                "what it stands for"
            )


def colours_of(count: int) -> list[str]:
    """Colours #rrggbb for so many parts."""
    more = (colorsys.hsv_to_rgb(number / MOST, 0.5, 0.75) for number in range(max(0, count - len(FIRST))))
    return [*FIRST, *("#" + "".join(f"{round(255 * level):02x}" for level in levels) for levels in more)][:count]


def levels_of(colours: Sequence[str]) -> Levels:
    """The levels (count, 3) of ``colours`` #rrggbb.

    Raises:
        ValueError: they are no such colours, or not 1 to 32.
    """
    if not 1 <= len(colours) <= MOST or not all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours):
        raise ValueError(f"a drawing has 1 to {MOST} colours, such as #3cb44b: load the page again")
    return np.array([[*bytes.fromhex(colour[1:])] for colour in colours], np.uint8)


def numbers_of(painted: Levels, colours: Sequence[str]) -> Numbers:
    """The number of the part at each pixel of ``painted`` (H, W, 3): that of the most similar of its ``colours``."""
    nearest = np.full(painted.shape[:2], 2**30, np.int32)
    numbers = np.zeros(painted.shape[:2], np.int32)
    for number, levels in enumerate(levels_of(colours)):
        apart = np.square(painted.astype(np.int32) - levels).sum(axis=2, dtype=np.int32)
        numbers[apart < nearest] = number
        nearest = np.minimum(nearest, apart)
    return numbers


def resize(numbers: Numbers, size: Size) -> Numbers:
    """``numbers`` (h, w) at another ``size`` (height, width)."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, numbers.shape, strict=True))
    resized: Numbers = numbers[rows.astype(int)[:, None], columns.astype(int)]
    return resized


def read_map(file: Path, size: Size, shown: Size) -> tuple[Levels, list[str]]:
    """The label map in ``file``, as a picture (H, W, 3) of the size ``shown``, and its colours #rrggbb.

    A map with a palette, or with colours, keeps them; whole numbers get colours of ours.

    Arguments:
        file: a picture or data with a value, or a colour, for each part.
        size: height and width of the picture that it is of; the map may be smaller or larger.
        shown: of the result.

    Raises:
        ValueError: it can't be read, has other proportions, or too many values.
    """
    try:
        raster = as_raster(file, "label map")
    except (OSError, ValueError) as error:
        raise ValueError(str(error).replace(str(file), file.name)) from error
    (height, width), (rows, columns) = size, raster.size
    if abs(height / width * columns / rows - 1) > 0.02:
        raise ValueError(f"{file.name} has {columns} x {rows} pixels, the picture {width} x {height}: it must fit it")
    values = raster.values[..., :3] if raster.channels == 4 else raster.values
    kinds, which = np.unique(values.reshape(-1, values.shape[2]), axis=0, return_inverse=True)
    if len(kinds) > MOST:
        raise ValueError(
            f"{file.name} has {len(kinds)} different values: a label map has at most {MOST}, one for each part "
            "(a JPEG blurs them: use a PNG)"
        )
    if palette := bytes.fromhex(raster.form.palette):
        table = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        levels = table[kinds[:, 0].astype(int)]
    elif kinds.shape[1] == 3 and kinds.dtype == np.uint8:
        levels = kinds
    else:
        levels = levels_of(colours_of(len(kinds)))
    numbers = resize(which.astype(np.int32).reshape(rows, columns), shown)
    return levels[numbers], ["#{:02x}{:02x}{:02x}".format(*map(int, level)) for level in levels]


def split_maps(files: Sequence[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """The pictures among ``files``, and the label maps of those that have one among them."""
    by_name = {file.stem: file for file in files}
    maps = {
        by_name[file.stem.removesuffix(SUFFIX)]: file
        for file in files
        if file.stem.endswith(SUFFIX) and file.stem.removesuffix(SUFFIX) in by_name
    }
    return [file for file in files if file not in maps.values()], maps
