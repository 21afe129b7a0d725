"""Pictures by closed-form patch diffusion: noise becomes a picture in a few steps, each the best guess there is.

Algorithm B of the instant engine: reverse diffusion whose denoiser is the exact posterior mean over the picture's own
patches (Qiu, Kutulakos, Lindell, *Efficient and Training-Free Single-Image Diffusion Models*, CVPR 2026). Ours are the
scores in a subspace, the inverted lists for the softmax, and balancing (``SinGAN.patches.balance``).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.balance import LOWEST, Balance, balanced_weights
from SinGAN.patches.folding import PATCH, VOTES, edges, fold_centres, fold_wrapped, margin
from SinGAN.patches.lists import Lists
from SinGAN.patches.windows import BLOCK, Known, PatchScale, fold, places_in, rows_at, wrapped

STEPS = 10
LEAST_SIGMA = 1e-4
DIRECTIONS = 128  # leading ones, in which patches are compared
BALANCED = 2048  # keys up to which weights are balanced, on all devices: all weights are in memory then
LISTS_FROM = {"cpu": 2048, "cuda": 65536}  # keys from which on lists are looked into, not all keys
PROBES = 2  # lists that a query looks into
SAMPLE = 8192  # patches whose directions are found

Values = Callable[[slice], Tensor]
"""The numbers (n, v) to average, of a part of the keys."""


@dataclass(frozen=True, eq=False)
class Denoiser:
    """The posterior mean over the patches of one image."""

    real: Tensor  # (1, C, H, W), in [-1, 1]
    patch: int
    mean: Tensor  # (d,), of the patches
    basis: Tensor  # (k, d): leading directions
    keys: Tensor  # (N, k): patches less their mean, in these directions
    norms: Tensor  # (N,)
    places: Tensor  # (N,): their indices among all patches of the image
    centres: Tensor  # (N, c): their central pixels
    lists: Lists | None  # then keys, norms, places and centres are in its order

    @classmethod
    def of(
        cls, real: Tensor, patch: int = PATCH, known: Known | None = None, directions: int = DIRECTIONS
    ) -> "Denoiser":
        """The denoiser of ``real`` (1, C, H, W), of all its patches, or only those without a pixel of a hole."""
        with one_thread():
            return cls._of(real, patch, known, directions)

    @classmethod
    def _of(cls, real: Tensor, patch: int, known: Known | None, directions: int) -> "Denoiser":
        places = places_in(real, patch, known)
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).to(real.device)
        sample = rows_at(real, patch, places[order[:SAMPLE]]).double()
        mean = sample.mean(dim=0)
        basis = leading((sample - mean).T @ (sample - mean))[:, :directions].T.to(real.dtype).contiguous()
        mean = mean.to(real.dtype)
        keys = torch.cat([(rows_at(real, patch, part) - mean) @ basis.T for part in places.split(2**14)])
        lists = None if len(keys) < LISTS_FROM[real.device.type] else Lists.of(keys)
        if lists is not None:
            keys, places = keys[lists.members], places[lists.members]
        off = margin(patch)
        inner = real[..., off : real.shape[-2] - off, off : real.shape[-1] - off]
        centres = rows_at(inner, patch - 2 * off, places)
        return cls(real, patch, mean, basis, keys, keys.square().sum(dim=1), places, centres, lists)

    def clean(self, image: Tensor, alpha: float, sigma: float, wraps: bool, balance: Balance) -> Tensor:
        """The expectation of the clean image (1, C, H, W), given ``image`` = alpha clean + sigma noise."""
        size = (image.shape[-2], image.shape[-1])
        p, off, channels = self.patch, margin(self.patch), image.shape[1]
        outer = wrapped(image, p) if wraps else image
        height, width = outer.shape[-2] - p + 1, outer.shape[-1] - p + 1
        if alpha == 0:
            central = self.centres.mean(dim=0, keepdim=True).expand(height * width, -1)
        else:
            filters = self.basis.reshape(-1, channels, p, p)
            queries = F.conv2d(outer, filters)[0].flatten(1).T - alpha * (self.basis @ self.mean)
            queries = queries.contiguous()
            weights = self._weights(queries, alpha, sigma, balance)
            central = self.mean_of(queries, alpha, sigma, self._centres, weights)
        if wraps:
            return fold_wrapped(central, size, p)
        if not off:
            return fold_centres(central, None, size, p)
        edge = edges(height, width, image.device)
        if alpha == 0:
            full = self._full(slice(None)).mean(dim=0, keepdim=True).expand(len(edge), -1)
        else:
            at_edge = None if weights is None else weights[edge]
            full = self.mean_of(queries[edge], alpha, sigma, self._full, at_edge)
        if len(edge) == height * width:  # all are at the edge
            return fold(full[edge.argsort()], size, p, VOTES)
        return fold_centres(central, full, size, p)

    def _full(self, part: slice) -> Tensor:
        return rows_at(self.real, self.patch, self.places[part])

    def _centres(self, part: slice) -> Tensor:
        return self.centres[part]

    def _weights(self, queries: Tensor, alpha: float, sigma: float, balance: Balance) -> Tensor | None:
        """The balanced weights (M, N) of all patches for all queries, where there are few; else None."""
        if not balance.rounds or self.lists is not None or len(self.keys) >= BALANCED:
            return None
        return balanced_weights(self._scores(queries, alpha, sigma, slice(None)), balance)

    def _scores(self, queries: Tensor, alpha: float, sigma: float, part: slice) -> Tensor:
        """The logarithms (M, n), but for a constant of each query, of how likely each patch of ``part`` is."""
        bias = self.norms[part] * (-0.5 * (alpha / sigma) ** 2)
        return torch.addmm(bias, queries, self.keys[part].T, alpha=alpha / sigma**2)

    def mean_of(
        self, queries: Tensor, alpha: float, sigma: float, values: Values, weights: Tensor | None = None
    ) -> Tensor:
        """The mean (M, v) of ``values`` over the patches, weighted by how likely each of ``queries`` (M, k) is one.

        ``weights`` (M, N) are those that balancing has found.
        """
        if weights is not None:
            return weights @ values(slice(None))
        if self.lists is not None:
            return self._mean_by_lists(self.lists, queries, alpha, sigma, values)
        wanted = values(slice(None))
        blocks = queries.split(max(1, BLOCK[queries.device.type] // len(self.keys)))
        scores = (self._scores(block, alpha, sigma, slice(None)) for block in blocks)
        return torch.cat([part.softmax(dim=1) @ wanted for part in scores])

    def _mean_by_lists(self, lists: Lists, queries: Tensor, alpha: float, sigma: float, values: Values) -> Tensor:
        """The same over the lists near each query: maximum, sum and weighted sum go along from list to list."""
        highest = queries.new_full((len(queries), 1), -math.inf)
        total, result = torch.zeros_like(highest), queries.new_zeros(())
        for asking, part in lists.probes(queries / alpha, PROBES):
            wanted = values(part)
            if result.ndim == 0:
                result = queries.new_zeros(len(queries), wanted.shape[1])
            scores = self._scores(queries[asking], alpha, sigma, part)
            before = highest[asking]
            top = torch.maximum(before, scores.amax(dim=1, keepdim=True))
            weights, fading = (scores - top).clamp_(min=LOWEST).exp_(), (before - top).exp_()
            highest[asking] = top
            total[asking] = total[asking] * fading + weights.sum(dim=1, keepdim=True)
            result[asking] = result[asking] * fading + weights @ wanted
        return result / total


def leading(matrix: Tensor) -> Tensor:
    """The eigenvectors (d, d) of a symmetric ``matrix`` (d, d), the leading ones first."""
    vectors: Tensor = torch.linalg.eigh(matrix).eigenvectors
    return vectors.flip(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the last bits of products depend on how many there are. Two would be a quarter faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class Layout:
    """An image whose layout diffusion keeps: it begins halfway, at the noise that this image's patches make of it.

    DDIM's steps, upwards (Song et al., *Denoising Diffusion Implicit Models*, ICLR 2021).
    """

    denoiser: Denoiser  # of the image itself
    level: float = 0.5  # of the noise, of at most 1

    def noised(self, noise: Tensor, sigmas: Sequence[float]) -> Tensor:
        """The image (1, C, H, W) at the last of ``sigmas``; ``noise`` (1, C, H, W) is what it has at the first."""
        image = (1 - sigmas[0]) * self.denoiser.real + sigmas[0] * noise
        for sigma, after in pairwise(sigmas):
            clean = self.denoiser.clean(image, 1 - sigma, sigma, False, Balance(0))
            image = (1 - after) * clean + after / sigma * (image - (1 - sigma) * clean)
        return image


@dataclass(frozen=True, eq=False, kw_only=True)
class DenoiseScale(PatchScale):
    """A level that noise becomes by diffusion, with the low frequencies of the coarser scale's image."""

    denoiser: Denoiser
    factor: float  # of the pyramid
    coarsest: bool = False  # no coarser image gives the low frequencies
    steps: int = STEPS
    eta: float = 0.0  # fresh noise in each step, 0 to 1
    balance: Balance = Balance(0)
    least_sigma: float = LEAST_SIGMA  # of the last step
    layout: Layout | None = None  # what it begins from, in place of noise alone

    @property
    def patch(self) -> int:
        """The width of a patch in pixels."""
        return self.denoiser.patch

    def generate(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (1, C, H, W) that ``noise`` becomes, its low frequencies those of ``previous``."""
        self.check_size((noise.shape[-2], noise.shape[-1]))
        with one_thread():
            return self._diffuse(noise, previous)

    def _diffuse(self, noise: Tensor, previous: Tensor) -> Tensor:
        image, fresh, first = noise, fresh_noise(noise), self.steps
        sigmas = [0.0, *torch.linspace(self.least_sigma, 1, self.steps, dtype=torch.float64).tolist()]
        if self.layout is not None:
            first = max(step for step in range(1, self.steps + 1) if step == 1 or sigmas[step] <= self.layout.level)
            image = self.layout.noised(noise, sigmas[1 : first + 1])
        for step in range(first, 0, -1):
            sigma, after = sigmas[step], sigmas[step - 1]
            alpha = 1 - sigma
            clean = self.denoiser.clean(image, alpha, sigma, self.wraps, self.balance)
            rest = (image - alpha * clean) / sigma
            if not self.coarsest and step > 1:
                clean = clean - self._low(clean) + previous
            if self.known is not None:
                clean = self.known.kept(clean)
            if self.eta:
                drawn = torch.randn(noise.shape, generator=fresh, device=noise.device, dtype=noise.dtype)
                rest = math.sqrt(1 - self.eta**2) * rest + self.eta * drawn
            image = clean if step == 1 else (1 - after) * clean + after * rest
        return image.clamp(-1, 1)

    def _low(self, image: Tensor) -> Tensor:
        """The low frequencies of ``image`` (1, C, H, W): what the coarser scale could show of it."""
        height, width = image.shape[-2:]
        times = 3 if self.wraps else 1
        outer = image.repeat(1, 1, times, times)
        small = times * math.ceil(height * self.factor), times * math.ceil(width * self.factor)
        reduced = F.interpolate(outer, small, mode="bicubic", antialias=True)
        low = F.interpolate(reduced, (times * height, times * width), mode="bicubic", antialias=True)
        return low[..., height : 2 * height, width : 2 * width] if self.wraps else low


def fresh_noise(noise: Tensor) -> torch.Generator:
    """A generator for more noise, that follows from ``noise``: equal noise makes equal pictures."""
    seed = int(noise.double().flatten()[:64].sum().mul(2**20).round()) & (2**62 - 1)
    return torch.Generator(noise.device).manual_seed(seed)
