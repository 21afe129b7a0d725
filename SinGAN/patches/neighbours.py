"""GPNN: each patch of a guess is replaced by its nearest neighbour in the picture, coarse to fine.

Granot, Feinstein, Shocher, Bagon, Irani, *Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image
Generative Models*, CVPR 2022. Our additions: the search leaves out patches that did not change, and where there are
many keys it looks into inverted lists (Sivic, Zisserman, *Video Google*, ICCV 2003) only.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.functions import stretch
from SinGAN.patches.levels import level_sizes
from SinGAN.patches.windows import (
    BLOCK,
    Known,
    PatchPyramid,
    PatchScale,
    choose_width,
    fold,
    limit_width,
    resized,
    rows,
    rows_at,
    usable_places,
    wrap,
)
from SinGAN.planning import Size

PATCH = 7  # pixels
VOTES = 1.7  # deviation of a patch's weights, in half widths: nearly flat
RANGE = 2.0  # of intensities in [-1, 1]
MOVED = 0.5 / 255  # intensity ranges: a patch that moved less is not looked up again
REPEATS = 10  # of a level but the coarsest
LISTS_FROM = {"cpu": 8192, "cuda": 65536}  # keys from which on lists are looked into, not all keys
PROBES = 6  # lists that a query looks into
ROUNDS = 8  # of k-means
SAMPLE = 2**15  # keys whose groups k-means finds; the others join them
SEED = 0  # of its first centres: the same groups each time


@dataclass(frozen=True, eq=False)
class Lists:
    """Keys in about sqrt(N) lists round the centres of k-means, so that a search looks into few of them."""

    centres: Tensor  # (L, d)
    norms: Tensor  # (L,), their squared lengths
    members: Tensor  # (N,), the keys' indices, list by list
    starts: list[int]  # L + 1: where each list begins in ``members``

    @classmethod
    def of(cls, keys: Tensor) -> "Lists":
        """The lists of ``keys`` (N, d), by k-means from keys drawn at random."""
        count = max(1, round(len(keys) ** 0.5))
        order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(SEED)).to(keys.device)
        sample = keys[order[:SAMPLE]]
        centres = sample[:count].clone()
        for _ in range(ROUNDS):
            owners = nearest(sample, centres, centres.square().sum(dim=1))
            sums = torch.zeros_like(centres).index_add_(0, owners, sample)
            sizes = torch.bincount(owners, minlength=count)
            centres = torch.where(sizes[:, None] > 0, sums / sizes[:, None].clamp(min=1), centres)
        norms = centres.square().sum(dim=1)
        owners = nearest(keys, centres, norms)
        starts = [0, *torch.bincount(owners, minlength=count).cumsum(0).tolist()]
        return cls(centres, norms, owners.argsort(stable=True), starts)

    def probes(self, queries: Tensor, count: int) -> Iterator[tuple[Tensor, slice]]:
        """The lists that are looked into: indices of the ``queries`` (M, d) that do, and their part of ``members``.

        Each query looks into the lists of its ``count`` nearest centres.
        """
        chosen = []
        for block in queries.split(max(1, BLOCK[queries.device.type] // len(self.centres))):
            distances = torch.addmm(self.norms, block, self.centres.T, alpha=-2)
            chosen.append(distances.topk(min(count, len(self.centres)), dim=1, largest=False).indices)
        lists = torch.cat(chosen)
        order = lists.flatten().argsort(stable=True)
        asking = torch.div(order, lists.shape[1], rounding_mode="floor")
        ends = torch.bincount(lists.flatten(), minlength=len(self.centres)).cumsum(0).tolist()
        for index, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            keys = slice(self.starts[index], self.starts[index + 1])
            if end > begin and keys.stop > keys.start:
                yield asking[begin:end], keys


def comparisons(queries: Tensor, count: int, lists: Lists | None) -> Iterator[tuple[Tensor | slice, slice]]:
    """Which ``queries`` (M, d) to compare with which keys: blocks with all ``count`` keys, or probes of ``lists``."""
    if lists is not None:
        yield from lists.probes(queries, PROBES)
        return
    block = max(1, BLOCK[queries.device.type] // count)
    for start in range(0, len(queries), block):
        yield slice(start, start + block), slice(0, count)


def nearest(
    queries: Tensor, keys: Tensor, norms: Tensor, factors: Tensor | None = None, lists: Lists | None = None
) -> Tensor:
    """The index (M,) of the key nearest to each of ``queries`` (M, d): the first of equals.

    Arguments:
        queries: patches.
        keys: (N, d).
        norms: (N,), squared lengths of the keys.
        factors: (N,), of the squared distances to each key.
        lists: of the keys, which are in its order; only some are compared then.
    """
    best = queries.new_full((len(queries),), math.inf)
    found = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
    lengths = queries.square().sum(dim=1, keepdim=True) if lists is not None or factors is not None else None
    for asking, part in comparisons(queries, len(keys), lists):
        distances = torch.addmm(norms[part], queries[asking], keys[part].T, alpha=-2)
        if lengths is not None:  # else they are the same for all keys that a query is compared with
            distances += lengths[asking]
        if factors is not None:
            distances.clamp_(min=0).mul_(factors[part])
        index = distances.argmin(dim=1)
        least = distances.gather(1, index[:, None])[:, 0]
        is_better = least < best[asking]
        best[asking] = torch.where(is_better, least, best[asking])
        found[asking] = torch.where(is_better, index + part.start, found[asking])
    return found


def least_distances(queries: Tensor, keys: Tensor, norms: Tensor, lists: Lists | None = None) -> Tensor:
    """The squared distance (N,) from each of ``keys`` (N, d) to the nearest of the ``queries`` compared with it."""
    least, lengths = torch.full_like(norms, math.inf), queries.square().sum(dim=1, keepdim=True)
    for asking, part in comparisons(queries, len(keys), lists):
        distances = torch.addmm(norms[part], queries[asking], keys[part].T, alpha=-2)
        distances += lengths[asking]
        least[part] = torch.minimum(least[part], distances.amin(dim=0))
    return least.clamp_(min=0)


@dataclass(frozen=True, eq=False)
class Keys:
    """The patches that guesses are compared with, and where each lies in the picture."""

    rows: Tensor  # (N, d)
    norms: Tensor  # (N,), their squared lengths
    places: Tensor  # (N,), their indices among all patches of the picture
    lists: Lists | None  # then the others are in its order

    @classmethod
    def of(cls, image: Tensor, p: int, known: Known | None = None) -> "Keys":
        """The patches of ``image`` (1, C, H, W) without a pixel of a hole."""
        places = usable_places(image, p, known)
        found = rows_at(image, p, places)
        lists = None if len(found) < LISTS_FROM[image.device.type] else Lists.of(found)
        if lists is not None:
            found, places = found[lists.members], places[lists.members]
        return cls(found, found.square().sum(dim=1), places, lists)

    def nearest(self, queries: Tensor, factors: Tensor | None = None) -> Tensor:
        """The index (M,) of the key nearest to each of ``queries`` (M, d), distances multiplied by ``factors`` (N,)."""
        return nearest(queries, self.rows, self.norms, factors, self.lists)

    def least_distances(self, queries: Tensor) -> Tensor:
        """The squared distance (N,) from each key to the nearest of ``queries`` (M, d)."""
        return least_distances(queries, self.rows, self.norms, self.lists)


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighbourScale(PatchScale):
    """A level whose patches become their nearest neighbours; noise counts where it starts from a guess."""

    keys: Keys  # patches as blurred as guesses are
    repeats: int = REPEATS
    completeness: float = math.inf  # alpha: with a small one all parts of the picture are used
    guess: Tensor | None = None  # (1, C, h, w), where generation starts; None: the coarser scale's image
    sigma: float = 0.0  # of the noise on that guess, in intensity ranges

    @property
    def patch(self) -> int:
        """The width of a patch in pixels."""
        return math.isqrt(self.keys.rows.shape[1] // self.real.shape[1])

    def generate(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (1, C, H, W), from the guess and ``noise``, or from ``previous``."""
        size = self.check_size(noise)
        image = previous if self.guess is None else stretch(self.guess, size) + RANGE * self.sigma * noise
        image = image if self.known is None else self.known.keep(image)
        found = self._look_up(image)
        before, image = image, self._vote(found, size)
        for _ in range(self.repeats - 1):
            again = self._look_up(image, before, found)
            if torch.equal(again, found):
                break
            before, found, image = image, again, self._vote(again, size)
        return image

    def _look_up(self, image: Tensor, before: Tensor | None = None, found: Tensor | None = None) -> Tensor:
        """The nearest key (M,) of each patch of ``image``; where it is nearly as ``before``, that ``found`` before."""
        queries = rows(wrap(image, self.patch) if self.wraps else image, self.patch)
        if math.isfinite(self.completeness):
            least = self.keys.least_distances(queries)
            return self.keys.nearest(queries, 1 / (RANGE**2 * self.completeness * queries.shape[1] + least))
        if before is None or found is None:
            return self.keys.nearest(queries)
        moved = ((image - before).abs() > RANGE * MOVED).any(dim=1, keepdim=True).to(image.dtype)
        moved = wrap(moved, self.patch) if self.wraps else moved
        places, result = F.max_pool2d(moved, self.patch, stride=1).flatten() > 0, found.clone()
        if places.any():
            result[places] = self.keys.nearest(queries[places])
        return result

    def _vote(self, found: Tensor, size: Size) -> Tensor:
        """The image (1, C, *size) of the picture's patches that were ``found``."""
        values = rows_at(self.real, self.patch, self.keys.places[found])
        image = fold(values, size, self.patch, VOTES, self.wraps)
        return image if self.known is None else self.known.keep(image)


def neighbour_pyramid(
    image: Tensor,
    *,
    coarsest: int = 14,
    ratio: float = 0.75,
    sigma: float = 0.75,
    repeats: int = REPEATS,
    completeness: float = math.inf,
    hole: Tensor | None = None,
    wraps: bool = False,
) -> PatchPyramid[NeighbourScale]:
    """The pyramid of nearest neighbours of ``image`` (1, C, H, W), in [-1, 1].

    Arguments:
        image: the picture.
        coarsest: shorter side of the coarsest level, in pixels.
        ratio: of neighbouring levels, roughly.
        sigma: of the noise on the coarsest level's image, in intensity ranges.
        repeats: of each level but the coarsest, which runs once.
        completeness: alpha; with a small one all parts of the picture are used, with infinity none needs to be.
        hole: (1, 1, H, W), 1 where pixels are unknown: patches with such a pixel are not used.
        wraps: generate tiles.

    Raises:
        ValueError: the hole leaves no whole patch.
    """
    sizes = level_sizes((image.shape[-2], image.shape[-1]), coarsest, ratio)

    def scale(index: int, reals: list[Tensor], known: Known | None) -> NeighbourScale:
        real, patch = reals[index], choose_width(known, range(min(PATCH, *sizes[0]), 2, -2))
        patch = limit_width(patch, sizes[-1], sizes[0]) if wraps else patch
        blurred = resized(reals[index - 1], sizes[index]) if index else real
        keys = Keys.of(blurred, patch, known)
        result = NeighbourScale(real=real, known=known, wraps=wraps, keys=keys, completeness=completeness)
        return replace(result, repeats=repeats) if index else replace(result, repeats=1, guess=real, sigma=sigma)

    return PatchPyramid.build(image, sizes, hole, wraps, scale)


def start_from(
    pyramid: PatchPyramid[NeighbourScale], start: int, guess: Tensor, sigma: float = 0.0, repeats: int | None = None
) -> PatchPyramid[NeighbourScale]:
    """The levels of ``pyramid`` from ``start`` on, of which the first starts from ``guess`` (1, C, h, w) and noise."""
    first = pyramid.scales[start]
    keys = first.keys if start == 0 else Keys.of(first.real, first.patch, first.known)
    repeats = first.repeats if repeats is None else repeats
    first = replace(first, keys=keys, guess=guess, sigma=sigma, repeats=repeats)
    return replace(pyramid, scales=(first, *pyramid.scales[start + 1 :]))
