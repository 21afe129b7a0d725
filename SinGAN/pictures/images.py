"""Picture files: the only place that reads or writes them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from skimage.color import rgb2gray
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.storage.files import regular, whole_file

Levels = npt.NDArray[np.uint8]  # (H, W, C)

LOG = logging.getLogger(__name__)
ORIENTATION = ExifTags.Base.Orientation
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # others, as EPS, start programs
LARGE = 50_000_000  # pixels


def read(path: Path, channels: int = 3, opaque: bool = False) -> Tensor:
    """The picture at ``path`` as (1, channels, H, W) in [-1, 1], upright, 16 bits rounded to 8.

    Of several frames or pages the first is read.

    Arguments:
        path: a file of one of ``FORMATS``, whatever its name.
        channels: 1: colours become grey. 3: grey becomes RGB, alpha is dropped. 4: alpha is kept.
        opaque: with 4 channels, fill in an alpha that is lacking.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, is damaged, or lacks the alpha that 4 channels need.
    """
    if not path.exists():
        raise FileNotFoundError(f"no picture {path}: put it there, or name its folder (`input_dir`, `ref_dir`)")
    try:
        with _opened(path) as picture:
            if picture.width * picture.height > LARGE:
                LOG.info(f"{path} has {picture.width * picture.height / 1e6:.0f} megapixels: reading it takes some GB")
            levels = decode(ImageOps.exif_transpose(picture))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if channels == 4 and levels.shape[2] in (1, 3) and not opaque:
        raise ValueError(f"{path} has no alpha channel, and `nc_im` 4 needs one: use `nc_im` 3")
    return to_tensor(with_channels(levels, channels))


def size(path: Path) -> tuple[int, int]:
    """Height and width of the picture at ``path``, upright; only its header is read.

    Raises:
        ValueError: it is no picture.
    """
    try:
        with _opened(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(ORIENTATION, 1) >= 5
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return (width, height) if turned else (height, width)


UNREADABLE = OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError


def _unreadable(path: Path, error: Exception) -> ValueError:
    """The error that names ``path``, which Pillow could not read for ``error``."""
    unknown = isinstance(error, UnidentifiedImageError)
    why = "it is none of PNG, JPEG, WebP, TIFF, BMP and GIF" if unknown else error
    return ValueError(f"{path} can't be read as a picture: {why}")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files that are odd, but can be read
        with Image.open(regular(path), formats=FORMATS) as picture:
            yield picture


def read_like(path: Path, real: Tensor, channels: int | None = None) -> Tensor:
    """The picture at ``path`` with the size and device of ``real``, and ``channels``, or as many as ``real`` has."""
    image = read(path, channels or real.shape[1], opaque=True).to(real.device)
    size = real.shape[-2], real.shape[-1]
    return image if image.shape[-2:] == size else imresize_to(image, size)


def decode(picture: Image.Image) -> Levels:
    """The 8-bit levels (H, W, 1 to 4) of ``picture``: grey or RGB, with alpha where it has one."""
    if picture.mode == "F":
        raise ValueError("its values are floats of unknown range; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):
        wide = np.asarray(picture)
        if wide.min() < 0 or wide.max() > 65535:
            raise ValueError("its values have more than 16 bits; save it with 8 or 16 bits")
        return np.rint(wide / 257).astype(np.uint8)[:, :, None]
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        mode += "A"
    levels = np.asarray(picture.convert(mode))
    return levels if levels.ndim == 3 else levels[:, :, None]


def with_channels(levels: Levels, channels: int) -> Levels:
    """``levels`` (H, W, 1 to 4) as grey (1 channel), RGB (3) or RGBA (4), opaque where they lack alpha."""
    colour, alpha = (levels[:, :, :-1], levels[:, :, -1:]) if levels.shape[2] in (2, 4) else (levels, None)
    if channels == 1:
        return colour if colour.shape[2] == 1 else np.rint(255 * rgb2gray(colour)).astype(np.uint8)[:, :, None]
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    if channels == 3:
        return colour
    return np.concatenate([colour, np.full_like(colour[:, :, :1], 255) if alpha is None else alpha], axis=2)


def to_tensor(levels: Levels) -> Tensor:
    """The image (1, C, H, W) in [-1, 1] of ``levels`` (H, W, C) in 0 .. 255."""
    image = torch.from_numpy(levels / 255).float()
    return ((image - 0.5) * 2).clamp(-1, 1).permute(2, 0, 1)[None].contiguous()


def to_levels(image: Tensor) -> Levels:
    """The levels (H, W, C) in 0 .. 255 of ``image`` (1, C, H, W) or (C, H, W) in [-1, 1], rounded."""
    image = image.detach()[0] if image.ndim == 4 else image.detach()
    levels = ((image.float() + 1) / 2).clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def write(path: Path, image: Tensor) -> None:
    """Write ``image`` (1, C, H, W) or (C, H, W), in [-1, 1], as PNG: grey, RGB or RGBA by its number of channels."""
    write_levels(path, to_levels(image))


def write_levels(path: Path, levels: Levels) -> None:
    """Write ``levels`` (H, W, 1, 3 or 4) as PNG."""
    picture = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    with whole_file(path) as draft:
        picture.save(draft, format="PNG")
