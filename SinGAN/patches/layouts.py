"""Layouts of random samples: tiny pictures by balanced patch diffusion, ranked, and compared with the photo.

Patch diffusion is that of Qiu, Kutulakos, Lindell, *Efficient and Training-Free Single-Image Diffusion Models*, CVPR
2026. Our additions are the balancing (Sinkhorn 1964), the prior on places and the ranking of candidates.
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

from SinGAN.patches.denoise import LOWEST, one_thread
from SinGAN.patches.search import PATCH, Flags, Matches, Pixels, field_size, pack, squared_distances, vote, vote_weights
from SinGAN.patches.solver import update_gains
from SinGAN.patches.windows import gaussian
from SinGAN.planning import Size

Values = npt.NDArray[np.float64]

STEPS = 12  # of the diffusion
LEAST_SIGMA = 0.01
BALANCED = 0.2  # least sigma at which weights are balanced
LEADING = 64  # principal directions in which patches are compared and averaged
ROUNDS = 20  # of balancing
VOTES = 0.35  # deviation of a patch's weights, in half widths
PAIRS = 2**22  # pairs of patches that one batch of candidates compares, about
DIRECTIONS, SLICED = 96, 5  # of the sliced distance, and the width of its patches
EXAMINED = 9  # width of the patches that measure visible breakage
COMPLETE = 0.005  # alpha of GPNN's completeness
REPEATS = 4  # of search and vote at a level that is solved exactly


@dataclass(frozen=True)
class Variety:
    """How far samples are from the photo."""

    patch: int  # width in pixels, of the diffusion
    down: float  # deviation of a patch's vertical place from the photo's, in heights
    across: float | None  # the same horizontally, in widths; None: free
    difference: float  # least mean difference to the photo, over the photo's mean deviation from its mean colour
    region: float  # largest region that is moved as a whole, in parts of the picture

    def relax(self, tries: int) -> "Variety":
        """The settings of a further try, after ``tries`` that found too few candidates."""
        return replace(self, across=None, down=self.down * 2 ** max(0, tries - 1)) if tries else self


VARIETIES = {
    "low": Variety(11, 0.06, 0.2, 0.25, 0.7),
    "medium": Variety(11, 0.06, 0.3, 0.45, 0.45),
    "high": Variety(9, 0.12, None, 0.6, 0.3),
}
"""By the value of the option ``variety``."""


@dataclass(frozen=True, eq=False)
class Diffusion:
    """Patch diffusion of one tiny photo, or of several pictures, in batches."""

    real: Tensor  # (1, C, h, w), in [0, 1]
    size: Size  # of the layouts
    variety: Variety
    others: tuple[Tensor, ...] = ()  # more pictures (1, C, h', w')
    shares: tuple[float, ...] = ()  # of a layout, that shall come from each; (): as they fit
    valid: tuple[Tensor | None, ...] = ()  # of each: (h, w) of its 7 x 7 patches, false for those that are not used

    @cached_property
    def patch(self) -> int:
        """The width of a patch: odd, and so small that several fit in each direction."""
        sides = (int(side) for real in (self.real, *self.others) for side in real.shape[-2:])
        shortest = min(*self.size, *sides)
        return max(1, min(self.variety.patch, (shortest - 1) // 2 * 2 - 1))

    @cached_property
    def rows(self) -> Tensor:
        """The pictures' patches (N, d), in [-1, 1]."""
        rows = [F.unfold(real * 2 - 1, self.patch)[0].T for real in (self.real, *self.others)]
        return torch.cat([each[used] for each, used in zip(rows, self.used, strict=True)]).contiguous()

    @cached_property
    def used(self) -> list[Tensor]:
        """The indices of the patches of each picture that are used."""
        result = []
        for number, real in enumerate((self.real, *self.others)):
            down, across = (int(side) - self.patch + 1 for side in real.shape[-2:])
            valid = self.valid[number] if self.valid else None
            whole = torch.ones(down * across, dtype=torch.bool, device=real.device)
            if valid is not None:  # a patch is used where all 7 x 7 patches in it are
                inside = max(1, self.patch - PATCH + 1)
                broken = F.max_pool2d(1 - valid.float()[None, None], inside, stride=1)[0, 0]
                fits = broken.shape == (down, across) and bool((broken == 0).any())
                whole = (broken == 0).flatten().to(real.device) if fits else whole
            result.append(whole.nonzero()[:, 0])
        return result

    @cached_property
    def expected(self) -> Tensor | float:
        """How often each patch (N,) shall be used; one number if it is that of all."""
        if not self.shares:
            return len(self.prior) / len(self.rows)
        parts = [
            used.new_full((len(used),), share * len(self.prior) / len(used), dtype=self.real.dtype)
            for used, share in zip(self.used, self.shares, strict=True)
        ]
        return torch.cat(parts)

    @cached_property
    def directions(self) -> Tensor:
        """The leading principal directions (k, d) of the patches."""
        vectors: Tensor = torch.linalg.svd(self.rows, full_matrices=False).Vh
        return vectors[:LEADING].contiguous()

    @cached_property
    def prior(self) -> Tensor:
        """The log-probability (M, N) of the pictures' N places at each of a layout's M places, but for a constant."""
        priors = [self._prior_of(real) for real in (self.real, *self.others)]
        return torch.cat([prior[:, used] for prior, used in zip(priors, self.used, strict=True)], dim=1)

    def _prior_of(self, real: Tensor) -> Tensor:
        parts = []
        spreads = self.variety.down, self.variety.across
        for side, real_side, spread in zip(self.size, real.shape[-2:], spreads, strict=True):
            to, of = ((torch.arange(each - self.patch + 1) + self.patch / 2) / each for each in (side, real_side))
            squared = (to[:, None] - of).square()
            parts.append(torch.zeros_like(squared) if spread is None else -squared / (2 * spread**2))
        both = parts[0][:, None, :, None] + parts[1][None, :, None, :]
        return both.reshape(len(parts[0]) * len(parts[1]), -1).to(self.real)

    @one_thread()
    def draw(self, seeds: Sequence[int]) -> Tensor:
        """A layout in [0, 1] for each of ``seeds``, together (K, C, h, w)."""
        prior, p, channels, basis = self.prior, self.patch, self.real.shape[1], self.directions
        rows, filters = self.rows @ basis.T, basis.reshape(-1, channels, p, p)
        peak, (down, across) = gaussian(p, VOTES, rows), (side - p + 1 for side in self.size)
        votes = F.conv_transpose2d(rows.new_ones(1, 1, down, across), peak[None, None])
        share, half_norms = self.expected, rows.square().sum(dim=1) / 2
        noise = [torch.randn(1, channels, *self.size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        image = torch.cat(noise).to(rows)
        sigmas = [0.0, *torch.linspace(LEAST_SIGMA, 1, STEPS).tolist()]
        for step in range(STEPS, 0, -1):
            sigma, after, alpha = sigmas[step], sigmas[step - 1], 1 - sigmas[step]
            # 1. The likelihood of each of the photo's patches at each place.
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
            # 3. The posterior mean of the patches, folded, is the clean picture; DDIM's step towards it.
            weights /= weights.sum(dim=2, keepdim=True)
            means = (rows.T @ weights.transpose(1, 2)).reshape(len(seeds), -1, down, across)
            clean = F.conv_transpose2d(means, filters * peak) / votes
            image = clean if step == 1 else (1 - after) * clean + after / sigma * (image - alpha * clean)
        return (image.clamp(-1, 1) + 1) / 2

    @one_thread()
    def candidates(self, seeds: Sequence[int]) -> tuple[Tensor, Values, Values]:
        """Layouts for ``seeds``, compared with the photo.

        Returns:
            The layouts (K, C, h, w) in [0, 1]; their mean differences (K,) to the photo, over its mean deviation from
            its mean colour, infinite at another size; and their scores (K,): the lower, the better a sample.
        """
        batch, real = max(1, PAIRS // self.prior.numel()), self.real
        images = torch.cat([self.draw(seeds[start : start + batch]) for start in range(0, len(seeds), batch)])
        deviation = float((real - real.mean(dim=(2, 3), keepdim=True)).abs().mean())
        sliced = sliced_distances(images, real, *self.others)
        broken = torch.stack([least_distances(images, each) for each in (real, *self.others)]).amin(dim=0)
        score = sliced.clamp_(min=1e-12).log() + broken.clamp_(min=1e-12).log()
        difference = np.full(len(images), np.inf)
        if images.shape[-2:] == real.shape[-2:]:
            difference = np.asarray((images - real).abs().mean(dim=(1, 2, 3)).cpu(), np.float64)
        return images, difference / max(deviation, 1e-6), np.asarray(score.cpu(), np.float64)


def sliced_distances(images: Tensor, real: Tensor, *others: Tensor) -> Tensor:
    """The sliced Wasserstein distance (K,) of the 5 x 5 patches of ``images`` (K, C, h, w) to those of all pictures.

    It predicts the SIFID of the final sample.
    """
    p = min(SLICED, *images.shape[-2:], *(side for each in (real, *others) for side in each.shape[-2:]))
    filters = torch.randn(DIRECTIONS, real.shape[1] * p * p, generator=torch.Generator().manual_seed(5)).to(real)
    filters = (filters / filters.norm(dim=1, keepdim=True)).reshape(DIRECTIONS, -1, p, p)
    ours = F.conv2d(images, filters).flatten(2).sort(dim=2).values
    found = [F.conv2d(each, filters).flatten(2) for each in (real, *others)]
    theirs = torch.cat(found, dim=2).sort(dim=2).values
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


def solve_exactly(
    guess: Pixels,
    keys: Pixels,
    values: Pixels,
    channels: int,
    alpha: float = COMPLETE,
    valid: Flags | None = None,
    shares: Sequence[tuple[slice, float]] = (),
) -> tuple[Pixels, Matches]:
    """Solve a small level by GPNN with completeness (Granot et al., CVPR 2022, Sect. 3.2), by exhaustive search.

    Arguments:
        guess: (H, W, 4).
        keys: (h, w, 4), for the first repetition; then they are ``values``.
        values: (h, w, 4), the photo.
        channels: of the photo.
        alpha: of the completeness, for intensities in 0 .. 1: the smaller, the more of the photo appears.
        valid: 0 for patches of ``values`` that are not used.
        shares: as for ``solver.usage_weights``.

    Returns:
        The level's picture (H, W, 4), and its matches.
    """
    scale, matches = alpha * 255**2 * channels * PATCH**2, np.full(field_size(guess), -1, np.int32)
    factors, gains = np.ones(field_size(values), np.float32), np.ones(len(shares))
    for repeat in range(REPEATS):
        distances = squared_distances(guess, values if repeat else keys, channels)
        distances /= scale + distances.amin(dim=0)
        if valid is not None:
            distances[:, torch.from_numpy(valid.ravel() == 0)] = torch.inf
        if shares:
            distances *= torch.from_numpy(factors.ravel())
        before, index = matches, distances.argmin(dim=1).numpy().reshape(matches.shape)
        matches = pack(index, field_size(values)[1])
        guess = vote(matches, values, vote_weights())
        gains = update_gains(gains, matches, None, shares)
        for (rows, _), gain in zip(shares, gains, strict=True):
            factors[rows] = gain
        if np.array_equal(matches, before):
            break
    return guess, matches


def largest_region(matches: Matches) -> float:
    """The share of a field (h, w) in its largest 4-connected region of one offset: a piece that moved as a whole."""
    rows, columns = np.indices(matches.shape)
    offsets = ((matches >> 16) - rows + (1 << 14)) * (1 << 15) + (matches & 0xFFFF) - columns + (1 << 14)
    labels = ski.measure.label(offsets, connectivity=1, background=-1)
    return float(np.bincount(labels.ravel()).max() / matches.size)
