"""The applications of a trained pyramid, each a short function of it (paper, Sect. 3 and 4)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from SinGAN.functions import crop, quantise
from SinGAN.imresize import back_projected, imresize
from SinGAN.models import NetConfig
from SinGAN.planning import enlarged
from SinGAN.pyramid import Pyramid, Scale

SAME_SIZE = (1.0, 1.0)
BATCH_VALUES = {"cpu": 2**22, "cuda": 2**26}  # activations of a layer in one batch; a CPU's caches hold as many


def sample(
    pyramid: Pyramid[Scale],
    rng: torch.Generator,
    count: int,
    start_scale: int = 0,
    enlargement: tuple[float, float] = SAME_SIZE,
) -> Iterator[Tensor]:
    """``count`` random samples (1, C, H, W), drawn in batches; the first ones don't depend on ``count``.

    Scales below ``start_scale`` keep the noise of the reconstruction. ``enlargement`` multiplies
    height and width; at another size than the training image's, ``start_scale`` starts from its
    real image, stretched.

    Raises:
        ValueError: the model lacks ``start_scale``, or the enlarged image is too small for it.
    """
    check_start_scale(start_scale, len(pyramid))
    if min(enlarged(pyramid.scales[start_scale].size, enlargement)) < 1:
        raise ValueError(f"`scale_v` {enlargement[0]:g} and `scale_h` {enlargement[1]:g} leave no pixel: raise them")
    return _samples(pyramid, rng, count, start_scale, enlargement)


def _samples(
    pyramid: Pyramid[Scale], rng: torch.Generator, count: int, start_scale: int, enlargement: tuple[float, float]
) -> Iterator[Tensor]:
    size = batch_size(pyramid, enlargement)
    for first in range(0, count, size):
        noise = pyramid.draw(rng, min(size, count - first), start_scale, enlargement)
        yield from _sample_batch(pyramid, noise, start_scale, enlargement).split(1)


def _sample_batch(
    pyramid: Pyramid[Scale], noise: list[Tensor], start_scale: int, enlargement: tuple[float, float]
) -> Tensor:
    if start_scale == 0:
        return pyramid.generate(noise)
    if enlargement == SAME_SIZE:
        return pyramid.generate([*pyramid.z_rec()[:start_scale], *noise])
    return pyramid.from_start(noise, start_scale, enlargement)


def batch_size(pyramid: Pyramid[Scale], enlargement: tuple[float, float] = SAME_SIZE) -> int:
    """The number of images, ``enlargement`` times as large as the finest scale, that are generated at once."""
    height, width = enlarged(pyramid.scales[-1].size, enlargement)
    finest = pyramid.scales[-1]
    values = BATCH_VALUES[finest.real.device.type]
    return max(1, values // (height * width * finest.values_per_pixel))


def inject(
    pyramid: Pyramid[Scale], reference: Tensor, start_scale: int, rng: torch.Generator, count: int = 1
) -> Iterator[Tensor]:
    """``count`` pictures (1, C, H, W) with the layout of ``reference`` and the training picture's texture, in batches.

    ``reference`` (1, C, H, W), of the finest scale's size, takes the place of the scales below
    ``start_scale``: harmonization, editing and painting (paper, Fig. 6).
    """
    size = batch_size(pyramid)
    for first in range(0, count, size):
        number = min(size, count - first)
        made = pyramid.generate(*pyramid.with_reference(reference, start_scale, rng, number, first))
        yield from made.split(1)


def run_from(pyramid: Pyramid[Scale], image: Tensor, start_scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
    """``count`` pictures (count, C, H, W) from ``image`` (1, C, h, w), the input of ``start_scale``, of its size."""
    size = batch_size(pyramid)
    noises = (pyramid.draw(rng, min(size, count - first), start_scale) for first in range(0, count, size))
    return torch.cat([pyramid.generate(noise, image) for noise in noises])


def shrink_to_injection(pyramid: Pyramid[Scale], reference: Tensor, start_scale: int) -> Tensor:
    """``reference`` (1, C, H, W) as the input of ``start_scale``: shrunk to the scale below, and enlarged again."""
    return pyramid.shrink_to_injection(reference, start_scale)


class Scaled(Protocol):
    """Something with scales, where references can be put in at some."""

    def __len__(self) -> int: ...

    @property
    def start_scales(self) -> range: ...

    @property
    def injection_scales(self) -> range: ...


class OfPyramid:
    """What commands and the library ask of something with a ``pyramid``, which answers it."""

    exact_mask = False
    injection_scale = None

    if TYPE_CHECKING:

        @property
        def pyramid(self) -> Pyramid[Any]: ...

    @property
    def factor(self) -> float:
        """The ratio of neighbouring scales."""
        return self.pyramid.factor

    @property
    def start_scales(self) -> range:
        """The scales at which random samples can start."""
        return self.pyramid.start_scales

    @property
    def injection_scales(self) -> range:
        """The scales at which a reference can be put in, coarse to fine."""
        return self.pyramid.injection_scales

    def __len__(self) -> int:
        """The number of scales."""
        return len(self.pyramid)


def start_scales(maker: Scaled, asked: Sequence[int | None]) -> list[int]:
    """The first scales ``asked`` for, sorted; ``None`` stands for all; a ValueError where the model lacks one."""
    for start in asked:
        check_start_scale(start or 0, len(maker))
    every = maker.start_scales if None in asked else ()
    return [start for start in range(len(maker)) if start in asked or start in every]


def injection_scales(maker: Scaled, asked: Sequence[int | None]) -> list[int]:
    """The scales ``asked`` for, sorted; ``None`` stands for all: all but the coarsest, or that of a growing generator.

    Raises:
        ValueError: the model has no such injection scale.
    """
    possible, scales = maker.injection_scales, {scale for scale in asked if scale is not None}
    if not possible:
        raise ValueError(
            "the picture has a single scale, and `start_scale` is above the coarsest: use a larger picture"
        )
    for scale in scales:
        if scale not in possible:
            raise ValueError(f"the injection scale must be {format_range(possible)} for this model, not {scale}")
    return list(possible) if None in asked else sorted(scales)


def check_start_scale(start_scale: int, scales: int) -> None:
    """Raise a ValueError unless a model with that number of ``scales`` has ``start_scale``."""
    if not 0 <= start_scale < scales:
        raise ValueError(f"`start_scale` must be {format_range(range(scales))} for this model, not {start_scale}")


def format_range(scales: range) -> str:
    """``scales``, one or more, as "0" or "1 to 4"."""
    return str(scales.start) if len(scales) == 1 else f"{scales.start} to {scales.stop - 1}"


@dataclass(frozen=True, eq=False)
class Retouched:
    """The results of harmonization or editing, by injection scale."""

    real: Tensor  # the training picture, (1, C, H, W), in [-1, 1], as the pictures below
    reference: Tensor
    mask: Tensor  # (1, 1, H, W) in 0 .. 1: what may change
    pictures: Iterable[tuple[int, Tensor | None, Tensor]]
    """The scale, the whole picture (1, C, H, W) if there is one, and the same with the training picture kept outside
    the mask; each is computed when it is asked for, once."""


def retouch(
    pyramid: Pyramid[Scale],
    reference: Tensor,
    mask: Tensor,
    scales: Sequence[int],
    rng: torch.Generator,
    count: int = 1,
) -> Retouched:
    """``count`` pictures of ``reference`` (1, C, H, W) injected at each of ``scales``, and blended by ``mask``."""
    real = pyramid.scales[-1].real
    made = ((scale, picture) for scale in scales for picture in inject(pyramid, reference, scale, rng, count))
    return Retouched(real, reference, mask, ((scale, each, blend(real, each, mask)) for scale, each in made))


def blend(real: Tensor, generated: Tensor, mask: Tensor) -> Tensor:
    """``generated`` where ``mask`` (1, 1, H, W) is 1, ``real`` where it is 0 (both (B or 1, C, H, W))."""
    return (1 - mask) * real + mask * generated


def quantised_paint(pyramid: Pyramid[Scale], paint: Tensor, start_scale: int, palette: Tensor) -> Tensor:
    """``paint`` (1, C, H, W) in the colours of ``palette``, shrunk to ``start_scale``."""
    pyramid.check_passes_images("have a scale retrained")
    small = imresize(quantise(paint, palette), math.pow(pyramid.factor, len(pyramid) - 1 - start_scale))
    return crop(small, pyramid.scales[start_scale].size)


def outpaint(
    pyramid: Pyramid[Scale], margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1
) -> Iterator[Tensor]:
    """``count`` pictures (1, C, H, W) that extend the training picture by ``margins``, which the paper does not do.

    At every scale the picture has the noise of its reconstruction, and its surroundings have fresh noise. The picture
    is nearly itself, not to the bit.

    Arguments:
        pyramid: the trained model.
        margins: pixels of the finest scale, at the top, bottom, left and right.
        rng: the source of all randomness.
        count: number of pictures.

    Raises:
        ValueError: the model can't extend its picture.
    """
    return (_outpainted(pyramid, margins, rng) for _ in range(count))


def _outpainted(pyramid: Pyramid[Scale], margins: tuple[int, int, int, int], rng: torch.Generator) -> Tensor:
    noise, corners, finest = [], [], pyramid.scales[-1].size
    for index, scale in enumerate(pyramid.scales):
        # 1. The canvas: the margins in proportion to the scale's size.
        height, width = scale.size
        top, bottom = (round(margin * height / finest[0]) for margin in margins[:2])
        left, right = (round(margin * width / finest[1]) for margin in margins[2:])
        canvas = top + height + bottom, left + width + right
        # 2. Fresh noise, and in the middle that of the reconstruction, each without its own border.
        z = pyramid.draw_map(rng, scale.real, canvas, coarsest=index == 0)
        rows, columns = (z.shape[-2] - canvas[0]) // 2, (z.shape[-1] - canvas[1]) // 2
        z[..., rows + top : rows + top + height, columns + left : columns + left + width] = scale.z_rec[
            ..., rows : rows + height, columns : columns + width
        ]
        noise.append(z)
        corners.append((top, left))
    return pyramid.generate_around(noise, corners)


def enlargement_steps(factor: float) -> tuple[int, float]:
    """The number of steps, and the factor of each, that enlarge by ``factor``: near the cube root of 2."""
    count = max(1, round(math.log(factor) / math.log(2 ** (1 / 3))))
    return count, math.pow(factor, 1 / count)


def super_resolve(
    pyramid: Pyramid[Scale], image: Tensor, factor: float, rng: torch.Generator, count: int = 1, rounds: int = 0
) -> Tensor:
    """``image`` (1, C, H, W) enlarged to int(factor * H) x int(factor * W) (paper, Sect. 4).

    The finest scale, applied again and again after small enlargements, adds the detail. The mean of ``count`` results
    is then brought near to ``image`` in ``rounds`` of back projection.
    """
    pyramid.check_passes_images("enlarge")
    results = [_through_tower(pyramid, image, factor, rng) for _ in range(count)]
    return back_projected(torch.cat(results).mean(dim=0, keepdim=True), image, rounds)


def _through_tower(pyramid: Pyramid[Scale], image: Tensor, factor: float, rng: torch.Generator) -> Tensor:
    (count, step), noise, size = enlargement_steps(factor), [], (image.shape[-2], image.shape[-1])
    tower = replace(pyramid, scales=pyramid.scales[-1:] * count, factor=1 / step)
    for index in range(count):
        size = math.ceil(step * size[0]), math.ceil(step * size[1])
        noise.append(tower.draw_map(rng, image, size, coarsest=index == 0))
    return _crop_to(tower.generate(noise, tower.enlarge(image)), image, factor)


def bicubic(image: Tensor, factor: float) -> Tensor:
    """``image`` (1, C, H, W) enlarged to int(factor * H) x int(factor * W) by the plain resize."""
    return _crop_to(imresize(image, factor), image, factor)


def _crop_to(enlarged_image: Tensor, image: Tensor, factor: float) -> Tensor:
    """The top left of ``enlarged_image``, ``factor`` times as large as ``image``, rounded down."""
    return crop(enlarged_image, (int(factor * image.shape[-2]), int(factor * image.shape[-1])))


def reduce(image: Tensor, max_size: int, exact: bool = False) -> Tensor:
    """``image`` (1, C, H, W), reduced where its longer side exceeds ``max_size``; ``exact`` as of ``imresize``."""
    return imresize(image, min(max_size / max(image.shape[-2:]), 1.0), exact)


def walk(z_rec: Tensor, steps: Iterable[Tensor], alpha: float, beta: float, first: float = 0.05) -> Iterator[Tensor]:
    """A random walk near ``z_rec``: the noise maps z_2, z_3, .. of the frames (paper, supplementary).

    ``steps`` are fresh noise maps, ``first`` the share of the first one in z_2; ``alpha`` (0 .. 1) pulls to ``z_rec``,
    ``beta`` (0 .. 1) keeps the direction.
    """
    fresh = iter(steps)
    before, z = z_rec, (1 - first) * z_rec + first * next(fresh)
    for noise in fresh:
        before, z = z, alpha * z_rec + (1 - alpha) * (z + beta * (z - before) + (1 - beta) * noise)
        yield z


def check_walk(net: NetConfig) -> None:
    """Raise a ValueError where small steps of the noise are no small changes of the image."""
    if not net.adds_noise:
        raise ValueError("an animation walks through the noise, and needs `stochastic` noise: leave the others out")


def animate(
    pyramid: Pyramid[Scale], rng: torch.Generator, frames: int, start_scale: int, alpha: float, beta: float
) -> Iterator[Tensor]:
    """``frames`` images (1, C, H, W) of a random walk through the noise, generated in batches (paper, Sect. 4).

    Scales below ``start_scale`` stand still; ``alpha`` and ``beta`` are those of ``walk``.

    Raises:
        ValueError: the model lacks ``start_scale``.
    """
    check_start_scale(start_scale, len(pyramid))

    def draws(index: int) -> Iterator[Tensor]:
        scale = pyramid.scales[index]
        while True:
            yield pyramid.draw_map(rng, scale.real, scale.size, coarsest=index == 0)

    moving, first = range(start_scale, len(pyramid)), pyramid.first_step
    walks = [walk(pyramid.scales[index].z_rec, draws(index), alpha, beta, first) for index in moving]
    return _frames(pyramid, walks, frames, start_scale)


def _frames(pyramid: Pyramid[Scale], walks: list[Iterator[Tensor]], frames: int, start_scale: int) -> Iterator[Tensor]:
    size = batch_size(pyramid)
    for first in range(0, frames, size):
        count = min(size, frames - first)
        drawn = [[next(steps) for steps in walks] for _ in range(count)]  # frame by frame, whatever the batch
        noise = [torch.cat(maps) for maps in zip(*drawn, strict=True)]
        yield from pyramid.generate([*pyramid.z_rec()[:start_scale], *noise]).split(1)
