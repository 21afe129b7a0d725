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
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.layered import LayeredInstant
from SinGAN.patches.levels import Levels, check_size, extend_size, halvings, level_sizes, pyramid, resize, to_pixels
from SinGAN.patches.published import Published
from SinGAN.patches.seams import match_colours
from SinGAN.patches.search import PATCH
from SinGAN.patches.solver import Canvas, Settings, Solver, Source
from SinGAN.pictures.layers import Layers
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


Patches = Instant | LayeredInstant | Published
"""The picture models without training, which have more tasks."""
Retrain = Callable[[int, Tensor, int, bool], Pyramid[TrainedScale]]
"""Gives a pyramid with one scale retrained: from its index, a palette (K, C), a seed, and whether to show a bar."""


REFINED_FROM = 0.57  # of a picture's size: the level where refining starts
REFINEMENTS = 4  # repetitions of search and vote at each level


class Refiner:
    """Replaces the patches of generated pictures with those of the photo: a short run of nearest neighbours.

    Arguments:
        real: the model's picture (1, C, H, W), in [-1, 1].
        photo: its full-size original (H', W', C), 8 bits; None: ``real``.
        start: the size of the first level, in parts of the model's picture.
        repeats: number of repetitions of search and vote at each level. The smaller the first level and the more
            repetitions, the more the layout of a result returns to the photo's.

    Raises:
        ValueError: the photo is smaller than a patch; of a call: the images are.
    """

    def __init__(
        self, real: Tensor, photo: Levels | None = None, start: float = REFINED_FROM, repeats: int = REFINEMENTS
    ) -> None:
        self.size: Size = (real.shape[-2], real.shape[-1])
        self.photo = as_levels(to_8_bits(real)) if photo is None else photo
        check_size((self.photo.shape[0], self.photo.shape[1]), remedy="a larger photo is needed, or no refinement")
        halves = halvings((self.photo.shape[0], self.photo.shape[1]), self.size[0] * self.size[1])
        self.sizes = level_sizes(halves[0], PATCH) + halves[1:]
        self.solved = len(self.sizes) - len(halves) + 1
        limit, self.repeats = start * max(self.size), repeats
        self.start = max(level for level in range(self.solved) if level == 0 or max(self.sizes[level]) <= limit)
        self.reals = pyramid(to_pixels(self.photo), self.sizes)

    def __call__(self, images: Tensor, enlargement: tuple[float, float] | None = None) -> Tensor:
        """``images`` (B, C, h, w) in [-1, 1], of any size, as (B, C, H, W) of 8 bits with the photo's detail.

        ``enlargement`` is the size of the results in parts of the photo's; None: that of the images in parts of the
        model's picture.
        """
        ratios = enlargement or (images.shape[-2] / self.size[0], images.shape[-1] / self.size[1])
        targets = [enlarged(size, ratios) for size in self.sizes]
        check_size(targets[self.start], remedy="use larger pictures (`scale_h`, `scale_v`, `size`)")
        settings = Settings(repeats=self.repeats, first_repeats=self.repeats)
        sources, canvases = [Source(real) for real in self.reals], [Canvas(size) for size in targets]
        solver = Solver(sources, targets, canvases, self.solved, 0, settings)
        return torch.cat([self._refined(solver, image) for image in images.split(1)])

    def _refined(self, solver: Solver, image: Tensor) -> Tensor:
        levels = as_levels(to_8_bits(image))
        *_, finest = solver.run(resize(to_pixels(levels), solver.sizes[self.start]), self.start)
        return as_image(finest.picture[..., : levels.shape[2]].copy())


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
    layers: Layers | None = None  # of its pictures' channels; None: they have 8 bits, and no maps

    @classmethod
    def of(cls, pyramid: Pyramid[TrainedScale], layers: Layers | None) -> "Trained":
        """The model with a trained ``pyramid``, whose pictures have ``layers`` or not."""
        return cls(pyramid, layers=None if layers is None else layers.learned(pyramid.scales[-1].real))

    @property
    def real(self) -> Tensor:
        """The training picture at the finest scale, (1, C, H, W), in [-1, 1]."""
        return self.pyramid.scales[-1].real

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
        result = manipulate.retouch(self.pyramid, reference, mask, scales, rng, count)
        if self.refiner is None:
            return result
        real = to_floats(as_image(self.refiner.photo))
        soft = F.interpolate(mask.cpu(), real.shape[-2:], mode="bilinear")
        made = ((scale, self.refined(picture)) for scale, picture, _ in result.pictures if picture is not None)
        pictures = ((scale, each, manipulate.blend(real, to_floats(each), soft)) for scale, each in made)
        return replace(result, real=real, mask=soft, pictures=pictures)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``manipulate.inject``."""
        return map(self.refined, manipulate.inject(self.pyramid, strokes, scale, rng, count))

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """As ``manipulate.outpaint``; the new colours are shifted to meet those of the training picture at its border.

        Refined pictures extend the photo of the refiner's size.

        Raises:
            ValueError: a side would be too long, or the model can't extend its picture.
        """
        real = self.real if self.refiner is None else to_floats(as_image(self.refiner.photo)).to(self.real.device)
        (height, width), (small_height, small_width) = real.shape[-2:], self.real.shape[-2:]
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
