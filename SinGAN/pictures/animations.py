"""Animations as files: GIF, WebP or MP4."""

import importlib.util
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from SinGAN.imresize import to_levels as truncated_levels
from SinGAN.pictures.images import Levels, with_channels
from SinGAN.storage.files import fresh_parents, whole_file


def to_frame(image: Tensor) -> Levels:
    """``image`` (1, C, H, W) in [-1, 1] as a frame (H, W, C) of an animation: truncated to 8 bits."""
    levels = truncated_levels(image.detach()[0].float()).to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def check_format(suffix: str) -> None:
    """Raise a ValueError where animations with the ending ``suffix`` can't be written here."""
    if suffix == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ValueError("`format` mp4 needs the package imageio-ffmpeg: pip install 'imageio[ffmpeg]'")


def write(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    """Write ``frames``, each (1, C, H, W) in [-1, 1], as endless GIF or WebP, or as MP4: as ``path`` ends."""
    levels = [to_frame(frame) for frame in frames]
    with fresh_parents(path), whole_file(path) as draft:
        if path.suffix == ".mp4":
            height, width = levels[0].shape[:2]
            to_even = ((0, height % 2), (0, width % 2), (0, 0))  # the codec takes even sizes only
            video = np.stack([np.pad(with_channels(frame, 3), to_even, "edge") for frame in levels])
            codec: dict[str, Any] = {"fps": fps, "macro_block_size": 1, "output_params": ["-f", "mp4"]}
            imageio.v3.imwrite(draft, video, plugin="FFMPEG", extension=".mp4", **codec)
            return
        first, *rest = (Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in levels)
        kind = {".gif": "GIF", ".webp": "WebP"}[path.suffix]
        disposal = {"disposal": 2} if kind == "GIF" and levels[0].shape[2] == 4 else {}  # no older frame shows through
        content = io.BytesIO()
        first.save(content, format=kind, save_all=True, append_images=rest, duration=1000 / fps, loop=0, **disposal)
        draft.write_bytes(content.getvalue())
