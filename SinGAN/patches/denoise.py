"""Closed-form patch diffusion: noise becomes a picture in a few steps, whose denoiser needs no training.

The denoiser is the exact posterior mean over the picture's own patches (Qiu, Kutulakos, Lindell, *Efficient and
Training-Free Single-Image Diffusion Models*, CVPR 2026). Our additions are the scores in a subspace, inverted lists for
the softmax, and balancing: a few rounds of Sinkhorn's algorithm (Sinkhorn 1964; Cuturi 2013) make the weights the
optimal transport from the noisy patches to the picture's, so that every patch is used equally often. Without it bright
clouds spread and horizons double.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.levels import level_sizes, mean_ratio
from SinGAN.patches.neighbours import Lists
from SinGAN.patches.windows import (
    BLOCK,
    Known,
    PatchPyramid,
    PatchScale,
    add_up,
    choose_width,
    fold,
    gaussian,
    limit_width,
    rows_at,
    usable_places,
    wrap,
)
from SinGAN.planning import Size

PATCH = 15  # pixels
VOTES = 0.2  # deviation of a patch's weights, in half widths: its centre counts
CENTRE = 7  # pixels: all that counts of a patch, except at the image's edges
STEPS = 10
LEAST_SIGMA = 1e-4
INVERTED = 0.5  # sigma at which an image whose layout is kept starts
HALF = 0.5  # ratio of neighbouring levels, roughly
DIRECTIONS = 128  # leading ones, in which patches are compared
SAMPLE = 8192  # patches from which these are computed
LISTS_FROM = {"cpu": 2048, "cuda": 65536}  # keys from which on lists are looked into, not all keys
PROBES = 2  # lists that a query looks into
BALANCED = 2048  # keys up to which weights are balanced, on all devices: all weights are in memory then
LOWEST = -80.0  # logarithm of a weight: lower ones are denormal numbers, with which processors are slow
LEAST_USED = 1e-30  # below that float32 loses numbers

Values = Callable[[slice], Tensor]
"""The numbers (n, v) to average, of a part of the keys."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the last bits of products depend on their number. Two would be a quarter faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Balance:
    """How far weights are balanced."""

    rounds: int
    damping: float = 1.0  # share of each round's correction that is applied


BALANCES = {"off": Balance(0), "light": Balance(5, 0.5), "full": Balance(20)}
"""By the value of the option ``balance``."""


def balance_weights(scores: Tensor, balance: Balance) -> Tensor:
    """The softmax (M, N) over N patches of ``scores`` (M, N) plus a bias for each patch, found by Sinkhorn's rounds."""
    wanted = math.log(scores.shape[0] / scores.shape[1])
    bias, work = scores.new_zeros(scores.shape[1]), torch.empty_like(scores)
    for _ in range(balance.rounds):
        # 1. How often each patch is used.
        top = torch.add(scores, bias, out=work).amax(dim=1, keepdim=True)
        sums = work.sub_(top).clamp_(min=LOWEST).exp_().sum(dim=1, keepdim=True)
        used = ((1 / sums).T @ work)[0]
        logs = used.log()
        rare = used < LEAST_USED  # too little for plain sums
        if rare.any():
            logs[rare] = torch.logsumexp(scores[:, rare] + bias[rare] - top - sums.log(), dim=0)
        # 2. The bias that would make all uses equal, were the others fixed.
        bias = bias + balance.damping * (wanted - logs)
    return torch.add(scores, bias, out=work).softmax(dim=1)


def margin(patch: int) -> int:
    """The pixels on each side of a patch beside its centre; 0 for a small one, which counts as a whole."""
    return (patch - CENTRE) // 2 if patch == PATCH else 0


def edge_places(height: int, width: int, device: torch.device) -> Tensor:
    """The indices of the first and last row of ``height`` x ``width`` places, then of the outer columns between."""
    index = torch.arange(height * width, device=device).reshape(height, width)
    if min(height, width) < 3:
        return index.flatten()
    return torch.cat([index[0], index[-1], index[1:-1, 0], index[1:-1, -1]])


def add_centres(central: Tensor, full: Tensor, size: Size, p: int) -> Tensor:
    """The weighted sum (1, C, *size) of all patches' centres, and of whole patches at the edges outside their centres.

    Arguments:
        central: (N, C c c), the centres.
        full: (E, C p p), whole patches at ``edge_places``, for pixels that no centre covers.
        size: of the image.
        p: width of a patch.
    """
    off, (height, width), weights = margin(p), (size[0] - p + 1, size[1] - p + 1), gaussian(p, VOTES, full)
    core, channels = weights[off : p - off, off : p - off].flatten(), full.shape[1] // p**2
    inner = add_up(central * core.repeat(channels), (size[0] - 2 * off, size[1] - 2 * off), p - 2 * off)
    total = F.pad(inner, (off, off, off, off))
    weights[off : p - off, off : p - off] = 0
    full = full * weights.flatten().repeat(channels)
    top, bottom, left, right = full.split([width, width, height - 2, height - 2])
    across, down = (p, width + p - 1), (height - 2 + p - 1, p)
    total[..., :p, :] += add_up(top, across, p)
    total[..., -p:, :] += add_up(bottom, across, p)
    total[..., 1:-1, :p] += add_up(left, down, p)
    total[..., 1:-1, -p:] += add_up(right, down, p)
    return total


@lru_cache(maxsize=64)
def centre_sums(size: Size, p: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The sum of weights (1, 1, *size) at each pixel, as ``add_centres`` counts them."""
    height, width = size[0] - p + 1, size[1] - p + 1
    one = torch.ones(1, p * p, device=device, dtype=dtype)
    edges = one.expand(2 * width + 2 * (height - 2), -1)
    return add_centres(one[:, : (p - 2 * margin(p)) ** 2].expand(height * width, -1), edges, size, p)


@dataclass(frozen=True, eq=False)
class Denoiser:
    """The posterior mean over the patches of one image."""

    real: Tensor  # (1, C, H, W), in [-1, 1]
    patch: int
    mean: Tensor  # (d,), of the patches
    basis: Tensor  # (k, d), leading directions
    keys: Tensor  # (N, k), patches less their mean, in these directions
    norms: Tensor  # (N,), their squared lengths
    places: Tensor  # (N,), their indices among all patches of the image
    centres: Tensor  # (N, c), their central pixels
    lists: Lists | None  # then keys, norms, places and centres are in its order

    @classmethod
    @one_thread()
    def of(
        cls, real: Tensor, patch: int = PATCH, known: Known | None = None, directions: int = DIRECTIONS
    ) -> "Denoiser":
        """The denoiser of ``real`` (1, C, H, W), of its patches without a pixel of a hole."""
        # 1. The leading directions: eigenvectors of the covariance of a sample of patches.
        places = usable_places(real, patch, known)
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).to(real.device)
        sample = rows_at(real, patch, places[order[:SAMPLE]]).double()
        mean = sample.mean(dim=0)
        vectors = torch.linalg.eigh((sample - mean).T @ (sample - mean)).eigenvectors.flip(1)
        basis, mean = vectors[:, :directions].T.to(real.dtype).contiguous(), mean.to(real.dtype)
        # 2. All patches in these directions, in lists where they are many.
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
        p, off = self.patch, margin(self.patch)
        # 1. The image's patches in the leading directions.
        outer = wrap(image, p) if wraps else image
        filters = self.basis.reshape(-1, image.shape[1], p, p)
        queries = (F.conv2d(outer, filters)[0].flatten(1).T - alpha * (self.basis @ self.mean)).contiguous()
        # 2. The centre of each becomes the posterior mean of the picture's; they are folded.
        weights = self._balanced_weights(queries, alpha, sigma, balance)
        central = self._average(queries, alpha, sigma, lambda part: self.centres[part], weights)
        if wraps:
            return fold(central, size, p, VOTES, True, off).roll((off, off), dims=(-2, -1))
        if not off:
            return fold(central, size, p, VOTES)
        # 3. At the edges, where no centre reaches, whole patches count.
        height, width = size[0] - p + 1, size[1] - p + 1
        edge = edge_places(height, width, image.device)
        at_edge = None if weights is None else weights[edge]
        full = self._average(queries[edge], alpha, sigma, self._whole_patches, at_edge)
        if len(edge) == height * width:  # all are at the edge
            return fold(full[edge.argsort()], size, p, VOTES)
        return add_centres(central, full, size, p) / centre_sums(size, p, central.device, central.dtype)

    def _whole_patches(self, part: slice) -> Tensor:
        return rows_at(self.real, self.patch, self.places[part])

    def _balanced_weights(self, queries: Tensor, alpha: float, sigma: float, balance: Balance) -> Tensor | None:
        """The balanced weights (M, N) of all patches for all queries, where they are few; else None."""
        if alpha == 0 or not balance.rounds or self.lists is not None or len(self.keys) >= BALANCED:
            return None
        return balance_weights(self._scores(queries, alpha, sigma, slice(None)), balance)

    def _scores(self, queries: Tensor, alpha: float, sigma: float, part: slice) -> Tensor:
        """The log-likelihood (M, n) of each patch of ``part``, but for a constant of each query."""
        bias = self.norms[part] * (-0.5 * (alpha / sigma) ** 2)
        return torch.addmm(bias, queries, self.keys[part].T, alpha=alpha / sigma**2)

    def _average(self, queries: Tensor, alpha: float, sigma: float, values: Values, weights: Tensor | None) -> Tensor:
        """The mean (M, v) of ``values`` over the patches, weighted by their likelihood for each of ``queries`` (M, k).

        ``weights`` (M, N) are balanced ones, if any.
        """
        if alpha == 0:
            return values(slice(None)).mean(dim=0, keepdim=True).expand(len(queries), -1)
        if weights is not None:
            return weights @ values(slice(None))
        if self.lists is None:
            wanted = values(slice(None))
            blocks = queries.split(max(1, BLOCK[queries.device.type] // len(self.keys)))
            return torch.cat([
                self._scores(block, alpha, sigma, slice(None)).softmax(dim=1) @ wanted for block in blocks
            ])  # fmt: skip
        # Over the lists near each query: maximum, sum and weighted sum are updated from list to list.
        highest = queries.new_full((len(queries), 1), -math.inf)
        total = torch.zeros_like(highest)
        result = queries.new_zeros(len(queries), values(slice(0, 1)).shape[1])
        for asking, part in self.lists.probes(queries / alpha, PROBES):
            scores, before = self._scores(queries[asking], alpha, sigma, part), highest[asking]
            top = torch.maximum(before, scores.amax(dim=1, keepdim=True))
            shares, fading = (scores - top).clamp_(min=LOWEST).exp_(), (before - top).exp_()
            highest[asking] = top
            total[asking] = total[asking] * fading + shares.sum(dim=1, keepdim=True)
            result[asking] = result[asking] * fading + shares @ values(part)
        return result / total


def invert(denoiser: Denoiser, noise: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The denoiser's own image (1, C, H, W) with the noise from which diffusion leads back to it.

    DDIM's steps, upwards (Song et al., *Denoising Diffusion Implicit Models*, ICLR 2021): through ``sigmas``, from the
    ``noise`` (1, C, H, W) at the first to the noisy image at the last.
    """
    image = (1 - sigmas[0]) * denoiser.real + sigmas[0] * noise
    for sigma, after in pairwise(sigmas):
        clean = denoiser.clean(image, 1 - sigma, sigma, False, Balance(0))
        image = (1 - after) * clean + after / sigma * (image - (1 - sigma) * clean)
    return image


@dataclass(frozen=True, eq=False, kw_only=True)
class DenoiseScale(PatchScale):
    """A level that noise becomes by diffusion, with the low frequencies of the coarser scale's image."""

    denoiser: Denoiser
    factor: float  # of the pyramid
    coarsest: bool = False  # no coarser image gives the low frequencies
    steps: int = STEPS
    eta: float = 0.0  # share of fresh noise in each step, 0 to 1
    balance: Balance = Balance(0)
    least_sigma: float = LEAST_SIGMA  # of the last step
    layout: Denoiser | None = None  # of an image whose layout is kept: the start is this image, half noise

    @property
    def patch(self) -> int:
        """The width of a patch in pixels."""
        return self.denoiser.patch

    @one_thread()
    def generate(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (1, C, H, W) that ``noise`` becomes, its low frequencies those of ``previous``."""
        self.check_size(noise)
        # 1. The start: pure noise, or an image whose layout is kept, half noise.
        image, fresh, first = noise, fresh_noise(noise), self.steps
        sigmas = [0.0, *torch.linspace(self.least_sigma, 1, self.steps, dtype=torch.float64).tolist()]
        if self.layout is not None:
            first = max(step for step in range(1, self.steps + 1) if step == 1 or sigmas[step] <= INVERTED)
            image = invert(self.layout, noise, sigmas[1 : first + 1])
        for step in range(first, 0, -1):
            # 2. The clean image expected, and the rest, which is noise.
            sigma, after, alpha = sigmas[step], sigmas[step - 1], 1 - sigmas[step]
            clean = self.denoiser.clean(image, alpha, sigma, self.wraps, self.balance)
            rest = (image - alpha * clean) / sigma
            # 3. Its low frequencies are the coarser image's; known pixels stay.
            if not self.coarsest and step > 1:
                clean = clean - self._low(clean) + previous
            if self.known is not None:
                clean = self.known.keep(clean)
            # 4. DDIM's step to the next noise level.
            if self.eta:
                drawn = torch.randn(noise.shape, generator=fresh, device=noise.device, dtype=noise.dtype)
                rest = math.sqrt(1 - self.eta**2) * rest + self.eta * drawn
            image = clean if step == 1 else (1 - after) * clean + after * rest
        return image.clamp(-1, 1)

    def _low(self, image: Tensor) -> Tensor:
        """The low frequencies of ``image`` (1, C, H, W): those that the coarser scale has."""
        height, width = image.shape[-2:]
        times = 3 if self.wraps else 1
        outer = image.repeat(1, 1, times, times)
        small = times * math.ceil(height * self.factor), times * math.ceil(width * self.factor)
        reduced = F.interpolate(outer, small, mode="bicubic", antialias=True)
        low = F.interpolate(reduced, (times * height, times * width), mode="bicubic", antialias=True)
        return low[..., height : 2 * height, width : 2 * width] if self.wraps else low


def fresh_noise(noise: Tensor) -> torch.Generator:
    """A generator for more noise, seeded by ``noise``: equal noise gives equal pictures."""
    seed = int(noise.double().flatten()[:64].sum().mul(2**20).round()) & (2**62 - 1)
    return torch.Generator(noise.device).manual_seed(seed)


def diffusion_pyramid(
    image: Tensor,
    *,
    coarsest: int = 20,
    patch: int = PATCH,
    steps: int = STEPS,
    eta: float = 0.0,
    balance: Balance = Balance(20),
    hole: Tensor | None = None,
    wraps: bool = False,
) -> PatchPyramid[DenoiseScale]:
    """The pyramid of patch diffusion of ``image`` (1, C, H, W), in [-1, 1].

    Arguments:
        image: the picture.
        coarsest: shorter side of the coarsest level, in pixels: the larger, the freer the result.
        patch: width of a patch in pixels, where the coarsest level is wide enough.
        steps: of each level.
        eta: share of fresh noise in each step, 0 to 1.
        balance: how evenly the picture's patches are used.
        hole: (1, 1, H, W), 1 where pixels are unknown: patches with such a pixel are not used.
        wraps: generate tiles.

    Raises:
        ValueError: the hole leaves no whole patch.
    """
    sizes = level_sizes((image.shape[-2], image.shape[-1]), coarsest, HALF)
    shorter = min(sizes[0])
    widest = patch if shorter > patch else max(1, int(shorter / 1.6) // 2 * 2 - 1)

    def scale(index: int, reals: list[Tensor], known: Known | None) -> DenoiseScale:
        width = choose_width(known, range(widest, 2, -4))
        denoiser = Denoiser.of(reals[index], limit_width(width, sizes[-1], sizes[index]) if wraps else width, known)
        return DenoiseScale(
            real=reals[index], known=known, wraps=wraps, denoiser=denoiser, factor=mean_ratio(sizes),
            coarsest=index == 0, steps=steps, eta=eta, balance=balance,
        )  # fmt: skip

    return PatchPyramid.build(image, sizes, hole, wraps, scale)
