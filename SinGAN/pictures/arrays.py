"""Conversion of arrays and PIL images, as notebooks have them, to and from tensors, with checks."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from SinGAN.pictures import decoding, images
from SinGAN.pictures.images import Levels
from SinGAN.pictures.rasters import Raster, is_raster, read_raster

Picture = str | os.PathLike[str] | npt.NDArray[Any] | Image.Image | Tensor | Raster
"""A file's path; a PIL image; an array or tensor (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of 8 or 16 bits, of other
whole numbers in 0..255, or of floats in 0..1; or data of any channels and range: a ``Raster``."""


def is_file(picture: Picture) -> bool:
    """Whether ``picture`` is the path of a file."""
    return isinstance(picture, str | os.PathLike)


def path_of(picture: Picture) -> Path:
    """The path of ``picture``, which is a file's; ``~/`` is the home folder."""
    path = Path(str(picture))
    return path.expanduser() if str(path).startswith("~/") else path


def to_image(picture: Picture, channels: int = 3, name: str = "picture", opaque: bool = False) -> Tensor:
    """``picture`` as (1, channels, H, W) in [-1, 1]; arguments and errors as for ``levels_of``."""
    return images.to_tensor(levels_of(picture, channels, name, opaque))


def levels_of(picture: Picture, channels: int = 3, name: str = "picture", opaque: bool = False) -> Levels:
    """``picture`` as 8-bit levels (H, W, channels).

    Arguments:
        picture: a file or an array.
        channels: 1: colours become grey. 3: grey becomes RGB, alpha is dropped. 4: alpha is kept.
        name: the argument's name, for messages.
        opaque: with 4 channels, add an opaque alpha if the picture has none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or its values, type or shape are not those of a picture.
    """
    if channels not in (1, 3, 4):
        raise ValueError(f"`nc_im` {channels} is for data: a picture of 8 bits has 1, 3 or 4 channels")
    if isinstance(picture, str | os.PathLike):
        return images.read_levels(path_of(picture), channels, opaque)
    if isinstance(picture, Raster):
        raise ValueError(f"`{name}` is data of any channels, where a picture of 8 bits is needed")
    levels = decoding.decode(picture) if isinstance(picture, Image.Image) else to_levels(picture, name)
    if channels == 4 and levels.shape[2] != 4 and not opaque:
        raise ValueError(f"`{name}` has no alpha channel, and `nc_im` 4 needs one: use `nc_im` 3")
    return np.require(images.with_channels(levels, channels), requirements=["C", "W"])


def to_image_like(picture: Picture, real: Tensor, channels: int | None = None, name: str = "picture") -> Tensor:
    """``picture`` with the size, type, device and, unless ``channels`` are given, channels of ``real`` (1, C, H, W)."""
    return images.to_image_like(levels_of(picture, channels or real.shape[1], name, opaque=True), real)


def to_levels(array: Any, name: str = "picture") -> Levels:
    """The 8-bit levels (H, W, C) of an ``array`` or tensor: 16 bits are rounded, floats in 0..1 become 0..255.

    Other whole numbers must be in 0..255.

    Raises:
        ValueError: its type, range or shape is not that of a picture.
    """
    values = np.asarray(without_graph(array) if isinstance(array, Tensor) else array)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4) or 0 in values.shape:
        raise ValueError(f"`{name}` {shown(array)}: a picture is an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return np.rint(values / 257).astype(np.uint8)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ValueError(
                f"`{name}` has floats from {values.min():g} to {values.max():g}: they must be in 0..1; "
                "divide levels of 0..255 by 255, or convert them to uint8"
            )
        return np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    if np.issubdtype(values.dtype, np.integer):
        if values.min() < 0 or values.max() > 255:
            raise ValueError(
                f"`{name}` has whole numbers of type {values.dtype} from {values.min()} to {values.max()}: they must "
                "be in 0..255; convert 16 bits to uint16"
            )
        return values.astype(np.uint8)
    raise ValueError(f"`{name}` has values of type {values.dtype}: use uint8, uint16, or floats in 0..1")


def without_graph(tensor: Tensor) -> Tensor:
    """``tensor`` on the CPU, without its gradient; bfloat16, which NumPy lacks, as float32."""
    plain = tensor.detach().cpu()
    return plain.float() if plain.dtype == torch.bfloat16 else plain


def shown(value: Any) -> str:
    """What ``value`` is, for a message that it is no picture."""
    shape = np.shape(value) if isinstance(value, np.ndarray | Tensor | Sequence) else ()
    return f"has the shape {tuple(shape)}" if len(shape) else f"is {value!r:.80}"


def is_data(picture: Picture) -> bool:
    """Whether ``picture`` is data of any channels and range, and no picture of 8 bits.

    An array is data if it can't be a picture: more than 4 channels, floats outside 0..1, NaN, or signed whole numbers
    outside 0..255.
    """
    if isinstance(picture, Raster):
        return True
    if isinstance(picture, Image.Image):
        return False
    if is_file(picture):
        return is_raster(path_of(picture))
    values = _as_array(picture)
    if values.dtype.kind not in "fiu" or not values.size:
        return False
    most = {"f": 1, "i": 255, "u": np.inf}[values.dtype.kind]
    return (values.ndim == 3 and values.shape[2] > 4) or not (values.min() >= 0 and values.max() <= most)


def as_raster(picture: Picture, name: str) -> Raster:
    """The raster of ``picture``, a file or the argument ``name``."""
    if isinstance(picture, Raster):
        return picture.checked(f"`{name}`")
    if is_file(picture):
        return read_raster(path_of(picture))
    return Raster.of(_as_array(picture), None, f"`{name}`")


def _as_array(picture: Picture) -> npt.NDArray[Any]:
    return np.asarray(without_graph(picture) if isinstance(picture, Tensor) else picture)


def several(pictures: Any, name: str) -> list[Picture]:
    """``pictures`` (count, H, W, C), a sequence of them or a single one, as a list.

    Raises:
        ValueError: there is none.
    """
    if isinstance(pictures, Image.Image) or is_file(pictures):
        return [pictures]
    if isinstance(pictures, np.ndarray | Tensor) and 2 <= pictures.ndim <= 3:
        return [pictures]
    if not isinstance(pictures, np.ndarray | Tensor | Sequence):
        raise ValueError(f"`{name}` {shown(pictures)}: give pictures, as an array (count, H, W, C) or a list")
    if not len(pictures):
        raise ValueError(f"`{name}` has no picture: give one or more")
    return list(pictures)


def as_mask(mask: Any) -> Any:
    """``mask``; an array or tensor of the whole numbers 0 and 1 as a boolean one."""
    values = np.asarray(without_graph(mask)) if isinstance(mask, Tensor) else mask
    if isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.integer) and values.size:
        return values.astype(bool) if values.min() >= 0 and values.max() <= 1 else values
    return values


def check_image(image: Tensor, real: Tensor, name: str = "picture") -> Tensor:
    """``image`` on the device of ``real`` (1, C, H, W); a ValueError unless it is one, in [-1, 1]."""
    one = image.detach().to(real.device)
    if one.shape[:2] != real.shape[:2] or not one.numel() or not one.is_floating_point():
        raise ValueError(
            f"`{name}` has the shape {tuple(image.shape)} and the type {image.dtype}: an image is (1, {real.shape[1]}, "
            "H, W) of floats in [-1, 1]; a picture is an array (H, W, C)"
        )
    if not (one.abs() <= 1).all():
        raise ValueError(f"`{name}` has values from {one.min():g} to {one.max():g}: they must be in [-1, 1]")
    return one.to(real.dtype)


def from_image(image: Tensor) -> Levels:
    """The 8-bit levels (H, W, C) of ``image`` (1, C, H, W), of 8 bits or in [-1, 1], rounded."""
    return images.to_levels(image)


def from_images(batch: Tensor) -> npt.NDArray[np.uint8]:
    """The 8-bit levels (B, H, W, C) of ``batch`` (B, C, H, W), of 8 bits or in [-1, 1], rounded."""
    return np.stack([images.to_levels(image) for image in batch.split(1)])
