"""The levels of an 8-bit photo: a pyramid up to some 256 x 256 pixels, and from there doublings to its size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image

from SinGAN.patches.search import PATCH, Flags, Pixels, blank, mark_outside
from SinGAN.planning import Size

Levels = npt.NDArray[np.uint8]  # (H, W, C)
Box = tuple[slice, slice]  # rows and columns of a picture

LONGEST = 2**15 - 1  # pixels of a side: matches are numbers of 16 bits
SOLVED = 256**2  # pixels: larger pictures are halved until they have at most so many
RATIO = 0.75  # of neighbouring levels below that
LAYOUT = 24  # pixels, the shorter side of the coarsest level
LAYOUT_PIXELS = 1600  # of the coarsest level, at most: the shorter side of a very wide one is less than ``LAYOUT``
TEXTURE = 4.0  # factor of the mean gradient in the fourth byte
TEXTURE_WINDOW = 5  # pixels


def to_pixels(levels: Levels) -> Pixels:
    """``levels`` (H, W, 1 to 4) with 4 bytes a pixel, missing ones 0."""
    result = blank(*levels.shape[:2])
    result[..., : levels.shape[2]] = levels
    return result


def resize(picture: Pixels, size: Size) -> Pixels:
    """``picture`` (H, W, 4) at another ``size``: bicubic, antialiased when it shrinks; all bytes alike."""
    if picture.shape[:2] == size:
        return picture
    height, width = picture.shape[:2]
    image = Image.frombuffer("RGBX", (width, height), np.ascontiguousarray(picture), "raw", "RGBX", 0, 1)
    result = blank(*size)
    result[...] = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return result


def limit_levels(levels: Levels, max_size: int) -> Levels:
    """``levels`` (H, W, C), the longer side reduced to ``max_size`` pixels where it is more."""
    ratio = max_size / max(levels.shape[:2])
    if ratio >= 1:
        return levels
    height, width = (math.ceil(ratio * side - 1e-9) for side in levels.shape[:2])
    return np.ascontiguousarray(resize(to_pixels(levels), (height, width))[..., : levels.shape[2]])


def pyramid(picture: Pixels, sizes: Sequence[Size]) -> list[Pixels]:
    """``picture`` (H, W, 4) at all ``sizes``, coarse to fine, each level computed from the next finer one."""
    result = [picture]
    for size in reversed(sizes[:-1]):
        result.append(resize(result[-1], size))
    return result[::-1]


def halvings(size: Size, solved: int = SOLVED) -> list[Size]:
    """``size`` and its halves, coarse to fine, down to the first with at most ``solved`` pixels."""
    sizes = [size]
    while sizes[-1][0] * sizes[-1][1] > solved:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes[::-1]


def level_sizes(size: Size, coarsest: int, ratio: float = RATIO) -> list[Size]:
    """The sizes of levels about ``ratio`` apart, coarse to fine, the shorter side of the coarsest ``coarsest``."""
    shorter = min(size)
    count = max(0, math.ceil(math.log(min(coarsest, shorter) / shorter) / math.log(ratio) - 1e-9))
    factor = (min(coarsest, shorter) / shorter) ** (1 / count) if count else 1.0
    scales = [factor**step for step in range(count, -1, -1)]
    return [(math.ceil(size[0] * scale - 1e-9), math.ceil(size[1] * scale - 1e-9)) for scale in scales]


def mean_ratio(sizes: Sequence[Size]) -> float:
    """The mean ratio of neighbouring levels."""
    return (min(sizes[0]) / min(sizes[-1])) ** (1 / (len(sizes) - 1)) if len(sizes) > 1 else 1.0


def check_size(size: Size, patch: int = PATCH, remedy: str = "raise `scale_h`, `scale_v` or `size`") -> None:
    """Raise a ValueError, which ends with ``remedy``, where a level of ``size`` is smaller than a patch."""
    if min(size) < 1:
        raise ValueError(f"the size leaves no pixel at a coarse level: {remedy}")
    if min(size) < patch:
        raise ValueError(
            f"the size leaves {size[1]} x {size[0]} pixels at a coarse level, and a patch has {patch} x {patch}: "
            f"{remedy}"
        )


def extend_size(size: Size, margins: tuple[int, int, int, int]) -> Size:
    """``size`` with ``margins`` at the top, bottom, left and right; a ValueError where a side gets too long."""
    height, width = size[0] + margins[0] + margins[1], size[1] + margins[2] + margins[3]
    if max(height, width) > LONGEST:
        raise ValueError(f"the result would have {width} x {height} pixels: extend it by less")
    return height, width


def fill_levels(fill: Sequence[int], channels: int) -> list[int]:
    """One level for each channel, 0 to 255, from ``fill``: the colours' levels, or one of grey. Alpha is 255.

    Raises:
        ValueError: ``fill`` has neither one level nor as many as there are colours.
    """
    colours = min(channels, 3)
    if len(fill) not in (1, colours):
        wanted = "one level of 0 to 255, as 120" if colours == 1 else f"{colours} levels of 0 to 255, as 90 140 60"
        raise ValueError(f"`fill` must be {wanted}, not {len(fill)}")
    return [*(list(fill) * (colours if len(fill) == 1 else 1)), *[255] * (channels - colours)]


def valid_patches(empty: Flags | None, size: Size) -> Flags | None:
    """The patches (h, w) of a level of ``size`` that have data: in all pixels, or at a coarser level in half of each.

    None: all of them, because no pixel is ``empty`` (H, W), or because none would have at that level.
    """
    if empty is None:
        return None
    if empty.shape != size:
        shares = np.asarray(mask_image(empty).resize((size[1], size[0]), Image.Resampling.BOX))
        empty = np.asarray(shares > 128, np.uint8)
    valid = mark_outside(empty)
    return valid if valid.any() else None


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo with its levels."""

    pixels: Pixels  # (H, W, 4)
    channels: int  # 1 (grey), 3 (RGB) or 4 (RGBA)
    empty: Flags | None = None  # (H, W): 1 where pixels have no data, and are never copied; None: all have

    @classmethod
    def of(cls, levels: Levels, empty: Flags | None = None) -> "Photo":
        """The photo ``levels`` (H, W, C), without data where ``empty`` (H, W) is above 0.

        Raises:
            ValueError: it is smaller than a patch, or no patch has data in all its pixels.
        """
        height, width = levels.shape[:2]
        if min(height, width) < PATCH:
            raise ValueError(
                f"the picture has {width} x {height} pixels, and a patch {PATCH} x {PATCH}: enlarge it, or use "
                "`method` patches"
            )
        photo = cls(to_pixels(levels), int(levels.shape[2]), None if empty is None or not empty.any() else empty)
        if photo.empty is not None and not mark_outside(photo.empty).any():
            raise ValueError(f"the picture has no data in any whole patch of {PATCH} x {PATCH} pixels: fill some of it")
        return photo

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def sizes(self) -> list[Size]:
        """The sizes of all levels, coarse to fine."""
        halves = halvings(self.size)
        shorter, longer = min(halves[0]), max(halves[0])
        coarsest = min(LAYOUT, int(math.sqrt(LAYOUT_PIXELS / (longer / shorter))))
        return level_sizes(halves[0], max(min(PATCH + 5, shorter), coarsest)) + halves[1:]

    @property
    def solved(self) -> int:
        """The number of levels that are solved; the finer ones are lifted."""
        return len(self.sizes) - len(halvings(self.size)) + 1

    @cached_property
    def reals(self) -> list[Pixels]:
        """The photo at all levels."""
        return pyramid(self.pixels, self.sizes)


def add_texture(picture: Pixels, channels: int) -> Pixels:
    """A copy of ``picture`` (H, W, 4) with the local mean of the gradient as fourth byte, below 4 ``channels``.

    It tells smooth parts from textured ones of the same colour, which coarse levels do not.
    """
    if channels == 4:
        return picture
    height, width = picture.shape[:2]
    grey = np.zeros((height, width), np.int16)
    for channel in range(channels):
        grey += picture[..., channel]
    gradient = np.zeros((height, width), np.float32)
    gradient[:, 1:] = np.abs(np.diff(grey, axis=1))
    gradient[1:] += np.abs(np.diff(grey, axis=0))
    scipy.ndimage.uniform_filter(gradient, TEXTURE_WINDOW, output=gradient)
    gradient *= TEXTURE / channels
    result = blank(height, width)
    result[..., :channels] = picture[..., :channels]
    result[..., 3] = np.minimum(np.rint(gradient, out=gradient), 255, out=gradient)
    return result


def add_noise(guess: Pixels, deviation: float, seed: int, channels: int, mask: Flags | None = None) -> Pixels:
    """A copy of ``guess`` (H, W, 4) with noise of so many grey levels on its channels, within ``mask`` (H, W)."""
    noise = deviation * np.random.default_rng(seed).standard_normal((*guess.shape[:2], channels))
    noisy = np.clip(np.rint(guess[..., :channels] + noise), 0, 255).astype(np.uint8)
    where = np.ones(guess.shape[:2], bool) if mask is None else mask > 0
    result: Pixels = guess.copy()
    result[where, :channels] = noisy[where]
    return result


def resize_mask(mask: Flags, size: Size) -> Flags:
    """``mask`` (H, W) of 0 and 1 at a smaller ``size``: 1 where more than 2 % of a pixel is marked."""
    if mask.shape == size:
        return mask
    image = mask_image(mask).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(np.asarray(image) > 5, np.uint8)


def mask_image(mask: Flags) -> Image.Image:
    """``mask`` (H, W) of 0 and 1 as a Pillow image, black and white."""
    return Image.fromarray(np.ascontiguousarray(mask) * np.uint8(255))


def bounding_box(mask: Flags, margin: int = 0) -> Box:
    """The box of the marked pixels of ``mask`` (H, W), with a ``margin`` where the picture has it."""
    marked = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    rows, columns = (
        slice(max(0, int(places[0]) - margin), min(side, int(places[-1]) + 1 + margin))
        for places, side in zip(marked, mask.shape, strict=True)
    )
    return rows, columns


def box_size(box: Box) -> Size:
    """The height and width of ``box``."""
    rows, columns = box
    return rows.stop - rows.start, columns.stop - columns.start


def limit_size(size: Size, longer: int) -> Size:
    """``size``, reduced to at most ``longer`` pixels in the longer side, and at least 2 in each."""
    factor = min(1.0, longer / max(size))
    return max(2, round(size[0] * factor)), max(2, round(size[1] * factor))
