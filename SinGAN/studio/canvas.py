"""What is drawn on the canvas of the page: strokes, marks, and parts that are moved, as data URLs and numbers."""

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import maximum_filter, minimum_filter

from SinGAN.functions import palette_of
from SinGAN.pictures import arrays, images
from SinGAN.pictures.images import Levels
from SinGAN.studio.parts import Arrangement, Size, colours_of, numbers_of, read_map

PREFIX = "data:image/png;base64,"
LONGEST, PIXELS = 16 * 2**20, 4_000_000  # of a picture in a drawing at most: characters and pixels
PARTS, CORNERS = 100, 5000  # of a drawing, at most; of the outline of a part
COLOURS = 8  # of the palette, and of parts
SCRIPT = Path(__file__).parent / "web" / "canvas.js"
WORK = 1024  # pixels: the longer side of the canvas
STROKE = 8  # levels from the photo, above which a pixel is painted
NOISE, LUMPS = 36.0, 64  # of strokes on the photo: deviation in levels, and lumps of noise in the canvas's width
Marks = npt.NDArray[np.uint8]  # (H, W), 255 where marked


@dataclass(frozen=True)
class Part:
    """A part of the picture, or an object of another one, and where it is put; all in pixels of the canvas."""

    outline: tuple[tuple[float, float], ...]  # of the part in the picture; of an object: ()
    object: Image.Image | None
    centre: tuple[float, float]
    size: tuple[float, float]  # width and height there, before it is turned
    angle: float  # clockwise, in radians
    is_cut: bool  # it leaves a hole


@dataclass(frozen=True)
class Crude:
    """An edit as it was drawn, at the picture's own size."""

    picture: Levels  # (H, W, 3)
    pasted: Marks  # what was put in, or marked by hand
    holes: Marks  # what a part that was moved left behind


@dataclass(frozen=True)
class Drawing:
    """A drawing from the canvas."""

    size: tuple[int, int]  # width and height of the canvas
    strokes: Levels | None = None  # (H, W, 3) of a painting
    on_photo: bool = False  # whether the painting covers parts of the photo only
    marks: Marks | None = None  # (H, W): all that is marked
    parts: Sequence[Part] = field(default_factory=tuple)
    arrangement: Arrangement | None = None  # of the picture's parts

    @property
    def picture(self) -> Levels:
        """The painting.

        Raises:
            ValueError: the drawing is none.
        """
        if self.strokes is None:
            raise ValueError("nothing is drawn yet: paint something first")
        return self.strokes

    def add_noise(self, photo: Levels, seed: int) -> Levels:
        """The painting (H, W, 3); strokes on the ``photo`` (H, W, C) get noise, drawn with ``seed``.

        The patches of a photo that are nearest to a flat stroke are its flattest: a grey one would be fog and not rock.
        """
        if not self.on_photo:
            return self.picture
        seen = Image.fromarray(arrays.from_image(arrays.to_image(photo, 3))).resize(self.size, Image.Resampling.BOX)
        is_new = np.abs(self.picture.astype(int) - np.asarray(seen)).max(axis=2) > STROKE
        sides = (5, 5, 1)
        is_flat = (maximum_filter(self.picture, sides) == minimum_filter(self.picture, sides)).all(axis=2)
        width, height = self.size
        coarse = (
            np.random.default_rng(seed).standard_normal((max(2, height * LUMPS // width), LUMPS)).astype(np.float32)
        )
        noise = np.asarray(Image.fromarray(coarse).resize(self.size, Image.Resampling.BICUBIC))
        noise = noise * ((is_new & is_flat) * (NOISE / noise.std()))
        return np.asarray(np.clip(np.rint(self.picture + noise[..., None]), 0, 255), np.uint8)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was drawn."""
        is_unmarked = self.marks is None or not self.marks.any()
        return self.strokes is None and self.arrangement is None and is_unmarked

    @property
    def has_objects(self) -> bool:
        """Whether something comes from another picture."""
        return any(part.object is not None for part in self.parts)

    def mask_for(self, size: tuple[int, int]) -> Marks:
        """The marks at the ``size`` (height, width) of a picture: 255 where it is marked."""
        marks = np.zeros(self.size[::-1], np.uint8) if self.marks is None else self.marks
        return resize_marks(marks, size)

    def compose(self, photo: Levels, behind: Levels | None = None) -> Crude:
        """The parts put into ``photo`` (H, W, C), in the order of drawing, at its own resolution.

        Arguments:
            photo: the picture.
            behind: the same with the holes filled, which moved parts leave; None: the mean colour around each.
        """
        height, width = photo.shape[:2]
        ratio = width / self.size[0], height / self.size[1]
        source = Image.fromarray(arrays.from_image(arrays.to_image(photo, 3)))
        holes, covered = Image.new("L", source.size), Image.new("L", source.size)
        result = source if behind is None else Image.fromarray(arrays.from_image(arrays.to_image(behind, 3)))
        seen = source.copy()  # what the canvas showed
        for part in self.parts:
            if part.object is None:
                # 1. Cut the part out of what was seen, with its outline.
                outline = [(x * ratio[0], y * ratio[1]) for x, y in part.outline]
                box = bounds(outline, source.size)
                shape = Image.new("L", (box[2] - box[0], box[3] - box[1]))
                fill_outline(shape, [(x - box[0], y - box[1]) for x, y in outline])
                piece = seen.crop(box)
                if part.is_cut:
                    holes.paste(255, box[:2], shape)
                    covered.paste(0, box[:2], shape)
                    seen.paste(colour_around(seen, box), box[:2], shape)
            else:
                piece, shape = part.object.convert("RGB"), part.object.getchannel("A")
            # 2. Put it where it was dragged: scaled, then turned about its centre.
            put((seen, result), covered, piece, shape, part, ratio)
        if behind is None:
            result = seen
        pasted = np.asarray(covered)
        drawn = self.mask_for((height, width))
        by_hand = np.where((drawn > 0) & (np.asarray(holes) == 0), 255, 0).astype(np.uint8)
        kept = np.where(drawn > 0, pasted, 0).astype(np.uint8)  # what was unmarked by hand stays as it is
        left = np.where((np.asarray(holes) > 0) & (drawn > 0), 255, 0).astype(np.uint8)
        return Crude(np.asarray(result), np.maximum(kept, by_hand), left)


def put(
    pictures: Sequence[Image.Image], covered: Image.Image, piece: Image.Image, shape: Image.Image, part: Part,
    ratio: tuple[float, float],
) -> None:  # fmt: skip
    """Paste ``piece`` with the alpha ``shape`` into ``pictures``, and mark it in ``covered``."""
    size = max(1, round(part.size[0] * ratio[0])), max(1, round(part.size[1] * ratio[1]))
    if max(size) > 3 * max(covered.size):
        raise ValueError("a part is drawn much larger than the picture: make it smaller")
    if size != piece.size:
        piece, shape = (one.resize(size, Image.Resampling.BICUBIC) for one in (piece, shape))
    if part.angle:
        degrees = -math.degrees(part.angle)
        piece = piece.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        shape = shape.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    corner = (
        round(part.centre[0] * ratio[0] - piece.width / 2),
        round(part.centre[1] * ratio[1] - piece.height / 2),
    )
    for picture in pictures:
        picture.paste(piece, corner, shape)
    covered.paste(255, corner, shape.point(lambda alpha: 255 if alpha > 127 else 0))


def bounds(outline: Sequence[tuple[float, float]], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box of an ``outline`` in a picture of ``size``: left, top, right and bottom.

    Raises:
        ValueError: it is empty.
    """
    xs, ys = zip(*outline, strict=True)
    box = (
        max(0, math.floor(min(xs) + 1e-6)), max(0, math.floor(min(ys) + 1e-6)),
        min(size[0], math.ceil(max(xs) - 1e-6)), min(size[1], math.ceil(max(ys) - 1e-6)),
    )  # fmt: skip
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("a part lies outside the picture: draw round another")
    return box


def fill_outline(shape: Image.Image, outline: Sequence[tuple[float, float]]) -> None:
    """Fill the inside of ``outline`` with 255: pixels whose centres lie in it."""
    ImageDraw.Draw(shape).polygon([(x - 0.5, y - 0.5) for x, y in outline], fill=255)


def colour_around(picture: Image.Image, box: tuple[int, int, int, int]) -> tuple[int, ...]:
    """The mean colour of the pixels just outside ``box``."""
    left, top, right, bottom = box
    outer = max(0, left - 1), max(0, top - 1), min(picture.width, right + 1), min(picture.height, bottom + 1)
    levels = np.asarray(picture.crop(outer)).astype(np.float64)
    around = np.ones(levels.shape[:2], bool)
    around[top - outer[1] : bottom - outer[1], left - outer[0] : right - outer[0]] = False
    chosen = levels[around] if around.any() else levels.reshape(-1, 3)
    return tuple(round(float(value)) for value in chosen.mean(axis=0))


def resize_marks(marks: Marks, size: tuple[int, int]) -> Marks:
    """``marks`` (h, w) at ``size`` (height, width), with smooth edges where they are enlarged."""
    if marks.shape == size:
        return np.where(marks > 127, 255, 0).astype(np.uint8)
    resized = Image.fromarray(marks).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.where(np.asarray(resized) > 127, 255, 0).astype(np.uint8)


def describe(levels: Levels, url: str, key: str, colours: Sequence[str] = (), title: str = "") -> str:
    """The picture ``levels`` (H, W, C) for the canvas, which loads it from ``url``.

    Arguments:
        levels: a picture.
        url: where the browser finds it; its size may be another.
        key: of the picture: drawings are kept for each.
        colours: of the palette, #rrggbb; none: the picture's main ones. The first is the ground.
        title: of the picture, for people who hear the page.
    """
    height, width = canvas_size((levels.shape[0], levels.shape[1]))
    chosen = list(colours) or main_colours(levels)
    return json.dumps({
        "key": key, "url": url, "title": title, "palette": chosen, "ground": chosen[0], "parts": colours_of(COLOURS),
        "width": width, "height": height,
    })  # fmt: skip


def describe_map(file: Path, size: Size) -> dict[str, Any]:
    """The label map in ``file`` for the canvas, of a picture of ``size`` (height, width); see ``parts.read_map``."""
    levels, colours = read_map(file, size, canvas_size(size))
    return {"url": encode_url(levels), "palette": colours}


def canvas_size(size: Size) -> Size:
    """Height and width of the canvas for a picture of ``size``."""
    share = min(1.0, WORK / max(size))
    return max(1, round(share * size[0])), max(1, round(share * size[1]))


def main_colours(levels: Levels) -> list[str]:
    """The main colours of ``levels`` (H, W, C) as #rrggbb, the most frequent first."""
    small = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels).convert("RGB")
    small.thumbnail((128, 128), Image.Resampling.BOX)
    pixels = np.asarray(small)
    centres = arrays.from_image(palette_of(arrays.to_image(pixels), COLOURS).T[None, :, :, None])[:, 0]
    apart = ((pixels.reshape(-1, 1, 3).astype(int) - centres[None].astype(int)) ** 2).sum(axis=2)
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
        width, height = _pair(value["size"], 1, 2 * WORK)
        parts = value.get("parts") or []
        if len(parts) > PARTS:
            raise ValueError(f"the drawing has {len(parts)} parts: the limit is {PARTS}")
        strokes = _picture(value["picture"]).convert("RGB") if value.get("picture") else None
        marks = _picture(value["mask"]).convert("L") if value.get("mask") else None
        decoded = tuple(_part(part) for part in parts)
        painted = [_picture(value[name]).convert("RGB") for name in ("now", "wanted") if value.get(name)]
        numbers = [numbers_of(np.asarray(one), value["colours"]) for one in painted]
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError("the drawing can't be read: load the page again") from error
    return Drawing(
        (int(width), int(height)),
        None if strokes is None else np.asarray(strokes),
        value.get("on") == "photo",
        None if marks is None else np.where(np.asarray(marks) > 127, 255, 0).astype(np.uint8),
        decoded,
        Arrangement(*numbers) if len(numbers) == 2 else None,
    )


def _part(value: Any) -> Part:
    """Decode a part."""
    outline = tuple(_pair(point) for point in value.get("outline") or ())
    picture = _picture(value["object"]) if value.get("object") else None
    if picture is None and not 3 <= len(outline) <= CORNERS:
        raise ValueError("the drawing can't be read: load the page again")
    centre, size = ((_number(value[one]), _number(value[two])) for one, two in (("x", "y"), ("w", "h")))
    if min(size) <= 0:
        raise ValueError("the drawing can't be read: load the page again")
    return Part(outline, picture, centre, size, _number(value.get("angle", 0)), bool(value.get("cut")))


def _number(value: Any, least: float = -16 * WORK, most: float = 16 * WORK) -> float:
    """``value``, a number in a range.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError("the drawing can't be read: load the page again")
    return float(value)


def _pair(value: Any, least: float = -16 * WORK, most: float = 16 * WORK) -> tuple[float, float]:
    """``value``, a list of two numbers in a range."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("the drawing can't be read: load the page again")
    return _number(value[0], least, most), _number(value[1], least, most)


def _picture(url: object) -> Image.Image:
    """Decode a data URL."""
    if not isinstance(url, str) or not url.startswith(PREFIX) or len(url) > LONGEST:
        raise ValueError("the drawing can't be read: it is not a PNG, or too large")
    try:
        content = base64.b64decode(url[len(PREFIX) :], validate=True)
    except ValueError as error:
        raise ValueError("the drawing can't be read: it is not a PNG") from error
    return Image.fromarray(images.from_png(content, PIXELS, channels=4))
