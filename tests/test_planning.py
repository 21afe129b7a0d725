"""Scale planning: errors and edges (its numbers are in test_golden)."""

import pytest

from SinGAN.planning import PyramidConfig, build_reals, enlarged, plan_scales
from tests.workspace import stripes


def test_scales_run_from_min_size_to_max_size() -> None:
    plan = plan_scales(400, 300, PyramidConfig())
    assert plan.sizes[-1] == (250, 188)
    assert min(plan.sizes[0]) in (25, 26)
    assert len(plan.sizes) == plan.stop_scale + 1


@pytest.mark.parametrize(
    ("height", "width", "line"),
    [
        (20, 20, "lower `min_size` to 20 or less$"),
        (1, 1, "lower `min_size` to 1 or less$"),
        (1000, 30, "lower `min_size` to 8 or less or raise `max_size` to 834 or more"),
    ],
)
def test_a_picture_too_small_is_refused_with_the_remedy(height: int, width: int, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        plan_scales(height, width, PyramidConfig())


def test_a_min_size_above_max_size_is_refused() -> None:
    with pytest.raises(ValueError, match="`min_size` 300 is above `max_size` 250"):
        plan_scales(400, 400, PyramidConfig(min_size=300))


def test_the_remedies_work() -> None:
    assert plan_scales(1000, 30, PyramidConfig(max_size=834)).stop_scale >= 1
    assert plan_scales(1000, 30, PyramidConfig(min_size=8)).stop_scale >= 1
    assert plan_scales(20, 20, PyramidConfig(min_size=20)).stop_scale >= 1


def test_a_single_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="single scale"):
        plan_scales(101, 100, PyramidConfig(min_size=75, max_size=75))


def test_the_finest_real_image_is_the_picture_reduced() -> None:
    plan = plan_scales(48, 64, PyramidConfig(min_size=12, max_size=32))
    reals = build_reals(stripes(48, 64), plan)
    assert [real.shape[2:] for real in reals] == list(plan.sizes)


def test_sizes_are_rounded_half_to_even() -> None:
    assert enlarged((5, 7), (0.5, 1.5)) == (2, 10)
