"""The pyramid of scales: drawing noise and generating; and a trained scale, made ready to generate."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from SinGAN.functions import crop, pad, stretch
from SinGAN.imresize import imresize, imresize_to
from SinGAN.models import Conv2d, ConvBlock, Convolve, Discriminator, Generator
from SinGAN.planning import Size, enlarged
from SinGAN.variants.build import build_generator

STRIP_VALUES = 2**26  # of one layer's activations: 256 MB; more go strip by strip


class Scale(Protocol):
    """One level of a pyramid; ``scale(noise, previous)`` gives its image (B, C, H, W).

    ``noise`` and ``previous`` are (B or 1, C, H + 2 m, W + 2 m).
    """

    def __call__(self, noise: Tensor, previous: Tensor) -> Tensor: ...

    @property
    def real(self) -> Tensor:
        """The real image (1, C, H, W), in [-1, 1]."""

    @property
    def z_rec(self) -> Tensor:
        """The noise map (1, C, H + 2 m, W + 2 m) that gives the real image back."""

    @property
    def size(self) -> Size:
        """Height and width of the real image."""

    @property
    def values_per_pixel(self) -> int:
        """The numbers that its largest intermediate result holds for each pixel."""


ScaleT = TypeVar("ScaleT", bound=Scale, covariant=True)
NewScaleT = TypeVar("NewScaleT", bound=Scale)


@dataclass(frozen=True, eq=False)
class TrainedScale:
    """A scale of nets that training has finished; ``of`` makes one of the nets that were trained."""

    generator: Generator
    discriminator: Discriminator | None  # None: of a model saved without its critics
    real: Tensor  # (1, C, H, W), in [-1, 1]
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m): the noise that gives the image back
    noise_amp: float
    folded: Generator  # the generator in eval mode with its BatchNorms folded: it generates

    @classmethod
    def of(
        cls, generator: Generator, discriminator: Discriminator | None, real: Tensor, z_rec: Tensor, noise_amp: float
    ) -> "TrainedScale":
        """The scale of nets whose training is done: both are put into eval mode and want no gradients any more."""
        for net in (generator, *([] if discriminator is None else [discriminator])):
            net.eval().requires_grad_(False).zero_grad()  # what is left of gradients may lie in the memory of a graph
        return cls(generator, discriminator, real, z_rec, noise_amp, fold_batchnorms(generator))

    def __call__(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (B, C, H, W); ``noise`` and ``previous`` are (B or 1, C, H + 2 m, W + 2 m)."""
        return in_strips(self.folded, *self.folded.inputs(noise, self.z_rec, previous, self.noise_amp))

    @property
    def critic(self) -> Discriminator:
        """The critic; a ValueError if the model was saved without critics."""
        if self.discriminator is None:
            raise ValueError("the model was saved without its critics: it makes pictures, but can't be trained further")
        return self.discriminator

    @property
    def size(self) -> Size:
        """Height and width of the real image."""
        return self.real.shape[-2], self.real.shape[-1]

    @property
    def values_per_pixel(self) -> int:
        """The filters of the generator's first block, its widest."""
        return self.generator.config.filters


def fold_batchnorms(generator: Generator) -> Generator:
    """A copy of ``generator``, in eval mode, with its BatchNorms folded into its convolutions."""
    folded = build_generator(generator.config).to(next(generator.parameters()).device)
    folded.load_state_dict(generator.state_dict())
    for block in folded.eval().requires_grad_(False).modules():
        if isinstance(block, ConvBlock) and isinstance(block.norm, nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.norm)
            block.norm = nn.Identity()
    return folded


def in_strips(generator: Generator, *inputs: Tensor) -> Tensor:
    """``generator(*inputs)``, too large an image strip by strip; ``generator`` is in eval mode.

    Each strip includes the margin that its pixels depend on, so that there are no seams.
    """
    height, width = inputs[0].shape[-2:]
    margin, count = 2 * generator.config.margin, max(map(len, inputs))
    rows = max(1, STRIP_VALUES // (count * width * generator.config.filters) - margin)

    def strip(whole: Tensor, top: int) -> Tensor:
        return whole[..., top : top + rows + margin, :] if whole.shape[-2] == height else whole

    tops = range(0, height - margin, rows)
    return torch.cat([generator(*(strip(whole, top) for whole in inputs)) for top in tops], dim=-2)


@dataclass(frozen=True, eq=False)
class Pyramid(Generic[ScaleT]):
    """The scales, coarse to fine, and the one loop that generates (paper, Sect. 2)."""

    scales: tuple[ScaleT, ...]
    factor: float  # adjusted ratio of neighbouring scales
    margin: int  # zeros (or, with noise_border, noise) on each side of a scale's input
    noise_border: bool = False  # the noise covers the margin too: animation's training
    exact: bool = False  # images are resized without truncation to 8 bits: those of data and maps
    first_step: ClassVar[float] = 0.05  # share of noise in the first step of an animation's walk

    def __len__(self) -> int:
        return len(self.scales)

    @property
    def start_scales(self) -> range:
        """The scales where random samples can start."""
        return range(len(self))

    @property
    def injection_scales(self) -> range:
        """The scales where a reference can be put in."""
        return range(1, len(self))

    def check_passes_images(self, purpose: str) -> None:
        """Raise a ValueError where features, not images, go from scale to scale, which rules ``purpose`` out."""

    def with_scale(self, index: int, scale: NewScaleT) -> "Pyramid[ScaleT | NewScaleT]":
        """The pyramid with ``scale`` put at ``index``; one past the finest makes it grow."""
        scales: tuple[ScaleT | NewScaleT, ...] = (*self.scales[:index], scale, *self.scales[index + 1 :])
        return Pyramid(scales, self.factor, self.margin, self.noise_border, self.exact)

    def below(self, index: int) -> "Pyramid[ScaleT]":
        """The scales coarser than ``index``."""
        return replace(self, scales=self.scales[:index])

    def z_rec(self) -> list[Tensor]:
        """The noise maps that give the training image back."""
        return [scale.z_rec for scale in self.scales]

    def draw(
        self, rng: torch.Generator, count: int = 1, start: int = 0, enlargement: tuple[float, float] = (1, 1)
    ) -> list[Tensor]:
        """Noise maps for the scales ``start`` and finer, each (count, C, H + 2 m, W + 2 m).

        ``enlargement`` multiplies height and width. Samples are drawn one after the other, so that
        the first ones don't depend on ``count``.
        """
        samples = [self._draw_sample(rng, start, enlargement) for _ in range(count)]
        return [torch.cat(maps) for maps in zip(*samples, strict=True)]

    def _draw_sample(self, rng: torch.Generator, start: int, enlargement: tuple[float, float]) -> list[Tensor]:
        maps = []
        for index, scale in enumerate(self.scales[start:], start):
            size = enlarged(scale.size, enlargement)
            maps.append(self.draw_map(rng, scale.real, size, coarsest=index == 0))
        return maps

    def draw_map(self, rng: torch.Generator, like: Tensor, size: Size, coarsest: bool) -> Tensor:
        """Noise (1, C, H + 2 m, W + 2 m) for an image of ``size``; C and device are those of ``like``.

        At the coarsest scale one channel is repeated over all.
        """
        border = 2 * self.margin if self.noise_border else 0
        channels = like.shape[1]
        shape = (1, 1 if coarsest else channels, size[0] + border, size[1] + border)
        noise = torch.randn(shape, generator=rng, device=like.device).expand(-1, channels, -1, -1)
        return noise.contiguous() if self.noise_border else pad(noise, self.margin)

    @torch.no_grad()
    def generate(self, noise: Sequence[Tensor], previous: Tensor | None = None) -> Tensor:
        """The finest image (B, C, H, W) that ``noise`` makes, one map for each of the finest scales.

        Maps are (B or 1, C, H + 2 m, W + 2 m) and fix the size of the image. The first scale that runs
        starts from ``previous`` (B or 1, C, H, W), or from zeros.
        """
        image = previous
        for index, (scale, z) in enumerate(zip(self.scales[len(self) - len(noise) :], noise, strict=True)):
            if image is None:
                image = scale(z, torch.zeros_like(z))
            else:
                image = scale(z, self.fit(image if index == 0 else self.enlarge(image), z))
        if image is None:
            raise ValueError("an image needs at least one noise map")
        return image

    def from_start(self, noise: list[Tensor], start: int, enlargement: tuple[float, float]) -> Tensor:
        """The images (B, C, H, W) of another size that ``noise`` makes from scale ``start`` on, on its real image."""
        scale = self.scales[start]
        return self.generate(noise, stretch(scale.real, enlarged(scale.size, enlargement)))

    def with_reference(
        self, reference: Tensor, start: int, rng: torch.Generator, count: int, first: int
    ) -> tuple[list[Tensor], Tensor | None]:
        """What ``generate`` makes ``count`` pictures of that have the layout of ``reference`` (1, C, H, W).

        It takes the place of the scales below ``start``. The pictures are those from the one with index ``first`` on.
        """
        return self.draw(rng, count, start), self.shrink_to_injection(reference, start)

    def shrink_to_injection(self, reference: Tensor, start: int) -> Tensor:
        """``reference`` (1, C, H, W) as the input of scale ``start``: shrunk to the scale below, and enlarged again."""
        small = imresize(reference, math.pow(self.factor, len(self) - start), self.exact)
        return crop(self.enlarge(crop(small, self.scales[start - 1].size)), self.scales[start].size)

    @torch.no_grad()
    def generate_around(self, noise: Sequence[Tensor], corners: Sequence[tuple[int, int]]) -> Tensor:
        """The finest image (1, C, H, W) that ``noise``, one map for each scale, makes around the training picture.

        At each scale the picture begins at its corner (top, left), in pixels, and ``noise`` is ``z_rec`` there. The
        next scale is given the picture's own reconstruction there: it stays, and its surroundings come to fit it.
        """
        image, rebuilt = (self.scales[0](z, torch.zeros_like(z)) for z in (noise[0], self.scales[0].z_rec))
        for scale, z, (top, left) in zip(self.scales[1:], noise[1:], corners[1:], strict=True):
            (height, width), border = scale.size, 2 * self.margin
            before = crop(self.enlarge(rebuilt), scale.size)
            wide = imresize_to(image, (z.shape[-2] - border, z.shape[-1] - border), self.exact)
            wide[..., top : top + height, left : left + width] = before
            image, rebuilt = scale(z, pad(wide, self.margin)), scale(scale.z_rec, self.fit(before, scale.z_rec))
        return image

    def enlarge(self, image: Tensor) -> Tensor:
        """``image`` (B, C, H, W) resized by 1 / factor, not yet cropped."""
        return imresize(image, 1 / self.factor, self.exact)

    def fit(self, image: Tensor, z: Tensor) -> Tensor:
        """``image`` (B, C, H, W) cropped and padded to the size of the noise map ``z``.

        Where it is too small for that (only at sizes other than the training image's), it is
        stretched bilinearly.
        """
        height, width = z.shape[-2:]
        inner = height - 2 * self.margin, width - 2 * self.margin
        return stretch(pad(crop(image, inner), self.margin), (height, width))


def convolving_by(pyramid: Pyramid[TrainedScale], backend: Convolve) -> Pyramid[TrainedScale]:
    """A copy of ``pyramid`` that generates with the convolutions of ``backend``."""
    scales = []
    for scale in pyramid.scales:
        folded = copy.deepcopy(scale.folded)
        for module in folded.modules():
            if isinstance(module, Conv2d):
                module.backend = backend
        scales.append(replace(scale, folded=folded))
    return replace(pyramid, scales=tuple(scales))
