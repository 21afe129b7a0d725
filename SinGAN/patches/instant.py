"""The instant engine: every training-free task at the photo's own size, in seconds on one CPU core.

Pictures are 8-bit tensors (1, C, H, W); all work on them is done on the CPU.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
import torch
from torch import Tensor

from SinGAN.manipulate import SAME_SIZE, Retouched
from SinGAN.patches.holes import GUESSED, Edit, Part, coarsest_scale
from SinGAN.patches.layouts import VARIETIES, completed
from SinGAN.patches.levels import (
    RATIO,
    Levels,
    box_of,
    extended,
    halvings,
    level_sizes,
    pixels_of,
    pyramid,
    resized,
    with_texture,
)
from SinGAN.patches.samples import Photo, Sampler, mixed
from SinGAN.patches.seams import deep_inside, marked, match_colours, seamless
from SinGAN.patches.search import PATCH, Flags, Pixels, blank, patches_in
from SinGAN.patches.solver import Canvas, Settings, Solver, Source, State
from SinGAN.planning import Size, enlarged

COMPLETE = 1.0  # strength of the completeness by uses, where all parts of the photo shall appear
PAINTED = 0.001  # alpha of the completeness at the level where a paint is put in: strokes become rare things, too
PAINTABLE = 2**24  # queries x keys of that level, at most: finer levels do without
SMALL = 0.24  # size of the level where analogies start, in parts of the photo
EDITED = 64  # pixels, the longer side of the level at which edits and paints are put in, at least
RIM = 0.02  # of the longer side: how far outside its mask an edit is computed,
INNER_RIM = 0.03  # and how far inside: deeper, its own pixels are kept
VARIED = 64.0  # grey levels, deviation of the noise on the guess of the second picture and later ones
TILE_NOISE = 0.4  # of the range of intensities, on the guess of a tile
EXTENDED = 3000  # pixels of the level at which a photo's extension starts, at least
MARGIN = 8  # pixels that a tile's levels repeat on each side

CPU = torch.device("cpu")
Watch = Callable[[Levels], None]


@dataclass(frozen=True, eq=False)
class Instant:
    """One photo, and pictures from its patches."""

    photo: Photo
    variety: str = "medium"  # of samples: low, medium or high
    device: torch.device = CPU  # of the layouts of samples
    watch: Watch | None = None  # is given each level's picture (h, w, C), coarse to fine

    exact_mask = True
    """``retouch`` takes the mask as it is drawn: the engine chooses the seam."""

    @classmethod
    def of(cls, levels: Levels, variety: str = "medium", device: torch.device = CPU) -> "Instant":
        """The engine for the photo ``levels`` (H, W, C)."""
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
        return as_image(self.photo.levels)

    def __len__(self) -> int:
        """The number of levels."""
        return len(self.photo.sizes)

    @property
    def factor(self) -> float:
        """The ratio of the coarse levels."""
        sizes = self.photo.sizes[: self.photo.lifted]
        return (min(sizes[0]) / min(sizes[-1])) ** (1 / (len(sizes) - 1)) if len(sizes) > 1 else 1.0

    @property
    def start_scales(self) -> range:
        """The levels at which random samples can start: finer ones would keep the photo's layout."""
        return range(1)

    @property
    def injection_scales(self) -> range:
        """The levels at which an edit or a paint can be put in."""
        return range(1, self.photo.lifted)

    @property
    def injection_scale(self) -> int:
        """The level at which edits and paints are put in by default."""
        sides = [max(size) for size in self.photo.sizes[: self.photo.lifted]]
        fitting = [level for level in self.injection_scales if sides[level] >= EDITED]
        return fitting[0] if fitting else max(0, len(sides) - 1)

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
        return (self._last(levels) for levels in sampler.samples(drawn_seed(rng), count))

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
        # 1. Find the seam, within the box round the mask.
        marks = np.ascontiguousarray(mask[0, 0].cpu().numpy() > 0, np.uint8)
        side = max(self.size)
        rim = max(2, round(RIM * side))
        box = box_of(marks, 3 * rim)
        there = slice(*box[:2]), slice(*box[2:])
        photo, edited = self.photo.pixels[there], pixels_of(as_levels(reference)[there])
        drawn, outer = marked(marks[there], photo, edited, side), np.zeros_like(marks)
        outer[there] = scipy.ndimage.maximum_filter(drawn.whole, 2 * rim + 1)
        merged, pasted = seamless(photo, edited, drawn.whole, drawn.core, self.channels)
        # 2. Compute a rim on both sides of it; deeper inside, pixels are the edit's, further outside the photo's.
        computed = np.zeros_like(marks)
        computed[there] = outer[there] & (1 - deep_inside(pasted, INNER_RIM * side))
        edit, blended = Edit(self.size, box, merged, pasted, drawn.shaped & pasted), {}
        for scale in scales:
            # 3. Patches come from the photo, and from what is pasted.
            part = Part(self.photo.pixels, computed, max(self.photo.sizes[scale]) / side, self.channels, edit)
            shown = edit.shown_at(part.sizes[0])
            levels = list(zip(part.reals, edit.levels(part.sizes), strict=True))
            coarser = [None, *levels[: part.solved - 1], *[None] * (len(levels) - part.solved)]
            sources = [shown.source(*level, below) for level, below in zip(levels, coarser, strict=True)]
            # 4. The search starts from the edited picture.
            canvas = part.canvases[0]
            assert canvas.rest is not None
            guess = canvas.rest.copy()
            results = []
            for number in range(count):
                seed = mixed(drawn_seed(rng), number) & 0xFFFFFF
                states = part.solver(sources, seed).run(self._varied(guess, number, seed, canvas.made))
                results.append(self._placed(part, states))
            blended[scale] = torch.cat(results)
        return Retouched(self.real, reference, torch.from_numpy(outer)[None, None], {}, blended)

    def paint(self, strokes: Tensor, scale: int, rng: torch.Generator, count: int = 1) -> Tensor:
        """``count`` pictures (count, C, H, W) of ``strokes`` (1, C, H, W), put in at level ``scale``."""
        small, real = resized(pixels_of(as_levels(strokes)), self.photo.sizes[scale]), self.photo.reals[scale]
        kinds = patches_in(real)
        if (kinds[0] * kinds[1]) ** 2 <= PAINTABLE:
            small, _ = completed(small, real, real, self.channels, PAINTED)
        solver = self._solver(self.photo.reals, self.photo.sizes, self.photo.lifted)
        return torch.cat(list(self._variants(solver, small, rng, count, scale)))

    def retarget(self, rng: torch.Generator, count: int, enlargement: tuple[float, float]) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) of other proportions, in which nothing is stretched.

        The photo is stretched at the coarsest level only; its patches undo that at the finer ones.

        Raises:
            ValueError: the size leaves no patch.
        """
        solver = self._whole(0.8**8, enlargement, 0.8)
        return self._variants(solver, resized(solver.sources[0].values, solver.sizes[0]), rng, count)

    def inpaint(self, hole: Tensor, fill: Tensor | None, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) whose ``hole`` (1, 1, H, W: 1 inside, else 0) is computed from the rest.

        Every pixel outside the hole is the photo's.

        Arguments:
            hole: the mask.
            fill: the colour (1, C, 1, 1), 8 bits, that the search starts from, which decides what comes there; None:
                the colours round the hole, continued smoothly.
            rng: of the random numbers.
            count: of pictures.

        Raises:
            ValueError: no patch is whole.
        """
        mask = np.ascontiguousarray(hole[0, 0].cpu().numpy() > 0, np.uint8)
        coarsest = coarsest_scale(mask, GUESSED if fill is None else 0)
        part = Part(with_texture(self.photo.pixels, self.channels), mask, coarsest, self.channels)
        return self._filled(part, part.holed(), fill, rng, count)

    def outpaint(self, margins: tuple[int, int, int, int], rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that extend the photo by ``margins``: at the top, bottom, left and right.

        The photo's own pixels stay.

        Raises:
            ValueError: a side would be too long.
        """
        top, bottom, left, right = margins
        (height, width), canvas = self.size, blank(*extended(self.size, margins))
        canvas[...] = np.pad(self.photo.pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")
        mask = np.ones(canvas.shape[:2], np.uint8)
        mask[top : top + height, left : left + width] = 0
        coarsest = coarsest_scale(mask, EXTENDED)
        part = Part(with_texture(canvas, self.channels), mask, coarsest, self.channels)
        return self._filled(part, part.holed(), None, rng, count)

    def _filled(
        self, part: Part, sources: list[Source], fill: Tensor | None, rng: torch.Generator, count: int
    ) -> Iterator[Tensor]:
        canvas = part.canvases[0]
        assert canvas.made is not None
        for number in range(count):
            seed = mixed(drawn_seed(rng), number) & 0xFFFFFF
            guess = part.membrane() if fill is not None else part.first_guess(seed if number else None)
            if fill is not None:
                guess[canvas.made > 0, : self.channels] = as_levels(fill)[0, 0]
                guess = self._varied(guess, number, seed, canvas.made)
            yield self._placed(part, part.solver(sources, seed).run(guess), matched=fill is None)

    def analogy(self, structure: Tensor, rng: torch.Generator, count: int = 1) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) with the layout of ``structure`` (1, C, H, W) and this photo's texture.

        Raises:
            ValueError: ``structure`` is too small beside the photo.
        """
        enlargement = structure.shape[-2] / self.size[0], structure.shape[-1] / self.size[1]
        remedy = "enlarge the structure (`ref_name`), or reduce the picture (`max_size`)"
        solver = self._whole(SMALL, enlargement, remedy=remedy)
        return self._variants(solver, resized(pixels_of(as_levels(structure)), solver.sizes[0]), rng, count)

    def tile(
        self, rng: torch.Generator, count: int = 1, enlargement: tuple[float, float] = SAME_SIZE
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) that can be laid side by side without a seam.

        Raises:
            ValueError: the size leaves no patch.
        """
        solver = self._whole(0.0, enlargement, margin=MARGIN)
        solver = replace(solver, settings=replace(solver.settings, first_repeats=1))
        coarsest = resized(solver.sources[0].values, solver.sizes[0])
        for number in range(count):
            seed = mixed(drawn_seed(rng), number) & 0xFFFFFF
            noise = np.random.default_rng(seed).standard_normal((*solver.sizes[0], self.channels))
            guess, noisy = coarsest.copy(), coarsest[..., : self.channels] + 255 * TILE_NOISE * noise
            guess[..., : self.channels] = np.clip(np.rint(noisy), 0, 255)
            padded = np.pad(guess, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="wrap")
            yield self._last(replace(solver, seed=seed).run(padded), MARGIN)

    def colour(self, fill: Sequence[int]) -> Tensor:
        """The levels ``fill``, 0 to 255, as a colour (1, C, 1, 1) of the photo; one level is grey.

        Raises:
            ValueError: there are neither one nor as many as colours.
        """
        colours = min(self.channels, 3)
        if len(fill) not in (1, colours):
            raise ValueError(f"`fill` must be {colours} levels of 0 to 255, as 90 140 60, not {len(fill)}")
        opaque = [255] * (self.channels - colours)
        levels = [*(list(fill) * colours if len(fill) == 1 else fill), *opaque]
        return torch.tensor(levels, dtype=torch.uint8)[None, :, None, None]

    def _whole(
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
            remedy: what the user may do where the first level is smaller than a patch, which is an error.
            margin: of a tile, in pixels.
        """
        halves = halvings(self.size)
        sizes = level_sizes(halves[0], max(14, math.ceil(coarsest * min(halves[0]))), ratio) + halves[1:]
        targets = [enlarged(size, enlargement) for size in sizes]
        if min(targets[0]) < PATCH:
            least = f"{targets[0][1]} x {targets[0][0]}"
            raise ValueError(
                f"the size leaves {least} pixels at a coarse level, and a patch has {PATCH} x {PATCH}: {remedy}"
            )
        return self._solver(pyramid(self.photo.pixels, sizes), targets, len(sizes) - len(halves) + 1, margin)

    def _solver(self, reals: Sequence[Pixels], sizes: Sequence[Size], solved: int, margin: int = 0) -> Solver:
        """The solver of pictures of ``sizes`` from the photo's levels ``reals``, ``solved`` of which are not lifted."""
        canvases = [
            Canvas((height + 2 * margin, width + 2 * margin), (-margin, -margin), margin=margin)
            for height, width in sizes
        ]
        return Solver([Source(real) for real in reals], sizes, canvases, solved, 0, Settings(completeness=COMPLETE))

    def _variants(
        self, solver: Solver, guess: Pixels, rng: torch.Generator, count: int, start: int = 0
    ) -> Iterator[Tensor]:
        """``count`` pictures (1, C, H, W) from ``guess``: the first from itself, others from near it."""
        for number in range(count):
            seed = mixed(drawn_seed(rng), number) & 0xFFFFFF
            yield self._last(replace(solver, seed=seed).run(self._varied(guess, number, seed), start))

    def _varied(self, guess: Pixels, number: int, seed: int, made: Flags | None = None) -> Pixels:
        """``guess`` with noise, on the pixels ``made``, unless it is that of the first picture."""
        if not number:
            return guess
        noise = VARIED * np.random.default_rng(seed).standard_normal((*guess.shape[:2], self.channels))
        result: Pixels = guess.copy()
        noisy = np.clip(np.rint(guess[..., : self.channels] + noise), 0, 255).astype(np.uint8)
        where = np.ones(guess.shape[:2], bool) if made is None else made > 0
        result[where, : self.channels] = noisy[where]
        return result

    def _last(self, states: Iterable[State], margin: int = 0) -> Tensor:
        """The picture (1, C, H, W) of the last of ``states``; each is shown to the watcher."""
        picture = None
        for state in states:
            inner = slice(margin, -margin or None)
            picture = state.picture[inner, inner]
            self._show(picture)
        assert picture is not None
        return as_image(np.ascontiguousarray(picture[..., : self.channels]))

    def _placed(self, part: Part, states: Iterable[State], matched: bool = False) -> Tensor:
        """The photo (1, C, H, W) with the ``part`` that ``states`` end with; each is shown to the watcher.

        With ``matched`` the part's colours are shifted to meet the photo's.
        """
        state = None
        for state in states:
            if self.watch is not None:
                self._show(part.placed(state.picture, state.level))
        assert state is not None
        canvas, result = part.canvases[-1], np.ascontiguousarray(part.photo[..., : self.channels])
        result[canvas.box] = state.picture[..., : self.channels]  # outside: the photo's own
        if matched:
            match_colours(result, part.mask)
            self._show(result)
        return as_image(result)

    def _show(self, picture: Pixels) -> None:
        if self.watch is not None:
            self.watch(picture[..., : self.channels].copy())


def as_image(levels: Levels) -> Tensor:
    """``levels`` (H, W, C) as an image (1, C, H, W) of 8 bits, without a copy."""
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def as_levels(image: Tensor) -> Levels:
    """The levels (H, W, C) of an ``image`` (1, C, H, W) of 8 bits."""
    return np.asarray(image[0].permute(1, 2, 0).cpu())


def drawn_seed(rng: torch.Generator) -> int:
    """A seed from ``rng``, of whatever device."""
    return int(torch.randint(2**62, (1,), generator=rng, device=rng.device))
