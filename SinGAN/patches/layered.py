"""The instant engine for data of any channels and for pictures with maps.

The engine searches on a guide, an 8-bit picture of at most three channels (of a picture of 8 bits: itself). Its votes
then render all channels and maps from the photo's own values, so that they stay aligned.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.instant import Instant, as_levels
from SinGAN.patches.levels import Levels
from SinGAN.patches.votes import MEANS, Values, Votes
from SinGAN.pictures import images
from SinGAN.pictures.layers import Layer, Layers, Opened, Parts
from SinGAN.pictures.rasters import Raster, without_nodata
from SinGAN.planning import Size

GUIDES = 3  # channels of a guide, at most
RANGE = 0.5, 99.5  # percentiles of a guide's first channel that become 0 and 255
FILL_SEED = 0  # of the pixels without data, which are filled first


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


@dataclass(frozen=True, eq=False)
class LayeredInstant:
    """One picture with its maps, or data, and results from its patches: the tasks of ``Instant``.

    Results are images (1, C, H, W) of raw values, see ``Layers.raw``.
    """

    engine: Instant  # of the guide
    layers: Layers  # of results
    parts: Parts  # the picture and its maps
    guide: Guide | None  # None: of a picture of 8 bits, which is its own

    exact_mask = True
    """Whether ``retouch`` takes masks as they are drawn, not softened."""

    @classmethod
    def of(
        cls,
        opened: Opened,
        variety: str = "medium",
        device: torch.device = torch.device("cpu"),
        limit: int | None = None,
    ) -> "LayeredInstant":
        """The engine for a picture that is ``opened`` with its layers.

        Pixels without data are filled first, from the rest.

        Arguments:
            opened: of data or with maps.
            variety: of samples: low, medium or high.
            device: of the layouts of samples.
            limit: of the longer side, in pixels; the picture is reduced to it. None: its own size.

        Raises:
            ValueError: the picture is smaller than a patch, or has too few pixels with data.
        """
        assert opened.layers is not None
        assert opened.parts is not None
        # 1. Reduce the picture.
        layers, image, parts, valid = opened.layers, opened.image, opened.parts, opened.valid
        if limit is not None and max(image.shape[-2:]) > limit:
            image = manipulate.reduce(image, limit, exact=True)
            parts = layers.split(image)
            if valid is not None:
                valid = torch.nn.functional.interpolate(valid, image.shape[-2:], mode="area").floor()
        # 2. The guide.
        channels = layers.channels_of_picture(image)
        guide = None if layers.is_plain else Guide.of(channels)
        levels = images.to_levels(channels) if guide is None else guide.levels(channels)
        engine = Instant.of(levels, variety, device)
        maker = cls(engine, replace(layers, raw=True), parts, guide)
        return maker if valid is None or bool(valid.all()) else maker._filled(valid)

    def _filled(self, valid: Tensor) -> "LayeredInstant":
        """The same with all pixels computed that are not ``valid`` (1, 1, H, W)."""
        hole, rng = 1 - valid, torch.Generator().manual_seed(FILL_SEED)
        votes: list[Votes] = []
        (levels,) = replace(self.engine, voted=votes.append).inpaint(hole, None, rng)
        engine = Instant.of(as_levels(levels), self.engine.variety, self.engine.device)
        return replace(self, engine=engine, parts=self._rendered(votes[0]))

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

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``Instant.sample``."""
        return self._render(lambda engine: engine.sample(rng, count, start, enlargement))

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """As ``Instant.retouch``; ``reference`` (1, C, H, W) has raw values."""
        found, votes = dict[int, Tensor](), list[Votes]()
        edited, shown = self.layers.split(reference), self._guide_of(reference)
        engine = replace(self.engine, voted=votes.append)
        for scale in scales:
            result = engine.retouch(shown, mask, [scale], rng, count)
            found[scale] = torch.cat([self._joined(self._rendered(each, edited)) for each in votes])
            votes.clear()
        return replace(result, real=self.real, reference=reference, blended=found)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
        """As ``Instant.paint``; ``strokes`` (1, C, H, W) have raw values."""
        shown = self._guide_of(strokes)
        return torch.cat(list(self._render(lambda engine: engine.paint(shown, scale, rng, count).split(1))))

    def retarget(self, rng: torch.Generator, count: int, enlargement: tuple[float, float]) -> Iterator[Tensor]:
        """As ``Instant.retarget``."""
        return self._render(lambda engine: engine.retarget(rng, count, enlargement))

    def inpaint(self, hole: Tensor, fill: Tensor | None, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.inpaint``; ``fill`` (1, C, 1, 1) has raw values."""
        colour = None if fill is None else fill[:, : self.engine.channels].to(torch.uint8)
        return self._render(lambda engine: engine.inpaint(hole, colour, rng, count))

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.outpaint``."""
        return self._render(lambda engine: engine.outpaint(margins, rng, count))

    def analogy(self, structure: Tensor, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``Instant.analogy``; ``structure`` (1, C, H, W) has raw values."""
        shown = self._guide_of(structure)
        return self._render(lambda engine: engine.analogy(shown, rng, count))

    def tile(
        self, rng: torch.Generator, count: int = 1, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``Instant.tile``."""
        return self._render(lambda engine: engine.tile(rng, count, enlargement))

    def tile_set(
        self, rng: torch.Generator, count: int, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``Instant.tile_set``."""
        return self._render(lambda engine: engine.tile_set(rng, count, enlargement))

    def colour(self, fill: Sequence[int]) -> Tensor:
        """The levels ``fill``, 0 to 255, as raw values (1, C, 1, 1), those of maps 0; one level is grey.

        Raises:
            ValueError: it has neither one level nor as many as there are colours, or these are data.
        """
        if self.guide is not None:
            raise ValueError("`fill` is for pictures of 8 bits: leave it out")
        colour = self.engine.colour(fill).to(self.real)
        return torch.cat([colour, colour.new_zeros(1, self.channels - colour.shape[1], 1, 1)], dim=1)

    def _render(self, make: Callable[[Instant], Iterable[Tensor]]) -> Iterator[Tensor]:
        """The results, with all layers, for those that ``make`` lets the engine compute."""
        votes: list[Votes] = []
        for _ in make(replace(self.engine, voted=votes.append)):
            yield self._joined(self._rendered(votes.pop(0)))

    def _guide_of(self, image: Tensor) -> Tensor:
        """The guide (1, at most 4, H, W), 8 bits, of an ``image`` (1, C, H, W) of raw values."""
        scaled = self.layers.channels_of_picture(self.layers.to_floats(image))
        return images.to_8_bits(images.to_levels(scaled) if self.guide is None else self.guide.levels(scaled))

    def _rendered(self, votes: Votes, edited: Parts | None = None) -> Parts:
        """The picture and the maps of a result from its ``votes``; what is pasted is of the ``edited`` picture."""
        pasted = None if edited is None else edited.picture
        picture, maps = self._means(self.layers.picture, votes, self.parts.picture, pasted, fits=True), {}
        for layer in self.layers.maps:
            own, other = self.parts.maps[layer.name], None if edited is None else edited.maps[layer.name]
            if layer.labels:
                numbers = votes.labels(layer.index(own), edited=None if other is None else layer.index(other))
                maps[layer.name] = layer.from_index(numbers)
            else:
                maps[layer.name] = self._means(layer, votes, own, other, fits=False)
        return Parts(picture, maps)

    def _means(self, layer: Layer, votes: Votes, own: Raster, edited: Raster | None, fits: bool) -> Raster:
        """The raster of weighted means; where it ``fits``, it is shifted as the guide's colours are."""
        stored = own.values.dtype
        kind = stored.newbyteorder("=") if stored.newbyteorder("=") in MEANS else np.dtype(np.float64)
        given, other = own.filled().astype(kind), None if edited is None else edited.filled().astype(kind)
        planes: list[Values] = []
        for channel, knots in enumerate(layer.knots):
            low, high = knots[0][0], knots[-1][0]
            plane = None if other is None else other[..., channel]
            unit = (high - low) / 255 if fits and high > low else None
            result = votes.means(given[..., channel], edited=plane, unit=unit)
            result = np.clip(result, low, high) if plane is None else result
            whole = (np.rint(result) if stored.kind in "bui" else result).astype(stored)
            planes.append(without_nodata(whole, layer.form, knots))
        return Raster(np.stack(planes, axis=2), layer.form)

    def _joined(self, parts: Parts) -> Tensor:
        """The image (1, C, H, W) of raw values."""
        return self.layers.join(parts)
