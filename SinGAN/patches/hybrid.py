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
from SinGAN.manipulate import SAME_SIZE, OfPyramid, Retouched
from SinGAN.patches.holes import Region, largest_radius
from SinGAN.patches.instant import as_flags, as_image, as_levels, draw_seed
from SinGAN.patches.levels import Levels, extend_size, resize, to_pixels
from SinGAN.patches.makers import Refiner, to_8_bits, to_floats
from SinGAN.patches.seams import Edit, match_colours
from SinGAN.patches.search import Flags, Pixels
from SinGAN.patches.solver import Settings
from SinGAN.planning import Size
from SinGAN.pyramid import Pyramid, TrainedScale

RADIUS = 8.0  # pixels of the largest disk in a paste where the search starts, so that it has whole patches there
REPEATS = 2  # of search and vote at each level: more would return to the photo's layout
SOFTENED = 1.0  # pixels of the generators' picture, deviation of the Gaussian that smooths a change of colour


@dataclass(frozen=True, eq=False)
class Hybrid(OfPyramid):
    """A trained pyramid, and the photo that its pictures are enlarged with.

    Pictures are 8-bit tensors (1, C, H, W), those of the training picture as large as the photo.
    """

    pyramid: Pyramid[TrainedScale]
    photo: Levels  # (H, W, C)

    layers = None
    exact_mask = True
    """``retouch`` takes masks as they are drawn, not softened."""

    @property
    def real(self) -> Tensor:
        """The photo (1, C, H, W), 8 bits."""
        return as_image(self.photo)

    @property
    def small(self) -> Tensor:
        """The photo at the generators' finest scale, (1, C, h, w), in [-1, 1]."""
        return self.pyramid.scales[-1].real

    @cached_property
    def _refiner(self) -> Refiner:
        return Refiner(self.small, self.photo, start=1.0, repeats=REPEATS)

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
            reference: the photo with an edit, or with an object pasted in, (1, C, H, W), 8 bits.
            mask: (1, 1, H, W), 1 where it differs, else 0.
            scales: of the generators.
            rng: of the random numbers.
            count: of pictures at each scale.
        """
        # 1. The seam around the marked part, as in the instant engine.
        photo, edited, small = to_pixels(self.photo), as_levels(reference), self._reduce(reference)
        edit = Edit.of(photo, edited, as_flags(mask), self.photo.shape[2])
        first = max(self._ratio, min(1.0, RADIUS / max(1.0, largest_radius(edit.pasted))))

        def fitted(generated: Tensor) -> Tensor:
            # 2. The pasted pixels in the colours that the generators give them.
            change = 127.5 * _enlarge_smoothly(generated - small, edit.size)[edit.box]
            shifted, colours = edit.merged.copy(), slice(self.photo.shape[2])
            levels = np.clip(np.rint(edit.merged[..., colours] + change), 0, 255).astype(np.uint8)
            shifted[..., colours] = np.where(edit.pasted[..., None] > 0, levels, edit.merged[..., colours])
            # 3. Both sides of the seam are computed from patches of the photo and of these pixels.
            region = Region.of(photo, edit.computed, first, self.photo.shape[2], replace(edit, merged=shifted))
            assert region.canvases[0].known is not None
            return _fill(region, region.canvases[0].known, rng, Settings())

        pictures = (
            (scale, None, fitted(generated))
            for scale in scales
            for generated in list(manipulate.inject(self.pyramid, small, scale, rng, count))  # which draws first
        )
        return Retouched(self.real, reference, torch.from_numpy(edit.changed)[None, None], pictures)

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that extend the photo by ``margins``: at the top, bottom, left and right.

        The photo's own pixels stay.

        Raises:
            ValueError: a side would be too long.
        """
        (top, bottom, left, right), (height, width) = margins, self.photo.shape[:2]
        mask: Flags = np.ones(extend_size((height, width), margins), np.uint8)
        mask[top : top + height, left : left + width] = 0
        canvas = np.pad(to_pixels(self.photo), ((top, bottom), (left, right), (0, 0)), mode="edge")
        region = Region.of(canvas, mask, self._ratio, self.photo.shape[2])
        top, bottom, left, right = (round(margin * self._ratio) for margin in margins)
        pictures = manipulate.outpaint(self.pyramid, (top, bottom, left, right), rng, count)
        settings = Settings(REPEATS, REPEATS)
        return (_fill(region, _first_canvas(region, picture), rng, settings, True) for picture in pictures)

    @property
    def _ratio(self) -> float:
        """The size of the generators' pictures, in parts of the photo's."""
        return float(max(self.small.shape[-2:]) / max(self.photo.shape[:2]))

    def _reduce(self, image: Tensor) -> Tensor:
        """``image`` (1, C, H, W), 8 bits, at the generators' finest scale, in [-1, 1]."""
        levels = resize(to_pixels(as_levels(image)), (self.small.shape[-2], self.small.shape[-1]))
        return to_floats(as_image(levels[..., : image.shape[1]])).to(self.small.device)


def _first_canvas(region: Region, picture: Tensor) -> Pixels:
    """The first canvas of ``region``, its mask filled from ``picture`` (1, C, h, w), in [-1, 1]."""
    canvas = region.canvases[0]
    assert canvas.mask is not None
    assert canvas.known is not None
    whole = resize(to_pixels(as_levels(to_8_bits(picture))), region.sizes[0])
    filled: Pixels = np.where(canvas.mask[..., None] > 0, whole[canvas.box], canvas.known)
    return filled


def _fill(
    region: Region, guess: Pixels, rng: torch.Generator, settings: Settings, matches_colours: bool = False
) -> Tensor:
    """The photo (1, C, H, W), 8 bits, with the ``region`` computed from ``guess`` (h, w, 4), its first canvas.

    With ``matches_colours`` the region's colours are shifted to meet the photo's.
    """
    solver = replace(region.solver(draw_seed(rng) & 0xFFFFFF), settings=settings)
    *_, finest = solver.run(np.ascontiguousarray(guess))
    result = region.photo[..., : region.channels].copy()
    result[region.canvases[-1].box] = finest.picture[..., : region.channels]
    if matches_colours:
        match_colours(result, region.mask)
    return as_image(result)


def _enlarge_smoothly(image: Tensor, size: Size) -> np.ndarray:
    """``image`` (1, C, h, w), smoothed, at a larger ``size``: (H, W, C)."""
    smooth = scipy.ndimage.gaussian_filter(image[0].cpu().numpy(), (0, SOFTENED, SOFTENED), mode="nearest")
    return np.asarray(F.interpolate(torch.from_numpy(smooth)[None], size, mode="bicubic")[0].permute(1, 2, 0))
