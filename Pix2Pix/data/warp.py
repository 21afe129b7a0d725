"""Thin-plate warps of a pair (Bookstein 1989; Vinker et al. 2021)."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

Points = npt.NDArray[np.float64]
SHARE, MOST = 0.99, 0.1  # share of draws that are warped; largest shift of a point, relative to width and height


def control_grid(height: int, width: int) -> Points:
    """The 3 x 3 grid of points (9, 2), as (x, y), corners included; pixel centres lie at whole numbers."""
    xs, ys = np.linspace(0, width - 1, 3), np.linspace(0, height - 1, 3)
    return np.array([(x, y) for y in ys for x in xs])


def draw_points(rng: np.random.Generator, height: int, width: int) -> Points | None:
    """The points of the grid, moved at random; None: this draw is not warped."""
    if rng.random() >= SHARE:
        return None
    return control_grid(height, width) + rng.uniform(-MOST, MOST, (9, 2)) * (width, height)


def radial_basis(squared: Points) -> Points:
    """r^2 log r of squared distances."""
    return np.where(squared > 0, 0.5 * squared * np.log(np.where(squared > 0, squared, 1)), 0)


def thin_plate_spline(moved: Points, grid: Points, places: Points) -> Points:
    """f(places), where f is the thin-plate spline with f(moved) = grid; points are (n, 2)."""
    count = len(moved)
    affine = np.hstack([np.ones((count, 1)), moved])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = radial_basis(((moved[:, None] - moved[None]) ** 2).sum(axis=2))
    system[:count, count:], system[count:, :count] = affine, affine.T
    weights = np.linalg.solve(system, np.vstack([grid, np.zeros((3, 2))]))
    bends = radial_basis(((places[:, None] - moved[None]) ** 2).sum(axis=2))
    return np.asarray(bends @ weights[:count] + np.hstack([np.ones((len(places), 1)), places]) @ weights[count:])


def source_positions(moved: Points, height: int, width: int) -> Points:
    """Where each pixel of the warped picture comes from: (height, width, 2), as (x, y)."""
    ys, xs = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    return thin_plate_spline(moved, control_grid(height, width), np.stack([xs, ys], axis=1)).reshape(height, width, 2)


def resample(levels: npt.NDArray[Any], where: Points, nearest: bool = False) -> npt.NDArray[np.float64]:
    """``levels`` (H, W, C) taken at ``where`` (H, W, 2): bilinear or nearest, reflected about the outer pixels."""
    places = [where[..., 1], where[..., 0]]
    channels = [
        map_coordinates(channel.astype(np.float64), places, order=0 if nearest else 1, mode="mirror")
        for channel in np.moveaxis(levels, 2, 0)
    ]
    return np.stack(channels, axis=2)
