"""The instant engine: every training-free task at the photo's own size, in seconds on one CPU core.

Pictures are 8-bit tensors (1, C, H, W); the CPU does all work on them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.holes import Region, coarsest_scale
from SinGAN.patches.layouts import VARIETIES, solve_exactly
from SinGAN.patches.levels import (
    RATIO,
    Box,
    Levels,
    Photo,
    add_texture,
    check_size,
    extend_size,
    fill_levels,
    halvings,
    level_sizes,
    mean_ratio,
    pyramid,
    resize,
    to_pixels,
)
from SinGAN.patches.samples import Sampler, derive_seed
from SinGAN.patches.seams import Edit, match_colours
from SinGAN.patches.search import Flags, Pixels, field_size
from SinGAN.patches.solver import Settings, Solver, State
from SinGAN.planning import Size, enlarged

COMPLETE = Settings(completeness=1.0)  # of tasks in whose results all parts of the photo shall appear
PAINTED = 0.001  # alpha of the completeness at the level where a paint is put in: strokes become rare things, too
PAINTABLE = 2**24  # queries x keys of that level, at most: finer levels do without
SMALLEST = 14  # pixels, the shorter side of a whole picture's coarsest level, at least
RETARGETED = 0.8  # ratio of levels, of which eight are coarser than the photo or its last half
SMALL = 0.24  # size of the level where analogies start, in parts of the photo
EDITED = 64  # pixels, the longer side of the level at which edits and paints are put in, at least
VARIED = 64.0  # grey levels, deviation of the noise on the guess of the second picture and later ones
TILE_NOISE = 0.4  # of the range of intensities, on the guess of a tile
GUESSED = 12000  # pixels of the level at which a hole's first guess is made, at least
EXTENDED = 3000  # pixels of the level at which a photo's extension starts, at least
MARGIN = 8  # pixels that a tile's levels repeat on each side

Watch = Callable[[Levels], None]


@dataclass(frozen=True, eq=False)
class Instant:
    """One photo, and pictures from its patches."""

    photo: Photo
    variety: str = "medium"  # of samples: low, medium or high
    device: torch.device = torch.device("cpu")  # of the layouts of samples
    watch: Watch | None = None  # called with each level's picture (h, w, C), coarse to fine
    erased: npt.NDArray[np.bool_] | None = None  # the pixels that are erased in the photo's file, at the file's size

    exact_mask = True
    """Whether ``retouch`` takes masks as they are drawn, not softened: the engine chooses the seam."""

    @classmethod
    def of(cls, levels: Levels, variety: str = "medium", device: torch.device = torch.device("cpu")) -> "Instant":
        """The engine for the photo ``levels`` (H, W, C); a ValueError where it is smaller than a patch."""
        return cls(Photo.of(levels), variety, device)

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGBA)."""
        return self.photo.channels

    @property
    def size(self) -> Size:
        """Height and width of the photo."""
        return self.photo.size

    @property
    def real(self) -> Tensor:
        """The photo (1, C, H, W), 8 bits."""
        return as_image(self.photo.pixels[..., : self.channels])

    def __len__(self) -> int:
        """The number of levels."""
        return len(self.photo.sizes)

    @property
    def factor(self) -> float:
        """The ratio of the levels that are solved."""
        return mean_ratio(self.photo.sizes[: self.photo.solved])

    @property
    def start_scales(self) -> range:
        """The levels at which random samples can start: finer ones would keep the photo's layout."""
        return range(1)

    @property
    def injection_scales(self) -> range:
        """The levels at which an edit or a paint can be put in."""
        return range(1, self.photo.solved)

    @property
    def injection_scale(self) -> int:
        """The level at which edits and paints are put in by default."""
        large = [level for level in self.injection_scales if max(self.photo.sizes[level]) >= EDITED]
        return large[0] if large else max(0, self.photo.solved - 1)

    def sample(
        self, rng: torch.Generator, count: int, start: int = 0, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` random samples (1, C, H, W); the first ones don't depend on ``count``.

        None is within 6 grey levels of the photo or of another one; where the photo allows no more, fewer come.

        Raises:
            ValueError: ``start`` is not 0, the size is too small, or the photo allows no variety.
        """
        if start:
            raise ValueError(
                "samples from a `start_scale` above 0 keep the photo's layout, and those of `method` instant never do: "
                "use `variety` low, or `method` patches or denoise"
            )
        sampler = Sampler(self.photo, VARIETIES[self.variety], enlargement, self.device)
        return (self._finish(levels) for levels in sampler.samples(draw_seed(rng), count))

    def retouch(
        self, reference: Tensor, mask: Tensor, scales: Sequence[int], rng: torch.Generator, count: int = 1
    ) -> Retouched:
        """``count`` pictures of an edit, put in at each of ``scales``; every pixel outside the mask and its rim stays.

        Arguments:
            reference: the edited photo, (1, C, H, W), 8 bits.
            mask: (1, 1, H, W), 1 where it differs, else 0.
            scales: levels.
            rng: of the random numbers.
            count: of pictures at each scale.
        """
        edit, blended = Edit.of(self.photo.pixels, as_levels(reference), as_flags(mask), self.channels), {}
        for scale in scales:
            coarsest = max(self.photo.sizes[scale]) / max(self.size)
            region = Region.of(self.photo.pixels, edit.computed, coarsest, self.channels, edit)
            guess = region.canvases[0].known
            assert guess is not None
            blended[scale] = torch.cat(list(self._fill(region, guess, rng, count)))
        return Retouched(self.real, reference, torch.from_numpy(edit.changed)[None, None], {}, blended)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
        """``count`` pictures (count, C, H, W) of ``strokes`` (1, C, H, W), put in at level ``scale``."""
        small, real = resize(to_pixels(as_levels(strokes)), self.photo.sizes[scale]), self.photo.reals[scale]
        if math.prod(field_size(real)) ** 2 <= PAINTABLE:
            small, _ = solve_exactly(small, real, real, self.channels, PAINTED)
        solver = Solver.of_whole(self.photo.reals, self.photo.sizes, self.photo.solved, 0, COMPLETE)
        return torch.cat(list(self._solve(solver, small, rng, count, scale)))

    def retarget(self, rng: torch.Generator, count: int, enlargement: tuple[float, float]) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of other proportions, in which nothing is stretched.

        The photo is stretched at the coarsest level only; its patches undo that at the finer ones.

        Raises:
            ValueError: the size is smaller than a patch.
        """
        solver = self._whole_solver(RETARGETED**8, enlargement, RETARGETED)
        return self._solve(solver, resize(solver.sources[0].values, solver.sizes[0]), rng, count)

    def inpaint(self, hole: Tensor, fill: Tensor | None, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) whose ``hole`` is computed from the rest; every pixel outside it stays.

        Arguments:
            hole: (1, 1, H, W), 1 inside, else 0.
            fill: the colour (1, C, 1, 1), 8 bits, that the search starts from, which decides the content; None: it
                starts from parts of the photo that continue the surroundings.
            rng: of the random numbers.
            count: of pictures.

        Raises:
            ValueError: the hole leaves no whole patch.
        """
        mask = as_flags(hole)
        return self._fill_hole(self.photo.pixels, mask, 0 if fill is not None else GUESSED, fill, rng, count)

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that extend the photo by ``margins``: at the top, bottom, left and right.

        The photo's own pixels stay.

        Raises:
            ValueError: a side would be too long.
        """
        (top, bottom, left, right), (height, width) = margins, self.size
        mask = np.ones(extend_size(self.size, margins), np.uint8)
        mask[top : top + height, left : left + width] = 0
        canvas = np.pad(self.photo.pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")
        return self._fill_hole(canvas, mask, EXTENDED, None, rng, count)

    def cropped(self, box: Box) -> "Instant":
        """The engine for a part of the photo, its rows and columns."""
        return replace(self, photo=Photo.of(np.ascontiguousarray(self.photo.pixels[box][..., : self.channels])))

    def analogy(self, structure: Tensor, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) with the layout of ``structure`` (1, C, H, W) and this photo's texture.

        Raises:
            ValueError: ``structure`` is too small beside the photo.
        """
        enlargement = structure.shape[-2] / self.size[0], structure.shape[-1] / self.size[1]
        remedy = "enlarge the structure (`ref_name`), or reduce the picture (`max_size`)"
        solver = self._whole_solver(SMALL, enlargement, remedy=remedy)
        return self._solve(solver, resize(to_pixels(as_levels(structure)), solver.sizes[0]), rng, count)

    def tile(
        self, rng: torch.Generator, count: int = 1, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that can be laid side by side without a seam.

        Raises:
            ValueError: the size is smaller than a patch.
        """
        solver = self._whole_solver(0.0, enlargement, margin=MARGIN)
        solver = replace(solver, settings=replace(solver.settings, first_repeats=1))
        coarsest = resize(solver.sources[0].values, solver.sizes[0])
        for _, seed in draw_seeds(rng, count):
            guess = add_noise(coarsest, 255 * TILE_NOISE, seed, self.channels)
            padded = np.pad(guess, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="wrap")
            yield self._finish(replace(solver, seed=seed).run(padded), MARGIN)

    def colour(self, fill: Sequence[int]) -> Tensor:
        """The levels ``fill``, 0 to 255, as a colour (1, C, 1, 1) of the photo; one level is grey.

        Raises:
            ValueError: ``fill`` has neither one level nor as many as there are colours.
        """
        return torch.tensor(fill_levels(fill, self.channels), dtype=torch.uint8)[None, :, None, None]

    def _whole_solver(
        self,
        coarsest: float,
        enlargement: tuple[float, float],
        ratio: float = RATIO,
        remedy: str = "raise `scale_h`, `scale_v` or `size`",
        margin: int = 0,
    ) -> Solver:
        """The solver of whole pictures, ``enlargement`` times as large as the photo.

        Arguments:
            coarsest: the first level's size in parts of the largest that is solved; it has 14 pixels or more.
            enlargement: of height and width.
            ratio: of neighbouring levels.
            remedy: the end of the error message where the first level is smaller than a patch.
            margin: of a tile, in pixels.
        """
        halves = halvings(self.size)
        sizes = level_sizes(halves[0], max(SMALLEST, math.ceil(coarsest * min(halves[0]))), ratio) + halves[1:]
        targets = [enlarged(size, enlargement) for size in sizes]
        check_size(targets[0], remedy=remedy)
        solved = len(sizes) - len(halves) + 1
        return Solver.of_whole(pyramid(self.photo.pixels, sizes), targets, solved, 0, COMPLETE, margin)

    def _solve(
        self, solver: Solver, guess: Pixels, rng: torch.Generator, count: int, start: int = 0
    ) -> Iterator[Tensor]:
        """``count`` whole pictures (1, C, H, W) from ``guess`` at level ``start``: the first without noise on it."""
        for number, seed in draw_seeds(rng, count):
            varied = add_noise(guess, VARIED, seed, self.channels) if number else guess
            yield self._finish(replace(solver, seed=seed).run(varied, start))

    def _fill_hole(
        self, photo: Pixels, mask: Flags, pixels: int, fill: Tensor | None, rng: torch.Generator, count: int
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``photo`` (H, W, 4) with its ``mask`` filled; ``pixels`` of the start."""
        textured, coarsest = add_texture(photo, self.channels), coarsest_scale(mask, pixels)
        region = Region.of(textured, mask, coarsest, self.channels)
        if fill is None:
            return self._fill(region, None, rng, count)
        guess, hole = region.interpolate(), region.canvases[0].mask
        assert hole is not None
        guess[hole > 0, : self.channels] = as_levels(fill)[0, 0]
        return self._fill(region, guess, rng, count)

    def _fill(self, region: Region, guess: Pixels | None, rng: torch.Generator, count: int) -> Iterator[Tensor]:
        """``count`` photos (1, C, H, W) with the ``region`` computed from ``guess``, the first without noise on it.

        Without one the region starts from its own first guess, and its colours are shifted to meet the photo's.
        """
        for number, seed in draw_seeds(rng, count):
            if guess is None:
                start = region.first_guess(seed if number else None)
            else:
                start = add_noise(guess, VARIED, seed, self.channels, region.canvases[0].mask) if number else guess
            # 1. Solve and lift the region.
            for state in region.solver(seed).run(start):
                if self.watch is not None:
                    self._show(region.place(state.picture, state.level))
            # 2. Paste it: outside, pixels are the photo's own.
            result = region.photo[..., : self.channels].copy()
            result[region.canvases[-1].box] = state.picture[..., : self.channels]
            if guess is None:
                match_colours(result, region.mask)
                self._show(result)
            yield as_image(result)

    def _finish(self, states: Iterable[State], margin: int = 0) -> Tensor:
        """The picture (1, C, H, W) of the last of ``states``, without its ``margin``; each is shown to the watcher."""
        inner = slice(margin, -margin or None)
        for state in states:
            picture = state.picture[inner, inner]
            self._show(picture)
        return as_image(np.ascontiguousarray(picture[..., : self.channels]))

    def _show(self, picture: Levels) -> None:
        if self.watch is not None:
            self.watch(picture[..., : self.channels].copy())


def add_noise(guess: Pixels, deviation: float, seed: int, channels: int, mask: Flags | None = None) -> Pixels:
    """A copy of ``guess`` (H, W, 4) with noise of so many grey levels on its channels, within ``mask`` (H, W)."""
    noise = deviation * np.random.default_rng(seed).standard_normal((*guess.shape[:2], channels))
    noisy = np.clip(np.rint(guess[..., :channels] + noise), 0, 255).astype(np.uint8)
    where = np.ones(guess.shape[:2], bool) if mask is None else mask > 0
    result: Pixels = guess.copy()
    result[where, :channels] = noisy[where]
    return result


def as_image(levels: Levels) -> Tensor:
    """``levels`` (H, W, C) as an image (1, C, H, W) of 8 bits, without a copy."""
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def as_levels(image: Tensor) -> Levels:
    """The levels (H, W, C) of an ``image`` (1, C, H, W) of 8 bits."""
    return np.asarray(image[0].permute(1, 2, 0).cpu())


def as_flags(mask: Tensor) -> Flags:
    """The ``mask`` (1, 1, H, W) as flags (H, W): 1 where it is above 0."""
    return np.ascontiguousarray(mask[0, 0].cpu().numpy() > 0, np.uint8)


def draw_seed(rng: torch.Generator) -> int:
    """A seed from ``rng``, of whatever device."""
    return int(torch.randint(2**62, (1,), generator=rng, device=rng.device))


def draw_seeds(rng: torch.Generator, count: int) -> Iterator[tuple[int, int]]:
    """The numbers 0, 1, .. of ``count`` pictures, each with a seed that is drawn when it is needed."""
    for number in range(count):
        yield number, derive_seed(draw_seed(rng), number) & 0xFFFFFF
