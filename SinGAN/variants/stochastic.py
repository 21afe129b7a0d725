"""Randomness inside a generator: dropout and noise on weights, as pure functions of a noise map.

Nothing is drawn here. Equal noise drops the same activations and shakes the weights alike, whatever
the batch, the strip of an image or the engine; noise of 0 leaves all as it is.
"""

import math

import torch
from torch import Tensor

from SinGAN.functions import centre_crop

WORD = 2**32 - 1
ROUNDS = ((16, 0x7FEB352D), (15, 0x5BD1E995), (16, 0x2C1B3C6D))  # shifts and odd factors below 2^31: int64 holds all


def scrambled(words: Tensor) -> Tensor:
    """A hash of ``words``, int64 of 32 bits: each bit hangs on all (in the manner of MurmurHash3's finalizer)."""
    for shift, factor in ROUNDS:
        words = ((words ^ (words >> shift)) * factor) & WORD
    return words ^ (words >> 15)


def uniform(seeds: Tensor, count: int, depth: int) -> Tensor:
    """For each of ``seeds`` (.., 1), float32, ``count`` numbers (.., count) in [0, 1), others at each ``depth``."""
    index = torch.arange(count, device=seeds.device) + (depth << 24)
    words = seeds.float().view(torch.int32).long() & WORD
    return scrambled(scrambled(words) ^ scrambled(index + 1)).double() / 2**32


def dropped(features: Tensor, noise: Tensor, share: float, depth: int) -> Tensor:
    """``features`` (B, F, h, w), a ``share`` of them 0 and the others the larger for it (Srivastava et al. 2014).

    Which ones, ``noise`` (B or 1, 1, H, W) says at the same place; H, W are h, w and a margin, or the same.
    """
    here = centre_crop(noise, (features.shape[-2], features.shape[-1]))
    chances = uniform(here.movedim(1, -1), features.shape[1], depth).movedim(-1, 1)
    factors = torch.where(here == 0, 1.0, (chances >= share) / (1 - share))
    return features * factors.to(features)


def shaken(weight: Tensor, seed: Tensor, amount: float, depth: int) -> Tensor:
    """``weight`` (F, C, k, k) plus Gaussian noise of ``amount`` times the RMS of each filter.

    A filter multiplied by a number has its noise multiplied alike, so that a BatchNorm can be
    folded into it. ``seed`` (1, 1, 1, 1) is one number of a noise map.
    """
    radii, angles = uniform(seed.flatten(), 2 * weight.numel(), depth).chunk(2)
    normal = (-2 * (1 - radii).log()).sqrt() * (2 * math.pi * angles).cos()  # Box and Muller 1958
    held = weight.detach()
    size = held.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().copysign(held[:, :1, :1, :1])
    noise = torch.where(seed == 0, 0.0, normal.reshape(weight.shape).to(weight))
    return weight + amount * size * noise
