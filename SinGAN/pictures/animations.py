"""Animations as files: GIF, WebP or MP4."""

import importlib.util
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from SinGAN.imresize import to_levels as truncated_levels
from SinGAN.pictures.decoding import fill_hidden_colours
from SinGAN.pictures.images import Levels, with_channels
from SinGAN.storage.files import fresh_parents, whole_file

LOG = logging.getLogger(__name__)


def to_frame(image: Tensor) -> Levels:
    """``image`` (1, C, H, W) in [-1, 1] as a frame (H, W, C), truncated to 8 bits."""
    levels = truncated_levels(image.detach()[0].float()).to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def check_format(suffix: str) -> None:
    """Raise a ValueError if this machine can't write animations with the file name extension ``suffix``."""
    if suffix == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ValueError("`format` mp4 needs the package imageio-ffmpeg: pip install 'imageio[ffmpeg]'")


def write(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    """Write ``frames``, each (1, C, H, W) in [-1, 1], as a looping GIF or WebP, or as MP4.

    The extension of ``path`` decides. Pixels of a GIF are opaque or transparent. Video has no alpha: it is blended on
    white. Frames of a GIF last whole hundredths of a second, at least two, because viewers play others at other speeds.
    """
    levels = [to_frame(frame) for frame in frames]
    with fresh_parents(path), whole_file(path) as draft:
        if path.suffix == ".mp4":
            height, width = levels[0].shape[:2]
            to_even = ((0, height % 2), (0, width % 2), (0, 0))  # the codec needs even sizes
            video = np.stack([np.pad(with_channels(blend_on_white(frame), 3), to_even, "edge") for frame in levels])
            codec: dict[str, Any] = {"fps": fps, "macro_block_size": 1, "output_params": ["-f", "mp4"]}
            imageio.v3.imwrite(draft, video, plugin="FFMPEG", extension=".mp4", **codec)
            return
        kind, duration = {".gif": "GIF", ".webp": "WebP"}[path.suffix], 1000 / fps
        disposal = {}
        if kind == "GIF":
            duration = gif_duration(fps)
            if levels[0].shape[2] == 4:
                levels, disposal = (
                    [threshold_alpha(frame) for frame in levels],
                    {"disposal": 2},
                )  # clears the frame before
        first, *rest = (Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in levels)
        content = io.BytesIO()
        first.save(content, format=kind, save_all=True, append_images=rest, duration=duration, loop=0, **disposal)
        draft.write_bytes(content.getvalue())


def gif_duration(fps: float) -> int:
    """The milliseconds of a frame of a GIF, as close to ``fps`` frames per second as the format allows."""
    hundredths = max(2, round(100 / fps))
    if abs(100 / hundredths - fps) > 0.005 * fps:
        LOG.info(f"a GIF can't have {fps:g} frames a second: it has {100 / hundredths:.3g} (`format` webp or mp4 can)")
    return 10 * hundredths


def threshold_alpha(frame: Levels) -> Levels:
    """Make each pixel of ``frame`` (H, W, 4) opaque or transparent."""
    solid = np.where(frame[:, :, 3:] < 128, 0, 255).astype(np.uint8)
    return fill_hidden_colours(np.concatenate([frame[:, :, :3], solid], axis=2))


def blend_on_white(frame: Levels) -> Levels:
    """Blend ``frame`` (H, W, C) on white if it has alpha."""
    if frame.shape[2] != 4:
        return frame
    share = frame[:, :, 3:].astype(np.float64) / 255
    return np.rint(frame[:, :, :3] * share + 255 * (1 - share)).astype(np.uint8)
