"""Measures of samples, on pictures whose values are known."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from SIFID import metrics
from SIFID.evaluation import Evaluation, as_json, table_rows
from SinGAN.terminal.table import table
from tests.workspace import stripes

REAL = stripes(48, 64)


def test_diversity_of_a_known_spread() -> None:
    real = torch.tensor([-0.5, 0.5]).repeat(8).reshape(1, 1, 4, 4)
    samples = torch.stack([torch.full((1, 4, 4), value) for value in (0.2, 0.6)])
    assert metrics.diversity(samples, real) == pytest.approx(0.2 / 0.5)
    assert metrics.diversity(samples[:1], real) == 0
    assert math.isnan(metrics.diversity(samples, torch.zeros(1, 1, 4, 4)))


def test_diversity_sees_intensity() -> None:
    assert metrics.diversity(REAL.repeat(3, 1, 1, 1), REAL) == 0
    grey = metrics.intensity(REAL)
    mirrored = torch.cat([REAL, REAL.flip(3)])
    assert metrics.diversity(mirrored, REAL) == pytest.approx(metrics.diversity(torch.cat([grey, grey.flip(3)]), grey))


def test_copies_are_found_at_their_place() -> None:
    assert metrics.copy_score(REAL, REAL) == 1
    noise = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    assert metrics.copy_score(REAL + 0.02 * noise, REAL) == 1  # to within a small distance
    assert metrics.copy_score(REAL.flip(3), REAL) < 0.1
    half = torch.cat([REAL[..., :32], -REAL[..., 32:]], dim=3)
    assert metrics.copy_map(half, REAL)[0, :, :22].all()  # patches of 11 that end before column 32
    assert not metrics.copy_map(half, REAL)[0, :, 32:].any()
    assert metrics.copy_score(REAL[..., :5, :5], REAL[..., :5, :5]) == 1


def test_plain_patches_are_no_copies() -> None:
    real = torch.cat([REAL, torch.full((1, 3, 48, 64), 0.2)], dim=3)
    mirrored = torch.cat([REAL.flip(3), torch.full((1, 3, 48, 64), 0.2)], dim=3)
    assert metrics.copy_score(mirrored, real) > 0.4
    assert metrics.textured_copy_score(mirrored, real) < 0.1
    assert metrics.textured_copy_score(real, real) == 1
    assert math.isnan(metrics.textured_copy_score(REAL, torch.zeros_like(REAL)))


def test_the_laplacian_pyramid_adds_up() -> None:
    image = REAL
    levels = metrics.laplacian_pyramid(image)
    assert [level.shape[-2:] for level in levels] == [(48, 64), (24, 32)]
    coarse = F.interpolate(levels[1], size=(48, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(levels[0] + coarse, image)


def test_patches_have_no_distance_to_themselves() -> None:
    assert metrics.sliced_wasserstein(REAL, REAL) == [0, 0]
    mirrored = metrics.sliced_wasserstein(REAL.flip(3), REAL)
    contrast = metrics.sliced_wasserstein(0.5 * REAL, REAL)
    assert contrast[-1] > mirrored[-1] > 0
    noise = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    rough = metrics.sliced_wasserstein(REAL + 0.1 * noise, REAL)
    assert rough[0] > 10 * rough[1]  # fine noise is in the finest octave


def test_a_brighter_picture_moves_the_coarsest_octave_by_its_step() -> None:
    """A shift by s standard deviations of every pixel moves a projection on u by s times the sum of u's entries."""
    spread = REAL[:, :1].std(correction=0)
    *fine, coarse = metrics.sliced_wasserstein(REAL[:, :1] + spread, REAL[:, :1])
    assert fine == [pytest.approx(0, abs=1e-4)]
    own = metrics.laplacian_pyramid(REAL[:, :1])[-1].std(correction=0)
    expected = float(spread / own) * math.sqrt(2 / math.pi)  # E |sum of a random unit vector's entries|
    assert coarse == pytest.approx(expected, rel=0.15)


def test_constant_and_tiny_pictures_have_patch_distances() -> None:
    for shape in ((1, 3, 48, 48), (1, 3, 5, 9), (1, 1, 20, 33)):
        assert np.isfinite(metrics.sliced_wasserstein(torch.ones(shape), torch.zeros(shape))).all()


def test_the_difference_is_in_grey_levels() -> None:
    real = torch.zeros(1, 3, 20, 24)
    samples = torch.cat([real, real + 10 / 127.5, real - 30 / 127.5])
    torch.testing.assert_close(metrics.differences(samples, real), torch.tensor([0.0, 10.0, 30.0]))
    assert metrics.differences(samples[..., :10], real).isnan().all()


def test_a_table_says_what_is_missing() -> None:
    found = Evaluation(0, None, None, float("nan"), 20.5, 8.25, 0.25, 0.75, 0.375, 0.0625, [0.5, 0.125], None, None)
    assert as_json(found)["diversity"] is None
    head, row = table(table_rows([found], (41, 60)), right=True)
    names = "start scale SIFID (std) diversity difference (least) copied (textured) coherent largest SWD 41x60"
    assert " ".join(head.split()) == f"{names} SWD 21x30 LPIPS next LPIPS pairs"
    assert row.split() == [
        "0",
        "-",
        "-",
        "-",
        "20.5000",
        "8.2500",
        "0.2500",
        "0.7500",
        "0.3750",
        "0.0625",
        "0.5000",
        "0.1250",
        "-",
        "-",
    ]
