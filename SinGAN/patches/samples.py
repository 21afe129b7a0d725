"""Random samples without training: draw and choose a layout, solve the finer levels, lift the result.

No sample is within ``LEAST_DIFFERENCE`` grey levels of the photo, or of another sample of the same call.
"""

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from SinGAN.patches.layouts import Diffusion, Variety, largest_region, sliced_distances, solve_exactly
from SinGAN.patches.levels import Photo, check_size, resize, to_pixels
from SinGAN.patches.plain import MASK, splitmix
from SinGAN.patches.search import Matches, Pixels
from SinGAN.patches.solver import Settings, Solver, Source, State
from SinGAN.patches.sources import Collection
from SinGAN.planning import Size, enlarged

LOG = logging.getLogger(__name__)
LEAST_DIFFERENCE = 6.0  # grey levels, mean absolute
MARGIN = 1.0  # grey levels more at the level where layouts are chosen
CHECKED = 2  # level where layouts are checked
CANDIDATES = 12  # of each try
EXAMINED = 5  # of these, that are checked
COMPARED = 2  # of these, that pass: the better one comes first
TRIES = 5
EARLY = 1.25  # times the largest region allowed: with more at the level before the checked one, a layout fails
SHARED = 0.15  # least gap between a picture's share of a layout and that asked for, that counts
NEARLY = 0.9  # of the least difference, that a candidate has before the check

DIFFER = f"differ by {LEAST_DIFFERENCE:g} grey levels from it and from each other"
NO_VARIETY = f"the picture allows no variety: no sample was found that would {DIFFER}"


class NoVarietyError(ValueError):
    """A picture without samples that differ from it."""


Accepted = list[tuple[Pixels, Pixels]]  # the samples of a call so far, at the checked level and the last solved one


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws samples of one photo, or of several pictures, and one size."""

    collection: Collection
    variety: Variety
    enlargement: tuple[float, float] = (1.0, 1.0)
    device: torch.device = torch.device("cpu")  # of the layouts; the search runs on the CPU
    watch: Callable[[Pixels], None] = lambda picture: None  # called with each layout (h, w, 4) that is checked
    diffusions: dict[int, Diffusion] = field(init=False, default_factory=dict)  # by the number of the try

    @property
    def photo(self) -> Photo:
        """The photo."""
        return self.collection.photo

    @cached_property
    def sources(self) -> list[Source]:
        """The levels of the photo, and of the pictures beside it."""
        return self.collection.levels(self.photo.sizes, self.photo.solved)

    @cached_property
    def sizes(self) -> list[Size]:
        """The sizes of a sample's levels."""
        return [enlarged(size, self.enlargement) for size in self.photo.sizes]

    @property
    def checked(self) -> int:
        """The level at which layouts are checked."""
        return min(CHECKED, self.photo.solved - 1)

    @cached_property
    def _deviation(self) -> float:
        """The mean deviation of the photo from its mean colour at the checked level, in grey levels."""
        real = self.photo.reals[self.checked][..., : self.photo.channels].astype(np.float32)
        return max(float(np.abs(real - real.mean(axis=(0, 1))).mean()), 1e-6)

    def samples(self, seed: int, count: int) -> Iterator[Iterator[State]]:
        """The levels of ``count`` samples, from the checked one to the finest; the first don't depend on ``count``.

        Fewer come where the picture allows no more that differ.

        Raises:
            NoVarietyError: it allows none.
            ValueError: the size is smaller than a patch.
        """
        check_size(self.sizes[0])
        accepted: Accepted = []
        is_flat = 2 * self._deviation < LEAST_DIFFERENCE  # rearrangements differ by no more
        for index in range(count):
            sample = iter(()) if is_flat else self._sample(derive_seed(seed, index), accepted)
            first = next(sample, None)
            if first is None:
                if index == 0:
                    raise NoVarietyError(NO_VARIETY)
                LOG.info(f"{index} of {count} samples: the picture allows no more that {DIFFER}")
                return
            yield itertools.chain([first], sample)

    def _sample(self, seed: int, accepted: Accepted) -> Iterator[State]:
        """The levels of a sample that differs from the photo and from all ``accepted``, which it joins; or nothing.

        If it is too near the photo after all at full size, the levels of another one follow.
        """
        has_begun = False
        for layout in self._layouts(seed, accepted):
            # 1. Solve the levels below 256 x 256 pixels, and compare the last.
            states = list(self._solver(derive_seed(seed, 1), self.photo.solved).resume(layout))
            base = states[-1]
            if not self._differs(base, [picture for _, picture in accepted], LEAST_DIFFERENCE):
                continue
            has_begun = True
            yield from states[:-1]
            # 2. Lift it, and compare it at full size with the photo.
            finest = base
            for finest in self._solver(derive_seed(seed, 1), len(self.sizes)).resume(base):
                yield finest
            if self._difference(finest.picture, finest.level) >= LEAST_DIFFERENCE:
                accepted.append((layout.picture, base.picture))
                return
        if has_begun:
            raise NoVarietyError(NO_VARIETY)

    def _solver(self, seed: int, stop: int) -> Solver:
        """The solver of the levels before ``stop``."""
        sources, sizes, settings = self.sources[:stop], self.sizes[:stop], Settings(5, sharpen=True, wide=False)
        finest = len(self.sizes) - 1
        return Solver.of_whole(sources, sizes, self.photo.solved, seed & 0xFFFFFFFF, settings, finest=finest)

    def _layouts(self, seed: int, accepted: Accepted) -> Iterator[State]:
        """Layouts that differ from the photo and from ``accepted`` ones: those that pass the check, then the others."""
        failed: list[tuple[float, torch.Tensor]] = []
        has_new = False  # whether a failed one differs
        for tries in range(TRIES):
            # 1. Draw candidates; of those that differ, the most like the photo come first.
            if tries not in self.diffusions:
                self.diffusions[tries] = self._diffusion(tries)
            seeds = [derive_seed(seed, tries, number) for number in range(CANDIDATES)]
            images, difference, score = self.diffusions[tries].candidates(seeds)
            bound = min(self.variety.difference, float(np.median(difference)))
            order = [index for index in score.argsort() if difference[index] >= NEARLY * bound]
            # 2. Check them at a finer level; of the first that pass, the one most like the photo there comes first.
            passed: list[State] = []
            for index in order[:EXAMINED]:
                misfit, state = self._check(images[index], bound)
                if misfit:
                    failed.append((misfit, images[index]))
                    has_new = has_new or (state.level == self.checked and self._is_new(state, accepted))
                elif self._is_new(state, accepted):
                    passed.append(state)
                if len(passed) == COMPARED:
                    break
            yield from sorted(passed, key=self._sliced_distance)
            if tries and has_new:
                break
        # 3. No layout passed, or none that did gave a sample that differs: take the nearest to passing.
        for _, image in sorted(failed, key=lambda each: each[0]):
            state = self._check(image, 0.0, to_the_end=True)[1]
            if self._is_new(state, accepted):
                yield state

    def _diffusion(self, tries: int) -> Diffusion:
        """The diffusion of the try with that number."""
        columns = self.collection.coarsest
        reals = [to_tensor(source.values, self.photo.channels, self.device) for source in columns]
        valid = [None if source.valid is None else torch.from_numpy(source.valid) for source in columns]
        more = tuple(reals[1:]), self.collection.shares, tuple(valid)
        return Diffusion(reals[0], self.sizes[0], self.variety.relax(tries), *more)

    def _sliced_distance(self, layout: State) -> float:
        """The sliced Wasserstein distance of a layout to the photo."""
        pictures = layout.picture, self.photo.reals[layout.level]
        return float(sliced_distances(*(to_tensor(each, self.photo.channels, self.device) for each in pictures)))

    def _is_new(self, layout: State, accepted: Accepted) -> bool:
        return self._differs(layout, [other for other, _ in accepted], LEAST_DIFFERENCE + MARGIN)

    def _check(self, image: torch.Tensor, bound: float, to_the_end: bool = False) -> tuple[float, State]:
        """How far a layout (C, h, w) violates the variety's bounds, 0 if not at all; and its state at that level.

        It is solved up to the checked level. Unless ``to_the_end``, the level before is the last where a region is much
        too large already there.
        """
        picture = np.rint(image.cpu().numpy().transpose(1, 2, 0) * 255)
        picture = to_pixels(picture.astype(np.uint8))
        for level in range(self.checked + 1):
            source, guess = self.sources[level], resize(picture, self.sizes[level])
            keys = source.values
            if level > 0:
                before = self.sources[level - 1].values
                keys = resize(before, self.photo.sizes[level]) if source.blurred is None else source.blurred
            picture, matches = solve_exactly(
                guess, keys, source.values, self.photo.channels, valid=source.valid, shares=source.shares
            )
            region = largest_region(matches)
            if level == 0:
                self.watch(picture)
            if not to_the_end and level == self.checked - 1 and region > EARLY * self.variety.region:
                break
        missing = max(0.0, bound - self._difference(picture, level) / self._deviation)
        missing += max(0.0, region - self.variety.region) + self._unshared(matches, source)
        return missing, State(level, picture, matches)

    def _unshared(self, matches: Matches, source: Source) -> float:
        """How much the pictures' shares of a layout differ from those asked for, by more than ``SHARED``."""
        gaps = [
            abs(float(((matches >> 16 >= rows.start) & (matches >> 16 < rows.stop)).mean()) - share)
            for rows, share in source.shares
        ]
        return max(0.0, *(gap - SHARED for gap in gaps)) if gaps else 0.0

    def _difference(self, picture: Pixels, level: int) -> float:
        """The mean difference to the photo in grey levels; infinite at another size."""
        if self.enlargement != (1.0, 1.0):
            return math.inf
        return mean_difference(picture, self.photo.reals[level], self.photo.channels)

    def _differs(self, state: State, others: list[Pixels], least: float) -> bool:
        """Whether a level's picture differs by ``least`` grey levels or more from the photo and from all ``others``."""
        gaps = [mean_difference(state.picture, other, self.photo.channels) for other in others]
        return min([self._difference(state.picture, state.level), *gaps]) >= least


def mean_difference(picture: Pixels, other: Pixels, channels: int) -> float:
    """The mean absolute difference of two pictures (H, W, 4) in grey levels."""
    gaps = [
        np.abs(picture[top : top + 512, :, :channels].astype(np.int16) - other[top : top + 512, :, :channels]).sum()
        for top in range(0, len(picture), 512)
    ]
    return float(sum(gaps) / (picture.shape[0] * picture.shape[1] * channels))


def to_tensor(picture: Pixels, channels: int, device: torch.device) -> torch.Tensor:
    """``picture`` (H, W, 4) as (1, C, H, W) in [0, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(picture[..., :channels].transpose(2, 0, 1)))
    return values[None].to(device).float() / 255


def derive_seed(seed: int, *numbers: int) -> int:
    """A seed of 63 bits that follows from ``seed`` and ``numbers``."""
    for number in numbers:
        seed = int(splitmix(np.array([(seed * 31 + number + 1) & MASK], np.uint64))[0])
    return seed >> 1
