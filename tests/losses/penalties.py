"""Penalties of a critic, for tests."""

from typing import Any

from torch import Tensor

from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.terms import PENALTIES, PENALTY, CriticContext, Term


def penalty_term(name: str = "gp", weight: float = 0.1) -> Term[CriticContext]:
    """The penalty ``name`` as a term of the critic's loss."""
    return Term(PENALTY, weight, PENALTIES[name])


def penalty(critic: Any, real: Tensor, fake: Tensor, mix: Tensor, name: str = "gp") -> Tensor:
    """The value of the penalty ``name`` for one critic, a function of an image."""
    return PENALTIES[name](CriticContext(critic, real, fake, mix, WASSERSTEIN))
