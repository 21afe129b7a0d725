"""Contact sheets: many pictures on one."""

import math
from collections.abc import Sequence

import numpy as np
from skimage.transform import resize
from skimage.util import montage
from torch import Tensor

from SinGAN.pictures.images import Levels, to_levels

SHEET_SAMPLES = 50  # pictures in a contact sheet, at most
SHEET_TILE = 256  # longest side of a picture in a contact sheet, in pixels


def thumbnail(image: Tensor) -> Levels:
    """The levels of ``image``, reduced where its longer side exceeds ``SHEET_TILE``."""
    levels = to_levels(image)
    ratio = SHEET_TILE / max(levels.shape[:2])
    if ratio >= 1:
        return levels
    size = (max(1, round(levels.shape[0] * ratio)), max(1, round(levels.shape[1] * ratio)))
    reduced = resize(levels, (*size, levels.shape[2]), anti_aliasing=True, preserve_range=True)
    return np.asarray(np.rint(reduced), dtype=np.uint8)


def contact_sheet(tiles: Sequence[Levels], columns: int | None = None) -> Levels:
    """Equally large ``tiles`` side by side on white, in a grid near to a square unless ``columns`` is given."""
    height, width = tiles[0].shape[:2]
    columns = columns or max(1, min(len(tiles), round(math.sqrt(len(tiles) * height / width))))
    rows = math.ceil(len(tiles) / columns)
    fill = [255] * tiles[0].shape[2]
    sheet = montage(
        np.stack(tiles),
        fill=fill,
        grid_shape=(rows, columns),
        padding_width=2,
        channel_axis=-1,
        rescale_intensity=False,
    )
    return np.asarray(sheet, dtype=np.uint8)
