"""The stages that a picture gets (Hinz et al. 2021, Sect. 3)."""

import math

from SinGAN.planning import Plan, PyramidConfig, check_size


def plan_stages(height: int, width: int, config: PyramidConfig, stages: int, *, geometric: bool = False) -> Plan:
    """The ``stages``, at least 2, of a picture of ``height`` x ``width`` pixels, between the sizes in ``config``.

    Their ratio is constant if ``geometric``; else more of them are small.

    Raises:
        ValueError: the picture, reduced to ``max_size``, is no larger than the coarsest stage.
    """
    scale1 = min(config.max_size / max(height, width), 1.0)
    size = math.ceil(scale1 * height), math.ceil(scale1 * width)
    check_size((height, width), size, config)
    last = stages - 1
    factor = math.pow(config.min_size / min(size), 1 / last)
    if factor == 1:
        raise ValueError(
            f"a picture of {height} x {width} (height x width) is as small as the coarsest stage: "
            f"lower `min_size` {config.min_size}"
        )
    exponents = (*(_exponent(last, index, geometric) for index in range(last)), 0.0)
    ratios = [math.pow(factor, exponent) for exponent in exponents]
    sizes = tuple((math.ceil(ratio * size[0]), math.ceil(ratio * size[1])) for ratio in ratios)
    return Plan(stages, last, scale1, factor, sizes, exponents=exponents)


def _exponent(last: int, index: int, geometric: bool) -> float:
    """The power of the factor that reduces the picture to stage ``index`` of ``last``, which is not the finest."""
    if geometric or last == 1:
        return float(last - index)
    return (last - 1) / math.log(last) * math.log(last - index) + 1
