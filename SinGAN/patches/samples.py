"""Random samples without training: a layout is drawn and chosen, detail is filled in, the result is lifted.

No sample is within ``LEAST_DIFFERENCE`` grey levels of the photo, or of another sample of the same call.
"""

import itertools
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from SinGAN.patches import layouts
from SinGAN.patches.layouts import Diffusion, Variety
from SinGAN.patches.levels import Levels, halvings, level_sizes, pixels_of, pyramid, resized
from SinGAN.patches.plain import MASK, splitmix
from SinGAN.patches.search import PATCH, Pixels
from SinGAN.patches.solver import Canvas, Settings, Solver, Source, State
from SinGAN.planning import Size, enlarged

LOG = logging.getLogger(__name__)
MASK32 = 0xFFFFFFFF
LEAST_DIFFERENCE = 6.0  # grey levels, mean absolute
MARGIN = 1.0  # grey levels more at the level where layouts are chosen
COARSEST = 24  # pixels, the shorter side of a layout
LAYOUT_PIXELS = 1600  # of a layout, at most: the shorter side of a very wide one is less than that
CHECKED = 2  # level where layouts are checked
CANDIDATES = 12
EXAMINED = 5  # candidates of each try that are checked
COMPARED = 2  # of these that fit: the better one is taken
TRIES = 5
EARLY = 1.25  # times the largest region allowed: at the level before the checked one, a layout fails with more
NEARLY = 0.9  # of the least difference, that a candidate has before the check


DIFFER = f"differ by {LEAST_DIFFERENCE:g} grey levels from it and from each other"
NO_VARIETY = f"the picture allows no variety: no sample was found that would {DIFFER}"


class NoVarietyError(ValueError):
    """A picture of which there are no samples that differ from it."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo with its levels."""

    pixels: Pixels  # (H, W, 4)
    channels: int  # 1 (grey), 3 (RGB) or 4 (RGBA)

    @classmethod
    def of(cls, levels: Levels) -> "Photo":
        """The photo ``levels`` (H, W, C); a ValueError where it is smaller than a patch."""
        height, width = levels.shape[:2]
        if min(height, width) < PATCH:
            raise ValueError(
                f"the picture has {width} x {height} pixels, and a patch {PATCH} x {PATCH}: enlarge it, or use "
                "`method` patches"
            )
        return cls(pixels_of(levels), int(levels.shape[2]))

    @property
    def levels(self) -> Levels:
        """The photo (H, W, C), a view."""
        return self.pixels[..., : self.channels]

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def sizes(self) -> list[Size]:
        """Of all levels, coarse to fine."""
        halves = halvings(self.size)
        height, width = halves[0]
        aspect = max(height, width) / min(height, width)
        coarsest = max(min(PATCH + 5, min(halves[0])), min(COARSEST, int(math.sqrt(LAYOUT_PIXELS / aspect))))
        return level_sizes(halves[0], coarsest) + halves[1:]

    @property
    def lifted(self) -> int:
        """The first level that is lifted, not solved."""
        return len(self.sizes) - len(halvings(self.size)) + 1

    @cached_property
    def reals(self) -> list[Pixels]:
        """The photo at all levels."""
        return pyramid(self.pixels, self.sizes)


@dataclass
class Found:
    """What a call has drawn so far, at the layout's level and at that before lifting."""

    layouts: list[Pixels] = field(default_factory=list)
    pictures: list[Pixels] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws samples of one photo and one size."""

    photo: Photo
    variety: Variety
    enlargement: tuple[float, float] = (1.0, 1.0)
    device: torch.device = torch.device("cpu")  # of the layouts; the search runs on the CPU

    @cached_property
    def sizes(self) -> list[Size]:
        """The sizes of a sample's levels."""
        return [enlarged(size, self.enlargement) for size in self.photo.sizes]

    @property
    def checked(self) -> int:
        """The level at which layouts are checked."""
        return min(CHECKED, self.photo.lifted - 1)

    @cached_property
    def diffusions(self) -> dict[int, Diffusion]:
        """By the number of the try."""
        return {}

    def _diffusion(self, tries: int) -> Diffusion:
        if tries not in self.diffusions:
            real = tensor_of(self.photo.reals[0], self.photo.channels, self.device)
            self.diffusions[tries] = Diffusion(real, self.sizes[0], self.variety.freer(tries))
        return self.diffusions[tries]

    def samples(self, seed: int, count: int) -> Iterator[Iterator[State]]:
        """The levels of ``count`` samples, from the checked one to the finest; the first don't depend on ``count``.

        Fewer come where the picture allows no more that differ.

        Raises:
            NoVarietyError: it allows none.
        """
        if min(self.sizes[0]) < PATCH:
            least = " x ".join(map(str, reversed(self.sizes[0])))
            raise ValueError(
                f"the coarsest level has {least} pixels, and a patch {PATCH} x {PATCH}: raise `scale_h`, `scale_v` or "
                "`size`"
            )
        found = Found()
        for index in range(count):
            # two rearrangements differ by at most twice their deviation
            flat = 2 * self._deviation < LEAST_DIFFERENCE
            sample = iter(()) if flat else self._sample(mixed(seed, index), found)
            first = next(sample, None)
            if first is None:
                if index == 0:
                    raise NoVarietyError(NO_VARIETY)
                LOG.info(f"{index} of {count} samples: the picture allows no more that {DIFFER}")
                return
            yield itertools.chain([first], sample)

    def _sample(self, seed: int, found: Found) -> Iterator[State]:
        """The levels of a sample that differs from the photo and from all ``found``, which it joins; none without one.

        Should it be too near to the photo after all at full size, the levels of another one follow.
        """
        has_begun = False
        for state in self._layouts(seed, found):
            states = list(self._solver(mixed(seed, 1), last=self.photo.lifted - 1).resume(state))
            base = states[-1].picture
            if not self._differs(base, self.photo.lifted - 1, found.pictures, LEAST_DIFFERENCE):
                continue
            has_begun = True
            yield from states[:-1]
            finest = states[-1]
            for finest in self._solver(mixed(seed, 1)).resume(states[-1]):
                yield finest
            if self._difference(finest.picture, finest.level) >= LEAST_DIFFERENCE:
                found.layouts.append(state.picture)
                found.pictures.append(base)
                return
        if has_begun:
            raise NoVarietyError(NO_VARIETY)

    def _solver(self, seed: int, last: int | None = None) -> Solver:
        """The solver up to level ``last``; with None to the finest."""
        stop = len(self.sizes) if last is None else last + 1
        return Solver(
            [Source(real) for real in self.photo.reals[:stop]],
            self.sizes[:stop],
            [Canvas(size) for size in self.sizes[:stop]],
            self.photo.lifted,
            seed & MASK32,
            Settings(repeats=5, sharpen=True, wide=False),
            finest=len(self.sizes) - 1,
        )

    def _layouts(self, seed: int, found: Found) -> Iterator[State]:
        """Layouts that differ, the best of each try first; then those that fit less well."""
        rest: list[tuple[float, torch.Tensor]] = []
        has_new = False  # among the rest
        for tries in range(TRIES):
            # 1. Draw candidates; the best are those that look most like the photo, of those that differ.
            drawn = self._diffusion(tries).candidates([mixed(seed, tries, number) for number in range(CANDIDATES)])
            bound = min(self.variety.difference, float(np.median(drawn.difference)))
            order = [index for index in drawn.score.argsort() if drawn.difference[index] >= NEARLY * bound]
            # 2. Check them at a finer level; of the first that fit, the one most like the photo there comes first.
            fitting: list[State] = []
            for index in order[:EXAMINED]:
                image = drawn.images[index]
                misfit, state = self._checked(image, bound)
                if misfit:
                    rest.append((misfit, image))
                    has_new = has_new or (state.level == self.checked and self._is_new(state, found))
                elif self._is_new(state, found):
                    fitting.append(state)
                if len(fitting) == COMPARED:
                    break
            yield from sorted(fitting, key=self._unlikeness)
            if tries and has_new:
                break
        # 3. No layout fits, or none of those that do gave a sample that differs: take the nearest to fitting.
        for _, image in sorted(rest, key=lambda each: each[0]):
            state = self._checked(image, 0.0, to_the_end=True)[1]
            if self._is_new(state, found):
                yield state

    def _unlikeness(self, layout: State) -> float:
        """The sliced distance of a layout to the photo."""
        pictures = (layout.picture, self.photo.reals[layout.level])
        one, other = (tensor_of(picture, self.photo.channels, self.device) for picture in pictures)
        return float(layouts.sliced_distances(one, other))

    def _is_new(self, layout: State, found: Found) -> bool:
        return self._differs(layout.picture, layout.level, found.layouts, LEAST_DIFFERENCE + MARGIN)

    def _checked(self, image: torch.Tensor, bound: float, to_the_end: bool = False) -> tuple[float, State]:
        """How far a layout (C, h, w) misses what is asked for, and the layout at the level where that is known.

        Nearest neighbours bring it to the checked level. Unless ``to_the_end``, a piece of the photo that is much too
        large already at the level before ends that.
        """
        picture = pixels_of(np.rint(image.cpu().numpy().transpose(1, 2, 0) * 255).astype(np.uint8))
        for level in range(self.checked + 1):
            real, size, real_size = self.photo.reals[level], self.sizes[level], self.photo.sizes[level]
            keys = real if level == 0 else resized(self.photo.reals[level - 1], real_size)
            picture, field = layouts.completed(resized(picture, size), keys, real, self.photo.channels)
            region = layouts.largest_region(field)
            if level == self.checked or (level == self.checked - 1 and region > EARLY * self.variety.region):
                missing = max(0.0, bound - self._difference(picture, level) / self._deviation)
                state = State(level, picture, field)
                if not to_the_end or level == self.checked:
                    return missing + max(0.0, region - self.variety.region), state
        raise AssertionError("the checked level is one of them")

    @cached_property
    def _deviation(self) -> float:
        """The mean deviation of the photo from its mean colour at the checked level, in grey levels."""
        real = self.photo.reals[self.checked][..., : self.photo.channels].astype(np.float32)
        return max(float(np.abs(real - real.mean(axis=(0, 1))).mean()), 1e-6)

    def _difference(self, picture: Pixels, level: int) -> float:
        """The difference to the photo, in grey levels; infinite at another size."""
        if self.enlargement != (1.0, 1.0):
            return math.inf
        return gap(picture, self.photo.reals[level], self.photo.channels)

    def _differs(self, picture: Pixels, level: int, others: list[Pixels], least: float) -> bool:
        gaps = [gap(picture, other, self.photo.channels) for other in others]
        return min([self._difference(picture, level), *gaps]) >= least


def gap(one: Pixels, other: Pixels, channels: int) -> float:
    """The mean absolute difference of two pictures (H, W, 4) in grey levels."""
    gaps = [
        np.abs(one[top : top + 512, :, :channels].astype(np.int16) - other[top : top + 512, :, :channels]).sum()
        for top in range(0, len(one), 512)
    ]
    return float(sum(gaps) / (one.shape[0] * one.shape[1] * channels))


def tensor_of(picture: Pixels, channels: int, device: torch.device) -> torch.Tensor:
    """``picture`` (H, W, 4) as (1, C, H, W) in [0, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(picture[..., :channels].transpose(2, 0, 1)))
    return values[None].to(device).float() / 255


def mixed(seed: int, *numbers: int) -> int:
    """A seed that follows from ``seed`` and ``numbers``, 63 bits."""
    for number in numbers:
        seed = int(splitmix(np.array([(seed * 31 + number + 1) & MASK], np.uint64))[0])
    return seed >> 1
