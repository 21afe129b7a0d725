"""Randomness inside a generator: dropout and noise on weights, as pure functions of a noise map.

Nothing is drawn here. Equal noise drops the same activations and shakes the weights alike, whatever
the batch, the strip of an image or the engine; noise of 0 leaves all as it is.
"""

import math

import torch
from torch import Tensor

from SinGAN.functions import centre_crop

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2


def keys(count: int, depth: int, like: Tensor) -> Tensor:
    """``count`` large numbers without a common measure, others at each ``depth``: (count,), float64."""
    index = torch.arange(1, count + 1, dtype=torch.float64, device=like.device)
    return 1e3 + 1e7 * ((index + depth * math.sqrt(2)) * GOLDEN_RATIO).frac()


def uniform(seeds: Tensor, keys: Tensor) -> Tensor:
    """For each of ``seeds`` and ``keys``, broadcast, a number in [0, 1) that looks independent of all others."""
    product = seeds.double() * keys
    return product - product.floor()


def dropped(features: Tensor, noise: Tensor, share: float, depth: int) -> Tensor:
    """``features`` (B, F, h, w), a ``share`` of them 0 and the others the larger for it (Srivastava et al. 2014).

    Which ones, ``noise`` (B or 1, 1, H, W) says at the same place; H, W are h, w and a margin, or the same.
    """
    here = centre_crop(noise, (features.shape[-2], features.shape[-1]))
    kept = uniform(here, keys(features.shape[1], depth, features)[:, None, None]) >= share
    factors = torch.where(here == 0, 1.0, kept / (1 - share))
    return features * factors.to(features)


def shaken(weight: Tensor, seed: Tensor, amount: float, depth: int) -> Tensor:
    """``weight`` (F, C, k, k) plus Gaussian noise of ``amount`` times the RMS of each filter.

    A filter multiplied by a number has its noise multiplied alike, so that a BatchNorm can be
    folded into it. ``seed`` (1, 1, 1, 1) is one number of a noise map.
    """
    numbers = keys(2 * weight.numel(), depth, weight)
    radii, angles = uniform(seed.flatten(), numbers).chunk(2)
    normal = (-2 * (1 - radii).log()).sqrt() * (2 * math.pi * angles).cos()  # Box and Muller 1958
    size = weight.detach().square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    noise = torch.where(seed == 0, 0.0, normal.reshape(weight.shape).to(weight))
    return weight + amount * size * noise
