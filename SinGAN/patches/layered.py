"""The instant engine for data of any channels and for pictures with maps.

The engine searches on a guide, an 8-bit picture of at most three channels (of a picture of 8 bits: itself). Its votes
then render all channels and maps from the photo's own values, so that they stay aligned.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN.imresize import imresize
from SinGAN.manipulate import Retouched
from SinGAN.patches.guides import amount_guide, label_guide
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.levels import Levels, Photo, limit_levels, limit_size, resize_mask
from SinGAN.patches.search import Flags
from SinGAN.patches.votes import MEANS, Places, Values, Votes, number_pixels
from SinGAN.pictures import images
from SinGAN.pictures.arrays import Picture, as_raster, is_file
from SinGAN.pictures.layer import Layer
from SinGAN.pictures.layers import Layers, Parts
from SinGAN.pictures.opening import Beside, Opened
from SinGAN.pictures.rasters import Form, Marks, Raster, without_nodata
from SinGAN.planning import Size

Arguments = ParamSpec("Arguments")

GUIDES = 3  # channels of a guide, at most
RANGE = 0.5, 99.5  # percentiles of a guide's first channel that become 0 and 255
COORDINATES = "coordinates"  # the name of their map
FILL_SEED = 0  # of the pixels without data, which are filled first


def reduce_parts(layers: Layers, parts: Parts, ratio: float) -> Parts:
    """``parts`` reduced by ``ratio``; a picture of 8 bits as it is without maps."""
    small = layers.split(imresize(layers.join(parts), ratio, exact=True))
    if not layers.is_plain:
        return small
    levels = limit_levels(parts.picture.values, round(ratio * max(parts.picture.size)))
    return replace(small, picture=replace(small.picture, values=levels))


def reduce_marks(empty: Marks, size: Size) -> Marks:
    """``empty`` (H, W) at a smaller ``size``: pixels of which a part has no data."""
    return resize_mask(empty.astype(np.uint8), size) > 0


@dataclass(frozen=True, eq=False)
class Guide:
    """A linear function of the channels of data, whose values the engine compares as colours."""

    directions: npt.NDArray[np.float64]  # (C, at most 3), of length 1
    low: npt.NDArray[np.float64]  # (at most 3,): what becomes 0
    width: npt.NDArray[np.float64]  # what 255 levels are

    @classmethod
    def of(cls, image: Tensor) -> "Guide":
        """The guide of ``image`` (1, C, H, W) in [-1, 1]: its channels, or, of more than three, principal components.

        A component's sign makes its values skewed to the bright side. All have the scale of the first one, so that the
        noise in the last ones stays small.
        """
        pixels = image[0].flatten(1).T.double().cpu().numpy()
        if pixels.shape[1] <= GUIDES:
            directions = np.eye(pixels.shape[1])
        else:
            _, vectors = np.linalg.eigh(np.cov(pixels, rowvar=False))
            directions = vectors[:, ::-1][:, :GUIDES]
            values = (pixels - pixels.mean(axis=0)) @ directions
            directions = directions * np.where((values**3).sum(axis=0) < 0, -1.0, 1.0)
        low, high = np.percentile(pixels @ directions, RANGE, axis=0)
        width = np.maximum(high - low, 1e-9)
        if pixels.shape[1] > GUIDES:
            middle, width = (low + high) / 2, np.full(len(low), width.max())
            low = middle - width / 2
        return cls(directions, low, width)

    def levels(self, image: Tensor) -> Levels:
        """The guide (H, W, at most 3) of ``image`` (1, C, H, W), in [-1, 1]."""
        values = (image[0].permute(1, 2, 0).double().cpu().numpy() @ self.directions - self.low) / self.width
        return np.ascontiguousarray(np.clip(np.rint(255 * values), 0, 255).astype(np.uint8))


def rendered(
    task: Callable[Concatenate[Instant, Arguments], Iterator[Tensor]],
) -> Callable[Concatenate["LayeredInstant", Arguments], Iterator[Tensor]]:
    """The method of ``LayeredInstant`` that gives the results of a ``task`` of ``Instant`` with all layers."""

    @wraps(task)
    def render(self: "LayeredInstant", /, *values: Arguments.args, **named: Arguments.kwargs) -> Iterator[Tensor]:
        return self.render(lambda engine: task(engine, *values, **named))

    return render


@dataclass(frozen=True, eq=False)
class LayeredInstant:
    """One picture with its maps, or data, and results from its patches: the tasks of ``Instant``.

    Results are images (1, C, H, W) of raw values, see ``Layers.raw``.
    """

    engine: Instant  # of the guide
    layers: Layers  # of results
    parts: Parts  # the picture and its maps
    guide: Guide | None  # None: of a picture of 8 bits, which is its own
    others: tuple[Parts, ...] = ()  # of the pictures beside it
    kind: str = ""  # the type of coordinates
    erased: Marks | None = None  # the pixels that are erased in the picture's file, at the file's size

    exact_mask = True
    """Whether ``retouch`` takes masks as they are drawn, not softened."""

    @classmethod
    def of(
        cls,
        opened: Opened,
        variety: str = "medium",
        device: torch.device = torch.device("cpu"),
        limit: int | None = None,
        beside: Beside | None = None,
        shares: Sequence[float] = (),
        hard: bool = False,
        coordinates: str = "",
    ) -> "LayeredInstant":
        """The engine for a picture that is ``opened`` with its layers.

        Pixels without data are filled first, from the rest, and not copied.

        Arguments:
            opened: of data or with maps.
            variety: of samples: low, medium or high.
            device: of the layouts of samples.
            limit: of the longer side, in pixels; the picture is reduced to it, and others as much. None: its own size.
            beside: more pictures whose patches are used, with their maps.
            shares: of results, that shall come from each picture; (): as they fit.
            hard: whether each pixel is a copy of one of the pictures' pixels.
            coordinates: the type of one more map, the places of the pixels that results come from: "uint16" or
                "float32"; "": none.

        Raises:
            ValueError: a picture is smaller than a patch, or has too few pixels with data, or they don't fit.
        """
        assert opened.layers is not None
        assert opened.parts is not None
        # 1. Reduce the pictures.
        layers, every = opened.layers, [opened.parts]
        empty = [None if opened.valid is None else opened.valid[0, 0].cpu().numpy() == 0]
        if beside is not None:
            layers, every, empty = beside.layers, [*every, *beside.parts], [*empty, *beside.empty]
        ratio = 1.0 if limit is None else limit / max(opened.image.shape[-2:])
        if ratio < 1:
            every = [reduce_parts(layers, parts, ratio) for parts in every]
            sizes = [parts.picture.size for parts in every]
            empty = [None if one is None else reduce_marks(one, size) for one, size in zip(empty, sizes, strict=True)]
        # 2. The guides.
        channels = [layers.picture.encode(parts.picture) for parts in every]
        guide = None if layers.is_plain else Guide.of(channels[0])
        levels = [images.to_levels(one) if guide is None else guide.levels(one) for one in channels]
        flags = [None if one is None else one.astype(np.uint8) for one in empty]
        photo, *others = (Photo.of(one, marks) for one, marks in zip(levels, flags, strict=True))
        engine = Instant(photo, variety, device, hard=hard, others=tuple(others), shares=tuple(shares))
        engine.collection.levels([photo.size], 1)  # which checks them
        maker = cls(engine, layers.as_raw, every[0], guide, tuple(every[1:]))
        maker = maker if photo.empty is None else maker._filled(photo.empty)
        return maker._with_coordinates(coordinates) if coordinates else maker

    def _filled(self, empty: Flags) -> "LayeredInstant":
        """The same with all pixels computed that are ``empty`` (H, W)."""
        hole, rng = torch.from_numpy(empty)[None, None], torch.Generator().manual_seed(FILL_SEED)
        votes: list[Votes] = []
        (levels,) = replace(self.engine, voted=votes.append).inpaint(hole, None, rng)
        engine = replace(self.engine, photo=Photo.of(as_levels(levels), empty))
        return replace(self, engine=engine, parts=self._rendered(votes[0]))

    def _with_coordinates(self, kind: str) -> "LayeredInstant":
        """The same with the map of coordinates: column, row and, of several pictures, the number of the picture.

        Those of ``float32`` are texture coordinates: a pixel's middle in parts of the picture's width and height.
        """
        if any(layer.name == COORDINATES for layer in self.layers.maps):
            raise ValueError(f"a map is called {COORDINATES}, as that of `coordinates`: give it another name")
        whole = replace(self, kind=kind)
        own = whole._places(Votes(self.size, (self.size,), (), number_pixels(self.size)).coordinates)
        limits = [max(photo.size[axis] for photo in self.engine.collection.photos) for axis in (1, 0)]
        ends = [*((1.0, 1.0) if kind == "float32" else limits), max(1.0, float(len(self.others)))][: own.channels]
        layer = Layer(own.form, tuple(((0.0, -1.0), (float(end), 1.0)) for end in ends), name=COORDINATES)
        layers = replace(self.layers, maps=(*self.layers.maps, layer))
        return replace(whole, layers=layers, parts=replace(self.parts, maps={**self.parts.maps, COORDINATES: own}))

    def _places(self, coordinates: Places) -> Raster:
        """The raster of ``coordinates`` (H, W, 3): row, column and number of the picture."""
        values = coordinates[..., [1, 0, 2] if self.others else [1, 0]].astype(self.kind)
        if self.kind == "float32":
            sizes = np.array([photo.size for photo in self.engine.collection.photos])[coordinates[..., 2]]
            values[..., :2] = (coordinates[..., 1::-1] + 0.5) / sizes[..., ::-1]
        return Raster(values, Form(".tif", self.kind))

    @property
    def with_hard_votes(self) -> "LayeredInstant":
        """The same, of whose results each pixel is a copy of one of the photo's."""
        return replace(self, engine=self.engine.with_hard_votes)

    def watched(self, watch: Callable[[Levels], None]) -> "LayeredInstant":
        """The same; ``watch`` is called with each level of the guide, coarse to fine."""
        return replace(self, engine=self.engine.watched(watch))

    @property
    def channels(self) -> int:
        """The number of channels of results, with those of maps."""
        return self.layers.count

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self.engine.size

    @cached_property
    def real(self) -> Tensor:
        """The picture and its maps, (1, C, H, W)."""
        return self._joined(self.parts)

    @property
    def factor(self) -> float:
        """The ratio of the levels that are solved."""
        return self.engine.factor

    @property
    def start_scales(self) -> range:
        """The levels at which random samples can start."""
        return self.engine.start_scales

    @property
    def injection_scales(self) -> range:
        """The levels at which an edit or a paint can be put in."""
        return self.engine.injection_scales

    @property
    def injection_scale(self) -> int:
        """The level at which edits and paints are put in by default."""
        return self.engine.injection_scale

    def __len__(self) -> int:
        """The number of levels."""
        return len(self.engine)

    sample = rendered(Instant.sample)
    retarget = rendered(Instant.retarget)
    outpaint = rendered(Instant.outpaint)
    tile = rendered(Instant.tile)
    tile_set = rendered(Instant.tile_set)

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """As ``Instant.retouch``; ``reference`` (1, C, H, W) has raw values."""
        edited, shown, votes = self.layers.split(reference), as_image(self.guide_of(reference)), list[Votes]()
        result = replace(self.engine, voted=votes.append).retouch(shown, mask, scales, rng, count)
        pictures = (
            (scale, None, self._joined(self._rendered(votes.pop(0), edited))) for scale, _, _ in result.pictures
        )
        return replace(result, real=self.real, reference=reference, pictures=pictures)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.paint``; ``strokes`` (1, C, H, W) have raw values."""
        shown = as_image(self.guide_of(strokes))
        return self.render(lambda engine: engine.paint(shown, scale, rng, count))

    def inpaint(self, hole: Tensor, fill: Tensor | None, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.inpaint``; ``fill`` (1, C, 1, 1) has raw values."""
        colour = None if fill is None else fill[:, : self.engine.channels].to(torch.uint8)
        return self.render(lambda engine: engine.inpaint(hole, colour, rng, count))

    def analogy(self, structure: Tensor, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.analogy``; ``structure`` (1, C, H, W) has raw values."""
        shown = as_image(self.guide_of(structure))
        return self.render(lambda engine: engine.analogy(shown, rng, count))

    def read_guide(self, guide: Picture, limit: int) -> tuple[npt.NDArray[Any], Raster]:
        """A ``guide``, file or array, painted with the labels or amounts of the first map, and its raster.

        Its longer side is reduced to ``limit`` pixels; colours stand for the labels with the most similar ones in the
        palette of the map. The first is the number (H, W) of each pixel's label, or its
        amounts (H, W, C).

        Raises:
            ValueError: it has labels, or a number of channels, that the map has not.
        """
        layer = self.layers.maps[0]
        raster, shown = as_raster(guide, "guide"), str(guide) if is_file(guide) else "`guide`"
        size = limit_size(raster.size, limit)
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, raster.size, strict=True))
        raster = replace(raster, values=raster.values[rows[:, None], columns], empty=None)
        if not layer.labels:
            if raster.channels != len(layer.knots):
                raise ValueError(f"{shown} has {raster.channels} channels, the map {layer.name} {len(layer.knots)}")
            return np.moveaxis(layer.encode(raster)[0].double().numpy(), 0, 2) / 2 + 0.5, raster
        if layer.form.palette and len(layer.labels[0]) == 1 and raster.channels in (3, 4):
            raster = layer.from_colours(raster)
        known, found = {*layer.labels}, np.unique(raster.values.reshape(-1, raster.channels), axis=0)
        strange = [label for label in (tuple(map(float, one)) for one in found) if label not in known]
        if strange:
            words = [" ".join(f"{part:g}" for part in label) for label in (strange[0], *layer.labels[:10])]
            raise ValueError(
                f"{shown} has the label {words[0]}, which the map {layer.name} has not: use {', '.join(words[1:])}"
            )
        return layer.index(raster), raster

    def guided(self, codes: npt.NDArray[Any], weight: float, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` results (1, C, H, W) whose first map follows the ``codes`` of ``read_guide``, by a ``weight``."""
        layer = self.layers.maps[0]
        own = [parts.maps[layer.name] for parts in (self.parts, *self.others)]
        if layer.labels:
            guide = label_guide(codes, len(layer.labels), weight)
            keys = [label_guide(layer.index(one), len(layer.labels), weight) for one in own]
        else:
            guide = amount_guide(codes, weight)
            amounts = (np.moveaxis(layer.encode(one)[0].double().numpy(), 0, 2) / 2 + 0.5 for one in own)
            keys = [amount_guide(one, weight) for one in amounts]
        return self.render(lambda engine: engine.guided(guide, keys, rng, count))

    def colour(self, fill: Sequence[int]) -> Tensor:
        """The levels ``fill``, 0 to 255, as raw values (1, C, 1, 1), those of maps 0; one level is grey.

        Raises:
            ValueError: it has neither one level nor as many as there are colours, or these are data.
        """
        if self.guide is not None:
            raise ValueError("`fill` is for pictures of 8 bits: leave it out")
        colour = self.engine.colour(fill).to(self.real)
        return torch.cat([colour, colour.new_zeros(1, self.channels - colour.shape[1], 1, 1)], dim=1)

    def render(self, make: Callable[[Instant], Iterable[Tensor]], edited: Tensor | None = None) -> Iterator[Tensor]:
        """The results, with all layers, for those that ``make`` lets the engine compute.

        What it pastes has the raw values of ``edited`` (1, C, H, W).
        """
        votes, pasted = list[Votes](), None if edited is None else self.layers.split(edited)
        for _ in make(replace(self.engine, voted=votes.append)):
            yield self._joined(self._rendered(votes.pop(0), pasted))

    def guide_of(self, image: Tensor) -> Levels:
        """The guide (H, W, at most 4) of an ``image`` (1, C, H, W) of raw values."""
        return self.guide_of_picture(self.layers.split(image).picture)

    def guide_of_picture(self, picture: Raster) -> Levels:
        """The guide (H, W, at most 4) of a ``picture`` (H, W, C), without its maps."""
        scaled = self.layers.picture.encode(picture)
        return images.to_levels(scaled) if self.guide is None else self.guide.levels(scaled)

    def _rendered(self, votes: Votes, edited: Parts | None = None) -> Parts:
        """The picture and the maps of a result from its ``votes``; what is pasted is of the ``edited`` picture."""
        if self.engine.voted is not None:
            self.engine.voted(votes)
        every = (self.parts, *self.others)
        pictures, pasted = [parts.picture for parts in every], None if edited is None else edited.picture
        if self.guide is None and not self.engine.hard:
            levels = votes.picture(*(one.values for one in pictures), edited=None if pasted is None else pasted.values)
            picture = Raster(levels, self.layers.picture.form)
        else:
            picture = self._means(self.layers.picture, votes, pictures, pasted, fits=True)
        maps = {}
        for layer in self.layers.maps:
            if layer.name == COORDINATES and self.kind:
                maps[layer.name] = self._places(votes.coordinates)
                continue
            own, other = (
                [parts.maps[layer.name] for parts in every],
                None if edited is None else edited.maps[layer.name],
            )
            if layer.labels:
                numbers, vote = None if other is None else layer.index(other), self._vote(votes, votes.labels)
                maps[layer.name] = layer.from_index(vote(*map(layer.index, own), edited=numbers))
            else:
                maps[layer.name] = layer.fitted(self._means(layer, votes, own, other, fits=False))
        return Parts(picture, maps)

    def _vote(self, votes: Votes, soft: Callable[..., Values]) -> Callable[..., Values]:
        """The function that renders values by ``votes``: hard ones, or as ``soft`` does."""
        return votes.copies if self.engine.hard else soft

    def _means(self, layer: Layer, votes: Votes, own: Sequence[Raster], edited: Raster | None, fits: bool) -> Raster:
        """The raster of weighted means; where it ``fits``, it is shifted as the guide's colours are."""
        stored = own[0].values.dtype
        kind = stored.newbyteorder("=") if stored.newbyteorder("=") in MEANS else np.dtype(np.float64)
        given = [one.filled().astype(kind) for one in own]
        other = None if edited is None else edited.filled().astype(kind)
        shifts = fits and votes.shifted is not None and not self.engine.hard
        if not shifts:
            rendered = self._vote(votes, votes.means)(*given, edited=other)
        planes: list[Values] = []
        for channel, knots in enumerate(layer.knots):
            low, high = knots[0][0], knots[-1][0]
            if shifts:
                plane = None if other is None else other[..., channel]
                unit = (high - low) / 255 if high > low else None
                result = votes.means(*(one[..., channel] for one in given), edited=plane, unit=unit)
            else:
                result = rendered[..., channel]
            result = np.clip(result, low, high) if other is None else result
            whole = (np.rint(result) if stored.kind in "bui" else result).astype(stored)
            planes.append(without_nodata(whole, layer.form, knots))
        return Raster(np.stack(planes, axis=2), layer.form)

    def _joined(self, parts: Parts) -> Tensor:
        """The image (1, C, H, W) of raw values."""
        return self.layers.join(parts)
