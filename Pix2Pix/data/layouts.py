"""The files of a data set's pairs, in one of three layouts."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from SinGAN.pictures import images

Levels = npt.NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
LETTERS = (("A", "B"), ("_A", "_B"), ("_label", "_img"))  # behind the phase, in names of folders
LAYOUTS = (
    "<dataroot>/<phase>/ with A and B side by side",
    "<dataroot>/A/<phase>/ and <dataroot>/B/<phase>/",
    "<dataroot>/<phase>A/ and <phase>B/ (also _A and _B, or _label and _img)",
)


@dataclass(frozen=True)
class PairFiles:
    """The files of a pair."""

    name: str  # its relative path without the extension
    a: Path
    b: Path | None  # None: A and B lie side by side in ``a``

    @property
    def paths(self) -> list[Path]:
        """Its one file, or two."""
        return [self.a] if self.b is None else [self.a, self.b]


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """A sort key that puts 2 before 10."""
    parts = re.split(r"([0-9]+)", path.as_posix())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def find_pictures(folder: Path) -> list[Path]:
    """The picture files below ``folder``, in order; hidden files and folders, as macOS leaves them, are skipped."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    shown = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return sorted(shown, key=lambda path: natural_key(path.relative_to(folder)))


def find_pairs(root: Path, phase: str) -> list[PairFiles]:
    """The pairs of the ``phase`` of a data set, in order; ``root`` is its folder, or one side-by-side picture.

    Raises:
        FileNotFoundError: there is no ``root``.
        ValueError: ``root`` has none of the layouts, a side lacks its partner, or two files have the same name.
    """
    if root.is_file():
        return [PairFiles(root.stem, root, None)]
    if not root.is_dir():
        raise FileNotFoundError(f"no data set {root} (`dataroot`)")
    if (root / phase).is_dir():
        folder = root / phase
        found = index_by_name(folder, ending="")
        if found:
            return [PairFiles(name, path, None) for name, path in found.items()]
    folders = [(root / "A" / phase, root / "B" / phase)]
    folders += [(root / f"{phase}{a}", root / f"{phase}{b}") for a, b in LETTERS]
    for left, right in folders:
        if left.is_dir() and right.is_dir():
            return match_sides(left, right)
    there = ", ".join(find_phases(root)) or "none"
    raise ValueError(
        f"no pictures of the phase {phase} in {root} (phases there: {there}): a data set is laid out as "
        f"{'; or '.join(LAYOUTS)}"
    )


def find_phases(root: Path) -> list[str]:
    """The phases that the folders in ``root`` suggest."""
    found = {path.name for path in (root / "A").glob("*") if path.is_dir()} if (root / "A").is_dir() else set()
    for path in root.glob("*"):
        if path.is_dir() and path.name not in ("A", "B") and not path.name.startswith("."):
            found.add(re.sub(r"(_?[AB]|_label|_img)$", "", path.name))
    return sorted(found)


def index_by_name(folder: Path, ending: str) -> dict[str, Path]:
    """The pictures below ``folder`` by relative path without extension, and without a final ``ending``."""
    result: dict[str, Path] = {}
    for path in find_pictures(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        name = name.removesuffix(ending) if ending else name
        if name in result:
            raise ValueError(f"{result[name]} and {path} have the same name: rename or remove one")
        result[name] = path
    return result


def match_sides(left: Path, right: Path) -> list[PairFiles]:
    """The pairs of the pictures in two folders."""
    ours, theirs = index_by_name(left, "_A"), index_by_name(right, "_B")
    for name, path in {**ours, **theirs}.items():
        if name not in theirs:
            raise ValueError(f"{ours[name]} has no partner in {right}: add it, or leave it out")
        if name not in ours:
            raise ValueError(f"{path} has no partner in {left}: add it, or leave it out")
    if not ours:
        raise ValueError(f"no pictures in {left}")
    return [PairFiles(name, path, theirs[name]) for name, path in ours.items()]


def read_sides(pair: PairFiles) -> tuple[Levels, Levels]:
    """A and B of ``pair`` as RGB levels (H, W, 3).

    Raises:
        ValueError: they have two sizes.
    """
    first = images.to_levels(images.read(pair.a, 3))
    if pair.b is None:
        middle = first.shape[1] // 2
        return first[:, :middle], first[:, middle:]
    second = images.to_levels(images.read(pair.b, 3))
    if first.shape != second.shape:
        raise ValueError(
            f"{pair.a} has {first.shape[1]} x {first.shape[0]} pixels, {pair.b} {second.shape[1]} x {second.shape[0]}: "
            "both sides must have the same size"
        )
    return first, second


def skip_unreadable(pairs: Iterable[PairFiles], note: Callable[[str], object]) -> Iterator[PairFiles]:
    """Yield the ``pairs`` whose files can be read; ``note`` is called with a line about each other one."""
    for pair in pairs:
        try:
            for path in pair.paths:
                images.read(path)
        except (ValueError, OSError) as error:
            note(f"left out: {error}")
        else:
            yield pair


def read_size(pair: PairFiles) -> tuple[int, int]:
    """Height and width of each side of ``pair``, from the headers of its files.

    Raises:
        ValueError: a file is no picture, has no two sides, or the sides have two sizes.
    """
    height, width = images.read_size(pair.a)
    if pair.b is None:
        if width < 2:
            raise ValueError(f"{pair.a} is one pixel wide: it does not hold two sides")
        return height, width // 2
    if images.read_size(pair.b) != (height, width):
        read_sides(pair)  # says so
    return height, width
