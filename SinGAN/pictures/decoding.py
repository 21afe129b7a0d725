"""Decoding of pictures that Pillow has opened to 8-bit levels: upright, in sRGB, as a viewer shows them.

Metadata that can't be read is ignored: it never makes a good picture fail.
"""

import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from PIL import ExifTags, Image, ImageCms

Levels = npt.NDArray[np.uint8]  # (H, W, C)

LOG = logging.getLogger(__name__)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns a photo upright, by its EXIF orientation."""
PNG = b"\x89PNG\r\n\x1a\n"  # the start of a PNG file
METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # its chunks that may say how to turn the picture
TURNING = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}  # the same in Pillow's words
BITS, PHOTOMETRIC, PLANES, SAMPLES = 258, 262, 284, 339  # TIFF tags
WHITE_IS_ZERO, SEPARATE, SIGNED = 0, 2, 2
DARK = 16  # a log message tells of a 16-bit picture that uses less than 1 / DARK of its range
LARGE = 50_000_000  # pixels: a picture with more is reduced while it is read
ENOUGH = 12_500_000  # pixels: the upper limit of a reduced picture


def decoded_size(picture: Image.Image) -> tuple[int, int]:
    """Height and width of the levels that ``levels_of`` returns for an opened ``picture``, most often by its header."""
    width, height = reduced_size(picture.size)
    if picture.format == "PNG" and not picture.info.keys() & TURNING and not _has_late_metadata(picture):
        return height, width  # Pillow would decode the picture in search of an orientation
    if picture.format == "TIFF":
        picture.load()  # Pillow may turn it
        width, height = reduced_size(picture.size)
    return (width, height) if orientation(picture) >= 5 else (height, width)


def _has_late_metadata(picture: Image.Image) -> bool:
    """Whether metadata follow the pixels of ``picture``, a PNG that is opened but not decoded."""
    file = getattr(picture, "fp", None)
    if file is None:  # it is decoded
        return True
    before, is_late = file.tell(), False
    try:
        file.seek(len(PNG))
        while len(start := file.read(8)) == 8 and start[4:] != b"IEND":
            is_late |= start[4:] == b"IDAT"
            if is_late and start[4:] in METADATA:
                return True
            file.seek(int.from_bytes(start[:4], "big") + 4, 1)  # the chunk and its checksum
    finally:
        file.seek(before)
    return False


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation of ``picture``, 1 to 8; 1 where it can't be read."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises nearly anything for unusual tags
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def levels_of(picture: Image.Image) -> Levels:
    """The levels (H, W, 1 to 4) of an opened ``picture``: upright, and reduced if it is very large.

    Raises:
        ValueError: the meaning of its values is unknown.
        Exception: any error of Pillow, for damaged files.
    """
    picture.draft(None, reduced_size(picture.size))  # a JPEG is decoded at 1/2, 1/4 or 1/8
    picture.load()
    turn = orientation(picture)  # after loading: Pillow turns some TIFF files itself
    levels = decode(picture)
    if turn not in TURNS:
        return levels
    channels = np.moveaxis(levels, 2, 0)
    return np.stack([np.asarray(Image.fromarray(channel).transpose(TURNS[turn])) for channel in channels], axis=2)


def decode(picture: Image.Image) -> Levels:
    """The 8-bit levels (H, W, 1 to 4) of ``picture``: grey or RGB, with alpha if it has one.

    Raises:
        ValueError: the meaning of its values is unknown.
    """
    _check_kind(picture)
    if picture.mode.startswith("I"):  # 16 or 32 bits
        levels = _to_8_bits(picture)
        if (step := reduction(picture.size)) > 1:
            levels = np.asarray(Image.fromarray(levels).reduce(step))
        return levels[:, :, None]
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        picture = _in_mode(picture, "LA" if grey else "RGBA")
    if (step := reduction(picture.size)) > 1:
        picture = _in_mode(picture, {"P": "RGB", "1": "L"}.get(picture.mode, picture.mode)).reduce(step)
    colours = np.asarray(picture.convert("L") if grey else _to_srgb(picture))
    levels = colours[:, :, None] if colours.ndim == 2 else colours
    if picture.mode not in ("LA", "RGBA"):
        return levels
    return np.concatenate([levels, np.asarray(picture.getchannel("A"))[:, :, None]], axis=2)


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """``picture`` in ``mode``; not copied if it has that mode."""
    return picture if picture.mode == mode else picture.convert(mode)


def _tags(picture: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF file; an empty dictionary for other files."""
    return getattr(picture, "tag_v2", {})


def _check_kind(picture: Image.Image) -> None:
    """Raise a ValueError if Pillow would misread the values of ``picture``."""
    tags = _tags(picture)
    if picture.mode == "F":
        raise ValueError("its values are floats of unknown range; save it with 8 or 16 bits")
    if SIGNED in np.atleast_1d(tags.get(SAMPLES, 1)) and max(np.atleast_1d(tags.get(BITS, 8))) < 32:
        raise ValueError("its values are signed; save it with 8 or 16 bits without a sign")
    if tags.get(PLANES, 1) == SEPARATE and max(np.atleast_1d(tags.get(BITS, 8))) > 8:
        raise ValueError("its colours lie in planes of 16 bits; save it with 8 bits, or as PNG")


def _to_8_bits(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The 8-bit levels (H, W) of a grey ``picture`` with 16 or 32 bits, whose values fit into 8 or 16 bits."""
    wide, tags = np.asarray(picture), _tags(picture)
    if wide.min() < 0 or wide.max() > 65535:
        raise ValueError("its values have more than 16 bits; save it with 8 or 16 bits")
    if max(np.atleast_1d(tags.get(BITS, 16))) > 16 and wide.max() <= 255:
        return wide.astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        wide = 65535 - wide
    if 0 < wide.max() < 65536 // DARK:
        LOG.info(
            f"the picture uses values up to {wide.max()} of 65535 only, and so is nearly black: "
            "stretch them to the whole range first, if it should be bright"
        )
    levels = wide.astype(np.uint32)
    levels += 128  # to round
    levels //= 257
    return levels.astype(np.uint8)


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert ``picture`` to sRGB, from its embedded profile if it has another one that can be used."""
    profile = picture.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                colours = picture if picture.mode == "CMYK" else picture.convert("RGB")
                converted = ImageCms.profileToProfile(colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a damaged profile, or one for other colours
            LOG.info("its colour profile can't be used: its colours are taken for sRGB")
    return picture.convert("RGB")


def reduction(size: tuple[int, int]) -> int:
    """The power of 2 by which both sides of a picture of ``size`` are divided while it is read."""
    pixels, step = size[0] * size[1], 1
    while pixels > LARGE and pixels / step**2 > ENOUGH:
        step *= 2
    return step


def reduced_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a picture of ``size`` after the reduction while it is read."""
    step = reduction(size)
    return -(-size[0] // step), -(-size[1] // step)


def fill_hidden_colours(levels: Levels) -> Levels:
    """Replace colours under alpha 0 in ``levels`` (H, W, 4) by the nearest visible ones, which keeps edges clean."""
    hidden = levels[:, :, 3] == 0
    if not hidden.any() or hidden.all():
        return levels
    rows, columns = scipy.ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return np.concatenate([levels[rows, columns, :3], levels[:, :, 3:]], axis=2)
