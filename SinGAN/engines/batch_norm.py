"""BatchNorm in training whose second derivative takes a fifth of the kernels that PyTorch's takes.

PyTorch computes it from some 100 elementwise operations; in the gradient penalty of a critic these are most of what an
iteration launches on a GPU. Here both derivatives share what they have in common.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

PLACES = (0, 2, 3)


class BatchNorm(torch.autograd.Function):
    """``x`` (B, C, H, W) with mean 0 and variance 1 in each channel, times ``weight`` (C,), plus ``bias`` (C,)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, momentum: float, eps: float
    ) -> Tensor:
        output, own_mean, rate = torch.ops.aten.native_batch_norm(x, weight, bias, mean, var, True, momentum, eps)
        ctx.save_for_backward(x, weight, own_mean, rate)
        ctx.set_materialize_grads(False)
        ctx.eps = eps
        result: Tensor = output
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 7
        x, weight, mean, rate = ctx.saved_tensors
        by_x, by_weight, by_bias = Gradient.apply(gradient, x, weight, mean, rate, ctx.eps)
        return by_x, by_weight, by_bias, None, None, None, None


class Gradient(torch.autograd.Function):
    """The gradients by x, weight and bias of ``BatchNorm``, from the ``gradient`` by its output.

    With n = (x - mean) rate, g the gradient and <.> the mean over a channel:
    by_x = weight rate (g - <g> - n <g n>), by_weight = sum(g n), by_bias = sum(g).
    """

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rate: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = backward_of(gradient, x, weight, mean, rate, eps)
        ctx.save_for_backward(gradient, x, weight, mean, rate, found[1], found[2])
        ctx.set_materialize_grads(False)
        ctx.eps = eps
        return found

    @staticmethod
    def backward(ctx: Any, v: Tensor | None, *others: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of <v, by_x>, where v is the gradient by ``by_x``.

        By g it is what by_x is, with v in place of g; by weight it is N rate k with
        k = <v g> - <v> <g> - <v n> <g n>; by x it is
        -weight rate^2 (<v n> (g - <g>) + <g n> (v - <v>) + n (k - 2 <v n> <g n>)).
        """
        if any(other is not None for other in others):
            raise RuntimeError("only the gradient by a BatchNorm's input is differentiated here")
        if v is None:
            return (None,) * 6
        g, x, weight, mean, rate, sum_gn, sum_g = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        # 1. By g; on the way sums of v n and of v are found.
        by_g, *sums = backward_of(v, x, weight, mean, rate, ctx.eps)
        of_g, of_v = torch.stack([sum_gn, sum_g, *sums]).chunk(2)
        # 2. N k, for each channel.
        products = of_g * of_v
        k = torch.sub((v * g).sum(PLACES), products.sum(0), alpha=1 / count)
        # 3. By x: a sum of g, v and x, each times a number of its channel, and of one more such number.
        scale = (weight * rate).mul_(rate).div_(count)
        on_v, on_g = scale * of_g[0], scale * of_v[0]
        on_x = torch.sub(k, products[0], alpha=2 / count).mul_(rate).mul_(scale)
        rest = torch.addcmul(on_x * mean, on_g, of_g[1], value=1 / count).addcmul_(on_v, of_v[1], value=1 / count)
        by_x = torch.addcmul(spread(rest), x, spread(on_x), value=-1)
        by_x.addcmul_(g, spread(on_g), value=-1).addcmul_(v, spread(on_v), value=-1)
        return by_g, by_x.to(x.dtype), k.mul_(rate), None, None, None


def spread(values: Tensor) -> Tensor:
    """``values`` (C,) as (C, 1, 1)."""
    return values[:, None, None]


@contextmanager
def normalising(nets: Iterable[nn.Module]) -> Iterator[None]:
    """Let the BatchNorms of ``nets`` that are in training run by ``BatchNorm`` for the duration of the block."""
    norms = [module for net in nets for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    batches: list[Tensor] = []  # what counts them, once for each
    for norm in norms:
        norm.forward = partial(normalised, norm, batches)  # type: ignore[method-assign]
    try:
        yield
        counts = Counter(map(id, batches))
        counters = list({id(counter): counter for counter in batches}.values())
        if counters:  # in one kernel: one for each would be as many as those of the norms
            torch._foreach_add_(counters, [counts[id(counter)] for counter in counters])
    finally:
        for norm in norms:
            del norm.forward  # the class has one


def normalised(norm: nn.BatchNorm2d, batches: list[Tensor], x: Tensor) -> Tensor:
    """What ``norm`` makes of ``x`` (B, C, H, W); where that counts as a batch, its counter joins ``batches``."""
    if not norm.training or norm.momentum is None or norm.running_mean is None or norm.running_var is None:
        return type(norm).forward(norm, x)
    assert norm.num_batches_tracked is not None
    batches.append(norm.num_batches_tracked)
    output: Tensor = BatchNorm.apply(
        x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.momentum, norm.eps
    )
    return output


def backward_of(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rate: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """PyTorch's first derivative of BatchNorm in training: by x, weight and bias."""
    masks = [True, True, True]
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, rate, True, eps, masks
    )
    return found
