"""The levels of an 8-bit picture: a pyramid up to some 256 pixels, and from there doublings to its size."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image

from SinGAN.patches.search import Flags, Pixels, blank
from SinGAN.planning import Size

Levels = npt.NDArray[np.uint8]  # (H, W, C)

SOLVED = 256**2  # pixels: larger pictures are halved until they have at most so many
RATIO = 0.75  # of neighbouring levels below that
TEXTURE = 4.0  # factor of the mean gradient in the fourth byte
TEXTURE_WINDOW = 5  # pixels
LONGEST = 2**15 - 1  # pixels of a side: matches are numbers of 16 bits


def pixels_of(levels: Levels) -> Pixels:
    """``levels`` (H, W, 1 to 4) with 4 bytes a pixel; those that it lacks are 0."""
    result = blank(*levels.shape[:2])
    result[..., : levels.shape[2]] = levels
    return result


def resized(picture: Pixels, size: Size) -> Pixels:
    """``picture`` (H, W, 4) at another ``size``: bicubic, antialiased when it shrinks; all bytes alike."""
    if picture.shape[:2] == size:
        return picture
    height, width = picture.shape[:2]
    image = Image.frombuffer("RGBX", (width, height), np.ascontiguousarray(picture), "raw", "RGBX", 0, 1)
    result = blank(*size)
    result[...] = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return result


def limited(levels: Levels, max_size: int) -> Levels:
    """``levels`` (H, W, C), the longer side reduced to ``max_size`` where that is less."""
    ratio = max_size / max(levels.shape[:2])
    if ratio >= 1:
        return levels
    height, width = (math.ceil(ratio * side - 1e-9) for side in levels.shape[:2])
    return np.ascontiguousarray(resized(pixels_of(levels), (height, width))[..., : levels.shape[2]])


def resized_mask(mask: Flags, size: Size) -> Flags:
    """``mask`` (H, W) of 0 and 1 at a smaller ``size``: 1 where more than 2 % of a pixel is marked."""
    if mask.shape == size:
        return mask
    image = Image.fromarray(mask * np.uint8(255)).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(np.asarray(image) > 5, np.uint8)


def box_of(mask: Flags, margin: int = 0) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the marked pixels, and a ``margin`` within the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        max(0, int(rows[0]) - margin),
        min(mask.shape[0], int(rows[-1]) + 1 + margin),
        max(0, int(columns[0]) - margin),
        min(mask.shape[1], int(columns[-1]) + 1 + margin),
    )


def pyramid(picture: Pixels, sizes: Sequence[Size]) -> list[Pixels]:
    """``picture`` at all ``sizes``, coarse to fine, each computed from the finer one."""
    result = [picture]
    for size in reversed(sizes[:-1]):
        result.append(resized(result[-1], size))
    return result[::-1]


def extended(size: Size, margins: tuple[int, int, int, int]) -> Size:
    """``size`` with ``margins`` at the top, bottom, left and right; a ValueError where a side gets too long."""
    height, width = size[0] + margins[0] + margins[1], size[1] + margins[2] + margins[3]
    if max(height, width) > LONGEST:
        raise ValueError(f"the result would have {width} x {height} pixels: extend it by less")
    return height, width


def halvings(size: Size, solved: int = SOLVED) -> list[Size]:
    """``size`` and its halves, coarse to fine, down to the first with at most ``solved`` pixels."""
    sizes = [size]
    while sizes[-1][0] * sizes[-1][1] > solved:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes[::-1]


def level_sizes(size: Size, coarsest: int, ratio: float = RATIO) -> list[Size]:
    """The sizes of the levels, coarse to fine: about ``ratio`` apart, the coarsest with that shorter side."""
    shorter = min(size)
    count = max(0, math.ceil(math.log(min(coarsest, shorter) / shorter) / math.log(ratio) - 1e-9))
    factor = (min(coarsest, shorter) / shorter) ** (1 / count) if count else 1.0
    scales = [factor**step for step in range(count, -1, -1)]
    return [(math.ceil(size[0] * scale - 1e-9), math.ceil(size[1] * scale - 1e-9)) for scale in scales]


def with_texture(picture: Pixels, channels: int) -> Pixels:
    """A copy of ``picture`` whose fourth byte is the local mean of the gradient, where it has fewer than 4 channels.

    In the coarser levels it tells smooth parts from textured ones of the same colour.
    """
    if channels == 4:
        return picture
    height, width = picture.shape[:2]
    grey = np.zeros((height, width), np.int16)
    for channel in range(channels):
        grey += picture[..., channel]
    steps = np.zeros((height, width), np.float32)
    steps[:, 1:] = np.abs(np.diff(grey, axis=1))
    steps[1:] += np.abs(np.diff(grey, axis=0))
    scipy.ndimage.uniform_filter(steps, TEXTURE_WINDOW, output=steps)
    steps *= TEXTURE / channels
    result = blank(height, width)
    result[..., :channels] = picture[..., :channels]
    result[..., 3] = np.minimum(np.rint(steps, out=steps), 255, out=steps)
    return result
