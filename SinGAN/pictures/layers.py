"""Pictures of any channels with maps, as the channels of one image: how files become an image, and results files.

A map is a label map, of which each label is a channel (1 where it is, -1 elsewhere), or a continuous one, whose
channels are scaled as those of a picture.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from SinGAN.pictures import arrays, images, rasters
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.rasters import (
    Form,
    Knots,
    Marks,
    Raster,
    from_tensor,
    knots_of,
    read_raster,
    to_tensor,
    write_raster,
)
from SinGAN.storage import layout
from SinGAN.storage.files import check_regular
from SinGAN.storage.hashes import sha256

if TYPE_CHECKING:
    from SinGAN.pictures.possible import Possible

LABEL, CONTINUOUS, NORMAL = MAP_KINDS = ("label", "continuous", "normal")
MOST_LABELS = 256  # of a label map
GUESSED_LABELS = 32  # different values of a map of whole numbers that is taken for a label map, at most
PERCENTILES = 1.0, 99.0  # of a channel, black and white in previews
LEVELS = ((0.0, -1.0), (255.0, 1.0))  # the knots of a channel of an 8-bit picture
UNIT, NEARLY_ALL, FACING = 0.05, 0.95, 0.3
"""What is taken for a normal map: gap of a vector's length to 1, share of such vectors, mean of their third parts."""
SHORT = 1e-6  # length of a vector without a direction
UNCHANGED = 2 / 255  # difference of a channel up to which a reference is the training picture itself
NEIGHBOURS = 2**16  # pixels of the training picture in which the map values of other colours are looked up, at most

Maps = Mapping[str, Picture]
"""Maps by name: files, or arrays (H, W) or (H, W, C)."""


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
            hues = np.array(_colour_maps()["tab20"].colors)
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


@dataclass(frozen=True)
class View:
    """The channels of a picture that people see: three as RGB, or one as grey or in a colour map."""

    shown: tuple[int, ...] = ()  # their indices in an image
    limits: tuple[tuple[float, float], ...] = ()  # of each, the values of an image that are black and white
    colours: str = ""  # the name of a colour map of matplotlib; "": none


@dataclass(frozen=True)
class Parts:
    """A result: the picture and its maps by name."""

    picture: Raster
    maps: dict[str, Raster]


@dataclass(frozen=True)
class Layers:
    """The layers of an image: the picture's channels, then those of each map."""

    picture: Layer
    maps: tuple[Layer, ...] = ()
    view: View = field(default=View(), compare=False)
    raw: bool = False
    """Whether images hold the values themselves, and the number of each label: those of the instant engine."""
    possible: Mapping[str, "Possible"] = field(default_factory=dict, compare=False)
    """The labels that pixels of a result may have, by map; without an entry, all."""

    @property
    def count(self) -> int:
        """The number of channels of an image."""
        return sum(self._counts)

    @property
    def _counts(self) -> list[int]:
        layers = (self.picture, *self.maps)
        return [1 if self.raw and layer.labels else layer.count for layer in layers]

    @property
    def is_plain(self) -> bool:
        """Whether the picture has 8 bits, and grey, RGB or RGBA."""
        return all(channel == LEVELS for channel in self.picture.knots) and self.picture.form.suffix == ".png"

    def split(self, image: Tensor) -> Parts:
        """The picture and the maps of an ``image`` (1, C, H, W) in [-1, 1]."""
        first, *others = image.split(self._counts, dim=1)
        decode = _from_raw if self.raw else Layer.decode
        picture, maps = decode(self.picture, first), {}
        for layer, part in zip(self.maps, others, strict=True):
            if layer.name in self.possible:
                values = self.picture.encode(picture)[0].flatten(1).T.numpy()
                allowed = torch.from_numpy(self.possible[layer.name].mask(values)).T.reshape(part.shape)
                part = part.masked_fill(~allowed.to(part.device), -torch.inf)
            maps[layer.name] = decode(layer, part)
        return Parts(picture, maps)

    def learned(self, real: Tensor) -> "Layers":
        """The layers of results of a model that was trained on ``real`` (1, C, H, W): with the labels ``possible``."""
        from SinGAN.pictures.possible import Possible

        first, *others = real.cpu().split(self._counts, dim=1)
        pixels, found = first[0].flatten(1).T.numpy(), {}
        for layer, part in zip(self.maps, others, strict=True):
            if layer.labels:
                found[layer.name] = Possible.of(pixels, part[0].argmax(dim=0).flatten().numpy(), layer.count)
        return replace(self, possible=found)

    def join(self, parts: Parts) -> Tensor:
        """The image (1, C, H, W) of the picture and its maps."""
        encode, named = _to_raw if self.raw else Layer.encode, {"": parts.picture, **parts.maps}
        planes = [encode(layer, named[layer.name]) for layer in (self.picture, *self.maps)]
        kind = torch.float64 if any(plane.dtype == torch.float64 for plane in planes) else torch.float32
        return torch.cat([plane.to(kind) for plane in planes], dim=1)

    @property
    def as_raw(self) -> "Layers":
        """The same layers of images that hold the values themselves, and the same view."""
        if self.raw:
            return self
        return replace(self, raw=True, possible={}).viewed_as(self)

    def viewed_as(self, other: "Layers") -> "Layers":
        """The layers, of images of raw values, with the view of ``other`` ones, of the same channels."""
        order, places = (one.picture.order or tuple(range(one.picture.count)) for one in (other, self))
        channels, limits = [order[index] for index in other.view.shown], list[tuple[float, float]]()
        for pair, channel in zip(other.view.limits, channels, strict=True):
            values, scaled = np.transpose(other.picture.knots[channel])
            low, high = pair if other.raw else np.interp(pair, scaled, values)
            limits.append((float(low), float(high)))
        shown = tuple(places.index(channel) for channel in channels)
        return replace(self, view=View(shown, tuple(limits), other.view.colours))

    def check_same(self, other: "Layers") -> None:
        """Raise a ValueError unless ``other`` layers have the same channels, maps and labels."""
        own, theirs = (
            f"{one.picture.count} channels of {'8 bits' if one.is_plain else 'data'}" for one in (self, other)
        )
        if own != theirs:
            raise ValueError(f"the photo has {theirs}, the model's pictures {own}: use the picture of the training")
        maps, found = (
            {layer.name: (layer.kind, len(layer.knots), {*layer.labels}) for layer in one.maps} for one in (self, other)
        )
        if maps.keys() != found.keys():
            names = [", ".join(each) or "none" for each in (maps, found)]
            raise ValueError(f"the model has the maps {names[0]}, the photo {names[1]}: name the same with `maps`")
        for name, kind in maps.items():
            if kind != found[name]:
                raise ValueError(f"the map {name} has another kind, other channels or other labels than the model's")

    def blend(self, real: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
        """``changed`` (B, C, H, W) where ``mask`` (1, 1, H, W) is 1, ``real`` (1, C, H, W) where it is 0: raw values.

        Between, amounts are weighted means, and labels those of the larger weight.
        """
        scaled, mixed = replace(self, raw=False), (1 - mask) * self.to_floats(real) + mask * self.to_floats(changed)
        between = torch.cat([scaled.convert(one, self) for one in mixed.split(1)])
        return torch.where(mask == 0, real, torch.where(mask == 1, changed, between))

    def describes(self, image: Tensor) -> bool:
        """Whether ``image`` (1, C, H, W) has these layers: a mask or a preview, of 8 bits, has none."""
        return image.shape[1] == self.count and not (self.raw and image.dtype == torch.uint8)

    def to_floats(self, image: Tensor) -> Tensor:
        """``image`` (B, C, H, W) in [-1, 1]."""
        return torch.cat([self.convert(one, replace(self, raw=False)) for one in image.split(1)]) if self.raw else image

    def convert(self, image: Tensor, other: "Layers") -> Tensor:
        """``image`` (1, C, H, W) with the ``other`` layers, of the same picture and maps."""
        return other.join(self.split(image))

    def channels_of_picture(self, image: Tensor) -> Tensor:
        """The channels of ``image`` (B, C, H, W) that are the picture's."""
        return image[:, : self.picture.count]

    def viewed(
        self, real: Tensor, show: Sequence[str] = (), percentiles: tuple[float, float] = PERCENTILES
    ) -> "Layers":
        """The layers with a view of the picture in ``real`` (1, C, H, W), the training picture.

        Arguments:
            real: whose values decide what is black and white.
            show: the numbers of one or three channels, from 1, and for one the name of a colour map. (): the first
                three channels, or the first.
            percentiles: of a channel that are black and white.

        Raises:
            ValueError: there is no such channel or colour map.
        """
        numbers, names = [word for word in show if word.isdecimal()], [word for word in show if not word.isdecimal()]
        count = self.picture.count
        if len(numbers) not in (0, 1, 3) or len(names) > 1 or (names and len(numbers) == 3):
            raise ValueError(
                f"`show` {' '.join(show)}: name one channel or three, from 1, and for one a colour map, as 4 viridis"
            )
        if any(not 1 <= int(number) <= count for number in numbers):
            raise ValueError(f"`show` {' '.join(show)}: the picture has the channels 1 to {count}")
        if names and names[0] not in _colour_maps():
            raise ValueError(f"`show` {names[0]}: there is no such colour map; viridis, magma and turbo are some")
        chosen = tuple(int(number) - 1 for number in numbers) or ((0,) if names or count < 3 else (0, 1, 2))
        if self.is_plain and not show:
            return replace(self, view=View(chosen, ((0.0, 255.0) if self.raw else (-1.0, 1.0),) * len(chosen)))
        chosen = tuple(self.picture.order.index(index) for index in chosen) if self.picture.order else chosen
        planes = real[0, list(chosen)].flatten(1).cpu().numpy()
        limits = tuple((float(low), float(high)) for low, high in np.percentile(planes, percentiles, axis=1).T)
        return replace(self, view=View(chosen, limits, names[0] if names else ""))

    def preview(self, image: Tensor) -> Tensor:
        """What people see of ``image`` (1, C, H, W): (1, 1 or 3, H, W), 8 bits."""
        view = self.view if self.view.shown else self.viewed(image).view
        planes = image[0, list(view.shown)].detach().cpu().double().numpy()
        stretched = [
            np.clip((plane - low) / (high - low), 0, 1) if high > low else np.full_like(plane, 0.5)
            for plane, (low, high) in zip(planes, view.limits, strict=True)
        ]
        if view.colours:
            levels = _colour_maps()[view.colours](stretched[0], bytes=True)[..., :3]
        else:
            levels = np.rint(255 * np.stack(stretched, axis=2)).astype(np.uint8)
        return images.to_8_bits(np.ascontiguousarray(levels))

    def preview_maps(self, image: Tensor) -> dict[str, Tensor]:
        """What people see of the maps of ``image`` (1, C, H, W), by name: each (1, 1 or 3, H, W), 8 bits."""
        maps = self.split(image).maps
        return {layer.name: images.to_8_bits(layer.preview(maps[layer.name])) for layer in self.maps}

    def write(self, folder: Path, name: str, image: Tensor) -> None:
        """Write ``image`` (1, C, H, W) into ``folder``: the picture, its maps, and a preview of what is no PNG.

        The picture is ``<name>`` with the ending of its kind of file, a map ``<name>_<map>``, and previews are PNG
        files of the same names.

        Raises:
            ValueError: a map's name makes it the file of another result.
        """
        parts, seen = self.split(image), {"": self.preview(image), **self.preview_maps(image)}
        for key, raster in {"": parts.picture, **parts.maps}.items():
            stem = f"{name}_{key}" if key else name
            file, preview = folder / f"{stem}{raster.form.suffix}", folder / f"{stem}.png"
            if file.exists() or preview.exists():
                raise ValueError(f"two results would be {file.name}: give the map another name")
            write_raster(file, raster)
            if file != preview:
                images.write(preview, seen[key])

    def copy(self, source: Path, folder: Path, name: str) -> list[Tensor]:
        """Copy the result ``name`` that ``write`` wrote into ``source`` to ``folder``; returns its previews.

        These are those of the picture and of each map, as ``preview`` and ``preview_maps`` make them.
        """
        seen = []
        for layer in (self.picture, *self.maps):
            stem = f"{name}_{layer.name}" if layer.name else name
            file, preview = f"{stem}{layer.form.suffix}", f"{stem}.png"
            for each in {file, preview}:
                shutil.copyfile(check_regular(source / each), folder / each)
            is_picture = layer is self.picture
            levels = _levels(source / preview) if is_picture else layer.preview(read_raster(source / file))
            seen.append(images.to_8_bits(levels))
        return seen

    def read_like(self, picture: Picture, real: Tensor, name: str = "reference") -> Tensor:
        """``picture`` as an image with the size and channels of ``real`` (1, C, H, W), the training picture.

        Maps are read from the files beside a file that results have, as ``cat_labels.png`` beside ``cat.tif``. Without
        one, each pixel gets the map values of the training picture's pixel that is most like it.

        Raises:
            ValueError: it has another number of channels than the picture.
        """
        if self.raw:
            scaled = replace(self, raw=False)
            return scaled.convert(scaled.read_like(picture, self.to_floats(real).float(), name), self).to(real)
        image = self.read_picture(picture, name)
        size = (real.shape[-2], real.shape[-1])
        image, parts, lacking = _resized(image, size), [], False
        for layer in self.maps:
            file = None
            if arrays.is_file(picture):
                place = arrays.path_of(picture)
                file = place.with_name(f"{place.stem}_{layer.name}{layer.form.suffix}")
            lacking |= file is None or not file.exists()
            parts.append(None if file is None or not file.exists() else layer.encode(read_raster(file)))
        if not lacking:
            return torch.cat([image, *(_resized(part, size) for part in parts if part is not None)], dim=1).to(real)
        guessed = self._with_nearest_maps(image, real)
        starts = np.cumsum([self.picture.count, *(layer.count for layer in self.maps)])
        for start, layer, part in zip(starts, self.maps, parts, strict=False):
            if part is not None:
                guessed[:, start : start + layer.count] = _resized(part, size).to(guessed)
        return guessed.to(real)

    def read_structure(self, picture: Picture, limit: int) -> Tensor:
        """``picture`` as an image (1, C, H, W) without maps, its longer side reduced to ``limit`` pixels."""
        image = self.read_picture(picture, "structure")
        ratio = min(1.0, limit / max(image.shape[-2:]))
        image = _resized(image, (round(ratio * image.shape[-2]), round(ratio * image.shape[-1])))
        scaled = replace(self, raw=False)
        image = torch.cat([image, image.new_full((1, scaled.count - image.shape[1], *image.shape[-2:]), -1)], dim=1)
        return scaled.convert(image, self) if self.raw else image

    def read_picture(self, picture: Picture, name: str) -> Tensor:
        """The picture's channels (1, C, H, W), in [-1, 1], of ``picture``, a file or the argument ``name``."""
        if self.is_plain and not isinstance(picture, Raster):
            return arrays.to_image(picture, self.picture.count, name, opaque=True)
        raster = as_raster(picture, name)
        if raster.channels != self.picture.count:
            shown = str(picture) if arrays.is_file(picture) else f"`{name}`"
            raise ValueError(f"{shown} has {raster.channels} channels, the training picture {self.picture.count}")
        return self.picture.encode(raster)

    def _with_nearest_maps(self, image: Tensor, real: Tensor) -> Tensor:
        """``image`` (1, C', H, W), the picture's channels, with the maps of ``real``.

        Where the picture is another one, they are those of the pixel of ``real`` whose channels are nearest.
        """
        from scipy.spatial import cKDTree

        count, pixels = self.picture.count, real[0].flatten(1).T.cpu().numpy()
        known = pixels[:: -(-len(pixels) // NEIGHBOURS)]
        _, nearest = cKDTree(known[:, :count]).query(image[0].flatten(1).T.cpu().numpy())
        maps = torch.from_numpy(known[nearest][:, count:].T.copy()).reshape(1, -1, *image.shape[-2:]).to(real)
        changed = (image.to(real) - real[:, :count]).abs().amax(dim=1, keepdim=True) > UNCHANGED
        return torch.cat([image.to(real), torch.where(changed, maps, real[:, count:])], dim=1)

    def as_dict(self) -> dict[str, Any]:
        """The layers as JSON can hold them."""
        return {"picture": self.picture.as_dict(), "maps": [layer.as_dict() for layer in self.maps]}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Layers | None":
        """The layers with the ``values`` of ``as_dict``; None for none.

        Raises:
            ValueError: one is missing, or none of its kind.
        """
        if not values:
            return None
        if values.keys() != {"picture", "maps"} or not isinstance(values["maps"], list):
            raise ValueError("the description of its channels is damaged")
        layers = cls(Layer.of(values["picture"]), tuple(map(Layer.of, values["maps"])))
        names = {layer.name for layer in layers.maps} - {""}
        if layers.picture.labels or layers.picture.name or len(names) < len(layers.maps):
            raise ValueError("the description of its channels is damaged")
        return layers

    def describe_maps(self) -> str:
        """The maps in words."""
        return ", ".join(f"{layer.name} ({layer.kind}, {layer.sha256[:8]})" for layer in self.maps) or "none"


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture that is opened for a training."""

    image: Tensor  # (1, C, H, W) in [-1, 1], the channels of maps included
    layers: Layers | None = None  # None: a picture of 8 bits without maps
    valid: Tensor | None = None  # (1, 1, H, W): 1 where the picture and its maps have data, else 0; None: everywhere
    notes: tuple[str, ...] = ()
    parts: Parts | None = None  # of the image, with pixels without data filled


def open_picture(
    picture: Picture,
    channels: int | None = None,
    maps: Maps | None = None,
    kinds: Sequence[str] = (),
    layered: bool = False,
) -> Opened:
    """``picture`` with its ``maps``.

    Arguments:
        picture: a file or an array, of 8 bits or of data.
        channels: that it must have; a picture of 8 bits is converted. None: those of the data, or RGB.
        maps: by name, of the picture's size.
        kinds: of the maps, one for each or one for all. (): guessed from their types.
        layered: whether a picture of 8 bits without maps has layers, too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: something can't be used, or does not fit the picture.
    """
    maps = maps or {}
    check_kinds(kinds)
    if kinds and len(kinds) not in (1, len(maps)):
        raise ValueError(f"`map_kinds` {' '.join(kinds)}: name a kind for each map, {len(maps)}, or one for all")
    if not is_data(picture):
        if channels not in (None, 1, 3, 4):
            shown = str(picture) if arrays.is_file(picture) else "`picture`"
            raise ValueError(f"{shown} is a picture of 8 bits: `nc_im` must be 1, 3 or 4, not {channels}")
        assert not isinstance(picture, Raster)
        image = arrays.to_image(picture, channels or 3)
        if not maps and not layered:
            return Opened(image)
        form = Form(".png", "uint8", rasters.PLANE if channels == 1 else rasters.LAST)
        raster = Raster(images.to_levels(image), form)
        layer, valid, notes = Layer(form, (LEVELS,) * image.shape[1]), None, list[str]()
    else:
        raster = as_raster(picture, "picture")
        if channels not in (None, raster.channels):
            shown = str(picture) if arrays.is_file(picture) else "`picture`"
            raise ValueError(f"`nc_im` {channels} asked, but {shown} has {raster.channels} channels: leave it out")
        layer, notes = _picture_layer(raster, str(picture) if arrays.is_file(picture) else "`picture`")
        image, valid = layer.encode(raster), _valid(raster)
    for name in maps:
        if not isinstance(name, str) or not is_map_name(name):
            raise ValueError(f"`maps` has {name!r:.80}: name maps as files can be called, without a folder")
    size, layers, parts, originals = (image.shape[-2], image.shape[-1]), list[Layer](), [image], {"": raster}
    for index, (name, source) in enumerate(maps.items()):
        raster = as_raster(source, name)
        shown = str(source) if arrays.is_file(source) else f"the map {name}"
        if raster.size != size:
            (high, wide), (height, width) = raster.size, size
            wrong = f"{shown} has {wide} x {high} pixels, the picture {width} x {height}"
            raise ValueError(f"{wrong}: save the map at the picture's size")
        kind = kinds[index % len(kinds)] if kinds else guess_kind(raster)
        content = arrays.path_of(source).read_bytes() if arrays.is_file(source) else raster.stored.tobytes()
        originals[name] = raster
        layers.append(replace(_map_layer(raster, kind, shown), name=name, sha256=sha256(content)))
        parts.append(layers[-1].encode(raster))
        known = _valid(raster)
        valid = known if valid is None else valid if known is None else valid * known
    if valid is not None and not valid.any():
        raise ValueError("no pixel has data in the picture and in all its maps")
    filled = {name: replace(one, values=one.filled(), empty=None) for name, one in originals.items()}
    whole = Parts(filled.pop(""), filled)
    return Opened(torch.cat(parts, dim=1), Layers(layer, tuple(layers)), valid, tuple(notes), whole)


@dataclass(frozen=True, eq=False)
class Beside:
    """More pictures, with the same maps as a first one."""

    layers: Layers  # of all: with the labels and ranges of each
    parts: tuple[Parts, ...]  # of each, with pixels without data filled
    empty: tuple[Marks | None, ...]  # of each: (H, W), true where the picture or a map has no data; None: nowhere


def open_beside(opened: Opened, pictures: Sequence[Picture], maps: Sequence[Maps] | None = None) -> Beside:
    """``pictures`` of the same channels as the one that is ``opened``, of any sizes, with the same maps.

    Arguments:
        opened: with its layers.
        pictures: files or arrays.
        maps: of each picture. None: files beside them, named like those of results: ``dog_labels.png`` of ``dog.tif``.

    Raises:
        FileNotFoundError: a picture or map is missing.
        ValueError: one does not fit.
    """
    assert opened.layers is not None
    if maps is not None and not all(isinstance(one, Mapping) for one in maps):
        raise ValueError("`also_maps` must have a dictionary of maps by name for each picture of `also`")
    if maps is not None and len(maps) != len(pictures):
        raise ValueError(f"`also_maps` has the maps of {len(maps)} pictures, and there are {len(pictures)} in `also`")
    first, found = opened.layers, list[Opened]()
    for number, picture in enumerate(pictures):
        shown = str(picture) if arrays.is_file(picture) else f"picture {number + 1} of `also`"
        if is_data(picture) == first.is_plain:
            words = ("8 bits", "data") if first.is_plain else ("data", "8 bits")
            raise ValueError(
                f"{shown} is a picture of {words[1]}, and the first one is of {words[0]}: use the same kind"
            )
        named: Maps = {}
        if maps is not None:
            named = maps[number]
        elif first.maps and arrays.is_file(picture):
            place = Path(str(picture))
            named = {one.name: place.with_name(f"{place.stem}_{one.name}{one.form.suffix}") for one in first.maps}
        if set(named) != {one.name for one in first.maps}:
            needed = ", ".join(one.name for one in first.maps) or "none"
            raise ValueError(f"{shown} has the maps {', '.join(named) or 'none'}, and the first picture {needed}")
        of_each = [one.kind for one in first.maps]
        try:
            found.append(open_picture(picture, first.picture.count, named, of_each, layered=True))
        except ValueError as error:
            raise ValueError(str(error).replace("`picture`", shown)) from error
    every = [first, *(one.layers for one in found if one.layers is not None)]
    picture_layer = first.picture if first.is_plain else _widened([layers.picture for layers in every])
    of_all = Layers(
        picture_layer, tuple(_widened(list(column)) for column in zip(*(one.maps for one in every), strict=True))
    )
    parts = tuple(one.parts for one in found if one.parts is not None)
    return Beside(of_all, parts, tuple(None if one.valid is None else one.valid[0, 0].numpy() == 0 for one in found))


def _widened(layers: Sequence[Layer]) -> Layer:
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


def maps_by_name(maps: Mapping[str, Picture] | Sequence[str | Path] | None) -> dict[str, Picture]:
    """The ``maps`` by name: those of files are called as the files without their endings.

    Raises:
        ValueError: they are no maps, or two have the same name.
    """
    if isinstance(maps, Mapping):
        return dict(maps)
    if isinstance(maps, str | Path) or not (maps is None or isinstance(maps, Sequence)):
        raise ValueError(f"`maps` is {maps!r:.80}: give a list of files, or a dictionary of maps by name")
    result: dict[str, Picture] = {}
    for file in map(Path, maps or ()):
        if file.stem in result:
            raise ValueError(f"the maps {result[file.stem]} and {file} have the same name: rename one")
        result[file.stem] = file
    return result


def is_map_name(name: str) -> bool:
    """Whether ``name`` is a plain one, of which names of files can be made."""
    try:
        return layout.stem(f"{name}.png") == name
    except ValueError:
        return False


def percentiles_of(values: Sequence[float]) -> tuple[float, float]:
    """The two ``values`` of the option `show_percentiles`.

    Raises:
        ValueError: they are not two, or not in order.
    """
    if len(values) != 2 or not values[0] < values[1]:
        shown = " ".join(f"{value:g}" for value in values)
        raise ValueError(f"`show_percentiles` {shown}: name two, the lower one first, as 1 99")
    return values[0], values[1]


def is_data(picture: Picture) -> bool:
    """Whether ``picture`` is data of any channels and range, and no picture of 8 bits.

    An array is data if it can't be a picture: more than 4 channels, floats outside 0..1, NaN, or signed whole numbers
    outside 0..255.
    """
    if isinstance(picture, Raster):
        return True
    if isinstance(picture, Image.Image):
        return False
    if arrays.is_file(picture):
        return rasters.is_raster(arrays.path_of(picture))
    values = _as_array(picture)
    if values.dtype.kind not in "fiu" or not values.size:
        return False
    most = {"f": 1, "i": 255, "u": np.inf}[values.dtype.kind]
    return (values.ndim == 3 and values.shape[2] > 4) or not (values.min() >= 0 and values.max() <= most)


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


def _colour_maps() -> Any:
    import matplotlib  # the import takes a third of a second

    return matplotlib.colormaps


def _levels(path: Path) -> images.Levels:
    """The levels (H, W, 1 or 3) of a preview, which is grey or RGB."""
    with images.opened(path) as picture:
        return images.read_levels(path, 1 if picture.mode == "L" else 3)


def as_raster(picture: Picture, name: str) -> Raster:
    """The raster of ``picture``, a file or the argument ``name``."""
    if isinstance(picture, Raster):
        return picture.checked(f"`{name}`")
    if arrays.is_file(picture):
        return read_raster(arrays.path_of(picture))
    return Raster.of(_as_array(picture), None, f"`{name}`")


def _as_array(picture: Picture) -> npt.NDArray[Any]:
    return np.asarray(arrays.without_graph(picture) if isinstance(picture, Tensor) else picture)


def _picture_layer(raster: Raster, name: str) -> tuple[Layer, list[str]]:
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


def _map_layer(raster: Raster, kind: str, name: str) -> Layer:
    if kind == LABEL:
        return Layer(raster.form, labels=tuple(tuple(map(float, label)) for label in labels_of(raster, name)))
    if kind == NORMAL and raster.channels != 3:
        raise ValueError(f"{name} has {raster.channels} channels, and a normal map has 3: use `map_kinds` continuous")
    knots = tuple(knots_of(channel) for channel in raster.known().T)
    return Layer(replace(raster.form, palette=""), knots, is_normal=kind == NORMAL)


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


def _to_raw(layer: Layer, raster: Raster) -> Tensor:
    if layer.labels:
        return torch.from_numpy(layer.index(raster))[None, None].float()
    values = raster.values[:, :, list(layer.order)] if layer.order else raster.values
    kind = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, 2, 0), kind))[None]


def _from_raw(layer: Layer, image: Tensor) -> Raster:
    values = np.moveaxis(image[0].cpu().numpy(), 0, 2)
    if layer.labels:
        return layer.from_index(np.clip(values[:, :, 0].astype(int), 0, len(layer.labels) - 1))
    ordered = values[:, :, np.argsort(layer.order)] if layer.order else values
    return Raster(np.ascontiguousarray(ordered.astype(np.dtype(layer.form.dtype))), layer.form)


def _valid(raster: Raster) -> Tensor | None:
    return None if raster.empty is None else torch.from_numpy(~raster.empty)[None, None].float()


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` (1, C, h, w) at another ``size``, without rounding to 8 bits."""
    from SinGAN.imresize import imresize_to

    return image if image.shape[-2:] == size else imresize_to(image, size, exact=True)
