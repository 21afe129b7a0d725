"""Layouts of random samples: tiny pictures by balanced patch diffusion, chosen so that none is nearly the photo.

Patch diffusion is that of Qiu, Kutulakos, Lindell, *Efficient and Training-Free Single-Image Diffusion Models*, CVPR
2026. Ours are the balancing (Sinkhorn 1964), the prior on places and the choice among candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import skimage as ski
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.denoise import one_thread
from SinGAN.patches.search import PATCH, Pixels, Places, flat, patches_in, vote
from SinGAN.patches.solver import packed
from SinGAN.planning import Size

Values = npt.NDArray[np.float64]

STEPS = 12  # of the diffusion
LEAST_SIGMA = 0.01
BALANCED = 0.2  # least noise at which weights are balanced
LEADING = 64  # principal directions in which patches are compared and averaged
ROUNDS = 20  # of balancing
VOTES = 0.35  # deviation of a patch's weights, in half widths
LOWEST = -80.0  # logarithm of a weight: lower ones are denormal numbers, with which processors are slow
PAIRS = 2**22  # of patches that one batch of candidates compares, about
DIRECTIONS, COMPARED = 96, 5  # of the sliced distance, and the width of its patches
EXAMINED = 9  # width of the patches that measure visible breakage
COMPLETE = 0.005  # alpha of GPNN's completeness
REPEATS = 4  # of a level brought to the checked one


@dataclass(frozen=True)
class Variety:
    """How far samples are from the photo."""

    patch: int  # width, of the diffusion
    down: float  # deviation of a patch's vertical place from the photo's, in heights
    across: float | None  # the same horizontally, in widths; None: free
    difference: float  # least mean difference to the photo, in its mean deviation from its mean colour
    region: float  # largest region that is moved as a whole, in parts of the picture

    def freer(self, tries: int) -> "Variety":
        """The settings of a further try, after ``tries`` that found too few candidates."""
        return replace(self, across=None, down=self.down * 2 ** max(0, tries - 1)) if tries else self


VARIETIES = {
    "low": Variety(11, 0.06, 0.2, 0.25, 0.7),
    "medium": Variety(11, 0.06, 0.3, 0.45, 0.45),
    "high": Variety(9, 0.12, None, 0.6, 0.3),
}
"""By the value of the option ``variety``."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Layouts, and how they compare with the photo."""

    images: Tensor  # (K, C, h, w), in [0, 1]
    difference: Values  # (K,), in the photo's mean deviation from its mean colour
    score: Values  # (K,): the lower, the better a sample


@dataclass(frozen=True, eq=False)
class Diffusion:
    """Patch diffusion of one tiny photo, many pictures at a time."""

    real: Tensor  # (1, C, h, w), in [0, 1]
    size: Size  # of the layouts
    variety: Variety

    @property
    def patch(self) -> int:
        """The width of a patch: it leaves several in each direction."""
        shortest = min(*self.size, int(self.real.shape[-2]), int(self.real.shape[-1]))
        return max(1, min(self.variety.patch, (shortest - 1) // 2 * 2 - 1))

    @cached_property
    def rows(self) -> Tensor:
        """The photo's patches (N, d), in [-1, 1]."""
        return F.unfold(self.real * 2 - 1, self.patch)[0].T.contiguous()

    @cached_property
    def directions(self) -> Tensor:
        """The patches' leading principal directions (k, d)."""
        vectors: Tensor = torch.linalg.svd(self.rows, full_matrices=False).Vh
        return vectors[:LEADING].contiguous()

    @cached_property
    def prior(self) -> Tensor:
        """How likely each place of the photo is at each place of a layout: logarithms (M, N), but for a constant."""
        parts = []
        for side, real, spread in zip(
            self.size, self.real.shape[-2:], (self.variety.down, self.variety.across), strict=True
        ):
            to, of = ((torch.arange(each - self.patch + 1) + self.patch / 2) / each for each in (side, real))
            parts.append(torch.zeros(len(to), len(of)) if spread is None else
                         -(to[:, None] - of).square() / (2 * spread**2))  # fmt: skip
        both = parts[0][:, None, :, None] + parts[1][None, :, None, :]
        return both.reshape(len(parts[0]) * len(parts[1]), -1).to(self.real)

    def draw(self, seeds: Sequence[int]) -> Tensor:
        """A layout (1, C, h, w) in [0, 1] for each of ``seeds``, together (K, C, h, w)."""
        batch = max(1, PAIRS // self.prior.numel())
        with one_thread():
            return torch.cat([self._draw(seeds[start : start + batch]) for start in range(0, len(seeds), batch)])

    def _draw(self, seeds: Sequence[int]) -> Tensor:
        prior, p, channels, basis = self.prior, self.patch, self.real.shape[1], self.directions
        rows, filters = self.rows @ basis.T, basis.reshape(-1, channels, p, p)
        line = torch.linspace(-1, 1, p, device=rows.device) if p > 1 else rows.new_zeros(1)
        bump = torch.exp(-(line[:, None] ** 2 + line**2) / (2 * VOTES**2))
        down, across = (side - p + 1 for side in self.size)
        votes = F.conv_transpose2d(rows.new_ones(1, 1, down, across), bump[None, None])
        share, half_norms = len(prior) / len(rows), rows.square().sum(dim=1) / 2
        noise = [torch.randn(1, channels, *self.size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        image = torch.cat(noise).to(rows)
        sigmas = [0.0, *torch.linspace(LEAST_SIGMA, 1, STEPS).tolist()]
        for step in range(STEPS, 0, -1):
            sigma, after, alpha = sigmas[step], sigmas[step - 1], 1 - sigmas[step]
            # 1. How likely each patch of the photo is at each place.
            queries = F.conv2d(image, filters).flatten(2).transpose(1, 2)
            weights = queries @ (rows.T * (alpha / sigma**2)) + (prior - half_norms * (alpha / sigma) ** 2)
            weights = weights.sub_(weights.amax(dim=2, keepdim=True)).clamp_(min=LOWEST).exp_()
            # 2. Sinkhorn's balancing: each patch is used equally often.
            if sigma >= BALANCED:
                factors = rows.new_ones(len(seeds), 1, len(rows))
                for _ in range(ROUNDS):
                    uses = 1 / (factors @ weights.transpose(1, 2)) @ weights
                    factors = (share / uses.clamp_(min=1e-20)).clamp_(max=1e18)
                weights *= factors
            # 3. The mean of the patches, folded, is the clean picture; DDIM's step towards it.
            weights /= weights.sum(dim=2, keepdim=True)
            means = (rows.T @ weights.transpose(1, 2)).reshape(len(seeds), -1, down, across)
            clean = F.conv_transpose2d(means, filters * bump) / votes
            image = clean if step == 1 else (1 - after) * clean + after / sigma * (image - alpha * clean)
        return (image.clamp(-1, 1) + 1) / 2

    def candidates(self, seeds: Sequence[int]) -> Candidates:
        """Layouts for ``seeds``, measured."""
        images, real = self.draw(seeds), self.real
        deviation = float((real - real.mean(dim=(2, 3), keepdim=True)).abs().mean())
        with one_thread():
            sliced, broken = sliced_distances(images, real), least_distances(images, real)
        score = np.asarray((sliced.clamp_(min=1e-12).log() + broken.clamp_(min=1e-12).log()).cpu(), np.float64)
        return Candidates(images, difference(images, real) / max(deviation, 1e-6), score)


def difference(images: Tensor, real: Tensor) -> Values:
    """The mean absolute difference (K,) of ``images`` (K, C, h, w) to ``real``; infinite where their sizes differ."""
    if images.shape[-2:] != real.shape[-2:]:
        return np.full(len(images), np.inf)
    return np.asarray((images - real).abs().mean(dim=(1, 2, 3)).cpu(), np.float64)


def sliced_distances(images: Tensor, real: Tensor) -> Tensor:
    """The sliced Wasserstein distance (K,) of the 5 x 5 patches of ``images`` (K, C, h, w) to those of ``real``.

    It predicts the SIFID of the final sample.
    """
    p = min(COMPARED, *images.shape[-2:], *real.shape[-2:])
    filters = torch.randn(DIRECTIONS, real.shape[1] * p * p, generator=torch.Generator().manual_seed(5)).to(real)
    filters = (filters / filters.norm(dim=1, keepdim=True)).reshape(DIRECTIONS, -1, p, p)
    ours, theirs = (F.conv2d(image, filters).flatten(2).sort(dim=2).values for image in (images, real))
    if ours.shape[2] != theirs.shape[2]:
        theirs = F.interpolate(theirs, ours.shape[2], mode="linear", align_corners=True)
    return (ours - theirs).abs().mean(dim=(1, 2))


def least_distances(images: Tensor, real: Tensor) -> Tensor:
    """The mean squared distance (K,) of the 9 x 9 patches of ``images`` (K, C, h, w) to the nearest ones of ``real``.

    It is large where a layout is visibly broken.
    """
    p = min(EXAMINED, *images.shape[-2:], *real.shape[-2:])
    keys = F.unfold(real, p)[0]
    norms = keys.square().sum(dim=0)
    found = []
    for image in images.split(1):
        patches = F.unfold(image, p)[0].T
        distances = torch.addmm(norms, patches, keys, alpha=-2) + patches.square().sum(dim=1, keepdim=True)
        found.append(distances.amin(dim=1).clamp_(min=0).mean() / len(keys))
    return torch.stack(found)


def completed(
    guess: Pixels, keys: Pixels, values: Pixels, channels: int, complete: float = COMPLETE
) -> tuple[Pixels, Places]:
    """A small level by nearest neighbours, all parts of the photo used: GPNN with its completeness, exactly.

    Arguments:
        guess: (H, W, 4).
        keys: (h, w, 4), for the first repetition; sharp ones follow.
        values: (h, w, 4), the photo.
        channels: of the photo.
        complete: alpha, for intensities in 0 .. 1: the smaller, the more of the photo appears.

    Returns:
        The level's picture, and where its patches come from.
    """
    alpha, (rows, columns) = complete * 255**2 * channels * PATCH**2, patches_in(guess)
    places: Places | None = None
    for repeat in range(REPEATS):
        distances = squared_distances(guess, values if repeat else keys, channels)
        distances /= alpha + distances.amin(dim=0)
        index, before = distances.argmin(dim=1).numpy().reshape(rows, columns), places
        places = packed(index, patches_in(values)[1])
        guess = vote(places, values, flat())
        if repeat and before is not None and np.array_equal(places, before):
            break
    assert places is not None
    return guess, places


def squared_distances(one: Pixels, other: Pixels, channels: int) -> Tensor:
    """The squared distances (M, N) of all patches of ``one`` (H, W, 4) to those of the ``other``.

    All numbers are integers below 2^24: exact, in whatever order they are added.
    """
    patches = []
    for picture in (one, other):
        centred = torch.from_numpy(np.ascontiguousarray(picture[..., :channels].transpose(2, 0, 1))).float() - 128
        patches.append(F.unfold(centred[None], PATCH)[0])
    norms = [rows.square().sum(dim=0) for rows in patches]
    return torch.addmm(norms[1], patches[0].T, patches[1], alpha=-2) + norms[0][:, None]


def largest_region(places: Places) -> float:
    """The largest connected part of a field (h, w) with one offset, 0 to 1: a piece of the photo moved as a whole."""
    rows, columns = np.indices(places.shape)
    offsets = ((places >> 16) - rows + (1 << 14)) * (1 << 15) + (places & 0xFFFF) - columns + (1 << 14)
    labels = ski.measure.label(offsets, connectivity=1, background=-1)
    return float(np.bincount(labels.ravel()).max() / places.size)
