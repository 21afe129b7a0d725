"""Picture files: the only place that reads or writes them."""

import importlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import skimage as ski
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.pictures import decoding
from SinGAN.pictures.decoding import Levels as Levels
from SinGAN.storage.files import nearest, regular, whole_file

LOG = logging.getLogger(__name__)
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # others, as EPS, start programs
HEIC = b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"
LARGE = 2**20  # pixels: from here on files are compressed quickly, and some 10 % larger
STRETCHED = 0.04  # share of the width from which it is told that a picture is stretched


def read(path: Path, channels: int = 3, opaque: bool = False) -> Tensor:
    """The picture at ``path`` as (1, channels, H, W) in [-1, 1]; arguments and errors as for ``read_levels``."""
    return to_tensor(read_levels(path, channels, opaque))


def read_levels(path: Path, channels: int = 3, opaque: bool = False) -> Levels:
    """The picture at ``path`` as levels (H, W, channels), upright, in sRGB, 16 bits rounded to 8.

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
        hint = (
            nearest(path) or nearest(Path(path.name)) or ": put it there, or name its folder (`input_dir`, `ref_dir`)"
        )
        raise FileNotFoundError(f"no picture {path}{hint}")
    try:
        with _opened(path) as picture:
            if decoding.step_of(picture.size) > 1:
                LOG.info(f"{path}, {picture.width} x {picture.height} pixels, is reduced while it is read")
            levels = decoding.levels_of(picture)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise _unreadable(path, error) from error
    if channels == 4 and levels.shape[2] in (1, 3) and not opaque:
        raise ValueError(f"{path} has no alpha channel, and `nc_im` 4 needs one: use `nc_im` 3")
    return np.require(with_channels(levels, channels), requirements=["C", "W"])


def size(path: Path) -> tuple[int, int]:
    """Height and width of the picture that ``read`` makes of ``path``; only its header is read.

    Raises:
        ValueError: it is no picture.
    """
    try:
        with _opened(path) as picture:
            return decoding.size_of(picture)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    """The error that names ``path``, which Pillow could not read for ``error``."""
    why = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        why = "it is none of PNG, JPEG, WebP, TIFF, BMP and GIF"
        if _is_heic(path):
            why = "it is a HEIC photo: pip install pillow-heif, or save it as JPEG"
    return ValueError(f"{path} can't be read as a picture: {why:.300}")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files that are odd, but can be read
        with _open(regular(path)) as picture:
            yield picture


def _open(path: Path) -> Image.Image:
    """The picture at ``path``, as Pillow opens it; a HEIC photo where pillow-heif is there."""
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        if not _is_heic(path) or importlib.util.find_spec("pillow_heif") is None:
            raise
        importlib.import_module("pillow_heif").register_heif_opener()
        return Image.open(path, formats=(*FORMATS, "HEIF"))
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
        return Image.open(io.BytesIO(without_text(path.read_bytes())), formats=FORMATS)


def _is_heic(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def without_text(png: bytes) -> bytes:
    """The content of a PNG file without its texts, which may be longer than Pillow reads."""
    parts, place = [png[:8]], 8
    while place + 8 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt"):
            parts.append(png[place:end])
        place = end
    return b"".join(parts)


def read_like(path: Path, real: Tensor, channels: int | None = None) -> Tensor:
    """The picture at ``path`` with the size, type and device of ``real``, and ``channels``, or as many as it has."""
    levels = read_levels(path, channels or real.shape[1], opaque=True)
    image = as_8_bits(levels) if real.dtype == torch.uint8 else to_tensor(levels).to(real.device)
    size = real.shape[-2], real.shape[-1]
    unstretched = size[0] * image.shape[-1] / image.shape[-2]  # its width at that height
    if abs(unstretched - size[1]) > max(2, STRETCHED * size[1]):
        LOG.info(
            f"{path}, {image.shape[-1]} x {image.shape[-2]} pixels, has another shape than the training picture: "
            f"it is stretched to {size[1]} x {size[0]}"
        )
    return image if image.shape[-2:] == size else resized(image, size)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` (1, C, H, W) at another ``size``: by the paper's resize, of 8 bits by Pillow's."""
    if image.dtype != torch.uint8:
        return imresize_to(image, size)
    channels = (Image.fromarray(channel).resize(size[::-1], Image.Resampling.BICUBIC) for channel in image[0].numpy())
    return as_8_bits(np.stack([np.asarray(channel) for channel in channels], axis=2))


def with_channels(levels: Levels, channels: int) -> Levels:
    """``levels`` (H, W, 1 to 4) as grey (1 channel), RGB (3) or RGBA (4), opaque where they lack alpha."""
    colour, alpha = (levels[:, :, :-1], levels[:, :, -1:]) if levels.shape[2] in (2, 4) else (levels, None)
    if channels == 1:
        grey = colour[:, :, 0] if colour.shape[2] == 1 else np.rint(255 * ski.color.rgb2gray(colour))
        return grey.astype(np.uint8)[:, :, None]
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    if channels == 3:
        return colour
    if alpha is None:
        return np.concatenate([colour, np.full_like(colour[:, :, :1], 255)], axis=2)
    return decoding.without_hidden_colours(np.concatenate([colour, alpha], axis=2))


def to_tensor(levels: Levels) -> Tensor:
    """The image (1, C, H, W) in [-1, 1] of ``levels`` (H, W, C) in 0 .. 255."""
    image = torch.from_numpy(levels / 255).float()
    return ((image - 0.5) * 2).clamp(-1, 1).permute(2, 0, 1)[None].contiguous()


def as_8_bits(levels: Levels) -> Tensor:
    """``levels`` (H, W, C) as an image (1, C, H, W) of 8 bits, which shares their memory."""
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def as_floats(image: Tensor) -> Tensor:
    """``image`` (1, C, H, W) in [-1, 1]; one of 8 bits is converted."""
    return to_tensor(to_levels(image)) if image.dtype == torch.uint8 else image


def of_mask(mask: Tensor) -> Tensor:
    """``mask`` (1, 1, H, W), in 0 .. 1 or, of 8 bits, 0 or 1, as a grey image."""
    return mask * 255 if mask.dtype == torch.uint8 else mask * 2 - 1


def to_levels(image: Tensor) -> Levels:
    """The levels (H, W, C) of ``image`` (1, C, H, W) or (C, H, W), of 8 bits or in [-1, 1], rounded."""
    image = image.detach()[0] if image.ndim == 4 else image.detach()
    if image.dtype == torch.uint8:
        return image.permute(1, 2, 0).cpu().numpy()
    levels = ((image.float() + 1) / 2).clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def write(path: Path, image: Tensor) -> None:
    """Write ``image`` (1, C, H, W) or (C, H, W), of 8 bits or in [-1, 1], as PNG: grey, RGB or RGBA by its channels."""
    write_levels(path, to_levels(image))


def write_levels(path: Path, levels: Levels) -> None:
    """Write ``levels`` (H, W, 1, 3 or 4) as PNG."""
    picture = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    with whole_file(path) as draft:
        picture.save(draft, format="PNG", compress_level=6 if picture.width * picture.height < LARGE else 1)
