"""Pairs of pictures to compare: files with the same stem in two folders, or one picture with all others."""

from collections.abc import Iterable
from pathlib import Path

from SinGAN.pictures.rasters import is_raster

ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
CONTACT_SHEET = "grid.png"
SHOWN = 5  # names in a message, at most


def pictures(path: Path, suffix: str | None = None) -> list[Path]:
    """The pictures in the folder ``path``, sorted by their stems; if ``path`` is a file, only itself.

    ``suffix`` (jpg, .png, _fake.png) selects the files whose names end with it, ignoring case; by default, all pictures
    are selected. Contact sheets of random samples are always left out, and so are data that have a preview beside them.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: the folder has no such picture.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no folder or picture {path}")
    files = [entry for entry in path.iterdir() if entry.is_file() and _counts(entry, suffix)]
    if not files:
        what = f"file whose name ends in {suffix!r} (`images_suffix`)" if suffix else "picture"
        raise ValueError(f"the folder {path} holds no {what}")
    return sorted(files, key=lambda file: numeric_key(file.stem))


def _counts(file: Path, suffix: str | None) -> bool:
    is_sheet = file.name == CONTACT_SHEET or file.name.startswith("grid_")  # of pictures, or of their maps
    if file.name.startswith(".") or (is_sheet and file.with_name("0.png").exists()):
        return False
    if file.suffix.lower() in (".tif", ".tiff") and file.with_suffix(".png").exists() and is_raster(file):
        return False
    return file.name.lower().endswith(suffix.lower()) if suffix else file.suffix.lower() in ENDINGS


def numeric_key(stem: str) -> tuple[bool, int, str]:
    """A sort key for ``stem``: numbers come first, in numerical order."""
    return (False, int(stem), stem) if stem.isdecimal() else (True, 0, stem)


def pairs(real: Path, fake: Path, suffix: str | None = None) -> list[tuple[Path, Path]]:
    """The pairs (real, generated) to compare: a single real file with all generated ones, else those with the same
    stem.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: a folder has no picture, two with the same stem, or one without a partner.
    """
    fakes = pictures(fake, suffix)
    if real.is_file():
        return [(real, picture) for picture in fakes]
    reals, generated = _by_stem(pictures(real, suffix)), _by_stem(fakes)
    alone = [
        f"{', '.join(sorted(stems)[:SHOWN])}{' ..' if len(stems) > SHOWN else ''} only in {path}"
        for path, stems in ((real, reals.keys() - generated.keys()), (fake, generated.keys() - reals.keys()))
        if stems
    ]
    if alone:
        raise ValueError(
            f"pictures are paired by their names without the extension, and these have no partner: "
            f"{'; '.join(alone)} (one real picture for all: name its file with `path2real`)"
        )
    return [(reals[stem], picture) for stem, picture in generated.items()]


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for file in files:
        if file.stem in by_stem:
            raise ValueError(f"{by_stem[file.stem]} and {file.name} have the same name but for the extension")
        by_stem[file.stem] = file
    return by_stem
