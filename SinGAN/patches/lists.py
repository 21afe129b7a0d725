"""Inverted lists: patches in groups of their like, so that a search looks into few of them (Sivic, Zisserman 2003)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from SinGAN.patches.windows import BLOCK, nearest

ROUNDS = 8  # of k-means
SAMPLE = 2**15  # keys whose groups k-means finds; the others join them
SEED = 0  # of its first centres: the same groups each time


@dataclass(frozen=True, eq=False)
class Lists:
    """Keys in about sqrt(N) lists round centres."""

    centres: Tensor  # (L, d)
    norms: Tensor  # (L,): their squared lengths
    members: Tensor  # (N,): the keys' indices, list by list
    starts: list[int]  # L + 1: where each list begins in ``members``

    @classmethod
    def of(cls, keys: Tensor) -> "Lists":
        """The lists of ``keys`` (N, d), by k-means from keys drawn at random."""
        count = max(1, round(len(keys) ** 0.5))
        order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(SEED)).to(keys.device)
        sample = keys[order[:SAMPLE]]
        centres = sample[:count].clone()
        for _ in range(ROUNDS):
            owners = nearest(sample, centres, centres.square().sum(dim=1))
            sums = torch.zeros_like(centres).index_add_(0, owners, sample)
            sizes = torch.bincount(owners, minlength=count)
            centres = torch.where(sizes[:, None] > 0, sums / sizes[:, None].clamp(min=1), centres)
        norms = centres.square().sum(dim=1)
        owners = nearest(keys, centres, norms)
        members = owners.argsort(stable=True)
        starts = [0, *torch.bincount(owners, minlength=count).cumsum(0).tolist()]
        return cls(centres, norms, members, starts)

    def probes(self, queries: Tensor, count: int) -> Iterator[tuple[Tensor, slice]]:
        """For each list that is looked into: the indices of ``queries`` (M, d) that do, and its part of ``members``.

        Each query looks into the lists of its ``count`` nearest centres.
        """
        chosen = []
        for block in queries.split(max(1, BLOCK[queries.device.type] // len(self.centres))):
            distances = torch.addmm(self.norms, block, self.centres.T, alpha=-2)
            chosen.append(distances.topk(min(count, len(self.centres)), dim=1, largest=False).indices)
        lists = torch.cat(chosen)
        order = lists.flatten().argsort(stable=True)
        asking = torch.div(order, lists.shape[1], rounding_mode="floor")
        ends = torch.bincount(lists.flatten(), minlength=len(self.centres)).cumsum(0).tolist()
        begin = 0
        for index, end in enumerate(ends):
            keys = slice(self.starts[index], self.starts[index + 1])
            if end > begin and keys.stop > keys.start:
                yield asking[begin:end], keys
            begin = end
