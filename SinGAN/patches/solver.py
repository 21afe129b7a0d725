"""Coarse-to-fine synthesis with nearest-neighbour fields: what every training-free task at the photo's own size runs.

Below some 256 pixels each level is solved (Granot et al., *Drop the GAN*, CVPR 2022): keys as blurred as the guess is,
sharp values, repeated until nothing changes. Above, where the picture is halved from level to level, the field is
carried to the finer level and corrected near each match, which costs a few tests for each pixel.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from SinGAN.patches import search
from SinGAN.patches.levels import resized
from SinGAN.patches.search import PATCH, Flags, Matches, Pixels, Places, Weights, carry, patches_in, vote
from SinGAN.planning import Size

EXHAUSTIVE = 1500**2  # queries x keys up to which all keys are tried
SETTLED = 0.001  # share of active patches at which a level ends
CHANGED = 1  # levels of intensity by which a pixel of a lifted level must change to count
FINAL = 0.35  # deviation of the last vote's Gaussian, in half widths of a patch: sharp
MOST_USES = 4.0  # times the mean use of a key, that the completeness by uses counts


@dataclass(frozen=True, eq=False)
class Canvas:
    """The part of a result's level that is computed."""

    size: Size  # in pixels, margins included
    origin: Size = (0, 0)  # of its first pixel, in the level
    made: Flags | None = None  # (H, W): pixels that are computed; None: all
    rest: Pixels | None = None  # (H, W, 4): the others
    margin: int = 0  # pixels on each side that repeat the opposite side: a tile

    @property
    def box(self) -> tuple[slice, slice]:
        """Its rows and columns in the level."""
        (top, left), (height, width) = self.origin, self.size
        return slice(top, top + height), slice(left, left + width)

    @property
    def active(self) -> Flags | None:
        """The patches that hold a pixel that is computed."""
        return None if self.made is None else search.holding(self.made)

    def vote(self, places: Places, values: Pixels, sigma: float | None = None) -> Pixels:
        """The canvas's picture from matches; ``sigma`` as for ``search.peaked``."""
        weights = search.flat() if sigma is None else search.peaked(sigma)
        return self.wrap(vote(places, values, weights, self.made, self.rest))

    def wrap(self, picture: Pixels) -> Pixels:
        """``picture`` with its margins copied from the opposite side."""
        m = self.margin
        if m:
            picture[...] = np.pad(picture[m:-m, m:-m], ((m, m), (m, m), (0, 0)), mode="wrap")
        return picture


@dataclass(frozen=True, eq=False)
class Source:
    """A level of the picture whose patches are used."""

    values: Pixels  # (H, W, 4)
    valid: Flags | None = None  # (h, w): 0 for patches that are not used
    penalties: Weights | None = None  # (h, w): what is added to squared distances to them
    blurred: Pixels | None = None  # (H, W, 4): as blurred as a guess is; None: the coarser level, enlarged


@dataclass(frozen=True)
class Settings:
    """How levels below the lifted ones are solved."""

    repeats: int = 10
    first_repeats: int = 10  # of the level where a guess comes from outside
    sharpen: bool = False  # keys are sharp from the second repetition on
    wide: bool = True  # search the whole picture, not only near the carried matches
    completeness: float = 0.0  # how strongly keys that many patches match are avoided, 0: not at all


@dataclass(frozen=True, eq=False)
class State:
    """A level's result."""

    level: int
    picture: Pixels  # of the canvas
    places: Places


Blend = Callable[[Pixels, int], Pixels]


@dataclass(frozen=True, eq=False)
class Solver:
    """Levels of sources and of results, coarse to fine."""

    sources: Sequence[Source]
    sizes: Sequence[Size]  # of the results' levels, margins and what is not computed included
    canvases: Sequence[Canvas]
    solved: int  # the number of levels before those that are lifted
    seed: int
    settings: Settings = Settings()
    finest: int | None = None  # level whose last vote is sharp; None: the last of all

    def run(self, guess: Pixels, start: int = 0) -> Iterator[State]:
        """The results from level ``start`` on, which begins with ``guess``: the canvas's picture."""
        source, canvas = self.sources[start], self.canvases[start]
        keys = patches_in(source.values)
        matches = self.matches(start, guess, random_places(patches_in(guess), keys, source.valid, self._seed(start)))
        yield from self.resume(self._solve(start, matches, source.values, canvas, first=True))

    def resume(self, state: State) -> Iterator[State]:
        """``state``, and the results of the finer levels."""
        yield state
        for level in range(state.level + 1, len(self.sources)):
            state = self._next(state, level)
            yield state

    def matches(self, level: int, target: Pixels, places: Places) -> Matches:
        """The search at ``level``."""
        source = self.sources[level]
        active = self.canvases[level].active
        return Matches(
            *(target, source.values, places, source.valid),
            weights=source.penalties, adds=source.penalties is not None, active=active, seed=self._seed(level),
        )  # fmt: skip

    @property
    def _finest(self) -> int:
        return len(self.sources) - 1 if self.finest is None else self.finest

    def _seed(self, level: int) -> int:
        return self.seed * 100 + level

    def _next(self, coarse: State, level: int) -> State:
        """The result of ``level`` from that of the level before."""
        source, canvas, before = self.sources[level], self.canvases[level], self.canvases[level - 1]
        (height, width), (low, narrow) = self.sizes[level], self.sizes[level - 1]
        factors, keys = (height / low, width / narrow), patches_in(source.values)
        size = canvas.size[0] - PATCH + 1, canvas.size[1] - PATCH + 1
        places = carry(coarse.places, size, keys, factors, (before.origin, canvas.origin))
        replace_lost(places, source.valid, canvas.active, keys, self._seed(level))
        if level >= self.solved:
            return self._lift(level, self.matches(level, canvas.vote(places, source.values), places), canvas)
        guess = self._enlarged(coarse, level)
        blurred = source.blurred
        if blurred is None:
            blurred = resized(self.sources[level - 1].values, (source.values.shape[0], source.values.shape[1]))
        return self._solve(level, self.matches(level, guess, places), blurred, canvas)

    def _enlarged(self, coarse: State, level: int) -> Pixels:
        """The picture of the ``coarse`` level at the size of ``level``'s canvas."""
        canvas, before = self.canvases[level], self.canvases[level - 1]
        if canvas.margin:
            m, n = before.margin, canvas.margin
            tile = coarse.picture[m:-m, m:-m]
            height, width = self.sizes[level]
            three = resized(np.tile(tile, (3, 3, 1)), (3 * height, 3 * width))
            return np.ascontiguousarray(three[height - n : 2 * height + n, width - n : 2 * width + n])
        if canvas.made is None:
            return resized(coarse.picture, canvas.size)
        assert canvas.rest is not None
        whole = search.blank(*self.sizes[level - 1])
        whole[before.box] = coarse.picture
        fine = resized(whole, self.sizes[level])[canvas.box]
        return np.ascontiguousarray(np.where(canvas.made[..., None] > 0, fine, canvas.rest))

    def _solve(self, level: int, matches: Matches, keys: Pixels, canvas: Canvas, first: bool = False) -> State:
        """Repeat search and vote until the picture settles."""
        settings, source, whole = self.settings, self.sources[level], matches.active
        count = int(whole.sum()) if whole is not None else matches.places.size
        kinds = patches_in(source.values)
        exhaustive = count * kinds[0] * kinds[1] <= EXHAUSTIVE
        matches.keys = keys
        final = FINAL if level == self._finest else None
        for repeat in range(settings.first_repeats if first else settings.repeats):
            # 1. Keys: blurred as the guess first; weights by how often each was used.
            if settings.sharpen and repeat == 1:
                matches.keys = source.values
            if settings.completeness:
                matches.weights = usage_weights(matches.places, whole, kinds, settings.completeness)
            matches.measure()
            # 2. Search.
            if exhaustive:
                matches.search_all()
            elif not settings.wide and not first:
                matches.search(2, 6, 3)
            elif repeat == 0:
                matches.search(3, max(kinds), 12)
            else:
                matches.search(1, 32, 6)
            # 3. Vote; only patches that changed are searched again.
            voted = canvas.vote(matches.places, source.values)
            moved = search.changed(matches.target, voted, 0, whole)
            matches.target = voted
            if int(moved.sum()) <= SETTLED * count:
                break
            everything = settings.completeness > 0 or (settings.sharpen and repeat == 0)
            matches.active = whole if everything else moved
        picture = matches.target if final is None else canvas.vote(matches.places, source.values, final)
        return State(level, picture, matches.places)

    def _lift(self, level: int, matches: Matches, canvas: Canvas) -> State:
        """Correct carried matches: three rounds of a search near each, among sharp patches."""
        whole, values = matches.active, matches.keys
        last = level == self._finest
        for round_ in range(3):
            matches.measure()
            matches.search(2, *((16, 5) if round_ == 0 else (8, 4)))
            voted = canvas.vote(matches.places, values, FINAL if last and round_ == 2 else None)
            if round_ < 2:
                matches.active = search.changed(matches.target, voted, CHANGED, whole)
            matches.target = voted
        return State(level, matches.target, matches.places)


def random_places(size: Size, keys: Size, valid: Flags | None, seed: int) -> Places:
    """A field of ``size`` with random matches among the ``valid`` ones of ``keys``."""
    rng, count = np.random.default_rng(seed), size[0] * size[1]
    if valid is None:
        chosen = rng.integers(0, keys[0] * keys[1], count)
    else:
        allowed = np.flatnonzero(valid)
        chosen = allowed[rng.integers(0, len(allowed), count)]
    return packed(chosen, keys[1]).reshape(size)


def packed(index: npt.NDArray[np.int64], width: int) -> Places:
    """Indices of keys, ``width`` in a row, as matches."""
    return (index // width << 16 | index % width).astype(np.int32)


def replace_lost(places: Places, valid: Flags | None, active: Flags | None, keys: Size, seed: int) -> None:
    """Replace matches of ``active`` patches that are not ``valid`` with random ones; those of others with none."""
    if active is not None:
        places[active == 0] = -1
    if valid is None and active is None:
        return
    lost = places < 0 if active is None else (places < 0) & (active > 0)
    if valid is not None:
        there = np.flatnonzero(places >= 0)
        match = places.ravel()[there]
        lost.ravel()[there[valid[match >> 16, match & 0xFFFF] == 0]] = True
    count = int(lost.sum())
    if count:
        places[lost] = random_places((count, 1), keys, valid, seed)[:, 0]


def usage_weights(places: Places, active: Flags | None, keys: Size, strength: float) -> Weights:
    """Factors (kh, kw) of the distances to keys: the larger, the more patches match a key or its neighbours."""
    match = places.ravel() if active is None else places[active > 0]
    match = match[match >= 0]
    uses = np.bincount((match >> 16) * keys[1] + (match & 0xFFFF), minlength=keys[0] * keys[1]).reshape(keys)
    local = scipy.ndimage.uniform_filter(uses.astype(np.float32), 5, mode="nearest")
    weights = (1 + strength * np.minimum(local / max(uses.mean(), 1e-9), MOST_USES)) / (1 + strength)
    return np.asarray(weights, np.float32)
