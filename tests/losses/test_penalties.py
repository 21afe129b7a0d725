"""The gradient penalties: known values, where the slope is taken, and a critic that learns from each."""

from functools import partial

import pytest
import torch
from torch import Tensor

from SinGAN.losses import PENALTY_NAMES
from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.iteration import differentiate_eagerly
from SinGAN.losses.terms import PENALTIES, critic_loss
from SinGAN.models import NetConfig, initialise
from SinGAN.variants.build import build_critic
from tests.losses.penalties import penalty, penalty_term

MIX = torch.tensor(0.3)


def test_the_names_are_those_of_the_options() -> None:
    assert tuple(PENALTIES) == PENALTY_NAMES


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_values_for_a_linear_critic(slope: float) -> None:
    weights = torch.tensor([1.0, 2.0, 2.0]).reshape(1, 3, 1, 1) * slope / 3  # of norm ``slope``

    def critic(image: Tensor) -> Tensor:
        return (weights * image).sum(dim=1)

    real, fake = torch.rand(1, 3, 5, 6), torch.rand(1, 3, 5, 6)
    known = {"gp": (slope - 1) ** 2, "one_sided": max(0, slope - 1) ** 2, "r1": slope**2 / 2}
    for name, wanted in known.items():
        assert float(penalty(critic, real, fake, MIX, name)) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("name", "point"), [("gp", 0.25), ("one_sided", 0.25), ("r1", 1.0)])
def test_where_the_slope_is_taken(name: str, point: float) -> None:
    """Between fake, here 0, and real, here 1, or at real; the images themselves require no gradient afterwards."""
    seen: list[Tensor] = []

    def critic(image: Tensor) -> Tensor:
        seen.append(image.detach())
        return image.square()

    real, fake = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    penalty(critic, real, fake, torch.tensor(0.25), name)
    assert torch.equal(seen[0], torch.full((1, 3, 2, 2), point))
    assert not real.requires_grad
    assert not fake.requires_grad


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("conditional", [False, True])
def test_gradient_steps_on_the_penalty_alone_lower_it(
    name: str, critics: int, conditional: bool, rng: torch.Generator
) -> None:
    critic = build_critic(NetConfig(filters=4, min_filters=4, critics=critics, conditional=conditional))
    initialise(critic, rng)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(4)  # slopes above 1
    channels = 6 if conditional else 3
    real, fake = torch.rand(2, 1, channels, 44, 44, generator=rng)
    bound = partial(critic_loss, critic=critic, real=real, fake=fake, mix=MIX, adversarial=WASSERSTEIN)
    adam, values = torch.optim.Adam(critic.parameters(), lr=0.01), []
    for _ in range(20):
        adam.zero_grad()
        values.append(float(differentiate_eagerly(partial(bound, term=penalty_term(name, 1.0)))))
        adam.step()
    assert 0 <= values[-1] < 0.5 * values[0]
