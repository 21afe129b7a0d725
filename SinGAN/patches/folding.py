"""Images from patches of which the centre counts: at the edges, where no centre reaches, whole patches do."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.patches.windows import add_up, bump
from SinGAN.planning import Size

PATCH = 15  # pixels
VOTES = 0.2  # deviation of a patch's weights, in half widths: its centre counts
CENTRE = 7  # pixels: all that counts of a patch, but at the image's edges


def fold_wrapped(central: Tensor, size: Size, patch: int) -> Tensor:
    """The image (1, C, *size), which wraps, of the patches' centres (N, c)."""
    off = margin(patch)
    core, weights = patch - 2 * off, core_bump(patch, central)
    channels = central.shape[1] // core**2
    total = add_up(central * weights.repeat(channels), size, core, wraps=True)
    weight = add_up(weights.expand(len(central), -1), size, core, wraps=True)
    return (total / weight).roll((off, off), dims=(-2, -1))


def fold_centres(central: Tensor, full: Tensor | None, size: Size, patch: int) -> Tensor:
    """The image (1, C, *size) of the patches' centres (N, c), and of the whole patches at the ``edges``, if any."""
    off = margin(patch)
    core, weights = patch - 2 * off, core_bump(patch, central)
    channels = central.shape[1] // core**2
    inner = add_up(central * weights.repeat(channels), (size[0] - 2 * off, size[1] - 2 * off), core)
    total = F.pad(inner, (off, off, off, off))
    if full is not None:
        add_edges(total, full, size, patch)
    return total / edge_votes(size, patch, full is not None, central.device, central.dtype)


def margin(patch: int) -> int:
    """The pixels on each side of a patch beside its centre; 0 for a small one, which counts as a whole."""
    return (patch - CENTRE) // 2 if patch == PATCH else 0


def core_bump(patch: int, like: Tensor) -> Tensor:
    """The weights of a patch's centre, as a row."""
    off = margin(patch)
    return bump(patch, VOTES, like)[off : patch - off, off : patch - off].flatten()


def edges(height: int, width: int, device: torch.device) -> Tensor:
    """The indices of the first and last row of ``height`` x ``width`` places, then of the outer columns between."""
    index = torch.arange(height * width, device=device).reshape(height, width)
    if min(height, width) < 3:
        return index.flatten()
    return torch.cat([index[0], index[-1], index[1:-1, 0], index[1:-1, -1]])


def add_edges(total: Tensor, full: Tensor, size: Size, p: int) -> None:
    """Add to ``total`` (1, C, *size) what the whole patches ``full`` at the ``edges`` say outside their centres."""
    off, channels = margin(p), full.shape[1] // p**2
    height, width = size[0] - p + 1, size[1] - p + 1
    weights = bump(p, VOTES, full)
    weights[off : p - off, off : p - off] = 0
    full = full * weights.flatten().repeat(channels)
    top, bottom, left, right = full.split([width, width, height - 2, height - 2])
    across, down = (p, width + p - 1), (height - 2 + p - 1, p)
    total[..., :p, :] += add_up(top, across, p)
    total[..., -p:, :] += add_up(bottom, across, p)
    total[..., 1:-1, :p] += add_up(left, down, p)
    total[..., 1:-1, -p:] += add_up(right, down, p)


@lru_cache(maxsize=64)
def edge_votes(size: Size, p: int, has_edges: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The sum of weights (1, 1, *size) that each pixel gets from centres and, if there are, whole patches at edges."""
    off, like = margin(p), torch.empty(0, device=device, dtype=dtype)
    height, width = size[0] - p + 1, size[1] - p + 1
    core = core_bump(p, like)
    inner = add_up(core.expand(height * width, -1), (size[0] - 2 * off, size[1] - 2 * off), p - 2 * off)
    total = F.pad(inner, (off, off, off, off))
    if has_edges:
        add_edges(total, torch.ones(2 * width + 2 * (height - 2), p * p, device=device, dtype=dtype), size, p)
    return total
