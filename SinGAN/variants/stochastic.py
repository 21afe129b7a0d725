"""Generators whose noise is not added to their input: it drops activations, or perturbs weights.

They are deterministic functions of the noise. Equal noise drops the same activations and perturbs weights in the same
way, whatever the batch, the strip of an image or the engine; noise of 0 has no effect.
"""

import math

import torch
from torch import Tensor

from SinGAN.functions import centre_crop, repeated
from SinGAN.models import Conv2d, Generator, Inputs

WORD = 2**32 - 1
ROUNDS = ((16, 0x7FEB352D), (15, 0x5BD1E995), (16, 0x2C1B3C6D))  # shifts, and odd factors that fit int64 products


class DropoutGenerator(Generator):
    """G_n with dropout of ``config.dropout`` after each block, determined by the noise."""

    def inputs(self, noise: Tensor, z_rec: Tensor, previous: Tensor, amp: float) -> Inputs:
        """``z``, from the noise of the reconstruction, ``previous``, and one channel of the noise (B, 1, ..)."""
        return reconstruction_z(noise, z_rec, previous, amp, self.config.margin), previous, noise[:, :1]

    def compute(self, *inputs: Tensor) -> Tensor:
        """The image (B, C, H, W) from the result of ``inputs``; without ``noise`` nothing is dropped."""
        if len(inputs) == 2:
            return super().compute(*inputs)
        z, previous, noise = inputs
        for depth, block in enumerate(self.blocks()):
            z = noise_dropout(block(z), noise, self.config.dropout, depth)
        return self.with_residual(self.tail(z), previous)


class WeightNoiseGenerator(Generator):
    """G_n with Gaussian noise of ``config.weight_noise`` on its weights, seeded by one value of the noise map."""

    def inputs(self, noise: Tensor, z_rec: Tensor, previous: Tensor, amp: float) -> Inputs:
        """``z``, from the noise of the reconstruction, ``previous``, and one value of the noise (B, 1, 1, 1)."""
        margin = self.config.margin
        corner = slice(margin, margin + 1)  # the first pixel inside the margin
        return reconstruction_z(noise, z_rec, previous, amp, margin), previous, noise[:, :1, corner, corner]

    def compute(self, *inputs: Tensor) -> Tensor:
        """The image (B, C, H, W) from the result of ``inputs``; without ``noise`` the weights are as trained."""
        if len(inputs) == 2:
            return super().compute(*inputs)
        z, previous, noise = inputs
        count = max(len(z), len(noise))  # each image has weights of its own
        pairs = zip(z.expand(count, -1, -1, -1).split(1), noise.expand(count, -1, -1, -1).split(1), strict=True)
        return self.with_residual(torch.cat([self._perturbed(*pair) for pair in pairs]), previous)

    def _perturbed(self, z: Tensor, seed: Tensor) -> Tensor:
        amount = self.config.weight_noise
        for depth, block in enumerate(self.blocks()):
            z = block(z, perturb_weights(block.conv.weight, seed, amount, depth))
        conv, tanh = self.tail
        assert isinstance(conv, Conv2d)
        weight = perturb_weights(conv.weight, seed, amount, self.config.num_layer)
        detail: Tensor = tanh(conv.backend(z, weight, conv.bias))
        return detail


def reconstruction_z(noise: Tensor, z_rec: Tensor, previous: Tensor, amp: float, margin: int) -> Tensor:
    """``z`` with the noise of the reconstruction, repeated to the size of ``noise``."""
    return amp * repeated(z_rec, (noise.shape[-2], noise.shape[-1]), margin) + previous


def hash_words(words: Tensor) -> Tensor:
    """A hash of ``words``, int64 of 32 bits: each output bit depends on all input bits (as MurmurHash3's finalizer)."""
    for shift, factor in ROUNDS:
        words = ((words ^ (words >> shift)) * factor) & WORD
    return words ^ (words >> 15)


def uniform(seeds: Tensor, count: int, depth: int) -> Tensor:
    """``count`` numbers (.., count) in [0, 1) for each of ``seeds`` (.., 1), float32; others at each ``depth``."""
    index = torch.arange(count, device=seeds.device) + (depth << 24)
    words = seeds.float().view(torch.int32).long() & WORD
    return hash_words(hash_words(words) ^ hash_words(index + 1)).double() / 2**32


def noise_dropout(features: Tensor, noise: Tensor, share: float, depth: int) -> Tensor:
    """Set a ``share`` of ``features`` (B, F, h, w) to 0, and scale up the others (Srivastava et al. 2014).

    ``noise`` (B or 1, 1, H, W) at the same place determines which; H, W are h, w with or without a margin.
    """
    local = centre_crop(noise, (features.shape[-2], features.shape[-1]))
    chances = uniform(local.movedim(1, -1), features.shape[1], depth).movedim(-1, 1)
    factors = torch.where(local == 0, 1.0, (chances >= share) / (1 - share))
    return features * factors.to(features)


def perturb_weights(weight: Tensor, seed: Tensor, amount: float, depth: int) -> Tensor:
    """``weight`` (F, C, k, k) plus Gaussian noise of ``amount`` times the RMS of each filter.

    The noise scales with the filter, so that a BatchNorm can be folded into it. ``seed`` (1, 1, 1, 1) is one value of a
    noise map.
    """
    radii, angles = uniform(seed.flatten(), 2 * weight.numel(), depth).chunk(2)
    normal = (-2 * (1 - radii).log()).sqrt() * (2 * math.pi * angles).cos()  # Box and Muller 1958
    held = weight.detach()
    size = held.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().copysign(held[:, :1, :1, :1])
    noise = torch.where(seed == 0, 0.0, normal.reshape(weight.shape).to(weight))
    return weight + amount * size * noise
