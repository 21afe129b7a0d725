"""The order in which pairs are drawn, and their preparation for the nets."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from Pix2Pix.data import warp
from Pix2Pix.data.layouts import Levels, PairFiles, read_sides

Values = npt.NDArray[np.float32]
Batches = Iterator[tuple[Tensor, Tensor]]
Draw = tuple[int, int, int]  # the epoch, the place in it, and the index of the pair


@dataclass(frozen=True)
class Preparation:
    """How a pair is prepared for the nets."""

    preprocess: str = "resize_and_crop"
    load_size: int = 286
    crop_size: int = 256
    mirror: bool = True
    label_maps: bool = False  # a holds labels: resizing adds no colours between two of them
    augment: str = "none"
    inputs: int = 3  # channels of a, and of b
    outputs: int = 3
    multiple: int = 256  # both sides become multiples of it, where nothing is cropped
    swapped: bool = False  # the direction is B to A

    def for_test(self) -> "Preparation":
        """The same without chance."""
        return replace(self, load_size=self.crop_size, mirror=False, augment="none")

    def check(self) -> None:
        """Raise a ValueError where sizes don't fit each other or the net."""
        crops = "crop" in self.preprocess
        if crops and self.preprocess != "crop" and self.crop_size > self.load_size:
            raise ValueError(f"`crop_size` {self.crop_size} is above `load_size` {self.load_size}: lower it")
        if crops and self.crop_size % self.multiple:
            near = self.next_multiple(self.crop_size)
            raise ValueError(
                f"`crop_size` {self.crop_size} is not a multiple of {self.multiple}, which the net needs: use {near}"
            )

    def next_multiple(self, size: float) -> int:
        """The multiple that is nearest to ``size``, at least one."""
        return max(1, round(size / self.multiple)) * self.multiple

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which a picture is resized."""
        if self.preprocess == "resize_and_crop":
            return self.load_size, self.load_size
        if self.preprocess.startswith("scale_width"):
            height, width = int(max(self.load_size * height / width, self.crop_size)), self.load_size
        if "crop" not in self.preprocess:
            height, width = self.next_multiple(height), self.next_multiple(width)
        return height, width

    def __call__(self, a: Levels, b: Levels, rng: np.random.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The input (C, H, W) and the wanted output (C', H, W), in [-1, 1], of the sides A and B of a pair.

        Without ``rng`` nothing is random.

        Raises:
            ValueError: the picture is smaller than the crop.
        """
        first, second = (b, a) if self.swapped else (a, b)
        height, width = self.size(*first.shape[:2])
        resample = Image.Resampling.NEAREST if self.label_maps else Image.Resampling.BICUBIC
        x = self.resize(with_channels(first, self.inputs), height, width, resample)
        y = self.resize(with_channels(second, self.outputs), height, width, Image.Resampling.BICUBIC)
        if self.augment == "tps" and rng is not None:
            moved = warp.draw_points(rng, height, width)
            if moved is not None:
                where = warp.source_positions(moved, height, width)
                x = warp.resample(x, where, self.label_maps).astype(np.float32)
                y = warp.resample(y, where).astype(np.float32)
        window = self.window(height, width, rng)
        flipped = self.mirror and rng is not None and rng.random() < 0.5
        return self.tensor(x[window], flipped), self.tensor(y[window], flipped)

    @staticmethod
    def resize(levels: Levels, height: int, width: int, resample: Image.Resampling) -> Values:
        """``levels`` (H, W, C) in another size, as numbers of 0 to 255."""
        if levels.shape[:2] == (height, width):
            return levels.astype(np.float32)
        picture = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
        return np.asarray(picture.resize((width, height), resample), dtype=np.float32).reshape(height, width, -1)

    def window(self, height: int, width: int, rng: np.random.Generator | None) -> tuple[slice, slice]:
        """The part of a resized picture that is used."""
        if "crop" not in self.preprocess:
            return slice(0, height), slice(0, width)
        if min(height, width) < self.crop_size:
            raise ValueError(
                f"a picture of {width} x {height} pixels is smaller than `crop_size` {self.crop_size}: lower that"
            )
        x, y = (0, 0) if rng is None else (int(rng.integers(0, n - self.crop_size + 1)) for n in (width, height))
        return slice(y, y + self.crop_size), slice(x, x + self.crop_size)

    @staticmethod
    def tensor(values: Values, flipped: bool = False) -> Tensor:
        """``values`` (H, W, C) of 0 to 255 as (C, H, W) in [-1, 1], mirrored where it is ``flipped``."""
        turned = values[:, ::-1] if flipped else values
        return ((torch.from_numpy(np.ascontiguousarray(turned)) / 255 - 0.5) / 0.5).permute(2, 0, 1).contiguous()


def with_channels(levels: Levels, channels: int) -> Levels:
    """RGB ``levels`` (H, W, 3) with 3 channels, or with 1: grey by BT.601, as Pillow's ``L``."""
    return levels if channels == 3 else np.asarray(Image.fromarray(levels).convert("L"))[:, :, None]


@dataclass(frozen=True)
class PairSet(Dataset[Any]):
    """Pairs that are drawn in epochs; a draw depends on the seed, the epoch and the place in it alone."""

    files: Sequence[PairFiles]
    preparation: Preparation
    seed: int
    epoch_size: int  # pairs in an epoch
    in_order: bool = False
    sizes: Sequence[tuple[int, int]] = ()  # of each pair as the nets see it: a batch has one; (): all have the same

    def order(self, epoch: int) -> list[int]:
        """The pairs of ``epoch``, counted from 1: all, as often as needed, in a new order."""
        count, rng = len(self.files), np.random.default_rng([self.seed, epoch])
        rounds = range(-(-self.epoch_size // count))
        places = [list(range(count)) if self.in_order else rng.permutation(count).tolist() for _ in rounds]
        return [place for one in places for place in one][: self.epoch_size]

    def draws(self, epochs: range, size: int, done: int) -> Iterator[list[Draw]]:
        """The draws of each batch of ``size`` in ``epochs``, without the first ``done`` ones of the first epoch."""
        for epoch in epochs:
            drawn = [(epoch, place, index) for place, index in enumerate(self.order(epoch))]
            yield from itertools.islice(self.group_by_size(drawn, size), done if epoch == epochs[0] else 0, None)

    def group_by_size(self, drawn: Sequence[Draw], size: int) -> Iterator[list[Draw]]:
        """Batches of ``size`` draws of pairs of one size, in the order in which they are full; then smaller ones."""
        waiting: dict[tuple[int, int] | None, list[Draw]] = {}
        for draw in drawn:
            batch = waiting.setdefault(self.sizes[draw[2]] if self.sizes else None, [])
            batch.append(draw)
            if len(batch) == size:
                yield batch.copy()
                batch.clear()
        yield from filter(None, waiting.values())

    def steps(self, size: int) -> int:
        """The batches of ``size`` in an epoch."""
        return sum(
            1 for _ in self.group_by_size([(1, place, index) for place, index in enumerate(self.order(1))], size)
        )

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor] | Exception:
        """The prepared pair of a ``draw``; an error is returned: raised in a worker, it would lose its message."""
        epoch, place, index = draw
        try:
            return self.preparation(*read_sides(self.files[index]), np.random.default_rng([self.seed, epoch, place]))
        except (ValueError, OSError) as error:
            return error

    def batches(self, epoch: int, size: int, done: int = 0, last: int | None = None, workers: int = 0) -> Batches:
        """Batches (B, C, H, W) of ``size`` pairs from ``epoch`` to ``last`` (None: ``epoch``).

        The last one of an epoch may be smaller; the first ``done`` ones are left out. If there are ``workers``,
        processes that prepare batches ahead, batches are in pinned memory, for a GPU.

        Raises:
            ValueError: a picture can't be used.
        """
        draws: Any = self.draws(range(epoch, (epoch if last is None else last) + 1), size, done)
        loader = DataLoader(
            self, batch_sampler=draws, num_workers=workers, collate_fn=stacked,
            pin_memory=workers > 0 and torch.cuda.is_available(), generator=torch.Generator(),
        )  # fmt: skip
        for drawn in loader:
            if isinstance(drawn, Exception):
                raise drawn
            yield drawn


def stacked(drawn: Sequence[Any]) -> tuple[Tensor, Tensor] | Exception:
    """Pairs as a batch; or the first failure among them."""
    failures = [each for each in drawn if isinstance(each, Exception)]
    if failures:
        return failures[0]
    return torch.stack([a for a, _ in drawn]), torch.stack([b for _, b in drawn])
