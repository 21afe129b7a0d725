"""Pictures of any channels that are opened with their maps, for a training or for their patches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.pictures import arrays, images, rasters
from SinGAN.pictures.arrays import Picture, as_raster, is_data
from SinGAN.pictures.layer import (
    LEVELS,
    Layer,
    check_kinds,
    guess_kind,
    is_map_name,
    map_layer,
    picture_layer,
    widened,
)
from SinGAN.pictures.layers import Layers, Parts
from SinGAN.pictures.rasters import Form, Marks, Raster
from SinGAN.storage.hashes import sha256

Maps = Mapping[str, Picture]
"""Maps by name: files, or arrays (H, W) or (H, W, C)."""


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
        layer, notes = picture_layer(raster, str(picture) if arrays.is_file(picture) else "`picture`")
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
        layers.append(replace(map_layer(raster, kind, shown), name=name, sha256=sha256(content)))
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
    picture_layer = first.picture if first.is_plain else widened([layers.picture for layers in every])
    of_all = Layers(
        picture_layer, tuple(widened(list(column)) for column in zip(*(one.maps for one in every), strict=True))
    )
    parts = tuple(one.parts for one in found if one.parts is not None)
    return Beside(of_all, parts, tuple(None if one.valid is None else one.valid[0, 0].numpy() == 0 for one in found))


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


def _valid(raster: Raster) -> Tensor | None:
    return None if raster.empty is None else torch.from_numpy(~raster.empty)[None, None].float()
