"""The pictures whose patches a result is made of: a photo, more pictures beside it, parts without data left out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from SinGAN.patches.levels import LONGEST, Photo, pyramid, resize, valid_patches
from SinGAN.patches.seams import stack
from SinGAN.patches.search import PATCH, Flags, Pixels, field_size
from SinGAN.patches.solver import Source
from SinGAN.planning import Size


@dataclass(frozen=True, eq=False)
class Collection:
    """A photo and the pictures beside it, pixel for pixel at its scale."""

    photo: Photo
    others: tuple[Photo, ...] = ()
    shares: tuple[float, ...] = ()  # of a result, that shall come from each; (): as they fit

    @classmethod
    def of(cls, photo: Photo, others: Sequence[Photo], shares: Sequence[float] = ()) -> "Collection":
        """The collection; ``shares`` are made to add up to 1.

        Raises:
            ValueError: a picture is too small beside the photo, all together are too high, or there are too many or
                too few shares.
        """
        if shares and len(shares) != len(others) + 1:
            raise ValueError(
                f"`shares` has {len(shares)} numbers, and there are {len(others) + 1} pictures: name one for each"
            )
        if shares and not sum(shares) > 0:
            raise ValueError("`shares` are all 0: name one above 0")
        ratio = photo.sizes[0][0] / photo.size[0], photo.sizes[0][1] / photo.size[1]
        for number, other in enumerate(others, start=1):
            if other.channels != photo.channels:
                raise ValueError(f"picture {number} of `also` has other channels than the picture")
            if min(side * part for side, part in zip(other.size, ratio, strict=True)) < PATCH:
                height, width = other.size
                raise ValueError(
                    f"picture {number} of `also`, {width} x {height} pixels, is too small beside one of "
                    f"{photo.size[1]} x {photo.size[0]}: enlarge it, or reduce the other (`max_size`)"
                )
        if sum(one.size[0] for one in (photo, *others)) > LONGEST:
            raise ValueError(f"the pictures are higher than {LONGEST} pixels together: reduce them (`max_size`)")
        whole = sum(shares)
        return cls(photo, tuple(others), tuple(share / whole for share in shares))

    @property
    def photos(self) -> tuple[Photo, ...]:
        """All pictures."""
        return (self.photo, *self.others)

    @property
    def is_plain(self) -> bool:
        """Whether there are no more pictures, and no parts without data."""
        return not self.others and self.photo.empty is None

    def levels(self, sizes: Sequence[Size], solved: int) -> list[Source]:
        """The sources at levels of the photo of ``sizes``, coarse to fine, of which ``solved`` are solved."""
        reals = self.photo.reals if list(sizes) == self.photo.sizes else pyramid(self.photo.pixels, sizes)
        return self.extend([Source(real) for real in reals], sizes, solved, self.photo.empty)

    @property
    def coarsest(self) -> list[Source]:
        """The coarsest level of each picture by itself, at those of the photo."""
        photo, sizes = self.photo, self.photo.sizes
        own = Source(photo.reals[0], valid_patches(photo.empty, sizes[0]))
        return [own, *(self._levels_of(other, sizes)[0] for other in self.others)]

    def extend(
        self, sources: Sequence[Source], sizes: Sequence[Size], solved: int, empty: Flags | None
    ) -> list[Source]:
        """``sources``, levels of the photo, without patches that lack data, and with the other pictures below.

        Arguments:
            sources: in each the photo is above, at the left.
            sizes: of the photo in them.
            solved: how many of them are solved, not lifted.
            empty: (H, W), 1 where the finest has no data; None: nowhere.
        """
        own = [without_empty(source, valid_patches(empty, size)) for source, size in zip(sources, sizes, strict=True)]
        if not self.others:
            return own
        columns = [own, *(self._levels_of(other, sizes) for other in self.others)]
        result = []
        for level, parts in enumerate(zip(*columns, strict=True)):
            blurred = None
            if 0 < level < solved:
                coarser = (column[level - 1] for column in columns)
                blurred = [enlarge(before, part) for before, part in zip(coarser, parts, strict=True)]
            result.append(self._join(parts, blurred))
        return result

    def _levels_of(self, other: Photo, sizes: Sequence[Size]) -> list[Source]:
        """The levels of one more picture, as much smaller than it as those of ``sizes`` are than the last of these."""
        (height, width), (rows, columns) = sizes[-1], other.size
        own = [
            (math.ceil(rows * down / height - 1e-9), math.ceil(columns * across / width - 1e-9))
            for down, across in sizes
        ]
        reals = pyramid(other.pixels, own)
        return [Source(real, valid_patches(other.empty, size)) for real, size in zip(reals, own, strict=True)]

    def _join(self, parts: Sequence[Source], blurred: Sequence[Pixels] | None) -> Source:
        """The source of all ``parts``, one below the other; patches across their edges are not valid."""
        values = stack(*(part.values for part in parts))
        valid, penalties, shares, top = np.zeros(field_size(values), np.uint8), None, [], 0
        for number, part in enumerate(parts):
            rows, columns = field_size(part.values)
            place = slice(top, top + rows), slice(columns)
            valid[place] = 1 if part.valid is None else part.valid
            if part.penalties is not None:
                penalties = np.zeros(valid.shape, np.float32) if penalties is None else penalties
                penalties[place] = part.penalties
            if self.shares and not self.shares[number]:
                valid[place] = 0
            if self.shares:
                shares.append((place[0], self.shares[number]))
            top += part.values.shape[0]
        return Source(values, valid, penalties, None if blurred is None else stack(*blurred), shares=tuple(shares))


def enlarge(coarse: Source, fine: Source) -> Pixels:
    """The values of ``fine`` as blurred as a guess there: those of the ``coarse`` level before, enlarged."""
    size = fine.values.shape[0], fine.values.shape[1]
    return resize(coarse.values, size) if fine.blurred is None else fine.blurred


def without_empty(source: Source, valid: Flags | None) -> Source:
    """``source`` with only the ``valid`` (h, w) of the patches above at the left."""
    if valid is None:
        return source
    whole = np.ones(field_size(source.values), np.uint8) if source.valid is None else source.valid.copy()
    whole[: valid.shape[0], : valid.shape[1]] &= valid
    return replace(source, valid=whole)
