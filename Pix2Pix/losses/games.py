"""The games between generator and critic, the gradient penalty, and the rate of each epoch."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from SinGAN.functions import slope_of
from SinGAN.losses.gan import GAN_MODES, AdversarialLoss, Loss

Scores = Sequence[Tensor]
"""The maps of scores of all critics, (B, 1, h, w) each."""


def double(loss: Loss) -> Loss:
    """Twice ``loss``."""
    return lambda scores: 2 * loss(scores)


_HALVES = GAN_MODES["lsgan"]
GAMES: dict[str, AdversarialLoss] = {
    **GAN_MODES,
    # whole squares, as pix2pix has them, where SinGAN has half of each
    "lsgan": replace(
        _HALVES, real=double(_HALVES.real), fake=double(_HALVES.fake), generator=double(_HALVES.generator)
    ),
}
"""The losses of each game by name."""


def mean_loss(loss: Loss, scores: Scores) -> Tensor:
    """The mean of ``loss`` over all critics."""
    return torch.stack([loss(each) for each in scores]).mean()


def gradient_penalty(
    critic: Callable[[Tensor, Tensor], Scores], a: Tensor, b: Tensor, fake: Tensor, mix: Tensor
) -> Tensor:
    """The samples' mean of (|slope| - 1)^2 between the pairs (a, b) and (a, fake) (Gulrajani et al. 2017).

    ``mix`` (B,) says where between them, for each sample. A slope's norm is over all channels and pixels of both.
    """
    share = mix[:, None, None, None]
    between = share * torch.cat([a, b], dim=1) + (1 - share) * torch.cat([a, fake], dim=1)

    def scores(between: Tensor) -> Tensor:
        return torch.stack([each.sum() for each in critic(between[:, : a.shape[1]], between[:, a.shape[1] :])])

    slope = slope_of(scores, between.requires_grad_(), create_graph=True)
    excess: Tensor = slope_norms(slope) - 1
    return excess.square().mean()


def slope_norms(slope: Tensor) -> Tensor:
    """The norms (B,) of ``slope`` (B, C, H, W)."""
    norms: Tensor = (slope.flatten(1) + 1e-16).norm(2, dim=1)
    return norms


def learning_rate(epoch: int, start: float, whole: int, falling: int) -> float:
    """The learning rate of ``epoch``, counted from 1: ``start``, after ``whole`` ones falling for ``falling`` more."""
    return start * (1 - max(0, epoch - whole) / (falling + 1))
