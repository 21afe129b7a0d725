"""Harmonization and editing: the reference generated anew, and blended into the picture by its mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.pictures import images, masks
from SinGAN.pyramid import Pyramid


@dataclass(frozen=True, eq=False)
class Retouched:
    """A reference put in at some scales."""

    reference: Tensor  # (1, C, H, W), in [-1, 1], as all pictures here
    mask: Tensor  # (1, 1, H, W) in 0 .. 1: what may change
    mask_origin: str
    generated: dict[int, Tensor]  # by injection scale: (samples, C, H, W)
    blended: dict[int, Tensor]  # the same, the training picture kept outside the mask


def retouch(
    pyramid: Pyramid, path: Path, scales: Sequence[int | None], radius: int, rng: torch.Generator, count: int
) -> Retouched:
    """Put the reference in the file ``path`` in at ``scales`` (None: all), ``count`` pictures each.

    Raises:
        ValueError: a scale is out of range, the reference can't be read, or its mask is no use.
    """
    chosen = manipulate.injection_scales(pyramid, scales)
    real = pyramid.scales[-1].real
    reference = images.read_like(path, real)
    marks, origin = masks.marks_of(path, reference, real)
    mask = masks.soft_mask(marks, radius).to(real.device)
    generated = {scale: manipulate.inject(pyramid, reference, scale, rng, count) for scale in chosen}
    blended = {scale: manipulate.blend(real, made, mask) for scale, made in generated.items()}
    return Retouched(reference, mask, origin, generated, blended)
