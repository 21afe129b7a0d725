"""Pictures on their way to the canvas of the page and back, as data URLs."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from SinGAN.functions import palette_of
from SinGAN.pictures import arrays, images
from SinGAN.pictures.images import Levels

PREFIX = "data:image/png;base64,"
LONGEST, PIXELS = 16 * 2**20, 4_000_000  # of a drawing at most: characters and pixels
COLOURS = 8  # of the palette
SCRIPT = Path(__file__).with_name("canvas.js")


@dataclass(frozen=True)
class Drawing:
    """A drawing from the canvas."""

    picture: Levels  # (H, W, 3)
    mask: Levels | None  # (H, W, 3), white in the marked parts; None for a paint

    def marked(self, remedy: str) -> Levels:
        """Return the mask, or raise a ValueError with ``remedy`` if nothing is marked."""
        if self.mask is None or not self.mask.any():
            raise ValueError(f"nothing is marked yet: {remedy}")
        return self.mask


def encode(picture: Levels, palette: bool = False, colours: Sequence[str] = ()) -> str:
    """Encode ``picture`` (H, W, C) for the canvas, as the background of a drawing.

    With ``palette`` the canvas offers the picture's main colours, or ``colours`` (#rrggbb); the first is the ground.
    """
    levels = picture[:, :, :3] if picture.shape[2] >= 3 else picture.repeat(3, axis=2)
    value: dict[str, object] = {"picture": encode_url(levels)}
    if palette or colours:
        chosen = list(colours) or main_colours(levels)
        value |= {"palette": chosen, "ground": chosen[0]}
    return json.dumps(value)


def main_colours(levels: Levels) -> list[str]:
    """The main colours of ``levels`` (H, W, 3) as #rrggbb, the most frequent first."""
    image = arrays.to_image(levels)
    centres = arrays.from_image(palette_of(image, COLOURS).T[None, :, :, None])[:, 0]
    apart = ((levels.reshape(-1, 1, 3).astype(int) - centres[None].astype(int)) ** 2).sum(axis=2)
    order = np.argsort(-np.bincount(apart.argmin(axis=1), minlength=len(centres)), kind="stable")
    return ["#{:02x}{:02x}{:02x}".format(*map(int, centres[index])) for index in order]


def encode_url(levels: Levels) -> str:
    """``levels`` (H, W, 3) as a data URL of a PNG."""
    content = io.BytesIO()
    Image.fromarray(levels).save(content, format="PNG")
    return PREFIX + base64.b64encode(content.getvalue()).decode()


def decode(text: str) -> Drawing:
    """Decode ``text``, a drawing from the canvas.

    Raises:
        ValueError: the text is not a drawing, or too large.
    """
    if not text:
        raise ValueError("there is no drawing yet: choose a picture first")
    try:
        value = json.loads(text)
        picture, mask = value["picture"], value["mask"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("the drawing can't be read: load the page again") from error
    return Drawing(_levels(picture), _levels(mask) if mask else None)


def _levels(url: object) -> Levels:
    """Decode a data URL into a picture (H, W, 3)."""
    if not isinstance(url, str) or not url.startswith(PREFIX) or len(url) > LONGEST:
        raise ValueError("the drawing can't be read: it is not a PNG, or too large")
    try:
        content = base64.b64decode(url[len(PREFIX) :], validate=True)
    except ValueError as error:
        raise ValueError("the drawing can't be read: it is not a PNG") from error
    return images.from_png(content, PIXELS)
