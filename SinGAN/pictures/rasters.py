"""Files of data: arrays of any number of channels and type, and maps, read and written without a change.

``.npy``, ``.npz`` and TIFF files keep their type, the order of their axes and their number of channels. A picture file
such as a PNG is read as it is stored: a palette keeps its numbers.
"""

import logging
import math
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import torch
from PIL import Image
from torch import Tensor

from SinGAN.pictures import decoding, images
from SinGAN.storage.files import check_regular, suggest_name, whole_file

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters in its lines is in our errors

Values = npt.NDArray[Any]  # (H, W, C)
Marks = npt.NDArray[np.bool_]  # (H, W)

MOST_CHANNELS = 64
MOST_BYTES = 2**32  # of the values of one file
TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
GREY = 1  # photometric interpretations of a TIFF up to this one are grey: white is zero, or black
NODATA_TAG = 42113  # of GDAL: a text, as -9999 or nan
FIRST, LAST, PLANE, PLANES = "first", "last", "plane", "planes"
"""Where the channels are in a stored array: (C, H, W), in a TIFF a page each; (H, W, C); (H, W), of one channel; or
(C, H, W) in one page of a TIFF."""
ARRAYS = ".npy", ".npz"
TAIL, TAIL_SHARE = 0.1, 0.5
"""Percent of a channel's values at each end that are its tails, and the share of the range above which these are long.
"""
STEP = 2.0**-21  # of the values of an image: 32 steps for each of 16 bits
BODY = 0.9  # of [-1, 1]: what lies between long tails gets so much


@dataclass(frozen=True)
class Form:
    """The way in which a raster is stored; ``as_dict`` and ``of`` convert it to and from plain values."""

    suffix: str = ".npy"  # of the file: .npy, .npz, .tif, .tiff or .png
    dtype: str = "float32"  # of NumPy, with the order of the bytes
    axes: str = LAST
    keys: tuple[str, ...] = ()  # of the arrays of an .npz: one array, or one (H, W) for each channel
    is_rgb: bool = False  # of a TIFF: channels are colours
    nodata: float | None = None  # the value of pixels without data; NaN and infinite values always are
    palette: str = ""  # of a PNG: its colours, hexadecimal

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {**asdict(self), "keys": list(self.keys)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Form":
        """The form with the ``values`` of ``as_dict``.

        Raises:
            ValueError: one is missing, or none of its kind.
        """
        try:
            form = cls(**{**values, "keys": tuple(values["keys"])})
            dtype, palette = np.dtype(form.dtype), bytes.fromhex(form.palette)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"the form of a raster is damaged: {error}") from None
        is_known = re.fullmatch(r"\.(npy|npz|tiff?|png)", form.suffix) and form.axes in (FIRST, LAST, PLANE, PLANES)
        has_types = dtype.kind in "bufi" and all(isinstance(key, str) for key in form.keys) and len(palette) <= 768
        if not is_known or not has_types or not isinstance(form.nodata, int | float | None):
            raise ValueError("the form of a raster is damaged")
        if any(key != Path(key).name or len(key) > 100 for key in form.keys):  # they become names of files
            raise ValueError("the form of a raster is damaged: it names a file elsewhere")
        return form


@dataclass(frozen=True, eq=False)
class Raster:
    """Values at each pixel, in their own type and range."""

    values: Values  # (H, W, C)
    form: Form = Form()
    empty: Marks | None = None  # (H, W): pixels without data; None: there are none

    @classmethod
    def of(cls, array: npt.ArrayLike, form: Form | None = None, name: str = "picture") -> "Raster":
        """The raster of an ``array`` (H, W), (H, W, C) or (C, H, W), the last if only that has at most 64 channels.

        Arguments:
            array: numbers of any real type.
            form: in which it was stored; its axes are ignored. None: of an ``.npy`` file.
            name: of the file or argument, for messages.

        Raises:
            ValueError: it has another shape or type, or no pixel has data.
        """
        values = np.asarray(array)
        if values.dtype.kind not in "bufi":
            raise ValueError(f"{name} has values of type {values.dtype}: use whole numbers or floats")
        if values.ndim not in (2, 3) or 0 in values.shape:
            raise ValueError(f"{name} has the shape {values.shape}: it must be (H, W), (H, W, C) or (C, H, W)")
        axes = PLANE if values.ndim == 2 else LAST
        if values.ndim == 3 and values.shape[2] > MOST_CHANNELS >= values.shape[0]:
            axes = FIRST
        form = replace(form or Form(), dtype=values.dtype.str, axes=axes)
        return cls(_channels_last(values, axes), form).checked(name)

    def checked(self, name: str) -> "Raster":
        """The raster with the pixels ``empty`` that have no data.

        Raises:
            ValueError: it has too many channels, or no pixel has data.
        """
        if self.channels > MOST_CHANNELS:
            raise ValueError(f"{name} has {self.channels} channels: at most {MOST_CHANNELS} can be used")
        lacking = np.zeros(self.values.shape[:2], bool)
        if self.values.dtype.kind == "f":
            lacking |= ~np.isfinite(self.values).all(axis=2)
        if self.form.nodata is not None:
            lacking |= (self.values == self.form.nodata).any(axis=2)
        if lacking.all():
            raise ValueError(f"{name} has no data: each of its pixels is NaN, infinite or its value for no data")
        return replace(self, empty=lacking if lacking.any() else None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self.values.shape[2])

    @property
    def stored(self) -> Values:
        """The values in the order of axes of the file: (H, W, C), (C, H, W) or (H, W)."""
        if self.form.axes == PLANE and self.channels == 1:
            return self.values[:, :, 0]
        return np.ascontiguousarray(np.moveaxis(self.values, 2, 0)) if self.form.axes != LAST else self.values

    @property
    def as_array(self) -> Values:
        """The values (H, W, C), or (H, W) where they have been stored so."""
        return self.values[:, :, 0] if self.form.axes == PLANE and self.channels == 1 else self.values

    def filled(self) -> Values:
        """The values, those of pixels without data replaced by the nearest pixel's that has some."""
        if self.empty is None:
            return self.values
        from scipy import ndimage

        rows, columns = ndimage.distance_transform_edt(self.empty, return_distances=False, return_indices=True)
        return np.asarray(self.values[rows, columns])

    def known(self) -> Values:
        """The pixels with data: (N, C)."""
        return np.asarray(
            self.values[~self.empty] if self.empty is not None else self.values.reshape(-1, self.channels)
        )


def _channels_last(values: Values, axes: str) -> Values:
    if axes == PLANE:
        return values[:, :, None]
    return np.ascontiguousarray(np.moveaxis(values, 0, 2)) if axes != LAST else values


def is_raster(path: Path) -> bool:
    """Whether ``path`` is a file of data: an array, or a TIFF that is no 8-bit picture in grey, RGB or RGBA."""
    if path.suffix.lower() in ARRAYS:
        return True
    if not path.is_file() or not _starts_as_tiff(path):
        return False
    try:
        with warnings.catch_warnings(), tifffile.TiffFile(path) as file:
            warnings.simplefilter("ignore")
            page = file.pages.first
            if page.dtype is None or page.bitspersample < 8:
                return False
            if page.samplesperpixel > 4 or (page.samplesperpixel > 2 and page.photometric <= GREY):
                return True
            if page.samplesperpixel == 1 and len(file.pages) > 1:
                return all(one.shape == page.shape for one in file.pages)
            return bool(page.dtype != np.uint8)
    except Exception:  # damaged: whoever reads it says so
        return False


def _starts_as_tiff(path: Path) -> bool:
    with check_regular(path).open("rb") as file:
        return file.read(4) in TIFF_STARTS


def read_raster(path: Path) -> Raster:
    """The raster in the file ``path``: an array, a TIFF of pages or bands, or a picture as it is stored.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it can't be read, mixes types or sizes, or has no data.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file {path}{suggest_name(path) or suggest_name(Path(path.name))}")
    try:
        if path.suffix.lower() in ARRAYS:
            return _read_arrays(check_regular(path)).checked(str(path))
        if _starts_as_tiff(path):
            return _read_tiff(path).checked(str(path))
        return _read_picture(path).checked(str(path))
    except MemoryError:
        raise
    except Exception as error:  # damaged files make libraries raise nearly anything
        why = str(error) or type(error).__name__
        raise ValueError(why if why.startswith(str(path)) else f"{path} can't be read as data: {why:.300}") from error


def _read_arrays(path: Path) -> Raster:
    """The raster of an ``.npy`` or ``.npz`` file; no file can run code."""
    if path.suffix.lower() == ".npy":
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # its header decides before memory is used
        _check_bytes(values.nbytes)
        return Raster.of(np.array(values), Form(".npy"), str(path))
    with zipfile.ZipFile(path) as archive:
        _check_bytes(sum(entry.file_size for entry in archive.infolist()))
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: np.asarray(archive[key]) for key in archive.files}
    if not arrays:
        raise ValueError("it holds no array")
    form, kinds = Form(".npz", keys=tuple(arrays)), {(array.dtype, array.shape) for array in arrays.values()}
    if len(arrays) == 1:
        return Raster.of(next(iter(arrays.values())), form, str(path))
    if len(kinds) > 1 or any(array.ndim != 2 for array in arrays.values()):
        found = ", ".join(f"{key} {array.dtype} {array.shape}" for key, array in arrays.items())
        raise ValueError(f"it mixes types or shapes: {found}; save one array, or an array (H, W) for each channel")
    raster = Raster.of(np.stack([*arrays.values()], axis=2), form, str(path))
    return replace(raster, form=replace(raster.form, axes=FIRST))


def _check_bytes(count: int) -> None:
    if count > MOST_BYTES:
        raise ValueError(f"its values take {count / 2**30:.1f} GB: at most {MOST_BYTES / 2**30:.0f} GB can be used")


def _read_tiff(path: Path) -> Raster:
    """The raster of a TIFF: a page with samples, or pages that are a channel each."""
    with warnings.catch_warnings(), tifffile.TiffFile(path) as file:
        warnings.simplefilter("ignore")
        series = [one for one in file.series if one.size]
        if len(series) != 1:
            found = ", ".join(f"{one.dtype} {one.shape}" for one in series) or "none"
            raise ValueError(f"its pages mix types or shapes: {found}; save pages of one type and size")
        (pages,) = series
        _check_bytes(pages.nbytes)
        page = file.pages.first
        if hasattr(pages, "get_axes"):  # older versions of tifffile leave out axes of length 1 by default
            axes, values = pages.get_axes(squeeze=False), pages.asarray(squeeze=False)
        else:
            axes, values = pages.axes, pages.asarray()
        shape = values.shape
        nodata = _nodata(page)
    kept = [axis for axis, side in enumerate(shape) if side > 1 or axes[axis] in "YX"]
    if not {"Y", "X"} <= set(axes) or len(kept) > 3:
        raise ValueError(f"it has the axes {axes} of {shape}: it must be pages of (H, W), or one page of (H, W, C)")
    values, names = values.reshape([shape[axis] for axis in kept]), "".join(axes[axis] for axis in kept)
    order = {"YX": PLANE, "SYX": PLANES}.get(names, FIRST if names.endswith("YX") else LAST)
    if names not in ("YX", f"{names[0]}YX", f"YX{names[-1]}"):
        raise ValueError(f"it has the axes {names}: it must be pages of (H, W), or one page of (H, W, C)")
    is_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB and order != PLANE
    suffix = path.suffix.lower() if path.suffix.lower() in (".tif", ".tiff") else ".tif"
    dtype = values.dtype.newbyteorder(file.byteorder) if values.dtype.itemsize > 1 else values.dtype
    form = Form(suffix, dtype.str, order, is_rgb=is_rgb, nodata=nodata)
    return Raster(_channels_last(values, order), form)


def _nodata(page: Any) -> float | None:
    """The value of pixels without data that GDAL notes in a tag; NaN counts without it."""
    tag = page.tags.get(NODATA_TAG)
    try:
        value = math.nan if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_picture(path: Path) -> Raster:
    """The raster of a picture file as it is stored, upright; the numbers of a palette stay numbers."""
    with images.opened(path) as picture:
        if picture.size[0] * picture.size[1] > decoding.LARGE:
            raise ValueError(f"it has {picture.width} x {picture.height} pixels, more than {decoding.LARGE}")
        picture.load()
        if turn := decoding.TURNS.get(decoding.orientation(picture)):
            picture = picture.transpose(turn)
        palette = (picture.getpalette("RGB") or []) if picture.mode == "P" else []
        if picture.mode not in ("1", "L", "P", "LA", "RGB", "RGBA", "I", "F") and not picture.mode.startswith("I;16"):
            picture = picture.convert("RGB")
        values = np.array(picture)
    if values.dtype == np.int32 and values.min() >= 0 and values.max() < 2**16:
        values = values.astype(np.uint16)  # Pillow's mode I is also that of a PNG with 16 bits
    raster = Raster.of(values[..., None] if values.ndim == 2 else values, Form(".png", palette=bytes(palette).hex()))
    return replace(raster, form=replace(raster.form, axes=PLANE if values.ndim == 2 else LAST))


def write_raster(path: Path, raster: Raster) -> None:
    """Write ``raster`` as the file ``path`` in its form, whose suffix the path should have."""
    form, values = raster.form, raster.stored
    with whole_file(path) as draft, draft.open("wb") as file:
        if form.suffix == ".npy":
            np.save(file, values, allow_pickle=False)
        elif form.suffix == ".npz" and len(form.keys) > 1:
            _save_all(file, dict(zip(form.keys, np.moveaxis(raster.values, 2, 0), strict=True)))
        elif form.suffix == ".npz":
            _save_all(file, {(form.keys or ("arr_0",))[0]: values})
        elif form.suffix == ".png":
            _picture(raster).save(file, format="PNG")
        else:
            _write_tiff(file, values, form)


def _save_all(file: Any, arrays: Mapping[str, Any]) -> None:
    np.savez_compressed(file, **arrays)


def _picture(raster: Raster) -> Image.Image:
    values = raster.values[:, :, 0] if raster.channels == 1 else raster.values
    if values.dtype.kind not in "bu" or values.dtype.itemsize > 2:
        values = values.astype(np.uint16)
    picture = Image.fromarray(np.ascontiguousarray(values))
    if raster.form.palette:
        picture.putpalette(bytes.fromhex(raster.form.palette))
    return picture


def _write_tiff(file: Any, values: Values, form: Form) -> None:
    colours = form.is_rgb and values.dtype.kind == "u" and values.shape[-1 if form.axes == LAST else 0] >= 3
    tags = [] if form.nodata is None else [(NODATA_TAG, "s", 0, f"{form.nodata:g}", True)]
    layout: dict[str, Any] = {"photometric": "rgb" if colours else "minisblack"}
    if form.axes in (LAST, PLANES):
        layout["planarconfig"] = "contig" if form.axes == LAST else "separate"
    with tifffile.TiffWriter(file, byteorder=">" if form.dtype.startswith(">") else "<") as writer:
        writer.write(values, extratags=tags, metadata=None, contiguous=True, **layout)


Knots = tuple[tuple[float, float], ...]
"""Values of a channel with their places in [-1, 1], both increasing; between them the conversion is linear."""


def knots_of(values: npt.NDArray[Any]) -> Knots:
    """The knots of a channel with these ``values`` (N,): its ends at -1 and 1, and where it has long tails, their ends.

    Tails are long where the values but the outermost 0.1 percent on each side take less than half of the range. Scaling
    the values scales the knots.
    """
    low, start, end, high = (float(value) for value in np.percentile(values, (0, TAIL, 100 - TAIL, 100)))
    if not low < high:
        return ((low, 0.0),)
    inner = [(start, -BODY), (end, BODY)] if start < end and end - start < TAIL_SHARE * (high - low) else []
    inner = [(value, place) for value, place in inner if low < value < high]
    return ((low, -1.0), *inner, (high, 1.0))


def to_tensor(raster: Raster, knots: Sequence[Knots]) -> Tensor:
    """``raster`` as (1, C, H, W) in [-1, 1], by the ``knots`` of each channel; pixels without data are filled.

    Values are rounded to steps of ``STEP``, so that the image of scaled values is the same to the bit.
    """
    filled = raster.filled()
    planes = [
        np.interp(filled[:, :, index].astype(np.float64), *np.transpose(channel)) for index, channel in enumerate(knots)
    ]
    return torch.from_numpy((np.rint(np.stack(planes) / STEP) * STEP).astype(np.float32))[None]


def from_tensor(image: Tensor, knots: Sequence[Knots], form: Form) -> Raster:
    """The raster of ``image`` (1, C, H, W) in [-1, 1], in the range and type that ``knots`` and ``form`` have.

    Whole numbers are rounded; no pixel gets the value that stands for no data.
    """
    dtype, planes = np.dtype(form.dtype), []
    for plane, channel in zip(image[0].detach().cpu().double().numpy(), knots, strict=True):
        values, places = zip(*channel, strict=True)
        result = np.interp(plane, places, values)
        stored = (np.rint(result) if dtype.kind in "bui" else result).astype(dtype)
        planes.append(without_nodata(stored, form, channel))
    return Raster(np.stack(planes, axis=2), form)


def without_nodata(plane: npt.NDArray[Any], form: Form, knots: Knots) -> npt.NDArray[Any]:
    """``plane`` (H, W), with the next value within ``knots`` in place of that which stands for no data in ``form``."""
    if form.nodata is None or not (hits := plane == form.nodata).any():
        return plane
    towards, result = knots[-1][0] if knots[-1][0] > form.nodata else knots[0][0], plane.copy()
    beside = form.nodata + np.sign(towards - form.nodata)
    is_float = plane.dtype.kind == "f"
    result[hits] = np.nextafter(plane[hits], np.asarray(towards, plane.dtype)) if is_float else beside
    return np.asarray(result)
