"""Pictures by nearest neighbours: each patch of a guess becomes the most alike one of the picture, coarse to fine.

Algorithm A of the instant engine: GPNN (Granot, Feinstein, Shocher, Bagon, Irani, *Drop the GAN: In Defense of Patches
Nearest Neighbors as Single Image Generative Models*, CVPR 2022), with a search that leaves out what did not move, and
inverted lists where there are many patches.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.functions import stretch
from SinGAN.patches.lists import Lists
from SinGAN.patches.windows import (
    Known,
    PatchScale,
    fold,
    least_distances,
    nearest,
    places_in,
    rows,
    rows_at,
    wrapped,
)  # fmt: skip
from SinGAN.planning import Size

PATCH = 7  # pixels
VOTES = 1.7  # deviation of a patch's weights, in half widths: nearly flat
RANGE = 2.0  # of intensities in [-1, 1]
MOVED = 0.5 / 255  # intensity ranges: a patch that moved less is not looked up again
LISTS_FROM = {"cpu": 8192, "cuda": 65536}  # keys from which on lists are looked into, not all keys
REPEATS = 10  # of a level but the coarsest
PROBES = 6  # lists that a query looks into


@dataclass(frozen=True, eq=False)
class Keys:
    """The patches that guesses are compared with, and where each lies in the picture."""

    rows: Tensor  # (N, d)
    norms: Tensor  # (N,)
    places: Tensor  # (N,): their indices among all patches of the picture
    lists: Lists | None  # then the others are in its order

    @classmethod
    def of(cls, image: Tensor, p: int, known: Known | None = None) -> "Keys":
        """The patches of ``image`` (1, C, H, W), but for those that hold a pixel of a hole."""
        places = places_in(image, p, known)
        found = rows_at(image, p, places)
        lists = None if len(found) < LISTS_FROM[image.device.type] else Lists.of(found)
        if lists is not None:
            found, places = found[lists.members], places[lists.members]
        return cls(found, found.square().sum(dim=1), places, lists)

    def nearest(self, queries: Tensor, factors: Tensor | None = None) -> Tensor:
        """The index (M,) of the key nearest to each of ``queries`` (M, d), distances multiplied by ``factors`` (N,)."""
        if self.lists is None:
            return nearest(queries, self.rows, self.norms, factors)
        best = queries.new_full((len(queries),), math.inf)
        found = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
        lengths = queries.square().sum(dim=1, keepdim=True)
        for asking, keys in self.lists.probes(queries, PROBES):
            distances = torch.addmm(self.norms[keys], queries[asking], self.rows[keys].T, alpha=-2)
            distances += lengths[asking]
            if factors is not None:
                distances.clamp_(min=0).mul_(factors[keys])
            least, index = distances.min(dim=1)
            is_better = least < best[asking]
            better = asking[is_better]
            best[better], found[better] = least[is_better], index[is_better] + keys.start
        return found

    def least_distances(self, queries: Tensor) -> Tensor:
        """The squared distance (N,) from each key to the nearest of ``queries`` (M, d) that look at it."""
        if self.lists is None:
            return least_distances(queries, self.rows, self.norms)
        least = torch.full_like(self.norms, math.inf)
        lengths = queries.square().sum(dim=1, keepdim=True)
        for asking, keys in self.lists.probes(queries, PROBES):
            distances = torch.addmm(self.norms[keys], queries[asking], self.rows[keys].T, alpha=-2)
            least[keys] = (distances + lengths[asking]).amin(dim=0)
        return least.clamp_(min=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighbourScale(PatchScale):
    """A level whose patches become their nearest neighbours; noise counts where it begins from a guess."""

    keys: Keys  # patches as blurred as guesses are
    repeats: int = REPEATS
    completeness: float = math.inf  # alpha: a small one wants all parts of the picture to be used
    guess: Tensor | None = None  # (1, C, h, w): where generation starts; None: the coarser scale's image
    sigma: float = 0.0  # of the noise on that guess, in intensity ranges

    @property
    def patch(self) -> int:
        """The width of a patch in pixels."""
        return math.isqrt(self.keys.rows.shape[1] // self.real.shape[1])

    def generate(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (1, C, H, W), from ``noise`` where there is a guess, else from ``previous``."""
        size = (noise.shape[-2], noise.shape[-1])
        self.check_size(size)
        image = previous if self.guess is None else stretch(self.guess, size) + RANGE * self.sigma * noise
        image = image if self.known is None else self.known.kept(image)
        found, before = self._look_up(self._queries(image)), image
        image = self._vote(found, size)
        for _ in range(self.repeats - 1):
            again = self._look_up_moved(found, image, before)
            if torch.equal(again, found):
                break
            found, before = again, image
            image = self._vote(found, size)
        return image

    def _queries(self, image: Tensor) -> Tensor:
        return rows(wrapped(image, self.patch) if self.wraps else image, self.patch)

    def _look_up(self, queries: Tensor) -> Tensor:
        if math.isinf(self.completeness):
            return self.keys.nearest(queries)
        least = self.keys.least_distances(queries)
        return self.keys.nearest(queries, 1 / (RANGE**2 * self.completeness * queries.shape[1] + least))

    def _look_up_moved(self, found: Tensor, image: Tensor, before: Tensor) -> Tensor:
        """``found``, anew where a pixel of the patch moved since the repetition before; with completeness, all anew."""
        queries = self._queries(image)
        if math.isfinite(self.completeness):
            return self._look_up(queries)
        moved = ((image - before).abs() > RANGE * MOVED).any(dim=1, keepdim=True).to(image.dtype)
        moved = wrapped(moved, self.patch) if self.wraps else moved
        places = F.max_pool2d(moved, self.patch, stride=1).flatten() > 0
        result = found.clone()
        if places.any():
            result[places] = self.keys.nearest(queries[places])
        return result

    def _vote(self, found: Tensor, size: Size) -> Tensor:
        """The image (1, C, *size) of the picture's patches that were ``found``."""
        values = rows_at(self.real, self.patch, self.keys.places[found])
        image = fold(values, size, self.patch, VOTES, self.wraps)
        return image if self.known is None else self.known.kept(image)
