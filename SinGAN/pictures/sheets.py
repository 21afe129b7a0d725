"""Contact sheets."""

import math
from collections.abc import Sequence

import numpy as np
import skimage as ski
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from SinGAN.pictures.images import Levels, to_8_bits, to_levels

SHEET_SAMPLES = 50  # pictures in a contact sheet, at most
LEAST, MOST = 160, 256  # longer side of a picture in a contact sheet, in pixels
STRIP = 18  # height in pixels of the strip with a label above it


def tile(image: Tensor, label: str = "") -> Levels:
    """The levels of ``image`` for a contact sheet, with a ``label`` above it if there is one.

    The longer side has at most ``MOST`` pixels. A small image is enlarged to at least ``LEAST`` pixels by repeating its
    pixels a whole number of times.
    """
    levels = to_levels(_reduce(image))
    longer = max(levels.shape[:2])
    if longer > MOST:
        ratio = MOST / longer
        size = (max(1, round(levels.shape[0] * ratio)), max(1, round(levels.shape[1] * ratio)))
        reduced = ski.transform.resize(levels, (*size, levels.shape[2]), anti_aliasing=True, preserve_range=True)
        levels = np.asarray(np.rint(reduced), dtype=np.uint8)
    times = min(math.ceil(LEAST / longer), MOST // longer) if longer < LEAST else 1
    levels = levels.repeat(times, axis=0).repeat(times, axis=1)
    return np.concatenate([draw_label(label, levels.shape[1], levels.shape[2]), levels]) if label else levels


def beside(image: Tensor, like: Tensor, label: str = "original") -> Levels:
    """The tile of the training picture ``image`` (1, C, h, w), as large as that of a result ``like`` (1, C, H, W).

    The image is resized without stretching, on white.
    """
    image, step = _reduce(image), _reduction(like)
    height, width = (-(-side // step) for side in like.shape[-2:])
    ratio = min(height / image.shape[-2], width / image.shape[-1])
    size = max(1, round(ratio * image.shape[-2])), max(1, round(ratio * image.shape[-1]))
    mode = "nearest" if ratio > 1 else "bilinear"
    inner = image if size == image.shape[-2:] else F.interpolate(image, size, mode=mode, antialias=ratio < 1)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    white = 255 if image.dtype == torch.uint8 else 1.0
    return tile(F.pad(inner, [left, width - size[1] - left, top, height - size[0] - top], value=white), label)


def _reduction(image: Tensor) -> int:
    """The whole number by which a large ``image`` is first reduced, which saves time."""
    return max(1, max(image.shape[-2:]) // (4 * MOST))


def _reduce(image: Tensor) -> Tensor:
    """Reduce ``image`` (1, C, H, W) by ``_reduction`` to means of squares of pixels; sides are rounded up."""
    step = _reduction(image)
    if step == 1:
        return image
    channels = np.moveaxis(to_levels(image), 2, 0)
    return to_8_bits(np.stack([np.asarray(Image.fromarray(channel).reduce(step)) for channel in channels], axis=2))


def draw_label(label: str, width: int, channels: int) -> Levels:
    """A white strip (STRIP, width, channels) with ``label`` in black, as large as it fits."""
    paper = Image.new("L", (width, STRIP), 255)
    text = next(
        (size for size in range(13, 6, -1) if ImageFont.load_default(size).getlength(label) <= width - 2),
        6,
    )
    ImageDraw.Draw(paper).text((width / 2, STRIP / 2), label, fill=0, font=ImageFont.load_default(text), anchor="mm")
    levels = np.asarray(paper)[:, :, None].repeat(channels, axis=2)
    if channels == 4:
        levels[:, :, 3] = 255
    return levels


def contact_sheet(tiles: Sequence[Levels], columns: int | None = None) -> Levels:
    """Equally large ``tiles`` side by side on white, in a grid near to a square unless ``columns`` is given.

    Where some are coloured, grey ones become so.
    """
    most = max(each.shape[2] for each in tiles)
    tiles = [each.repeat(most, axis=2) if each.shape[2] == 1 else each for each in tiles]
    height, width = tiles[0].shape[:2]
    columns = columns or max(1, min(len(tiles), round(math.sqrt(len(tiles) * height / width))))
    rows = math.ceil(len(tiles) / columns)
    fill = [255] * tiles[0].shape[2]
    sheet = ski.util.montage(
        np.stack(tiles),
        fill=fill,
        grid_shape=(rows, columns),
        padding_width=4,
        channel_axis=-1,
        rescale_intensity=False,
    )
    return np.asarray(sheet, dtype=np.uint8)
