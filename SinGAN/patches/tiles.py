"""Sets of tiles that fit one another at every edge, as games use them (Cohen et al., *Wang Tiles*, SIGGRAPH 2003).

All tiles of a set have the border of the first, which fits itself; inside it each is computed anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from SinGAN.patches.levels import Levels, add_noise, pyramid
from SinGAN.patches.search import PATCH, Flags, Pixels, vote_weights
from SinGAN.patches.solver import Canvas, Solver, State
from SinGAN.patches.votes import Layer, Votes
from SinGAN.planning import Size

BORDER = 1 / 24  # of the shorter side: the border that all tiles share, on each side
NOISE = 30.0  # grey levels, deviation of the noise on the guess of the others


def _gradients(tile: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """The mean gradient (L,) between each row or column of a tile (H, W, C) and the one before; the last is first."""
    steps = np.abs(tile - np.roll(tile, 1, axis))
    return np.asarray(steps.mean(axis=(1 - axis, 2)), np.float32)


def interior(size: Size) -> Flags:
    """The pixels (H, W) of a tile of ``size`` that are not in its border."""
    border = max(1, round(BORDER * min(size)))
    mask = np.zeros(size, np.uint8)
    mask[border:-border, border:-border] = 1
    return mask


@dataclass(frozen=True, eq=False)
class TileSet:
    """Tiles of one photo and one size that are interchangeable."""

    solver: Solver  # of a closed tile, see ``Canvas``
    channels: int

    @property
    def margin(self) -> int:
        """The pixels on each side of the first tile that repeat the opposite side."""
        return self.solver.canvases[0].margin

    def first(self, guess: Pixels, seed: int) -> Iterator[State]:
        """The levels of the first tile from ``guess``, a picture of its first canvas.

        The finest is moved, across its edges, so that these lie where its gradient is least.
        """
        for state in replace(self.solver, seed=seed).run(guess):
            yield state if state.level < len(self.solver.sources) - 1 else self._moved(state)

    def _moved(self, state: State) -> State:
        margin, tile = self.margin, self.inside(state).astype(np.float32)
        offset = [-int(_gradients(tile, axis).argmin()) for axis in (0, 1)]

        def move(values: npt.NDArray[Any], after: int) -> npt.NDArray[Any]:
            """``values`` (H + margin + after, ..) of the canvas, moved."""
            whole = values[margin : len(values) - after, margin : values.shape[1] - after]
            moved = np.roll(whole, offset, (0, 1))
            return np.pad(moved, ((margin, after), (margin, after), *((0, 0),) * (values.ndim - 2)), mode="wrap")

        return replace(state, picture=move(state.picture, margin), matches=move(state.matches, margin - PATCH + 1))

    def inside(self, state: State) -> Levels:
        """The first tile (H, W, C) without its margin."""
        inner = slice(self.margin, -self.margin or None)
        return np.ascontiguousarray(state.picture[inner, inner, : self.channels])

    def variant(self, first: State, seed: int) -> Iterator[State]:
        """The levels of a tile with the border of the ``first`` one, without margin.

        Inside, it starts from the first tile, moved by a random offset across its edges.
        """
        inner = slice(self.margin, -self.margin or None)
        known = pyramid(np.ascontiguousarray(first.picture[inner, inner]), self.solver.sizes)
        masks = [interior(size) for size in self.solver.sizes]
        canvases = [
            Canvas(size, mask=mask, known=picture)
            for size, mask, picture in zip(self.solver.sizes, masks, known, strict=True)
        ]
        height, width = self.solver.sizes[0]
        rng = np.random.default_rng(seed)
        offset = rng.integers(height // 4, height - height // 4 + 1), rng.integers(width // 4, width - width // 4 + 1)
        moved = np.roll(known[0], offset, axis=(0, 1))
        guess = np.where(masks[0][..., None] > 0, add_noise(moved, NOISE, seed, self.channels), known[0])
        return replace(self.solver, canvases=canvases, seed=seed).run(np.ascontiguousarray(guess))

    def votes(self, first: State, variant: State | None, sources: Sequence[Size]) -> Votes:
        """The votes of the ``first`` tile, or of the ``variant`` with its border."""
        votes = Votes.of_whole(first, sources, self.margin)
        if variant is None:
            return votes
        above = Layer(variant.matches, vote_weights(variant.sigma), mask=interior(votes.size))
        return replace(votes, layers=(*votes.layers, above))
