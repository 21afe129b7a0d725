"""Measures without trained features: diversity, copies, and patch statistics."""

import torch
import torch.nn.functional as F
from torch import Tensor

COPY_PATCH = 11  # pixels: the default nets' receptive field
COPY_DISTANCE = 0.05  # root mean squared difference, relative to the intensity range
SWD_PATCH = 7  # pixels, as Karras et al. (2018)
SWD_PROJECTIONS = 256
SWD_PATCHES = 2**12  # per octave, at most
SMALLEST_OCTAVE = 16  # pixels on the shorter side


def intensity(images: Tensor) -> Tensor:
    """The luminance (B, 1, H, W) of RGB ``images`` (B, 3, H, W), by ITU-R BT.709; of other channels their mean."""
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    weights = images.new_tensor([0.2126, 0.7152, 0.0722])
    return torch.einsum("bchw,c->bhw", images, weights)[:, None]


def deviation_map(samples: Tensor) -> Tensor:
    """The standard deviation (H, W) of each pixel's intensity over ``samples`` (B, 1 or 3, H, W)."""
    return intensity(samples).double().std(dim=0, correction=0)[0]


def diversity(samples: Tensor, real: Tensor) -> float:
    """The diversity of ``samples`` (B, C, H, W), 0 for equal ones (SinGAN, Sect. 3.1).

    The standard deviation of each pixel's intensity over the samples, averaged over the pixels, and
    divided by the standard deviation of the intensities of ``real`` (1, C, H, W); NaN where that is 0.
    """
    spread = intensity(real).double().std(correction=0)
    return float(deviation_map(samples).mean() / spread) if spread > 0 else float("nan")


def copy_map(samples: Tensor, real: Tensor) -> Tensor:
    """A map (B, h, w) of the patches of ``samples`` (B, C, H, W): 1 for copies of the same place in ``real``, else 0.

    A patch counts as copied where the root mean squared difference of its pixels is at most
    ``COPY_DISTANCE`` of the intensity range. The map covers all places where a patch lies inside the image.
    """
    patch = min(COPY_PATCH, *real.shape[-2:])
    squares = ((samples - real) / 2).square().mean(dim=1)
    return (F.avg_pool2d(squares, patch, stride=1).sqrt() <= COPY_DISTANCE).float()


def copy_score(samples: Tensor, real: Tensor) -> float:
    """The fraction of the patches of ``samples`` (B, C, H, W) that are copied from ``real`` (1, C, H, W), 0 to 1."""
    return float(copy_map(samples, real).mean())


def differences(samples: Tensor, real: Tensor) -> Tensor:
    """The mean absolute difference (B,) of ``samples`` (B, C, H, W) to ``real`` (1, C, H, W), in levels of 0 to 255.

    A small difference means that a sample is nearly the picture. If the sizes differ, all are NaN.
    """
    if samples.shape[-2:] != real.shape[-2:]:
        return samples.new_full((len(samples),), float("nan"))
    return (samples - real).abs().mean(dim=(1, 2, 3)) * 127.5


def texture_map(real: Tensor) -> Tensor:
    """A map (h, w) of the patches of ``real`` (1, C, H, W): True where a patch differs visibly from its mean."""
    patch = min(COPY_PATCH, *real.shape[-2:])
    mean, square = (F.avg_pool2d(values.double(), patch, stride=1) for values in (real, real.square()))
    return ((square - mean.square()).clamp(min=0).mean(dim=1)[0].sqrt() / 2) > COPY_DISTANCE


def textured_copy_score(samples: Tensor, real: Tensor) -> float:
    """``copy_score`` of the textured patches, NaN if there are none. Plain patches are similar without being copied."""
    texture = texture_map(real)
    return float(copy_map(samples, real)[:, texture].mean()) if texture.any() else float("nan")


def sliced_wasserstein(samples: Tensor, real: Tensor, seed: int = 0) -> list[float]:
    """Sliced Wasserstein distances of the patches of ``samples`` (B, C, H, W) and of ``real`` (1, C, H, W), by octave.

    The distance (Rabin et al. 2011) is computed between 7 x 7 patches at each level of the Laplacian pyramid, from the
    finest (Karras et al. 2018, Sect. 5). It is the mean distance between sorted projections over random directions and
    over the samples. Each level is normalised by the mean and standard deviation of the real image, so that changes of
    contrast and colour count. At most ``SWD_PATCHES`` random patches per level are compared, at the same places.
    """
    rng = torch.Generator().manual_seed(seed)
    distances = []
    for levels, real_level in zip(laplacian_pyramid(samples), laplacian_pyramid(real), strict=True):
        mean = real_level.mean(dim=(0, 2, 3), keepdim=True)
        spread = real_level.std(dim=(0, 2, 3), keepdim=True, correction=0).clamp(min=1 / 255)
        directions, places = _slices(real_level, rng)
        target = _project((real_level - mean) / spread, directions, places)
        projections = [_project((level - mean) / spread, directions, places) for level in levels.split(1)]
        distances.append(float(torch.stack([(values - target).abs().mean() for values in projections]).mean()))
    return distances


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """The Laplacian pyramid of ``images`` (B, C, H, W), fine to coarse, and the blurred rest (Burt, Adelson 1983)."""
    levels, image = [], images
    while min(image.shape[-2:]) >= 2 * SMALLEST_OCTAVE:
        below = _blur(image)[..., ::2, ::2]
        levels.append(image - F.interpolate(below, size=image.shape[-2:], mode="bilinear", align_corners=False))
        image = below
    return [*levels, image]


def _blur(images: Tensor) -> Tensor:
    row = images.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = (row[:, None] * row).expand(images.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=images.shape[1])


def _slices(level: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random directions (C * 49, 256) of unit length, and the indices of the patches to compare."""
    patch = min(SWD_PATCH, *level.shape[-2:])
    directions = torch.randn(level.shape[1] * patch**2, SWD_PROJECTIONS, generator=rng, dtype=level.dtype)
    count = (level.shape[-2] - patch + 1) * (level.shape[-1] - patch + 1)
    places = torch.randperm(count, generator=rng)[:SWD_PATCHES]
    return F.normalize(directions, dim=0).to(level.device), places.to(level.device)


def _project(level: Tensor, directions: Tensor, places: Tensor) -> Tensor:
    """The projections (patches, 256), sorted, of the patches of ``level`` (1, C, H, W) at ``places``."""
    patch = min(SWD_PATCH, *level.shape[-2:])
    patches = F.unfold(level, patch)[0, :, places].T
    return (patches @ directions).sort(dim=0).values
