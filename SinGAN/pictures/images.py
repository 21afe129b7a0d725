"""Pictures in and out: the only place that reads or writes them."""

import importlib.util
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps
from skimage.color import rgb2gray
from skimage.transform import resize
from skimage.util import montage
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.imresize import to_levels as truncated_levels
from SinGAN.storage.files import fresh_parents, whole_file

Levels = npt.NDArray[np.uint8]  # (H, W, C)

ORIENTATION = ExifTags.Base.Orientation
LARGE = 50_000_000  # pixels
SHEET_TILE = 256  # longest side of a picture in a contact sheet, in pixels


def read(path: Path, channels: int = 3, opaque: bool = False) -> Tensor:
    """The picture at ``path`` as (1, channels, H, W) in [-1, 1], upright, 16 bits rounded to 8.

    With 1 channel colours become grey; with 3 grey becomes RGB and alpha is dropped; with 4 the
    picture's own alpha is kept; ``opaque`` fills in what it lacks. Of several frames or pages the
    first is read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, is damaged, or lacks the alpha asked for.
    """
    if not path.exists():
        raise FileNotFoundError(f"no picture {path}: put it there, or name its folder (--input_dir, --ref_dir)")
    try:
        with _opened(path) as picture:
            if picture.width * picture.height > LARGE:
                print(f"{path} has {picture.width * picture.height / 1e6:.0f} megapixels: reading it takes some GB")
            levels = _decode(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} can't be read as a picture: {error}") from error
    if channels == 4 and levels.shape[2] in (1, 3) and not opaque:
        raise ValueError(f"{path} has no alpha channel, and --nc_im 4 needs one: use --nc_im 3")
    return to_tensor(_with_channels(levels, channels))


def size(path: Path) -> tuple[int, int]:
    """Height and width of the picture at ``path``, upright, from its head alone.

    Raises:
        ValueError: it is no picture.
    """
    try:
        with _opened(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(ORIENTATION, 1) >= 5
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} can't be read as a picture: {error}") from error
    return (width, height) if turned else (height, width)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is merely odd in a file
        with Image.open(path) as picture:
            yield picture


def read_like(path: Path, real: Tensor, channels: int | None = None) -> Tensor:
    """The picture at ``path`` with the size, device and (if ``channels`` is none) channels of ``real``."""
    image = read(path, channels or real.shape[1], opaque=True).to(real.device)
    size = real.shape[-2], real.shape[-1]
    return image if image.shape[-2:] == size else imresize_to(image, size)


def _decode(picture: Image.Image) -> Levels:
    """The 8-bit levels of ``picture``: (H, W, 1, 2, 3 or 4), as grey or RGB, with alpha where it has one."""
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


def _with_channels(levels: Levels, channels: int) -> Levels:
    colour, alpha = (levels[:, :, :-1], levels[:, :, -1:]) if levels.shape[2] in (2, 4) else (levels, None)
    if channels == 1:
        return colour if colour.shape[2] == 1 else np.rint(255 * rgb2gray(colour)).astype(np.uint8)[:, :, None]
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    if channels == 3:
        return colour
    return np.concatenate([colour, np.full_like(colour[:, :, :1], 255) if alpha is None else alpha], axis=2)


def to_tensor(levels: Levels) -> Tensor:
    """(H, W, C) in 0 .. 255 to (1, C, H, W) in [-1, 1]."""
    image = torch.from_numpy(levels / 255).float()
    return ((image - 0.5) * 2).clamp(-1, 1).permute(2, 0, 1)[None].contiguous()


def to_levels(image: Tensor) -> Levels:
    """(1, C, H, W) or (C, H, W) in [-1, 1] to (H, W, C) in 0 .. 255, rounded: ``to_tensor``'s inverse."""
    image = image.detach()[0] if image.ndim == 4 else image.detach()
    levels = ((image.float() + 1) / 2).clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def to_frame(image: Tensor) -> Levels:
    """``image`` (1, C, H, W) in [-1, 1] as a frame (H, W, C) of an animation: truncated to 8 bits."""
    levels = truncated_levels(image.detach()[0].float()).to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def write(path: Path, image: Tensor) -> None:
    """Write ``image`` (1, C, H, W) or (C, H, W), in [-1, 1], as PNG: grey, RGB or RGBA after its channels."""
    write_levels(path, to_levels(image))


def write_levels(path: Path, levels: Levels) -> None:
    """Write ``levels`` (H, W, 1, 3 or 4) as PNG."""
    picture = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    with whole_file(path) as draft:
        picture.save(draft, format="PNG")


def check_animation_format(suffix: str) -> None:
    """Raise a ValueError where animations with the ending ``suffix`` can't be written here."""
    if suffix == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ValueError("--format mp4 needs the package imageio-ffmpeg: pip install 'imageio[ffmpeg]'")


def write_animation(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    """Write ``frames`` (1, C, H, W), levels truncated, as endless GIF or WebP, or as MP4, after ``path``'s ending."""
    levels = [to_frame(frame) for frame in frames]
    with fresh_parents(path), whole_file(path) as draft:
        if path.suffix == ".mp4":
            height, width = levels[0].shape[:2]
            to_even = ((0, height % 2), (0, width % 2), (0, 0))  # the codec takes even sizes only
            video = np.stack([np.pad(_with_channels(frame, 3), to_even, "edge") for frame in levels])
            codec: dict[str, Any] = {"fps": fps, "macro_block_size": 1, "output_params": ["-f", "mp4"]}
            imageio.v3.imwrite(draft, video, plugin="FFMPEG", extension=".mp4", **codec)
            return
        first, *rest = (Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in levels)
        kind = {".gif": "GIF", ".webp": "WebP"}[path.suffix]
        disposal = {"disposal": 2} if kind == "GIF" and levels[0].shape[2] == 4 else {}  # no older frame shows through
        first.save(draft, format=kind, save_all=True, append_images=rest, duration=1000 / fps, loop=0, **disposal)


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
