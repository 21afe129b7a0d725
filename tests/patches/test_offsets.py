"""The first guess for a hole: typical offsets, and the choice among them."""

import itertools

import numpy as np
import numpy.typing as npt

from SinGAN.patches import holes
from SinGAN.patches.levels import to_pixels
from SinGAN.patches.seams import minimum_cut
from SinGAN.patches.search import Flags, Pixels

Labels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Colours = npt.NDArray[np.float32]


def windows(height: int = 66, width: int = 80) -> Pixels:
    """A wall of equal windows, 11 pixels apart down and 16 across, with a little noise."""
    rows, columns = np.indices((height, width))
    wall = (
        180 - 100 * ((rows % 11 > 4) & (columns % 16 > 9)) + np.random.default_rng(0).integers(-5, 6, (height, width))
    )
    return to_pixels(np.repeat(wall.astype(np.uint8)[:, :, None], 3, axis=2))


def hole(height: int = 66, width: int = 80) -> Flags:
    mask = np.zeros((height, width), np.uint8)
    mask[25:45, 30:55] = 1
    return mask


def test_typical_offsets_are_the_periods() -> None:
    found = holes.typical_offsets(windows(), hole(), channels=3)
    assert not (found[:10] % (11, 16)).any()
    assert (np.abs(found).max(axis=1) > 0).all()
    assert len(found) <= holes.OFFSETS


def test_the_hole_is_filled_with_shifted_windows_and_nothing_else_changes() -> None:
    real, mask = windows(), hole()
    holed = np.where(mask[..., None] > 0, np.uint8(0), real)
    filled = holes.shift_photo(holed, mask, holes.typical_offsets(holed, mask, channels=3), smooth=holed)
    assert np.array_equal(filled[mask == 0], real[mask == 0])
    assert np.abs(filled[..., :3].astype(int) - real[..., :3]).max() <= 10  # the noise


def test_where_no_offset_leads_to_a_known_pixel_the_smooth_guess_shows() -> None:
    real, mask = windows(), hole()
    smooth = np.full_like(real, 7)
    filled = holes.shift_photo(real, mask, np.array([[0, 10]]), smooth)
    assert (filled[30, 30:45] == 7).all()  # 10 further right lies the hole
    assert np.array_equal(filled[30, 45:55], real[30, 55:65])


def test_no_further_change_to_the_label_tried_last_lowers_the_energy() -> None:
    pairs = np.array([0, 1, 3, 4, 0, 1, 2]), np.array([1, 2, 4, 5, 3, 4, 5])  # a grid, 2 x 3
    changes = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        costs = rng.integers(0, 6000, (3, 6)).astype(np.float64)
        colours = rng.integers(0, 40, (3, 6, 3)).astype(np.float32)

        def energy(labels: Labels, costs: Values = costs, colours: Colours = colours) -> float:
            total = float(costs[labels, np.arange(6)].sum())
            for one, other in zip(*pairs, strict=True):
                if labels[one] != labels[other]:
                    gaps = (colours[labels[one], [one, other]] - colours[labels[other], [one, other]]) ** 2
                    total += float(gaps.sum()) + 1
            return total

        start, found = costs.argmin(axis=0), holes.expand_labels(costs, colours, pairs)
        subsets = (np.array(subset, bool) for subset in itertools.product((False, True), repeat=6))
        assert energy(found) <= energy(start)
        assert energy(found) == min(energy(np.where(subset, 2, found)) for subset in subsets)
        changes += int((found != start).sum())
    assert changes >= 10


def test_a_minimum_cut_parts_where_capacities_are_least() -> None:
    # source - 0 - 1 - 2 - sink: the weakest edge is that from 1 to 2
    starts, ends = np.array([3, 0, 1, 2]), np.array([0, 1, 2, 4])
    assert minimum_cut(starts, ends, np.array([9.0, 7, 2, 8]), 3).tolist() == [True, True, False]
