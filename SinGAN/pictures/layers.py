"""The layers of an image, a picture of any channels with its maps: images of them, previews, and files of results."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from SinGAN.pictures import arrays, images
from SinGAN.pictures.arrays import Picture, as_raster
from SinGAN.pictures.layer import LEVELS, Layer, colour_maps
from SinGAN.pictures.rasters import Raster, read_raster, write_raster
from SinGAN.storage.files import check_regular

if TYPE_CHECKING:
    from SinGAN.pictures.possible import Possible

PERCENTILES = 1.0, 99.0  # of a channel, black and white in previews
UNCHANGED = 2 / 255  # difference of a channel up to which a reference is the training picture itself
NEIGHBOURS = 2**16  # pixels of the training picture in which the map values of other colours are looked up, at most


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
        decode = Layer.from_raw if self.raw else Layer.decode
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
        encode, named = Layer.to_raw if self.raw else Layer.encode, {"": parts.picture, **parts.maps}
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
        if names and names[0] not in colour_maps():
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
            levels = colour_maps()[view.colours](stretched[0], bytes=True)[..., :3]
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


def percentiles_of(values: Sequence[float]) -> tuple[float, float]:
    """The two ``values`` of the option `show_percentiles`.

    Raises:
        ValueError: they are not two, or not in order.
    """
    if len(values) != 2 or not values[0] < values[1]:
        shown = " ".join(f"{value:g}" for value in values)
        raise ValueError(f"`show_percentiles` {shown}: name two, the lower one first, as 1 99")
    return values[0], values[1]


def _levels(path: Path) -> images.Levels:
    """The levels (H, W, 1 or 3) of a preview, which is grey or RGB."""
    with images.opened(path) as picture:
        return images.read_levels(path, 1 if picture.mode == "L" else 3)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` (1, C, h, w) at another ``size``, without rounding to 8 bits."""
    from SinGAN.imresize import imresize_to

    return image if image.shape[-2:] == size else imresize_to(image, size, exact=True)
