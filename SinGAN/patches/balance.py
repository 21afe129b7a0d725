"""Balancing: every patch of the picture is to be used equally often.

The plain denoiser does not know how much of what a picture holds: bright clouds spread, horizons double. A few rounds
of Sinkhorn's algorithm (Sinkhorn 1964; Cuturi 2013) make its weights the optimal transport from the noisy patches to
the picture's. This is our addition to the published method.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOWEST = -80.0  # logarithm of a weight: lower ones are denormal numbers, with which processors are slow
LEAST_USED = 1e-30  # below that float32 loses numbers


@dataclass(frozen=True)
class Balance:
    """How far weights are balanced."""

    rounds: int
    damping: float = 1.0  # share of each round's correction that is made


BALANCES = {"off": Balance(0), "light": Balance(5, 0.5), "full": Balance(20)}
"""By the value of the option ``balance``."""


def balanced_weights(scores: Tensor, balance: Balance) -> Tensor:
    """The softmax (M, N) over N patches of ``scores`` (M, N) and of a bias for each patch, which rounds have found."""
    wanted = math.log(scores.shape[0] / scores.shape[1])
    bias, work = scores.new_zeros(scores.shape[1]), torch.empty_like(scores)
    for _ in range(balance.rounds):
        top = torch.add(scores, bias, out=work).amax(dim=1, keepdim=True)
        sums = work.sub_(top).clamp_(min=LOWEST).exp_().sum(dim=1, keepdim=True)
        used = ((1 / sums).T @ work)[0]
        logs = used.log()
        rare = used < LEAST_USED  # too little for plain sums
        if rare.any():
            logs[rare] = torch.logsumexp(scores[:, rare] + bias[rare] - top - sums.log(), dim=0)
        bias = bias + balance.damping * (wanted - logs)
    return torch.add(scores, bias, out=work).softmax(dim=1)
