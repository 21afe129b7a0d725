"""Hybrid models: a pyramid of generators decides the layout of a picture, the photo's own patches give its detail.

The generators are trained at a small size. Their pictures are enlarged to the photo's size level by level; patches of
the photo replace those of each level (Granot et al., *Drop the GAN*, CVPR 2022).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN import manipulate
from SinGAN.imresize import imresize_to
from SinGAN.manipulate import SAME_SIZE, OfPyramid, Retouched
from SinGAN.patches.holes import Region, largest_radius
from SinGAN.patches.instant import Instant, as_flags, as_image, as_levels, draw_seed, extend
from SinGAN.patches.levels import Levels, resize, to_pixels
from SinGAN.patches.makers import Engine, Refiner, to_floats
from SinGAN.patches.seams import Edit
from SinGAN.patches.search import Pixels
from SinGAN.patches.solver import Settings
from SinGAN.pictures.layers import Layers
from SinGAN.planning import Size
from SinGAN.pyramid import Pyramid, TrainedScale

RADIUS = 8.0  # pixels of the largest disk in a paste where the search starts, so that it has whole patches there
REPEATS = 2  # of search and vote at each level: more would return to the photo's layout
SOFTENED = 1.0  # pixels of the generators' picture, deviation of the Gaussian that smooths a change of colour


@dataclass(frozen=True, eq=False)
class Hybrid(OfPyramid):
    """A trained pyramid, and the photo that its pictures are enlarged with.

    Pictures are tensors (1, C, H, W) of 8 bits or, with layers, of raw values; those of the training picture are as
    large as the photo. The maps of results are those of the photo, by the patches' votes.
    """

    pyramid: Pyramid[TrainedScale]
    photo: Engine  # of the photo's patches

    exact_mask = True
    """``retouch`` takes masks as they are drawn, not softened."""

    @property
    def layers(self) -> Layers | None:
        """The layers of its pictures' channels; None: they have 8 bits, and no maps."""
        return self.photo.layers

    @property
    def real(self) -> Tensor:
        """The photo (1, C, H, W), of 8 bits or raw values."""
        return self.photo.real

    @property
    def small(self) -> Tensor:
        """The photo at the generators' finest scale, (1, C, h, w), in [-1, 1]."""
        return self.pyramid.scales[-1].real

    @property
    def with_hard_votes(self) -> "Hybrid":
        """The same, of whose results each pixel is a copy of one of the photo's."""
        return replace(self, photo=self.photo.with_hard_votes)

    @cached_property
    def _refiner(self) -> Refiner:
        layers = None if self.layers is None else replace(self.layers, raw=False)
        return Refiner(self.small, self.photo, start=1.0, repeats=REPEATS, layers=layers)

    def refined(self, images: Tensor) -> Tensor:
        """``images`` (B, C, h, w) of the generators, in [-1, 1], enlarged with the photo's patches."""
        return self._refiner(images)

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """As ``manipulate.sample``."""
        small = manipulate.sample(self.pyramid, rng, count, start, enlargement)
        return (self._refiner(image, enlargement) for image in small)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``strokes`` (1, C, H, W), put in at ``scale``."""
        return map(self.refined, manipulate.inject(self.pyramid, self._reduce(strokes), scale, rng, count))

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """``count`` pictures of ``reference`` put in at each of ``scales``; pixels outside the mask and its rim stay.

        Arguments:
            reference: the photo with an edit, or with an object pasted in, (1, C, H, W), like ``real``.
            mask: (1, 1, H, W), 1 where it differs, else 0.
            scales: of the generators.
            rng: of the random numbers.
            count: of pictures at each scale.
        """
        # 1. The seam around the marked part, as in the instant engine.
        engine, small = self.photo.engine, self._reduce(reference)
        edit = Edit.of(engine.photo.pixels, self.photo.guide_of(reference), as_flags(mask), engine.channels)

        def pictures() -> Iterator[tuple[int, None, Tensor]]:
            for scale in scales:
                for generated in list(manipulate.inject(self.pyramid, small, scale, rng, count)):  # which draws first
                    # 2. The pasted pixels in the colours that the generators give them; hard votes keep their own.
                    shifted = reference if engine.hard else self._shift_colours(reference, generated - small)
                    yield scale, None, self._paste(edit, shifted, draw_seed(rng) & 0xFFFFFF)

        return Retouched(self.real, reference, torch.from_numpy(edit.changed)[None, None], pictures())

    def _paste(self, edit: Edit, edited: Tensor, seed: int) -> Tensor:
        """The photo (1, C, H, W) with an ``edit`` in the colours of ``edited`` (1, C, H, W).

        Both sides of the seam are computed from patches of the photo and of the pasted pixels.
        """
        engine, levels, merged = self.photo.engine, self.photo.guide_of(edited), edit.merged.copy()
        np.copyto(merged[..., : engine.channels], levels[edit.box], where=edit.pasted[..., None] > 0)
        fitted = replace(edit, merged=merged, edited=to_pixels(levels[edit.box]))
        first, photo = max(self._ratio, min(1.0, RADIUS / max(1.0, largest_radius(edit.pasted)))), engine.photo
        region = Region.of(photo.pixels, edit.computed, first, engine.channels, fitted, engine.collection, photo.empty)
        guess, solver = region.canvases[0].known, region.solver(seed)
        assert guess is not None
        results = self.photo.render(
            lambda engine: [engine.fill(region, solver, guess, edit=fitted, edited=levels)], edited
        )
        return torch.cat(list(results))

    def _shift_colours(self, image: Tensor, change: Tensor) -> Tensor:
        """``image`` (1, C, H, W), like ``real``, to whose picture a smooth ``change`` (1, C', h, w) is added."""
        size = image.shape[-2], image.shape[-1]
        if self.layers is None:
            levels = as_levels(image) + 127.5 * _enlarge_smoothly(change, size)
            return as_image(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
        parts, layer = self.layers.split(image), self.layers.picture
        added = torch.from_numpy(_enlarge_smoothly(self.layers.channels_of_picture(change), size)).permute(2, 0, 1)
        return self.layers.join(
            replace(parts, picture=layer.decode((layer.encode(parts.picture) + added).clamp(-1, 1)))
        )

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that extend the photo by ``margins``: at the top, bottom, left and right.

        The photo's own pixels stay.

        Raises:
            ValueError: a side would be too long.
        """
        engine, (rows, columns) = self.photo.engine, (margins[:2], margins[2:])
        canvas, mask = extend(engine.photo.pixels, margins)
        empty = None if engine.photo.empty is None else np.pad(engine.photo.empty, (rows, columns))
        region = Region.of(canvas, mask, self._ratio, engine.channels, None, engine.collection, empty)
        top, bottom, left, right = (round(margin * self._ratio) for margin in margins)
        pictures = manipulate.outpaint(self.pyramid, (top, bottom, left, right), rng, count)

        def extended(engine: Instant) -> Iterator[Tensor]:
            for picture in pictures:
                guess = _first_canvas(region, self._refiner.guide_of(picture))
                solver = replace(region.solver(draw_seed(rng) & 0xFFFFFF), settings=Settings(REPEATS, REPEATS))
                yield engine.fill(region, solver, guess, (margins[0], margins[2]), fits=True)

        return self.photo.render(extended)

    @property
    def _ratio(self) -> float:
        """The size of the generators' pictures, in parts of the photo's."""
        return float(max(self.small.shape[-2:]) / max(self.photo.size))

    def _reduce(self, image: Tensor) -> Tensor:
        """``image`` (1, C, H, W), like ``real``, at the generators' finest scale, in [-1, 1]."""
        size = self.small.shape[-2], self.small.shape[-1]
        if self.layers is not None:
            return imresize_to(self.layers.to_floats(image), size, exact=True).to(self.small)
        levels = resize(to_pixels(as_levels(image)), size)
        return to_floats(as_image(levels[..., : image.shape[1]])).to(self.small.device)


def _first_canvas(region: Region, levels: Levels) -> Pixels:
    """The first canvas of ``region``, its mask filled from a picture's ``levels`` (h, w, C)."""
    canvas = region.canvases[0]
    assert canvas.mask is not None
    assert canvas.known is not None
    whole = resize(to_pixels(levels), region.sizes[0])
    return np.ascontiguousarray(np.where(canvas.mask[..., None] > 0, whole[canvas.box], canvas.known))


def _enlarge_smoothly(image: Tensor, size: Size) -> np.ndarray:
    """``image`` (1, C, h, w), smoothed, at a larger ``size``: (H, W, C)."""
    smooth = scipy.ndimage.gaussian_filter(image[0].cpu().numpy(), (0, SOFTENED, SOFTENED), mode="nearest")
    return np.asarray(F.interpolate(torch.from_numpy(smooth)[None], size, mode="bicubic")[0].permute(1, 2, 0))
