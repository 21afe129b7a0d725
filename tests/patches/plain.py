"""A picture for tests, and both algorithms once more, plain and slow: what the fast ones are compared with."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.imresize import imresize_to
from SinGAN.patches.levels import Levels
from tests.workspace import stripes


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(height: int = 44, width: int = 56) -> Tensor:
    """A picture (1, 3, height, width) in [-1, 1] with structure at all scales: a faint gradient, and blots."""
    sizes = [(max(2, height // part), max(2, width // part)) for part in (3, 6, 12)]
    blots = [imresize_to(torch.rand(1, 3, *size, generator=seeded(5)) * 2 - 1, (height, width)) for size in sizes]
    return (0.3 * stripes(height, width) + 0.4 * sum(blots)).clamp(-1, 1)


def seam_ratio(one: Levels, other: Levels, axis: int) -> float:
    """The mean gradient across the seam of two tiles (H, W, C), ``other`` below (axis 0) or right (axis 1) of ``one``.

    It is in parts of the mean gradient in that direction inside them: 1 where the seam is as steep as they are.
    """
    first, second = (np.moveaxis(tile.astype(np.float64), axis, 0) for tile in (one, other))
    inside = sum(np.abs(np.diff(tile, axis=0)).mean() for tile in (first, second)) / 2
    return float(np.abs(first[-1] - second[0]).mean() / max(inside, 1e-9))


def patches_of(image: Tensor, p: int) -> Tensor:
    """All patches (N, d) of ``image`` (1, C, H, W), one by one."""
    height, width = image.shape[-2:]
    return torch.stack([
        image[0, :, top : top + p, left : left + p].flatten()
        for top in range(height - p + 1)
        for left in range(width - p + 1)
    ])  # fmt: skip


def voted(patches: Tensor, like: Tensor, p: int, sigma: float) -> Tensor:
    """The image of the shape of ``like`` that ``patches`` make, each pixel a weighted mean."""
    total, weight = torch.zeros_like(like), torch.zeros_like(like[:, :1])
    half = (p - 1) / 2
    line = [(place - half) / half for place in range(p)]
    bump = torch.tensor([[math.exp(-(u**2 + v**2) / (2 * sigma**2)) for v in line] for u in line], dtype=like.dtype)
    width = like.shape[-1] - p + 1
    for index, patch in enumerate(patches):
        top, left = divmod(index, width)
        total[0, :, top : top + p, left : left + p] += patch.reshape(-1, p, p) * bump
        weight[0, 0, top : top + p, left : left + p] += bump
    return total / weight


def nearest_neighbours(reals: list[Tensor], noise: Tensor, sigma: float, repeats: int, p: int = 7) -> Tensor:
    """GPNN from ``reals``, coarse to fine, each (1, C, H, W) in [-1, 1]: its official variant, without completeness."""
    image = (reals[0] + 1) / 2 + sigma * noise
    for level, real in enumerate(reals):
        values = patches_of((real + 1) / 2, p)
        keys = values if level == 0 else patches_of((resized(reals[level - 1], real) + 1) / 2, p)
        for _ in range(1 if level == 0 else repeats):
            found = torch.cdist(patches_of(image, p), keys, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
            image = voted(values[found], image, p, 1.7)
        if level + 1 < len(reals):
            image = (resized(image * 2 - 1, reals[level + 1]) + 1) / 2
    return image * 2 - 1


def resized(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image, like.shape[-2:], mode="bicubic", antialias=True)


def diffused(reals: list[Tensor], noises: list[Tensor], factor: float, p: int = 15, rounds: int = 0) -> Tensor:
    """Closed-form patch diffusion from ``reals`` and a noise map for each, coarse to fine; balanced in ``rounds``."""
    result: Tensor | None = None
    sigmas = [0.0, *(1e-4 + (1 - 1e-4) * step / 9 for step in range(10))]
    for real, noise in zip(reals, noises, strict=True):
        image, keys = noise, patches_of(real, p)
        coarse = None if result is None else resized(result, real)
        for step in range(10, 0, -1):
            sigma, after = sigmas[step], sigmas[step - 1]
            alpha = 1 - sigma
            queries = patches_of(image, p)
            scores = logits(queries, keys, sigma)
            bias = torch.zeros(len(keys), dtype=scores.dtype)
            for _ in range(rounds):
                used = (scores + bias).log_softmax(dim=1).logsumexp(dim=0)
                bias = bias + math.log(len(queries) / len(keys)) - used
            clean = voted((scores + bias).softmax(dim=1) @ keys, image, p, 0.2)
            rest = (image - alpha * clean) / sigma
            if coarse is not None and step > 1:
                small = math.ceil(real.shape[-2] * factor), math.ceil(real.shape[-1] * factor)
                low = F.interpolate(clean, small, mode="bicubic", antialias=True)
                clean = clean - resized(low, real) + coarse
            image = clean if step == 1 else (1 - after) * clean + after * rest
        result = image.clamp(-1, 1)
    assert result is not None
    return result


def logits(queries: Tensor, keys: Tensor, sigma: float) -> Tensor:
    """How likely each of ``queries`` (M, d) is each of ``keys`` (N, d) with noise: logarithms (M, N)."""
    return -(queries[:, None] - (1 - sigma) * keys).square().sum(dim=2) / (2 * sigma**2)


def inverted(real: Tensor, noise: Tensor, sigmas: list[float], p: int) -> Tensor:
    """The noisy image at the last of ``sigmas`` that diffusion with the patches of ``real`` leads back from."""
    keys, image = patches_of(real, p), real + sigmas[0] * (noise - real)
    for sigma, after in pairwise(sigmas):
        clean = voted(logits(patches_of(image, p), keys, sigma).softmax(dim=1) @ keys, image, p, 0.2)
        rest = (image - (1 - sigma) * clean) / sigma
        image = (1 - after) * clean + after * rest
    return image
