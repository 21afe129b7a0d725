"""The instant engine: every training-free task at the photo's own size, in seconds on one CPU core.

Pictures are 8-bit tensors (1, C, H, W); the CPU does all work on them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.guides import first_guess
from SinGAN.patches.holes import Region, coarsest_scale
from SinGAN.patches.layouts import VARIETIES, solve_exactly
from SinGAN.patches.levels import (
    RATIO,
    Box,
    Levels,
    Photo,
    add_noise,
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
from SinGAN.patches.search import PATCH, Flags, Pixels, field_size
from SinGAN.patches.solver import Settings, Solver, Source, State
from SinGAN.patches.sources import Collection
from SinGAN.patches.tiles import TileSet
from SinGAN.patches.votes import Votes
from SinGAN.planning import Size, enlarged

GUIDED = Settings(completeness=0.3)  # of results with a guide, which need not have all parts
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
    watch: Watch | None = None  # called with each level's picture (h, w, C), coarse to fine; of samples, layouts first
    voted: Callable[[Votes], None] | None = None  # called with the votes of each result, before it is returned
    hard: bool = False  # whether each pixel is a copy of one of the sources', that with most votes, and no mean
    others: tuple[Photo, ...] = ()  # more pictures whose patches are used
    shares: tuple[float, ...] = ()  # of a result, that shall come from each picture; (): as they fit
    erased: npt.NDArray[np.bool_] | None = None  # the pixels that are erased in the photo's file, at the file's size

    layers = None
    exact_mask = True
    """Whether ``retouch`` takes masks as they are drawn, not softened: the engine chooses the seam."""

    @classmethod
    def of(cls, levels: Levels, variety: str = "medium", device: torch.device = torch.device("cpu")) -> "Instant":
        """The engine for the photo ``levels`` (H, W, C); a ValueError where it is smaller than a patch."""
        return cls(Photo.of(levels), variety, device)

    @cached_property
    def collection(self) -> Collection:
        """All pictures whose patches are used.

        Raises:
            ValueError: one is too small beside the photo, they are too large together, or ``shares`` don't fit them.
        """
        return Collection.of(self.photo, self.others, self.shares)

    @property
    def engine(self) -> "Instant":
        """The engine that compares patches: this one, see ``LayeredInstant.engine``."""
        return self

    @property
    def with_hard_votes(self) -> "Instant":
        """The same, of whose results each pixel is a copy of one of the photo's."""
        return replace(self, hard=True)

    def watched(self, watch: Watch) -> "Instant":
        """The same; ``watch`` is called with each level's picture (h, w, C), coarse to fine."""
        return replace(self, watch=watch)

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
        sampler = Sampler(self.collection, VARIETIES[self.variety], enlargement, self.device, self._show)
        return (self.finish(levels) for levels in sampler.samples(draw_seed(rng), count))

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
        edit = Edit.of(self.photo.pixels, as_levels(reference), as_flags(mask), self.channels)

        def pictures() -> Iterator[tuple[int, None, Tensor]]:
            for scale in scales:
                coarsest = max(self.photo.sizes[scale]) / max(self.size)
                region = Region.of(
                    self.photo.pixels, edit.computed, coarsest, self.channels, edit, self.collection, self.photo.empty
                )
                guess = region.canvases[0].known
                assert guess is not None
                for picture in self._fill(region, guess, rng, count, (0, 0), edit, as_levels(reference)):
                    yield scale, None, picture

        return Retouched(self.real, reference, torch.from_numpy(edit.changed)[None, None], pictures())

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``strokes`` (1, C, H, W), put in at level ``scale``."""
        sources = self.collection.levels(self.photo.sizes, self.photo.solved)
        small, source = resize(to_pixels(as_levels(strokes)), self.photo.sizes[scale]), sources[scale]
        if math.prod(field_size(source.values)) ** 2 <= PAINTABLE:
            values = source.values
            small, _ = solve_exactly(small, values, values, self.channels, PAINTED, source.valid)
        solver = Solver.of_whole(sources, self.photo.sizes, self.photo.solved, 0, COMPLETE)
        return self._solve(solver, small, rng, count, scale)

    def retarget(self, rng: torch.Generator, count: int, enlargement: tuple[float, float]) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of other proportions, in which nothing is stretched.

        The photo is stretched at the coarsest level only; its patches undo that at the finer ones.

        Raises:
            ValueError: the size is smaller than a patch.
        """
        solver, coarsest = self._whole_solver(RETARGETED**8, enlargement, RETARGETED)
        return self._solve(solver, coarsest, rng, count)

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
        canvas, mask = extend(self.photo.pixels, margins)
        return self._fill_hole(canvas, mask, EXTENDED, None, rng, count, (margins[0], margins[2]))

    def render(self, make: Callable[["Instant"], Iterable[Tensor]], edited: Tensor | None = None) -> Iterator[Tensor]:
        """The results (1, C, H, W) that ``make`` lets the engine compute; see ``LayeredInstant.render``."""
        return iter(make(self))

    def guide_of(self, image: Tensor) -> Levels:
        """What is compared of an ``image`` (1, C, H, W) of 8 bits: its levels (H, W, C)."""
        return as_levels(image)

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
        solver, _ = self._whole_solver(SMALL, enlargement, remedy=remedy)
        return self._solve(solver, resize(to_pixels(as_levels(structure)), solver.sizes[0]), rng, count)

    def guided(self, guide: Pixels, keys: Sequence[Pixels], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) in which each part is like those parts of the photo with the same code.

        Arguments:
            guide: (H, W, 4), the codes of a result, see ``guides``.
            keys: (h, w, 4), those of the photo and of the pictures beside it.
            rng: of the random numbers.
            count: of pictures.

        Raises:
            ValueError: ``guide`` is too small beside the photo.
        """
        enlargement = guide.shape[0] / self.size[0], guide.shape[1] / self.size[1]
        solver, _ = self._whole_solver(
            0.0, enlargement, remedy="enlarge the `guide`, or reduce the picture (`max_size`)"
        )
        # 1. The codes at all levels.
        sources = self.coded(solver.sources, keys, *self._whole_levels(0.0))
        guides = pyramid(guide, solver.sizes)
        canvases = [replace(canvas, guide=codes) for canvas, codes in zip(solver.canvases, guides, strict=True)]
        solver = replace(solver, sources=sources, canvases=canvases, settings=GUIDED)
        # 2. The first guess.
        first = sources[0]
        assert first.guide is not None
        usable = np.ones(first.values.shape[:2], bool)
        if first.valid is not None:  # the middles of valid patches
            usable = np.pad(first.valid > 0, PATCH // 2)
        for _, seed in draw_seeds(rng, count):
            start = first_guess(guides[0], first.guide, first.values, usable, seed)
            yield self.finish(replace(solver, seed=seed).run(start))

    def coded(
        self, sources: Sequence[Source], keys: Sequence[Pixels], sizes: Sequence[Size], solved: int
    ) -> list[Source]:
        """``sources``, those of ``Collection.levels``, with the codes ``keys`` (h, w, 4) of each picture as guides."""
        photos = [replace(photo, pixels=codes) for photo, codes in zip(self.collection.photos, keys, strict=True)]
        collection = replace(self.collection, photo=photos[0], others=tuple(photos[1:]))
        coded = collection.levels(sizes, solved)
        return [replace(one, guide=codes.values) for one, codes in zip(sources, coded, strict=True)]

    def tile(
        self, rng: torch.Generator, count: int = 1, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that can be laid side by side without a seam.

        Raises:
            ValueError: the size is smaller than a patch.
        """
        solver, coarsest = self._whole_solver(0.0, enlargement, margin=MARGIN)
        solver = replace(solver, settings=replace(solver.settings, first_repeats=1))
        for _, seed in draw_seeds(rng, count):
            guess = add_noise(coarsest, 255 * TILE_NOISE, seed, self.channels)
            yield self.finish(replace(solver, seed=seed).run(pad(guess)), MARGIN)

    def tile_set(
        self, rng: torch.Generator, count: int, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W), each of which can be laid at any side of any other without a seam.

        Raises:
            ValueError: the size is smaller than a patch.
        """
        solver, coarsest = self._whole_solver(0.0, enlargement, margin=MARGIN)
        canvases = [replace(canvas, closed=True) for canvas in solver.canvases]
        solver = replace(solver, canvases=canvases, settings=replace(solver.settings, first_repeats=1))
        tiles, seeds = TileSet(solver, self.channels), draw_seeds(rng, count)
        # 1. The first tile.
        _, seed = next(seeds)
        for first in tiles.first(pad(add_noise(coarsest, 255 * TILE_NOISE, seed, self.channels)), seed):
            self._show(tiles.inside(first))
        yield as_image(self._voted(tiles.inside(first), lambda: tiles.votes(first, None, self._source_sizes)))
        # 2. The others, inside its border.
        for _, seed in seeds:
            for variant in tiles.variant(first, seed):
                self._show(variant.picture)
            votes = partial(tiles.votes, first, variant, self._source_sizes)
            yield as_image(self._voted(np.ascontiguousarray(variant.picture[..., : self.channels]), votes))

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
    ) -> tuple[Solver, Pixels]:
        """The solver of whole pictures, ``enlargement`` times as large as the photo, and this at their first level.

        Arguments:
            coarsest: the first level's size in parts of the largest that is solved; it has 14 pixels or more.
            enlargement: of height and width.
            ratio: of neighbouring levels.
            remedy: the end of the error message where the first level is smaller than a patch.
            margin: of a tile, in pixels.
        """
        sizes, solved = self._whole_levels(coarsest, ratio)
        targets = [enlarged(size, enlargement) for size in sizes]
        check_size(targets[0], remedy=remedy)
        sources, (height, width) = self.collection.levels(sizes, solved), sizes[0]
        first = np.ascontiguousarray(sources[0].values[:height, :width])
        return Solver.of_whole(sources, targets, solved, 0, COMPLETE, margin), resize(first, targets[0])

    def _whole_levels(self, coarsest: float, ratio: float = RATIO) -> tuple[list[Size], int]:
        """The sizes of the photo's levels for whole pictures, and how many are solved; arguments of the solver's."""
        halves = halvings(self.size)
        sizes = level_sizes(halves[0], max(SMALLEST, math.ceil(coarsest * min(halves[0]))), ratio) + halves[1:]
        return sizes, len(sizes) - len(halves) + 1

    @property
    def _source_sizes(self) -> list[Size]:
        return [photo.size for photo in self.collection.photos]

    def _solve(
        self, solver: Solver, guess: Pixels, rng: torch.Generator, count: int, start: int = 0
    ) -> Iterator[Tensor]:
        """``count`` whole pictures (1, C, H, W) from ``guess`` at level ``start``: the first without noise on it."""
        for number, seed in draw_seeds(rng, count):
            varied = add_noise(guess, VARIED, seed, self.channels) if number else guess
            yield self.finish(replace(solver, seed=seed).run(varied, start))

    def _fill_hole(
        self,
        photo: Pixels,
        mask: Flags,
        pixels: int,
        fill: Tensor | None,
        rng: torch.Generator,
        count: int,
        place: Size = (0, 0),
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of ``photo`` (H, W, 4) with its ``mask`` filled; ``pixels`` of the start.

        The engine's photo begins at the row and column ``place`` of this one.
        """
        textured, coarsest = add_texture(photo, self.channels), coarsest_scale(mask, pixels)
        empty = None
        if self.photo.empty is not None:
            (top, left), (height, width) = place, self.size
            empty = np.zeros_like(mask)
            empty[top : top + height, left : left + width] = self.photo.empty
        others = tuple(replace(one, pixels=add_texture(one.pixels, self.channels)) for one in self.others)
        collection = replace(self.collection, others=others)
        region = Region.of(textured, mask, coarsest, self.channels, None, collection, empty)
        if fill is None:
            return self._fill(region, None, rng, count, place)
        guess, hole = region.interpolate(), region.canvases[0].mask
        assert hole is not None
        guess[hole > 0, : self.channels] = as_levels(fill)[0, 0]
        return self._fill(region, guess, rng, count, place)

    def _fill(
        self,
        region: Region,
        guess: Pixels | None,
        rng: torch.Generator,
        count: int,
        place: Size = (0, 0),
        edit: Edit | None = None,
        edited: Levels | None = None,
    ) -> Iterator[Tensor]:
        """``count`` photos (1, C, H, W) with the ``region`` computed from ``guess``, the first without noise on it.

        Without one the region starts from its own first guess, and its colours are shifted to meet the photo's.
        """
        for number, seed in draw_seeds(rng, count):
            if guess is None:
                start = region.first_guess(seed if number else None)
            else:
                start = add_noise(guess, VARIED, seed, self.channels, region.canvases[0].mask) if number else guess
            yield self.fill(region, region.solver(seed), start, place, edit, edited, fits=guess is None)

    def fill(
        self,
        region: Region,
        solver: Solver,
        guess: Pixels,
        place: Size = (0, 0),
        edit: Edit | None = None,
        edited: Levels | None = None,
        fits: bool = False,
    ) -> Tensor:
        """The photo (1, C, H, W) with the ``region`` computed by its ``solver`` from ``guess``, its first canvas.

        Arguments:
            region: of a photo in which the engine's begins at ``place``.
            solver: of the region.
            guess: (h, w, 4).
            place: row and column.
            edit: that is pasted.
            edited: the edited photo.
            fits: whether the region's colours are shifted at last to meet the photo's.
        """
        shifted = region.mask if fits and not self.hard else None
        # 1. Solve and lift the region.
        for state in solver.run(guess):
            if self.watch is not None:
                self._show(region.place(state.picture, state.level))
        # 2. Paste it: outside, pixels are the photo's own.
        result = region.photo[..., : self.channels].copy()
        result[region.canvases[-1].box] = state.picture[..., : self.channels]
        size = result.shape[0], result.shape[1]
        canvas, others = region.canvases[-1], self._source_sizes[1:]
        votes = partial(Votes.of_part, state, canvas, size, self.photo.pixels, place, edit, others, shifted)
        result = self._voted(result, votes, edited)
        if shifted is not None:
            match_colours(result, shifted)
            self._show(result)
        return as_image(result)

    def finish(self, states: Iterable[State], margin: int = 0) -> Tensor:
        """The picture (1, C, H, W) of the last of ``states``, without its ``margin``; each is shown to the watcher."""
        inner = slice(margin, -margin or None)
        for state in states:
            picture = state.picture[inner, inner]
            self._show(picture)
        levels = np.ascontiguousarray(picture[..., : self.channels])
        return as_image(self._voted(levels, lambda: Votes.of_whole(state, self._source_sizes, margin)))

    def _voted(self, result: Levels, votes: Callable[[], Votes], edited: Levels | None = None) -> Levels:
        """``result`` (H, W, C), which ``votes`` made; with hard votes it is made by them again.

        ``edited`` is the edited photo.
        """
        if self.voted is None and not self.hard:
            return result
        found = votes()
        if self.hard:
            levels = (photo.pixels[..., : self.channels] for photo in self.collection.photos)
            result = found.copies(*levels, edited=edited)
        if self.voted is not None:
            self.voted(found)
        return result

    def _show(self, picture: Levels) -> None:
        if self.watch is not None:
            self.watch(picture[..., : self.channels].copy())


def pad(tile: Pixels) -> Pixels:
    """``tile`` (H, W, 4) with a margin that repeats the opposite sides."""
    return np.pad(tile, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="wrap")


def extend(photo: Pixels, margins: tuple[int, int, int, int]) -> tuple[Pixels, Flags]:
    """``photo`` (H, W, 4) with ``margins`` that repeat its edges, at the top, bottom, left and right, and their mask.

    Raises:
        ValueError: a side would be too long.
    """
    (top, bottom, left, right), (height, width) = margins, photo.shape[:2]
    mask = np.ones(extend_size((height, width), margins), np.uint8)
    mask[top : top + height, left : left + width] = 0
    return np.pad(photo, ((top, bottom), (left, right), (0, 0)), mode="edge"), mask


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
