"""Picture models, as tasks see them: a trained model, or the patches of a photo."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN import manipulate
from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.guides import label_guide
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.layered import LayeredInstant
from SinGAN.patches.levels import (
    Levels,
    check_size,
    extend_size,
    halvings,
    level_sizes,
    limit_levels,
    resize,
    to_pixels,
)
from SinGAN.patches.published import Published
from SinGAN.patches.seams import match_colours
from SinGAN.patches.search import PATCH, Pixels
from SinGAN.patches.solver import Canvas, Settings, Solver
from SinGAN.pictures.layer import Layer
from SinGAN.pictures.layers import Layers, Parts
from SinGAN.pictures.opening import Opened
from SinGAN.planning import Size, enlarged
from SinGAN.pyramid import Pyramid, TrainedScale


class Maker(Protocol):
    """A picture model: the tasks that trained models and patches share."""

    exact_mask: bool
    """Whether ``retouch`` takes masks as they are drawn, not softened."""

    @property
    def layers(self) -> Layers | None:
        """The layers of its pictures' channels; None: they have 8 bits, and no maps."""

    @property
    def real(self) -> Tensor:
        """The picture (1, C, H, W) at the finest scale, in [-1, 1] or, of 8 bits, in 0 .. 255."""

    @property
    def factor(self) -> float:
        """The ratio of neighbouring scales."""

    @property
    def start_scales(self) -> range:
        """The scales at which random samples can start."""

    @property
    def injection_scales(self) -> range:
        """The scales at which a reference can be put in, coarse to fine."""

    @property
    def injection_scale(self) -> int | None:
        """The default; None: there is none, a scale must be named."""

    def __len__(self) -> int:
        """The number of scales."""

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` random samples (1, C, H, W), in the range of ``real``."""

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """``count`` pictures of ``reference`` (1, C, H, W) put in at each of ``scales``, and blended by ``mask``."""

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``strokes`` (1, C, H, W), put in at ``scale``."""

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that extend ``real`` by ``margins``: top, bottom, left and right, in pixels.

        The pixels of ``real`` stay.
        """


Engine = Instant | LayeredInstant
"""The instant engine, of a picture of 8 bits or with layers."""
Patches = Engine | Published
"""The picture models without training, which have more tasks."""
Retrain = Callable[[int, Tensor, int, bool], Pyramid[TrainedScale]]
"""Gives a pyramid with one scale retrained: from its index, a palette (K, C), a seed, and whether to show a bar."""


LABELLED = 1.0  # weight of labels beside colours, see ``guides``
REFINED_FROM = 0.57  # of a picture's size: the level where refining starts
REFINEMENTS = 4  # repetitions of search and vote at each level


class Refiner:
    """Replaces the patches of generated pictures with those of the photo: a short run of nearest neighbours.

    Arguments:
        real: the model's picture (1, C, H, W), in [-1, 1].
        photo: its full-size original (H', W', C), 8 bits, or the engine of its patches; None: ``real``.
        start: the size of the first level, in parts of the model's picture.
        repeats: number of repetitions of search and vote at each level. The smaller the first level and the more
            repetitions, the more the layout of a result returns to the photo's.
        layers: of the model's images; ``photo`` is then an engine with layers, whose maps results have.

    Raises:
        ValueError: the photo is smaller than a patch; of a call: the images are.
    """

    def __init__(
        self,
        real: Tensor,
        photo: Levels | Engine | None = None,
        start: float = REFINED_FROM,
        repeats: int = REFINEMENTS,
        layers: Layers | None = None,
    ) -> None:
        self.size: Size = (real.shape[-2], real.shape[-1])
        if photo is None:
            photo = as_levels(to_8_bits(real))
        self.engine, self.layers = open_photo(photo) if isinstance(photo, np.ndarray) else photo, layers
        halves = halvings(self.engine.size, self.size[0] * self.size[1])
        self.sizes = level_sizes(halves[0], PATCH) + halves[1:]
        self.solved = len(self.sizes) - len(halves) + 1
        limit, self.repeats = start * max(self.size), repeats
        self.start = max(level for level in range(self.solved) if level == 0 or max(self.sizes[level]) <= limit)
        engine = self.engine.engine
        self.sources, self.labels = engine.collection.levels(self.sizes, self.solved), find_labels(self.engine.layers)
        if isinstance(self.engine, LayeredInstant) and self.labels is not None:
            self.sources = engine.coded(self.sources, [self._codes(self.engine.parts)], self.sizes, self.solved)

    def _codes(self, parts: Parts) -> Pixels:
        """The codes (H, W, 4) of the labels of ``parts``."""
        assert self.labels is not None
        numbers = self.labels.index(parts.maps[self.labels.name])
        return label_guide(numbers, len(self.labels.labels), LABELLED)

    def _canvases(self, image: Tensor, targets: Sequence[Size]) -> list[Canvas]:
        """The canvases of levels of sizes ``targets``.

        Where parts with different labels have the same colours, those of ``image`` (1, C, h, w) tell them apart: they
        are compared, too, in levels that are not larger, since in larger ones the edges of its labels are too coarse.
        """
        canvases = [Canvas(size) for size in targets]
        if self.labels is None or self.layers is None or not self.layers.describes(image):
            return canvases
        codes, highest = self._codes(self.layers.split(image)), max(targets[self.start][0], image.shape[-2])
        coded = [replace(canvas, guide=resize(codes, canvas.size)) for canvas in canvases if canvas.size[0] <= highest]
        return coded + canvases[len(coded) :]

    def guide_of(self, image: Tensor) -> Levels:
        """What is compared of an ``image`` (1, C, h, w) of the model: (h, w, at most 4)."""
        if self.layers is None or not isinstance(self.engine, LayeredInstant):
            return as_levels(to_8_bits(image))
        return self.engine.guide_of_picture(self.layers.picture.decode(self.layers.channels_of_picture(image)))

    def __call__(self, images: Tensor, enlargement: tuple[float, float] | None = None) -> Tensor:
        """``images`` (B, C, h, w) in [-1, 1], of any size, as (B, C, H, W) with the photo's detail.

        Results have 8 bits, or raw values where the photo has layers: their maps are the photo's, by the votes of the
        patches.

        ``enlargement`` is the size of the results in parts of the photo's; None: that of the images in parts of the
        model's picture.
        """
        ratios = enlargement or (images.shape[-2] / self.size[0], images.shape[-1] / self.size[1])
        targets = [enlarged(size, ratios) for size in self.sizes]
        check_size(targets[self.start], remedy="use larger pictures (`scale_h`, `scale_v`, `size`)")
        settings = Settings(repeats=self.repeats, first_repeats=self.repeats)

        def refined(engine: Instant) -> Iterator[Tensor]:
            for image in images.split(1):
                solver = Solver(self.sources, targets, self._canvases(image, targets), self.solved, 0, settings)
                guess = resize(to_pixels(self.guide_of(image)), targets[self.start])
                yield engine.finish(solver.run(guess, self.start))

        return torch.cat(list(self.engine.render(refined)))


def find_labels(layers: Layers | None) -> Layer | None:
    """The first label map."""
    return None if layers is None else next((layer for layer in layers.maps if layer.labels), None)


def open_photo(photo: Levels | Opened, hard: bool = False, limit: int | None = None) -> Engine:
    """The patches of ``photo`` (H, W, C), or of one that is opened with its layers, for refined results.

    Arguments:
        photo: of 8 bits, data or with maps.
        hard: whether each pixel of results is a copy of one of the photo's.
        limit: of the longer side, in pixels; the photo is reduced to it. None: its own size.

    Raises:
        ValueError: it is smaller than a patch, or has too few pixels with data.
    """
    height, width = photo.image.shape[-2:] if isinstance(photo, Opened) else photo.shape[:2]
    check_size((height, width), remedy="a larger photo is needed, or no refinement")
    if isinstance(photo, Opened):
        return LayeredInstant.of(photo, limit=limit, hard=hard)
    return replace(Instant.of(photo if limit is None else limit_levels(photo, limit)), hard=hard)


def to_8_bits(image: Tensor) -> Tensor:
    """``image`` (B, C, H, W) in [-1, 1] as 8 bits, rounded."""
    return image if image.dtype == torch.uint8 else ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_floats(image: Tensor) -> Tensor:
    """``image`` (B, C, H, W) of 8 bits in [-1, 1]."""
    return image.float() / 127.5 - 1 if image.dtype == torch.uint8 else image


@dataclass(frozen=True, eq=False)
class Trained(manipulate.OfPyramid):
    """A trained model."""

    pyramid: Pyramid[TrainedScale]
    refiner: Refiner | None = None  # of its results
    retrain: Retrain | None = None  # of one scale, for quantized painting
    own_layers: Layers | None = None  # of the pyramid's images; None: they have 8 bits, and no maps

    @classmethod
    def of(cls, pyramid: Pyramid[TrainedScale], layers: Layers | None) -> "Trained":
        """The model with a trained ``pyramid``, whose pictures have ``layers`` or not."""
        return cls(pyramid, own_layers=None if layers is None else layers.learned(pyramid.scales[-1].real))

    @property
    def layers(self) -> Layers | None:
        """The layers of its pictures' channels; those of refined ones are raw."""
        return self.own_layers if self._photo is None else self._photo.layers

    @property
    def _photo(self) -> LayeredInstant | None:
        """The photo with layers that refines results."""
        engine = None if self.refiner is None or self.own_layers is None else self.refiner.engine
        return engine if isinstance(engine, LayeredInstant) else None

    @property
    def real(self) -> Tensor:
        """The training picture at the finest scale, (1, C, H, W), in [-1, 1] or, with refined layers, raw."""
        real = self.pyramid.scales[-1].real
        if self._photo is None or self.own_layers is None:
            return real
        return self.own_layers.convert(real, self._photo.layers).to(real.device)

    @property
    def unrefined(self) -> "Trained":
        """The model whose results stay as the pyramid makes them."""
        return replace(self, refiner=None)

    def _as_input(self, image: Tensor) -> Tensor:
        """``image`` (1, C, H, W) like ``real`` as the pyramid takes it."""
        if self._photo is None or self.own_layers is None:
            return image
        return self._photo.layers.convert(image, self.own_layers).to(image.device)

    def refined_by(self, photo: Levels | Opened | None, hard: bool = False, limit: int | None = None) -> "Trained":
        """The model whose results have the detail of ``photo``.

        Arguments:
            photo: the training picture before it was reduced, (H, W, C) of 8 bits, or opened with its layers if the
                model has some; None: as the model has learned it.
            hard: whether each pixel of results is a copy of one of the photo's.
            limit: of the photo's longer side, in pixels; None: its own size.

        Raises:
            ValueError: it is too small, or has other channels, maps or labels than the model.
        """
        real, layers = self.pyramid.scales[-1].real, self.own_layers
        if photo is None:
            photo = as_levels(to_8_bits(real)) if layers is None else Opened(real, layers, parts=layers.split(real))
        elif layers is not None and isinstance(photo, Opened) and photo.layers is not None:
            layers.check_same(photo.layers)
        engine = open_photo(photo, hard, limit)
        if layers is not None and isinstance(engine, LayeredInstant):
            engine = replace(engine, layers=engine.layers.viewed_as(layers))
        return replace(self, refiner=Refiner(real, engine, layers=layers))

    def refined(self, images: Tensor) -> Tensor:
        """``images`` (B, C, H, W), refined where that is asked for."""
        return images if self.refiner is None else self.refiner(images)

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``manipulate.sample``."""
        return map(self.refined, manipulate.sample(self.pyramid, rng, count, start, enlargement))

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """As ``manipulate.retouch``; refined pictures are blended again, into the photo of their size."""
        result = manipulate.retouch(self.pyramid, self._as_input(reference), mask, scales, rng, count)
        if self.refiner is None:
            return result
        real = to_floats(self.refiner.engine.real)
        blend = manipulate.blend if self._photo is None else self._photo.layers.blend
        soft = F.interpolate(mask.cpu(), real.shape[-2:], mode="bilinear")
        made = ((scale, self.refined(picture)) for scale, picture, _ in result.pictures if picture is not None)
        pictures = ((scale, each, blend(real, to_floats(each), soft)) for scale, each in made)
        return Retouched(real, reference, soft, pictures)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``manipulate.inject``."""
        return map(self.refined, manipulate.inject(self.pyramid, self._as_input(strokes), scale, rng, count))

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``manipulate.outpaint``; the new colours are shifted to meet those of the training picture at its border.

        Refined pictures extend the photo of the refiner's size.

        Raises:
            ValueError: a side would be too long, or the model can't extend its picture.
        """
        small = self.pyramid.scales[-1].real
        real = small if self.refiner is None else to_floats(self.refiner.engine.real).to(small.device)
        (height, width), (small_height, small_width) = real.shape[-2:], small.shape[-2:]
        ratios = height / small_height, width / small_width
        top, bottom, left, right = (round(margin * ratios[index // 2]) for index, margin in enumerate(margins))
        extend_size((height, width), (top, bottom, left, right))
        pictures, fits = manipulate.outpaint(self.pyramid, margins, rng, count), self.layers is None
        return (_with_original(self.refined(picture), real, top, left, fits) for picture in pictures)


def _with_original(picture: Tensor, real: Tensor, top: int, left: int, fits_colours: bool) -> Tensor:
    """``picture`` (1, C, H, W) with ``real`` (1, C, h, w), in [-1, 1], at ``top`` and ``left``, in [-1, 1].

    Where it ``fits_colours``, those around ``real`` are shifted to meet its own.
    """
    height, width = real.shape[-2:]
    place = slice(top, top + height), slice(left, left + width)
    result = to_floats(picture).to(real.device, copy=True)
    result[..., place[0], place[1]] = real
    if not fits_colours:
        return result
    levels, around = as_levels(to_8_bits(result)).copy(), np.ones(result.shape[-2:], np.uint8)
    around[place] = 0
    match_colours(levels, around)
    result = to_floats(as_image(levels)).to(real.device)
    result[..., place[0], place[1]] = real  # to the bit, not rounded
    return result
