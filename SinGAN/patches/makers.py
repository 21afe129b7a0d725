"""What makes pictures, as commands see it: a trained model, or patches at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches import pyramids
from SinGAN.patches.neighbours import NeighbourScale
from SinGAN.patches.pyramids import PatchPyramid, beginning, resized
from SinGAN.planning import enlarged
from SinGAN.pyramid import Pyramid, Scale, TrainedScale


class Maker(Protocol):
    """The applications that trained models and patches share."""

    @property
    def pyramid(self) -> Pyramid[Scale]:
        """The scales that a start scale counts, coarse to fine."""

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` random samples (1, C, H, W)."""

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """``count`` pictures of ``reference`` (1, C, H, W) put in at each of ``scales``, and blended by ``mask``."""

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
        """``count`` pictures (count, C, H, W) of ``strokes`` (1, C, H, W), put in at ``scale``."""


REFINED = 2  # levels below the finest where refining starts
REFINEMENTS = 4  # repetitions


class Refiner:
    """Gives generated pictures the picture's own detail, and keeps their layout: a short run of nearest neighbours."""

    def __init__(self, real: Tensor, hole: Tensor | None = None, wraps: bool = False) -> None:
        """``real`` is the training picture, (1, C, H, W), in [-1, 1]; the others as for ``pyramids.neighbours``."""
        self.pyramid = pyramids.neighbours(real, repeats=REFINEMENTS, hole=hole, wraps=wraps)
        self.start = max(0, len(self.pyramid) - 1 - REFINED)

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` (B, C, H, W), of any size, with the picture's detail."""
        return torch.cat([self._refined(one) for one in image.split(1)])

    def _refined(self, image: Tensor) -> Tensor:
        real = self.pyramid.scales[-1].real
        enlargement = image.shape[-2] / real.shape[-2], image.shape[-1] / real.shape[-1]
        sizes = [enlarged(scale.size, enlargement) for scale in self.pyramid.scales[self.start :]]
        levels = self._beginning(resized(image, sizes[0], self.pyramid.wraps))
        return levels.generate([image.new_zeros(1, image.shape[1], *size) for size in sizes])

    def _beginning(self, guess: Tensor) -> PatchPyramid[NeighbourScale]:
        first = self.first.scales[0]
        return replace(self.first, scales=(replace(first, guess=guess), *self.first.scales[1:]))

    @cached_property
    def first(self) -> PatchPyramid[NeighbourScale]:
        """The levels that run."""
        return beginning(self.pyramid, self.start, self.pyramid.scales[self.start].real)


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, and what refines its results, if anything does."""

    pyramid: Pyramid[TrainedScale]
    refiner: Refiner | None = None

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
        """As ``manipulate.retouch``; what is refined is blended anew."""
        result = manipulate.retouch(self.pyramid, reference, mask, scales, rng, count)
        generated = {scale: self.refined(pictures) for scale, pictures in result.generated.items()}
        blended = {scale: manipulate.blend(result.real, pictures, mask) for scale, pictures in generated.items()}
        return replace(result, generated=generated, blended=blended)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
        """As ``manipulate.inject``."""
        return self.refined(manipulate.inject(self.pyramid, strokes, scale, rng, count))
