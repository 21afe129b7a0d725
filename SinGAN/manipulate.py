"""What a trained pyramid is used for: each application a short function of it (paper, Sect. 3 and 4)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from SinGAN.functions import stretch
from SinGAN.planning import enlarged
from SinGAN.pyramid import Pyramid

SAME_SIZE = (1.0, 1.0)
BATCH_VALUES = 2**26  # of one layer's activations: 256 MB in float32


def sample(
    pyramid: Pyramid,
    rng: torch.Generator,
    count: int,
    start_scale: int = 0,
    enlargement: tuple[float, float] = SAME_SIZE,
) -> Iterator[Tensor]:
    """Give ``count`` random samples (1, C, H, W), drawn in batches; the first ones don't depend on ``count``.

    Scales below ``start_scale`` keep the training image's noise. ``enlargement`` multiplies height
    and width; at another size than the training image's, ``start_scale`` starts from its real
    image, stretched.

    Raises:
        ValueError: the model lacks ``start_scale``, or the enlarged image is too small for it.
    """
    if not 0 <= start_scale < len(pyramid):
        raise ValueError(f"--gen_start_scale must be 0 to {len(pyramid) - 1} for this model, not {start_scale}")
    if min(enlarged(pyramid.scales[start_scale].size, enlargement)) < 1:
        raise ValueError(f"--scale_v {enlargement[0]:g} and --scale_h {enlargement[1]:g} leave no pixel: raise them")
    return _samples(pyramid, rng, count, start_scale, enlargement)


def _samples(
    pyramid: Pyramid, rng: torch.Generator, count: int, start_scale: int, enlargement: tuple[float, float]
) -> Iterator[Tensor]:
    size = batch_size(pyramid, enlargement)
    for first in range(0, count, size):
        noise = pyramid.draw(rng, min(size, count - first), start_scale, enlargement)
        yield from _sample_batch(pyramid, noise, start_scale, enlargement).split(1)


def _sample_batch(pyramid: Pyramid, noise: list[Tensor], start_scale: int, enlargement: tuple[float, float]) -> Tensor:
    if start_scale == 0:
        return pyramid.generate(noise)
    if enlargement == SAME_SIZE:
        return pyramid.generate([*pyramid.z_rec()[:start_scale], *noise])
    start = pyramid.scales[start_scale]
    return pyramid.generate(noise, stretch(start.real, enlarged(start.size, enlargement)))


def batch_size(pyramid: Pyramid, enlargement: tuple[float, float] = SAME_SIZE) -> int:
    """How many images of the finest scale, ``enlargement`` times its size, go through at once."""
    height, width = enlarged(pyramid.scales[-1].size, enlargement)
    return max(1, BATCH_VALUES // (height * width * pyramid.scales[-1].generator.config.filters))
