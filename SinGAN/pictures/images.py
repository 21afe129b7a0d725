"""Reading and writing picture files, and conversions between 8-bit levels and tensors."""

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
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.pictures import decoding
from SinGAN.pictures.decoding import Levels as Levels
from SinGAN.storage.files import check_regular, suggest_name, write_whole

LOG = logging.getLogger(__name__)
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # others, such as EPS, start programs
HEIC = b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"
SOURCE = "Source"  # the key of a text in a PNG
LARGE = 2**20  # pixels: larger pictures are compressed quickly, into files that are some 10 % larger
STRETCHED = 0.04  # share of the width: a log message tells of more stretching
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**26  # bytes: image generators write long texts


def read(path: Path, channels: int = 3, opaque: bool = False) -> Tensor:
    """The picture at ``path`` as (1, channels, H, W) in [-1, 1]; arguments and errors as for ``read_levels``."""
    return to_tensor(read_levels(path, channels, opaque))


def read_levels(path: Path, channels: int = 3, opaque: bool = False) -> Levels:
    """The picture at ``path`` as levels (H, W, channels), upright, in sRGB, 16 bits rounded to 8.

    Of several frames or pages the first is read.

    Arguments:
        path: a file in one of ``FORMATS``, whatever its name.
        channels: 1: colours become grey. 3: grey becomes RGB, alpha is dropped. 4: alpha is kept.
        opaque: with 4 channels, add an opaque alpha if the picture has none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, is damaged, or has no alpha, which 4 channels need.
    """
    if not path.exists():
        remedy = ": put it there, or name its folder (`input_dir`, `ref_dir`)"
        hint = suggest_name(path) or suggest_name(Path(path.name)) or remedy
        raise FileNotFoundError(f"no picture {path}{hint}")
    try:
        with opened(path) as picture:
            if decoding.reduction(picture.size) > 1:
                LOG.info(f"{path}, {picture.width} x {picture.height} pixels, is reduced while it is read")
            levels = decoding.levels_of(picture)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise _unreadable(path, error) from error
    if channels == 4 and levels.shape[2] in (1, 3) and not opaque:
        raise ValueError(f"{path} has no alpha channel, and `nc_im` 4 needs one: use `nc_im` 3")
    return np.require(with_channels(levels, channels), requirements=["C", "W"])


def from_png(content: bytes, pixels: int, channels: int = 3) -> Levels:
    """The levels (H, W, channels) of a drawing, the PNG ``content`` with at most ``pixels``; 4 channels keep alpha.

    Raises:
        ValueError: it is no PNG, is damaged, or too large, which its header says.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures
            with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
                width, height = picture.size
                if width * height <= pixels:
                    return with_channels(decoding.levels_of(picture), channels)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ValueError("the drawing can't be read: it is no PNG, is damaged, or far too large") from error
    raise ValueError(f"the drawing has {width} x {height} pixels: that is too large")


def read_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture that ``read`` returns for ``path``; only the header is read.

    Raises:
        ValueError: it is no picture.
    """
    try:
        with opened(path) as picture:
            return decoding.decoded_size(picture)
    except Exception as error:
        raise _unreadable(path, error) from error


def has_alpha(path: Path) -> bool:
    """Whether the picture at ``path`` has an alpha channel or a transparent colour; only the header is read.

    Raises:
        ValueError: it is no picture.
    """
    try:
        with opened(path) as picture:
            return bool(picture.has_transparency_data)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    """The error for ``path``, which Pillow could not read because of ``error``."""
    why = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        why = "it is none of PNG, JPEG, WebP, TIFF, BMP and GIF"
        if _is_heic(path):
            why = "it is a HEIC photo: pip install pillow-heif, or save it as JPEG"
    return ValueError(f"{path} can't be read as a picture: {why:.300}")


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Yield the picture at ``path``, opened with Pillow, whose warnings are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual files that can be read
        with _open(check_regular(path)) as picture:
            yield picture


def _open(path: Path) -> Image.Image:
    """Open ``path`` with Pillow; a HEIC photo if pillow-heif is installed."""
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        if not _is_heic(path) or importlib.util.find_spec("pillow_heif") is None:
            raise
        importlib.import_module("pillow_heif").register_heif_opener()
        return Image.open(path, formats=(*FORMATS, "HEIF"))


def _is_heic(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def read_like(path: Path, real: Tensor, channels: int | None = None) -> Tensor:
    """The picture at ``path`` with the size, type, device and, by default, channels of ``real``."""
    levels = read_levels(path, channels or real.shape[1], opaque=True)
    (height, width), (real_height, real_width) = levels.shape[:2], real.shape[-2:]
    unstretched = real_height * width / height  # the width at the height of ``real``
    if abs(unstretched - real_width) > max(2, STRETCHED * real_width):
        LOG.info(
            f"{path}, {width} x {height} pixels, has another shape than the training picture: "
            f"it is stretched to {real_width} x {real_height}"
        )
    return to_image_like(levels, real)


def to_image_like(levels: Levels, real: Tensor) -> Tensor:
    """``levels`` (H, W, C) as an image with the size, type and device of ``real`` (1, C', h, w)."""
    image = to_8_bits(levels) if real.dtype == torch.uint8 else to_tensor(levels).to(real.device)
    size = real.shape[-2], real.shape[-1]
    return image if image.shape[-2:] == size else resize(image, size)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``image`` (1, C, H, W) to ``size``: floats by the paper's resize, 8-bit levels by Pillow's bicubic one."""
    if image.dtype != torch.uint8:
        return imresize_to(image, size)
    channels = (Image.fromarray(channel).resize(size[::-1], Image.Resampling.BICUBIC) for channel in image[0].numpy())
    return to_8_bits(np.stack([np.asarray(channel) for channel in channels], axis=2))


def with_channels(levels: Levels, channels: int) -> Levels:
    """``levels`` (H, W, 1 to 4) as grey (1 channel), RGB (3) or RGBA (4), opaque if they have no alpha."""
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
    return decoding.fill_hidden_colours(np.concatenate([colour, alpha], axis=2))


def to_tensor(levels: Levels) -> Tensor:
    """The image (1, C, H, W) in [-1, 1] of ``levels`` (H, W, C) in 0 .. 255."""
    image = torch.from_numpy(levels / 255).float()
    return ((image - 0.5) * 2).clamp(-1, 1).permute(2, 0, 1)[None].contiguous()


def to_8_bits(levels: Levels) -> Tensor:
    """``levels`` (H, W, C) as an 8-bit image (1, C, H, W) that shares their memory."""
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def to_floats(image: Tensor) -> Tensor:
    """``image`` (1, C, H, W) in [-1, 1], converted if it has 8 bits."""
    return to_tensor(to_levels(image)) if image.dtype == torch.uint8 else image


def mask_to_image(mask: Tensor) -> Tensor:
    """``mask`` (1, 1, H, W) as a grey image; its values are in 0 .. 1, or 0 and 1 if it has 8 bits."""
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


def write_levels(path: Path, levels: Levels, source: str = "") -> None:
    """Write ``levels`` (H, W, 1, 3 or 4) as PNG, with a text ``source`` that ``read_source`` reads, if there is one."""
    picture, texts = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels), PngImagePlugin.PngInfo()
    if source:
        texts.add_text(SOURCE, source)
    compression, content = 6 if picture.width * picture.height < LARGE else 1, io.BytesIO()
    picture.save(content, format="PNG", compress_level=compression, pnginfo=texts)
    write_whole(path, content.getvalue())


def read_source(path: Path) -> str:
    """The text ``source`` of the PNG at ``path``; "" if it has none, or is no PNG that can be read."""
    try:
        with opened(path) as picture:
            return str(getattr(picture, "text", {}).get(SOURCE, ""))
    except Exception:  # damaged files make Pillow raise nearly anything
        return ""
