"""Measures that need no trained features: diversity, copies, and patch statistics, as pure functions of images."""

import torch
import torch.nn.functional as F
from torch import Tensor

COPY_PATCH = 11  # pixels: the default nets' receptive field
COPY_DISTANCE = 0.05  # root mean squared difference, in parts of the intensity range
SWD_PATCH = 7  # pixels, as Karras et al. (2018)
SWD_PROJECTIONS = 256
SWD_PATCHES = 2**12  # compared at most, of each octave
SMALLEST_OCTAVE = 16  # pixels on the shorter side


def intensity(images: Tensor) -> Tensor:
    """The luminance (B, 1, H, W) of RGB ``images`` (B, 3, H, W), by ITU-R BT.709; of grey ones (B, 1, H, W) itself."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor([0.2126, 0.7152, 0.0722])
    return torch.einsum("bchw,c->bhw", images, weights)[:, None]


def deviation_map(samples: Tensor) -> Tensor:
    """The standard deviation (H, W) of each pixel's intensity over ``samples`` (B, 1 or 3, H, W)."""
    return intensity(samples).double().std(dim=0, correction=0)[0]


def diversity(samples: Tensor, real: Tensor) -> float:
    """How much ``samples`` (B, C, H, W) differ: 0 for equal ones (SinGAN, Sect. 3.1).

    The standard deviation of each pixel's intensity over the samples, averaged over the pixels, in
    parts of the standard deviation of the intensities of ``real`` (1, C, H, W); NaN where that has none.
    """
    spread = intensity(real).double().std(correction=0)
    return float(deviation_map(samples).mean() / spread) if spread > 0 else float("nan")


def copied(samples: Tensor, real: Tensor) -> Tensor:
    """Which patches of ``samples`` (B, C, H, W) are copies, (B, h, w) of 0 and 1: ``real``'s at the same place.

    A patch counts as copied where the root mean squared difference of its pixels is at most
    ``COPY_DISTANCE`` of the intensity range. h, w: where a patch lies wholly inside.
    """
    patch = min(COPY_PATCH, *real.shape[-2:])
    squares = ((samples - real) / 2).square().mean(dim=1)
    return (F.avg_pool2d(squares, patch, stride=1).sqrt() <= COPY_DISTANCE).float()


def copy_score(samples: Tensor, real: Tensor) -> float:
    """The part of the patches of ``samples`` (B, C, H, W) that are copied from ``real`` (1, C, H, W), 0 to 1."""
    return float(copied(samples, real).mean())


def textured(real: Tensor) -> Tensor:
    """Which patches of ``real`` (1, C, H, W) are not plain, (h, w): their mean is farther off than a copy may be."""
    patch = min(COPY_PATCH, *real.shape[-2:])
    mean, square = (F.avg_pool2d(values.double(), patch, stride=1) for values in (real, real.square()))
    return ((square - mean.square()).clamp(min=0).mean(dim=1)[0].sqrt() / 2) > COPY_DISTANCE


def textured_copy_score(samples: Tensor, real: Tensor) -> float:
    """``copy_score`` of the ``textured`` patches, NaN without any: plain ones are alike without being copied."""
    where = textured(real)
    return float(copied(samples, real)[:, where].mean()) if where.any() else float("nan")


def sliced_wasserstein(samples: Tensor, real: Tensor, seed: int = 0) -> list[float]:
    """The distance between the patches of ``samples`` (B, C, H, W) and of ``real`` (1, C, H, W), per octave.

    Sliced Wasserstein distance (Rabin et al. 2011) of 7 x 7 patches of each level of the Laplacian
    pyramid, finest first, the last level being what remains (Karras et al. 2018, Sect. 5): the mean
    over random directions of the distance between the sorted projections. Levels are in standard
    deviations of the real image's, so that a change of contrast or colour counts. The mean over the
    samples; at most ``SWD_PATCHES`` random patches of a level, at the same places in both.
    """
    rng = torch.Generator().manual_seed(seed)
    distances = []
    for ours, theirs in zip(laplacian_pyramid(samples), laplacian_pyramid(real), strict=True):
        mean = theirs.mean(dim=(0, 2, 3), keepdim=True)
        spread = theirs.std(dim=(0, 2, 3), keepdim=True, correction=0).clamp(min=1 / 255)
        directions, chosen = _slices(theirs, rng)
        target = _project((theirs - mean) / spread, directions, chosen)
        each = [(_project((one - mean) / spread, directions, chosen) - target).abs().mean() for one in ours.split(1)]
        distances.append(float(torch.stack(each).mean()))
    return distances


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """What each octave of ``images`` (B, C, H, W) adds, fine to coarse, and last what remains (Burt, Adelson 1983)."""
    levels, here = [], images
    while min(here.shape[-2:]) >= 2 * SMALLEST_OCTAVE:
        below = _blur(here)[..., ::2, ::2]
        levels.append(here - F.interpolate(below, size=here.shape[-2:], mode="bilinear", align_corners=False))
        here = below
    return [*levels, here]


def _blur(images: Tensor) -> Tensor:
    row = images.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = (row[:, None] * row).expand(images.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=images.shape[1])


def _slices(level: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random directions (C * 49, 256) of unit length, and the patches to look at."""
    patch = min(SWD_PATCH, *level.shape[-2:])
    directions = torch.randn(level.shape[1] * patch**2, SWD_PROJECTIONS, generator=rng, dtype=level.dtype)
    places = (level.shape[-2] - patch + 1) * (level.shape[-1] - patch + 1)
    chosen = torch.randperm(places, generator=rng)[:SWD_PATCHES]
    return F.normalize(directions, dim=0).to(level.device), chosen.to(level.device)


def _project(level: Tensor, directions: Tensor, chosen: Tensor) -> Tensor:
    """The sorted projections (patches, 256) of the ``chosen`` patches of ``level`` (1, C, H, W)."""
    patch = min(SWD_PATCH, *level.shape[-2:])
    patches = F.unfold(level, patch)[0, :, chosen].T
    return (patches @ directions).sort(dim=0).values
