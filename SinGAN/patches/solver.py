"""Coarse-to-fine synthesis with nearest-neighbour fields, which every task of the instant engine runs.

Below some 256 x 256 pixels each level is *solved* (Granot et al., *Drop the GAN*, CVPR 2022): keys as blurred as the
guess, sharp values, search and vote repeated until nothing changes. Above, where each level is twice as large as the
one before, it is *lifted*: the field is carried to it and corrected near each match, a few tests for each patch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy

from SinGAN.patches import search
from SinGAN.patches.levels import Box, resize
from SinGAN.patches.search import Field, Flags, Matches, Pixels, Weights, carry, field_size, random_matches
from SinGAN.planning import Size

Gains = npt.NDArray[np.float64]

EXHAUSTIVE = 1500**2  # queries x keys up to which all keys are tried
SETTLED = 0.001  # share of active patches at which a level ends
CHANGED = 1  # levels of intensity by which a pixel of a lifted level must change to count
FINAL = 0.35  # deviation of the last vote's Gaussian, in half widths of a patch: sharp
LEAST_SHARE = 0.01  # of a picture in all matches, that ``update_gains`` tells from none
MOST_GAIN = 30.0  # factor of the distances to a picture's patches
MOST_USES = 4.0  # times the mean uses of a key, that ``usage_weights`` tells apart


@dataclass(frozen=True, eq=False)
class Canvas:
    """The part of a result's level that is computed."""

    size: Size  # in pixels, margins included
    origin: Size = (0, 0)  # of its first pixel, in the level
    mask: Flags | None = None  # (H, W), 1 where pixels are computed; None: everywhere
    known: Pixels | None = None  # (H, W, 4), the other pixels
    margin: int = 0  # pixels on each side that repeat the opposite side: a tile
    guide: Pixels | None = None  # (H, W, 4), compared with that of the source, too
    closed: bool = False  # patches across the edges of a tile have one match, not one for each side

    @property
    def box(self) -> Box:
        """Its rows and columns in the level."""
        (top, left), (height, width) = self.origin, self.size
        return slice(top, top + height), slice(left, left + width)

    @cached_property
    def active(self) -> Flags | None:
        """The patches with a pixel that is computed; None: all."""
        return None if self.mask is None else search.mark_touching(self.mask)

    def close(self, field: Field) -> None:
        """Give the patches that lie in a closed tile twice, at opposite sides, the better one of their matches."""
        for axis in (0, 1) if self.closed else ():
            matches, scores = (np.moveaxis(each, axis, 0) for each in (field.matches, field.scores))
            twice = 2 * self.margin - search.PATCH + 1
            is_better = scores[-twice:] < scores[:twice]
            for each in (matches, scores):
                each[:twice] = each[-twice:] = np.where(is_better, each[-twice:], each[:twice])

    def vote(self, matches: Matches, values: Pixels, sigma: float | None = None) -> Pixels:
        """The canvas's picture from ``matches`` in ``values``; ``sigma`` as for ``search.vote_weights``."""
        picture = search.vote(matches, values, search.vote_weights(sigma), self.mask, self.known)
        m = self.margin
        if m:
            picture[...] = np.pad(picture[m:-m, m:-m], ((m, m), (m, m), (0, 0)), mode="wrap")
        return picture


@dataclass(frozen=True, eq=False)
class Source:
    """A level of the picture whose patches are used."""

    values: Pixels  # (H, W, 4)
    valid: Flags | None = None  # (h, w): 0 for patches that are not used
    penalties: Weights | None = None  # (h, w), added to squared distances to these patches
    blurred: Pixels | None = None  # (H, W, 4), as blurred as a guess; None: the coarser level, enlarged
    guide: Pixels | None = None  # (H, W, 4), compared with that of the canvas, too
    shares: tuple[tuple[slice, float], ...] = ()  # rows of patches, and the share of a result that shall come from them


@dataclass(frozen=True)
class Settings:
    """How levels are solved."""

    repeats: int = 10
    first_repeats: int = 10  # of the level that starts from a guess
    sharpen: bool = False  # keys are sharp from the second repetition on
    wide: bool = True  # the search covers the whole picture, not only the neighbourhood of the carried matches
    completeness: float = 0.0  # how strongly keys that many patches match are avoided; 0: not at all


@dataclass(frozen=True, eq=False)
class State:
    """The result of a level."""

    level: int
    picture: Pixels  # of the canvas
    matches: Matches
    sigma: float | None = None  # of the vote that made the picture, as for ``search.vote_weights``


@dataclass(frozen=True, eq=False)
class Solver:
    """Levels of sources and of results, coarse to fine."""

    sources: Sequence[Source]
    sizes: Sequence[Size]  # of the results' levels, without margins
    canvases: Sequence[Canvas]
    solved: int  # the number of levels that are solved; the finer ones are lifted
    seed: int
    settings: Settings = Settings()
    finest: int | None = None  # the level whose last vote is sharp; None: the last of all

    @classmethod
    def of_whole(
        cls,
        sources: Sequence[Source],
        sizes: Sequence[Size],
        solved: int,
        seed: int,
        settings: Settings,
        margin: int = 0,
        finest: int | None = None,
    ) -> "Solver":
        """The solver of whole pictures of ``sizes``; tiles get a ``margin``."""
        canvases = [
            Canvas((height + 2 * margin, width + 2 * margin), (-margin, -margin), margin=margin)
            for height, width in sizes
        ]
        return cls(sources, sizes, canvases, solved, seed, settings, finest)

    def run(self, guess: Pixels, start: int = 0) -> Iterator[State]:
        """The results of level ``start`` and all finer ones; it starts from ``guess``, a picture of its canvas."""
        source = self.sources[start]
        matches = random_matches(field_size(guess), field_size(source.values), source.valid, self._seed(start))
        yield from self.resume(self._solve(start, self._field(start, guess, matches), source.values, is_first=True))

    def resume(self, state: State) -> Iterator[State]:
        """``state``, and the results of all finer levels."""
        yield state
        for level in range(state.level + 1, len(self.sources)):
            state = self._refine(state, level)
            yield state

    def _seed(self, level: int) -> int:
        return self.seed * 100 + level

    def _field(self, level: int, target: Pixels, matches: Matches) -> Field:
        source, canvas = self.sources[level], self.canvases[level]
        adds = source.penalties is not None
        field = Field(
            target, source.values, matches, source.valid, source.penalties, adds, canvas.active, self._seed(level)
        )
        if source.guide is not None and canvas.guide is not None:
            field.guides = canvas.guide, source.guide
        return field

    def _is_finest(self, level: int) -> bool:
        return level == (len(self.sources) - 1 if self.finest is None else self.finest)

    def _refine(self, coarse: State, level: int) -> State:
        """The result of ``level`` from that of the next coarser one."""
        source, canvas, before = self.sources[level], self.canvases[level], self.canvases[level - 1]
        # 1. Carry the field; matches that it has not, or that are not valid, become random ones.
        (height, width), (low, narrow), keys = self.sizes[level], self.sizes[level - 1], field_size(source.values)
        size = canvas.size[0] - search.PATCH + 1, canvas.size[1] - search.PATCH + 1
        factors, origins = (height / low, width / narrow), (before.origin, canvas.origin)
        matches = carry(coarse.matches, size, keys, factors, origins)
        replace_lost(matches, source.valid, canvas.active, keys, self._seed(level))
        if level >= self.solved:
            return self._lift(level, self._field(level, canvas.vote(matches, source.values), matches))
        # 2. The guess is the coarser picture, enlarged, and keys are blurred like it.
        blurred = source.blurred
        if blurred is None:
            blurred = resize(self.sources[level - 1].values, (source.values.shape[0], source.values.shape[1]))
        return self._solve(level, self._field(level, self._enlarge(coarse, level), matches), blurred)

    def _enlarge(self, coarse: State, level: int) -> Pixels:
        """The picture of the ``coarse`` level at the size of the canvas of ``level``."""
        canvas, before, (height, width) = self.canvases[level], self.canvases[level - 1], self.sizes[level]
        if canvas.margin:
            m, n = before.margin, canvas.margin
            three = resize(np.tile(coarse.picture[m:-m, m:-m], (3, 3, 1)), (3 * height, 3 * width))
            return np.ascontiguousarray(three[height - n : 2 * height + n, width - n : 2 * width + n])
        if canvas.mask is None:
            return resize(coarse.picture, canvas.size)
        assert canvas.known is not None
        whole = search.blank(*self.sizes[level - 1])
        whole[before.box] = coarse.picture
        fine = resize(whole, (height, width))[canvas.box]
        return np.ascontiguousarray(np.where(canvas.mask[..., None] > 0, fine, canvas.known))

    def _solve(self, level: int, field: Field, blurred: Pixels, is_first: bool = False) -> State:
        """Repeat search and vote until the picture settles; keys are ``blurred`` at first."""
        settings, values, canvas = self.settings, self.sources[level].values, self.canvases[level]
        whole, keys = field.active, field_size(values)
        count = int(whole.sum()) if whole is not None else field.matches.size
        shares, valid = self.sources[level].shares, field.valid
        is_weighted, gains = settings.completeness > 0 or bool(shares), np.ones(len(shares))
        field.keys = blurred
        for repeat in range(settings.first_repeats if is_first else settings.repeats):
            # 1. Keys: sharp ones after the first repetition, if set; weights by how often each was matched.
            if settings.sharpen and repeat == 1:
                field.keys = values
            if is_weighted:
                field.weights = usage_weights(field.matches, whole, keys, settings.completeness, shares, valid)
                gains = update_gains(gains, field.matches, whole, shares)
                for (rows, _), gain in zip(shares, gains, strict=True):
                    field.weights[rows] *= gain
            field.measure()
            # 2. Search: all keys where they are few, else near the matches or in the whole picture.
            if count * keys[0] * keys[1] <= EXHAUSTIVE:
                field.search_all()
            elif not settings.wide and not is_first:
                field.search(2, 6, 3)
            elif repeat == 0:
                field.search(3, max(keys), 12)
            else:
                field.search(1, 32, 6)
            # 3. Vote; only patches that changed are searched again.
            canvas.close(field)
            voted = canvas.vote(field.matches, values)
            moved = search.mark_changed(field.target, voted, 0, whole)
            field.target = voted
            if int(moved.sum()) <= SETTLED * count:
                break
            field.active = whole if is_weighted or (settings.sharpen and repeat == 0) else moved
        sigma = FINAL if self._is_finest(level) else None
        picture = field.target if sigma is None else canvas.vote(field.matches, values, sigma)
        return State(level, picture, field.matches, sigma)

    def _lift(self, level: int, field: Field) -> State:
        """Correct carried matches: three rounds of a search near each, among sharp patches."""
        whole, canvas, final = field.active, self.canvases[level], FINAL if self._is_finest(level) else None
        for radius, samples, is_last in ((16, 5, False), (8, 4, False), (8, 4, True)):
            field.measure()
            field.search(2, radius, samples)
            canvas.close(field)
            voted = canvas.vote(field.matches, field.keys, final if is_last else None)
            if not is_last:
                field.active = search.mark_changed(field.target, voted, CHANGED, whole)
            field.target = voted
        return State(level, field.target, field.matches, final)


def replace_lost(matches: Matches, valid: Flags | None, active: Flags | None, keys: Size, seed: int) -> None:
    """Replace matches of ``active`` patches that are not ``valid`` with random ones; those of others with none."""
    if active is not None:
        matches[active == 0] = -1
    if valid is None and active is None:
        return
    lost = matches < 0 if active is None else (matches < 0) & (active > 0)
    if valid is not None:
        there = np.flatnonzero(matches >= 0)
        match = matches.ravel()[there]
        lost.ravel()[there[valid[match >> 16, match & 0xFFFF] == 0]] = True
    count = int(lost.sum())
    if count:
        matches[lost] = random_matches((count, 1), keys, valid, seed)[:, 0]


def usage_weights(
    matches: Matches,
    active: Flags | None,
    keys: Size,
    strength: float,
    shares: Sequence[tuple[slice, float]] = (),
    valid: Flags | None = None,
) -> Weights:
    """Factors (kh, kw) of the distances to keys: the larger, the more patches match a key or its neighbours.

    With ``shares``, rows of keys and the share of all matches that they shall have, uses are compared with these.
    """
    match = matches.ravel() if active is None else matches[active > 0]
    match = match[match >= 0]
    uses = np.bincount((match >> 16) * keys[1] + (match & 0xFFFF), minlength=keys[0] * keys[1]).reshape(keys)
    if not shares:
        return _usage_factors(uses, uses.mean(), strength)
    weights = np.ones(keys, np.float32)
    for rows, share in shares:
        count = uses[rows].size if valid is None else int(valid[rows].sum())
        asked = max(share * len(match), 1e-9)
        weights[rows] = _usage_factors(uses[rows], np.float64(asked / max(count, 1)), strength)
    return weights


def update_gains(gains: Gains, matches: Matches, active: Flags | None, shares: Sequence[tuple[slice, float]]) -> Gains:
    """The factors (n,) of the distances to n pictures, after matches that were found with the factors ``gains``.

    They grow for pictures that have more than their ``shares`` of the matches.
    """
    row = (matches if active is None else matches[active > 0]) >> 16
    uses = [((row >= rows.start) & (row < rows.stop)).mean() for rows, _ in shares]
    excess = [max(use, LEAST_SHARE) / max(share, LEAST_SHARE) for use, (_, share) in zip(uses, shares, strict=True)]
    return np.asarray(np.clip(gains * np.sqrt(excess), 1 / MOST_GAIN, MOST_GAIN))


def _usage_factors(uses: npt.NDArray[np.int64], mean: np.float64, strength: float) -> Weights:
    """The factors (h, w) of keys that are matched ``uses`` (h, w) times, ``mean`` times if all are alike."""
    local = scipy.ndimage.uniform_filter(uses.astype(np.float32), 5, mode="nearest")
    return np.asarray((1 + strength * np.minimum(local / max(mean, 1e-9), MOST_USES)) / (1 + strength), np.float32)
