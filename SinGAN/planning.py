"""The scales that a picture gets: their number, their ratio and their sizes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from SinGAN.imresize import imresize
from SinGAN.variants.sketches import sketch

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class PyramidConfig:
    """The pyramid that is asked for."""

    min_size: int = 25  # shorter side of the coarsest scale, in pixels
    max_size: int = 250  # longer side of the finest scale, in pixels
    scale_factor: float = 0.75  # ratio of neighbouring scales, which the plan adjusts
    sketch_scales: int = 0  # scales below the finest that learn a sketch of the picture


@dataclass(frozen=True)
class Plan:
    """The scales that a picture of one size gets."""

    num_scales: int
    stop_scale: int  # index of the finest scale
    scale1: float  # reduction of the picture to the finest scale
    factor: float  # adjusted ratio of neighbouring scales
    sizes: tuple[Size, ...]  # coarse to fine
    sketch_scales: int = 0  # number of scales below the finest that learn a sketch
    exponents: tuple[float, ...] = ()  # of ``factor``, coarse to fine, where their steps are not 1
    exact: bool = False  # whether images are resized without truncation to 8 bits


def plan_scales(height: int, width: int, config: PyramidConfig) -> Plan:
    """The scales of a picture of ``height`` x ``width`` pixels (paper, Sect. 2 and 3).

    Raises:
        ValueError: the picture, reduced to ``max_size``, allows no two scales.
    """
    return _plan(height, width, config, math.ceil, max(height, width))


def plan_super_resolution_scales(height: int, width: int, config: PyramidConfig) -> Plan:
    """The scales of a model for super resolution, as the authors' code plans them.

    Counts are truncated, and the reduction to ``max_size`` is measured at the width, even where the
    height is the longer side.
    """
    return _plan(height, width, config, int, width)


def _plan(height: int, width: int, config: PyramidConfig, rounding: Callable[[float], int], longer: int) -> Plan:
    if config.min_size > config.max_size:
        raise ValueError(f"`min_size` {config.min_size} is above `max_size` {config.max_size}")
    reduced = min(config.max_size, max(height, width))
    scale1 = min(config.max_size / max(height, width), 1.0)
    size = math.ceil(scale1 * height), math.ceil(scale1 * width)
    check_size((height, width), size, config)
    num_scales = rounding(math.log(config.min_size / min(height, width), config.scale_factor)) + 1
    stop_scale = num_scales - rounding(math.log(reduced / longer, config.scale_factor))
    if stop_scale < 1:
        raise ValueError(
            f"a picture of {height} x {width} (height x width) gives a single scale: "
            f"lower `min_size` {config.min_size} or raise `scale_factor` {config.scale_factor:g}"
        )
    if config.sketch_scales > stop_scale:
        raise ValueError(
            f"`sketch_scales` {config.sketch_scales} is above {stop_scale}, the number of scales below the finest: "
            "lower it or raise `scale_factor`"
        )
    factor = math.pow(config.min_size / min(size), 1 / stop_scale)
    ratios = [math.pow(factor, stop_scale - index) for index in range(stop_scale + 1)]
    sizes = tuple((math.ceil(ratio * size[0]), math.ceil(ratio * size[1])) for ratio in ratios)
    return Plan(num_scales, stop_scale, scale1, factor, sizes, config.sketch_scales)


def check_size(picture: Size, reduced: Size, config: PyramidConfig) -> None:
    """Raise a ValueError where a ``picture``, ``reduced`` to ``config.max_size``, is below ``config.min_size``."""
    if min(reduced) >= config.min_size:
        return
    height, width = picture
    message = f"the picture is {height} x {width} (height x width)"
    remedies = [f"lower `min_size` to {min(reduced)} or less"]
    if reduced != picture:
        message += f", {reduced[0]} x {reduced[1]} when reduced to `max_size` {config.max_size}"
        if min(picture) >= config.min_size:
            least_max_size = math.ceil(config.min_size * max(picture) / min(picture))
            remedies.append(f"raise `max_size` to {least_max_size} or more")
    raise ValueError(f"{message}; its shorter side is below `min_size` {config.min_size}: {' or '.join(remedies)}")


def build_reals(image: Tensor, plan: Plan) -> list[Tensor]:
    """The real images (1, C, h, w) of all scales, coarse to fine: ``image`` (1, C, H, W), resized from the finest.

    The last ``plan.sketch_scales`` scales before the finest are sketches.
    """
    finest = imresize(image, plan.scale1, plan.exact)
    exponents = plan.exponents or [plan.stop_scale - index for index in range(plan.stop_scale + 1)]
    ratios = [math.pow(plan.factor, exponent) for exponent in exponents]
    reals = [imresize(finest, ratio, plan.exact) for ratio in ratios]
    first = plan.stop_scale - plan.sketch_scales
    return [sketch(real) if first <= index < plan.stop_scale else real for index, real in enumerate(reals)]


def build_masks(valid: Tensor | None, reals: Sequence[Tensor]) -> list[Tensor | None]:
    """The masks (1, 1, h, w) of all scales, of which ``reals`` are the images: 1 where most of a pixel is ``valid``.

    ``valid`` (1, 1, H, W) is 1 where the picture has data, else 0; None: it has data everywhere.
    """
    if valid is None:
        return [None] * len(reals)
    shares = [F.interpolate(valid, real.shape[-2:], mode="bilinear", antialias=True) for real in reals]
    return [(share >= min(0.5, float(share.max()))).to(real) for share, real in zip(shares, reals, strict=True)]


def enlarged(size: Size, enlargement: tuple[float, float]) -> Size:
    """``size`` times ``enlargement`` (height, width), rounded half to even as Python rounds."""
    return round(enlargement[0] * size[0]), round(enlargement[1] * size[1])


def scale_seed(seed: int, index: int) -> int:
    """The seed of scale ``index``: a scale does not depend on whether the coarser ones were trained just before."""
    return (seed * 100 + index) % 2**63
