"""BatchNorm in training whose second derivative launches a fifth of the kernels of PyTorch's.

PyTorch computes it by some 100 elementwise operations. In a critic's gradient penalty they are most of the kernels that
an iteration launches on a GPU. Here the two derivatives share their common terms.
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
    """Normalise each channel of ``x`` (B, C, H, W), multiply by ``weight`` (C,) and add ``bias`` (C,)."""

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
        found: tuple[Tensor, Tensor, Tensor] = batch_norm_backward(gradient, x, weight, mean, rate, eps)
        ctx.save_for_backward(gradient, x, weight, mean, rate, found[1], found[2])
        ctx.set_materialize_grads(False)
        ctx.eps = eps
        return found

    @staticmethod
    def backward(ctx: Any, v: Tensor | None, *others: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of <v, by_x>, where v is the gradient by ``by_x``.

        The one by g is by_x with v in place of g; the one by weight is N rate k with
        k = <v g> - <v> <g> - <v n> <g n>; the one by x is
        -weight rate^2 (<v n> (g - <g>) + <g n> (v - <v>) + n (k - 2 <v n> <g n>)).
        """
        if any(other is not None for other in others):
            raise RuntimeError("only the gradient by a BatchNorm's input is differentiated here")
        if v is None:
            return (None,) * 6
        g, x, weight, mean, rate, sum_gn, sum_g = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        # 1. The gradient by g; the same kernel returns the sums of v n and of v.
        by_g, *sums = batch_norm_backward(v, x, weight, mean, rate, ctx.eps)
        of_g, of_v = torch.stack([sum_gn, sum_g, *sums]).chunk(2)
        # 2. N k for each channel, from these sums and those of the first backward pass.
        products = of_g * of_v
        k = torch.sub((v * g).sum(PLACES), products.sum(0), alpha=1 / count)
        # 3. The gradient by x: a sum of g, v and x, each times a factor per channel, and of a constant per channel.
        scale = (weight * rate).mul_(rate).div_(count)
        on_v, on_g = scale * of_g[0], scale * of_v[0]
        on_x = torch.sub(k, products[0], alpha=2 / count).mul_(rate).mul_(scale)
        rest = torch.addcmul(on_x * mean, on_g, of_g[1], value=1 / count).addcmul_(on_v, of_v[1], value=1 / count)
        by_x = torch.addcmul(per_channel(rest), x, per_channel(on_x), value=-1)
        by_x.addcmul_(g, per_channel(on_g), value=-1).addcmul_(v, per_channel(on_v), value=-1)
        return by_g, by_x.to(x.dtype), k.mul_(rate), None, None, None


def per_channel(values: Tensor) -> Tensor:
    """``values`` (C,) as (C, 1, 1)."""
    return values[:, None, None]


@contextmanager
def normalising(nets: Iterable[nn.Module]) -> Iterator[None]:
    """Let the training BatchNorms of ``nets`` use ``BatchNorm`` during the block."""
    norms = [module for net in nets for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    batches: list[Tensor] = []  # a batch counter for each batch that it counts
    for norm in norms:
        norm.forward = partial(normalise, norm, batches)  # type: ignore[method-assign]  # an own function of the instance, deleted below
    try:
        yield
        counts = Counter(map(id, batches))
        counters = list({id(counter): counter for counter in batches}.values())
        if counters:  # in one kernel: one kernel per counter would double those of the norms
            torch._foreach_add_(counters, [counts[id(counter)] for counter in counters])
    finally:
        for norm in norms:
            del norm.forward  # the class has one


def normalise(norm: nn.BatchNorm2d, batches: list[Tensor], x: Tensor) -> Tensor:
    """Apply ``norm`` to ``x`` (B, C, H, W); if it counts batches, append its counter to ``batches``."""
    if not norm.training or norm.momentum is None or norm.running_mean is None or norm.running_var is None:
        return type(norm).forward(norm, x)
    assert norm.num_batches_tracked is not None
    batches.append(norm.num_batches_tracked)
    output: Tensor = BatchNorm.apply(
        x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.momentum, norm.eps
    )
    return output


def batch_norm_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rate: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """PyTorch's gradients of BatchNorm in training by x, weight and bias."""
    masks = [True, True, True]
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, rate, True, eps, masks
    )
    return found
