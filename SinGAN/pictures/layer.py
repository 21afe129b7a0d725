"""The channels of a picture or of a map: what they mean, how files become an image, and the other way round.

A map is a label map, of which each label is a channel (1 where it is, -1 elsewhere), or a continuous one, whose
channels are scaled as those of a picture; a continuous map may be a normal map, of vectors of length 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN.pictures import images, rasters
from SinGAN.pictures.rasters import Form, Knots, Raster, from_tensor, knots_of, to_tensor
from SinGAN.storage import layout

LABEL, CONTINUOUS, NORMAL = MAP_KINDS = ("label", "continuous", "normal")
MOST_LABELS = 256  # of a label map
GUESSED_LABELS = 32  # different values of a map of whole numbers that is taken for a label map, at most
LEVELS = ((0.0, -1.0), (255.0, 1.0))  # the knots of a channel of an 8-bit picture
UNIT, NEARLY_ALL, FACING = 0.05, 0.95, 0.3
"""What is taken for a normal map: gap of a vector's length to 1, share of such vectors, mean of their third parts."""
SHORT = 1e-6  # length of a vector without a direction


@dataclass(frozen=True)
class Layer:
    """The channels of a picture or of a map: their meaning, and the form in which they are written."""

    form: Form
    knots: tuple[Knots, ...] = ()  # of each channel of a picture or a continuous map
    order: tuple[int, ...] = ()  # of the channels in an image, by their indices in the raster; (): as there
    labels: tuple[tuple[float, ...], ...] = ()  # the values (one, or a colour) of each label of a label map
    name: str = ""  # of a map
    sha256: str = ""  # of a map: of its file or values
    is_normal: bool = False  # whether a map's three channels are directions of length 1

    @property
    def count(self) -> int:
        """The number of channels in an image."""
        return len(self.labels) or len(self.knots)

    @property
    def kind(self) -> str:
        """Label, continuous or normal."""
        return LABEL if self.labels else NORMAL if self.is_normal else CONTINUOUS

    def encode(self, raster: Raster) -> Tensor:
        """``raster`` (H, W, C) as (1, count, H, W) in [-1, 1]; a label that the layer lacks is no label."""
        if not self.labels:
            image = to_tensor(raster, self.knots)
            return image[:, list(self.order)] if self.order else image
        values, labels = raster.filled().astype(np.float64), np.array(self.labels)
        planes = [(values == label).all(axis=2) for label in labels]
        return torch.from_numpy(np.where(np.stack(planes), np.float32(1), np.float32(-1)))[None]

    def decode(self, image: Tensor) -> Raster:
        """The raster (H, W, C) of ``image`` (1, count, H, W): at each pixel the label of the largest channel."""
        if not self.labels:
            raster = from_tensor(image[:, np.argsort(self.order)] if self.order else image, self.knots, self.form)
            return self.fitted(raster)
        return self.from_index(image[0].argmax(dim=0).cpu().numpy())

    def to_raw(self, raster: Raster) -> Tensor:
        """``raster`` (H, W, C) as (1, C, H, W) of the values themselves, or the number of each pixel's label."""
        if self.labels:
            return torch.from_numpy(self.index(raster))[None, None].float()
        values = raster.values[:, :, list(self.order)] if self.order else raster.values
        kind = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, 2, 0), kind))[None]

    def from_raw(self, image: Tensor) -> Raster:
        """The raster (H, W, C) of ``image`` (1, C, H, W), as ``to_raw`` makes it."""
        values = np.moveaxis(image[0].cpu().numpy(), 0, 2)
        if self.labels:
            return self.from_index(np.clip(values[:, :, 0].astype(int), 0, len(self.labels) - 1))
        ordered = values[:, :, np.argsort(self.order)] if self.order else values
        return Raster(np.ascontiguousarray(ordered.astype(np.dtype(self.form.dtype))), self.form)

    def fitted(self, raster: Raster) -> Raster:
        """``raster``, of which vectors of a normal map are made to have length 1."""
        return normalized(raster, self._is_signed) if self.is_normal else raster

    @property
    def _is_signed(self) -> bool:
        """Whether floats of a normal map are directions, not encoded ones."""
        return any(channel[0][0] < 0 for channel in self.knots)

    def index(self, raster: Raster) -> npt.NDArray[np.int32]:
        """The number (H, W) of each pixel's label in ``labels``; that of a value that is none is 0."""
        if len(self.labels[0]) == 1:
            known = np.array([label[0] for label in self.labels])
            order, values = np.argsort(known), raster.filled()[..., 0]
            found = order[np.searchsorted(known[order], values).clip(max=len(known) - 1)]
            return np.where(known[found] == values, found, 0).astype(np.int32)
        return np.asarray(self.encode(raster)[0].argmax(dim=0).numpy(), np.int32)

    def from_index(self, numbers: npt.NDArray[Any]) -> Raster:
        """The raster (H, W, C) of the labels with these ``numbers`` (H, W)."""
        values = np.array(self.labels).astype(np.dtype(self.form.dtype))
        return Raster(values[numbers], self.form)

    def from_colours(self, raster: Raster) -> Raster:
        """The labels of the colours of ``raster`` (H, W, 3 or 4): those whose colours in the palette are nearest."""
        palette = np.frombuffer(bytes.fromhex(self.form.palette), np.uint8).reshape(-1, 3)
        numbers = [int(label[0]) for label in self.labels]
        known = palette[[min(number, len(palette) - 1) for number in numbers]].astype(np.int64)
        kinds, which = np.unique(raster.values[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
        nearest = [int(np.square(known - kind.astype(np.int64)).sum(axis=1).argmin()) for kind in kinds]
        return self.from_index(np.array(nearest)[which.ravel()].reshape(raster.size))

    def preview(self, raster: Raster) -> images.Levels:
        """What people see of a map's ``raster`` (H, W, C): (H, W, 1 or 3); labels are in the colours of its palette."""
        if self.is_normal:
            return np.rint(127.5 * (directions_of(raster, self._is_signed) + 1)).clip(0, 255).astype(np.uint8)
        if not self.labels:
            image = to_tensor(raster, self.knots)[0, : 3 if self.count > 2 else 1]
            return np.asarray(np.rint(127.5 * (image.permute(1, 2, 0).numpy() + 1)), np.uint8)
        if len(self.labels[0]) == 3 and raster.values.dtype == np.uint8:  # its labels are colours
            return np.asarray(raster.values)
        places = self.encode(raster)[0].argmax(dim=0).numpy()
        colours = np.frombuffer(bytes.fromhex(self.form.palette), np.uint8).reshape(-1, 3)
        numbers = np.array([label[0] for label in self.labels])
        if not len(colours) or numbers.max() >= len(colours):
            hues = np.array(colour_maps()["tab20"].colors)
            colours, numbers = np.rint(255 * hues).astype(np.uint8), np.arange(len(numbers)) % len(hues)
        return np.asarray(colours[numbers.astype(int)][places])

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {**asdict(self), "form": self.form.as_dict()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Layer":
        """The layer with the ``values`` of ``as_dict``.

        Raises:
            ValueError: one is missing, or none of its kind.
        """
        try:
            knots = tuple(tuple((float(a), float(b)) for a, b in channel) for channel in values["knots"])
            labels = tuple(tuple(float(part) for part in label) for label in values["labels"])
            order = tuple(int(index) for index in values["order"])
            others = {name: str(values[name]) for name in ("name", "sha256")}
            layer = cls(Form.of(values["form"]), knots, order, labels, **others, is_normal=bool(values["is_normal"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"the description of its channels is damaged: {error}") from None
        ordered = all(np.isfinite(one).all() and (np.diff(one, axis=0) > 0).all() for one in map(np.array, knots))
        widths = {len(label) for label in labels}
        is_whole = 1 <= len(knots) <= rasters.MOST_CHANNELS if not labels else len(labels) <= MOST_LABELS
        if order and sorted(order) != [*range(len(knots))]:
            raise ValueError("the description of its channels is damaged")
        if not ordered or not all(knots) or bool(knots) == bool(labels) or not is_whole or len(widths) > 1:
            raise ValueError("the description of its channels is damaged")
        if max(widths, default=1) > rasters.MOST_CHANNELS or (layer.name and not is_map_name(layer.name)):
            raise ValueError("the description of its channels is damaged")
        return layer


def is_map_name(name: str) -> bool:
    """Whether ``name`` is a plain one, of which names of files can be made."""
    try:
        return layout.stem(f"{name}.png") == name
    except ValueError:
        return False


def guess_kind(raster: Raster) -> str:
    """The kind of the map ``raster``: label where it has a palette, or few different whole numbers or wide ones."""
    values = raster.values
    if raster.form.palette or values.dtype.kind == "b":
        return LABEL
    if raster.channels == 3 and is_normal_map(raster):
        return NORMAL
    if values.dtype.kind == "f" or raster.channels > 1:
        return CONTINUOUS
    return LABEL if values.dtype.itemsize > 2 or len(np.unique(raster.known())) <= GUESSED_LABELS else CONTINUOUS


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise a ValueError if one of ``kinds`` is no kind of maps."""
    if not (isinstance(kinds, Sequence) and all(kind in MAP_KINDS for kind in kinds)):
        raise ValueError(f"`map_kinds` is {kinds!r:.80}: each is {', '.join(MAP_KINDS[:-1])} or {MAP_KINDS[-1]}")


def labels_of(raster: Raster, name: str) -> npt.NDArray[Any]:
    """The labels of a label map, its different values or colours: (K, C), sorted.

    Raises:
        ValueError: there are too many.
    """
    labels = np.unique(raster.known(), axis=0)
    if len(labels) > MOST_LABELS:
        raise ValueError(
            f"{name} has {len(labels)} labels: at most {MOST_LABELS} can be used; `map_kinds` continuous takes its "
            "values for amounts"
        )
    return labels


def colour_maps() -> Any:
    import matplotlib  # the import takes a third of a second

    return matplotlib.colormaps


def picture_layer(raster: Raster, name: str) -> tuple[Layer, list[str]]:
    """The layer of the picture ``raster``, called ``name``, and notes about channels.

    Its channels are ordered by their mean, so that a training does not depend on their order in the file.

    Raises:
        ValueError: all its channels are constant.
    """
    knots = tuple(knots_of(channel) for channel in raster.known().T)
    constant = [index for index, channel in enumerate(knots, start=1) if len(channel) == 1]
    if len(constant) == len(knots):
        raise ValueError(f"{name} is constant: there is nothing to learn from it")
    numbers = ", ".join(map(str, constant))
    notes = [f"channel {numbers} of the picture is constant, and stays so"] if constant else []
    means = to_tensor(raster, knots).double().mean(dim=(0, 2, 3)).numpy()
    return Layer(raster.form, knots, tuple(map(int, np.argsort(means, kind="stable")))), notes


def map_layer(raster: Raster, kind: str, name: str) -> Layer:
    if kind == LABEL:
        return Layer(raster.form, labels=tuple(tuple(map(float, label)) for label in labels_of(raster, name)))
    if kind == NORMAL and raster.channels != 3:
        raise ValueError(f"{name} has {raster.channels} channels, and a normal map has 3: use `map_kinds` continuous")
    knots = tuple(knots_of(channel) for channel in raster.known().T)
    return Layer(replace(raster.form, palette=""), knots, is_normal=kind == NORMAL)


def widened(layers: Sequence[Layer]) -> Layer:
    """The first of ``layers`` with the labels and the range of all."""
    first = layers[0]
    if any(len(layer.labels) and len(layer.labels[0]) != len(first.labels[0]) for layer in layers[1:] if first.labels):
        raise ValueError(f"the maps {first.name} have different numbers of channels")
    if first.labels:
        return replace(first, labels=tuple(sorted({label for layer in layers for label in layer.labels})))
    columns = list(zip(*(layer.knots for layer in layers), strict=True))
    return replace(first, knots=tuple(map(_wider, columns)))


def _wider(knots: Sequence[Knots]) -> Knots:
    """The first of ``knots``, its ends moved to those of all."""
    low, high = min(each[0][0] for each in knots), max(each[-1][0] for each in knots)
    if not low < high:
        return knots[0]
    inner = [knot for knot in knots[0][1:-1] if low < knot[0] < high]
    return ((low, -1.0), *inner, (high, 1.0))


def directions_of(raster: Raster, signed: bool) -> npt.NDArray[np.float64]:
    """The vectors (H, W, 3), in [-1, 1], of a normal map; whole numbers, and floats if not ``signed``, encode them."""
    values = raster.values.astype(np.float64)
    if raster.values.dtype.kind == "f":
        return values if signed else 2 * values - 1
    return 2 * values / np.iinfo(raster.values.dtype).max - 1


def normalized(raster: Raster, signed: bool) -> Raster:
    """A normal map with vectors of length 1, as far as its type can tell; one of length 0 points to the viewer."""
    directions = directions_of(raster, signed)
    length = np.linalg.norm(directions, axis=2, keepdims=True)
    unit = np.where(length > SHORT, directions / np.maximum(length, SHORT), np.array([0.0, 0.0, 1.0]))
    dtype = raster.values.dtype
    if dtype.kind == "f":
        encoded = unit if signed else (unit + 1) / 2
    else:
        encoded = np.rint((unit + 1) / 2 * np.iinfo(dtype).max)
    return replace(raster, values=encoded.astype(dtype))


def is_normal_map(raster: Raster) -> bool:
    """Whether the values (H, W, 3) look like a normal map: nearly all of length 1, and on the whole to the viewer."""
    if raster.values.dtype.kind not in "uf" or raster.values.dtype.itemsize > 4:
        return False
    directions = directions_of(raster, bool(raster.known().min() < 0))
    length = np.linalg.norm(directions, axis=2)
    return bool((np.abs(length - 1) < UNIT).mean() > NEARLY_ALL and directions[..., 2].mean() > FACING)
