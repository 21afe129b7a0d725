"""Dropout and noise on weights, both decided by noise maps."""

import pytest
import torch

from SinGAN import frozen
from SinGAN.chance import dropped, keys, shaken, uniform
from SinGAN.frozen import folded, in_strips
from SinGAN.functions import repeated
from SinGAN.models import Generator, NetConfig, initialise

DROPOUT = NetConfig(filters=8, min_filters=8, dropout=0.5)
WEIGHTS = NetConfig(filters=8, min_filters=8, weight_noise=0.3)


def test_the_numbers_are_uniform_and_independent(rng: torch.Generator) -> None:
    seeds = torch.randn(20_000, 1, generator=rng)
    numbers = uniform(seeds, keys(8, 1, seeds))
    assert float(numbers.min()) >= 0
    assert float(numbers.max()) < 1
    assert torch.allclose(numbers.mean(dim=0), torch.tensor(0.5, dtype=torch.float64), atol=0.01)
    assert torch.allclose(numbers.var(dim=0), torch.tensor(1 / 12, dtype=torch.float64), atol=0.002)
    among = torch.corrcoef(numbers.T) - torch.eye(8)  # one seed, several keys
    assert float(among.abs().max()) < 0.03
    along = torch.corrcoef(torch.stack([numbers[:-1, 0], numbers[1:, 0]]))  # one key, several seeds
    assert float(along[0, 1].abs()) < 0.03
    assert float(torch.corrcoef(torch.stack([uniform(seeds, keys(8, 2, seeds))[:, 0], numbers[:, 0]]))[0, 1]) < 0.03


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float, rng: torch.Generator) -> None:
    features, noise = torch.ones(1, 16, 60, 60), torch.randn(1, 1, 64, 64, generator=rng)
    made = dropped(features, noise, share, depth=0)
    assert float((made == 0).float().mean()) == pytest.approx(share, abs=0.01)
    assert made[made != 0].unique().tolist() == pytest.approx([1 / (1 - share)])
    assert float(made.mean()) == pytest.approx(1, abs=0.02)
    assert not torch.equal(made[0, 0], made[0, 1])
    assert not torch.equal(made, dropped(features, noise, share, depth=1))


def test_noise_of_zero_drops_nothing_and_shakes_nothing() -> None:
    features, weight = torch.randn(1, 4, 6, 6), torch.randn(4, 3, 3, 3)
    assert torch.equal(dropped(features, torch.zeros(1, 1, 6, 6), 0.5, 0), features)
    assert torch.equal(shaken(weight, torch.zeros(1, 1, 1, 1), 0.5, 0), weight)


def test_weights_are_shaken_by_their_share_of_each_filters_size() -> None:
    weight = torch.randn(6, 32, 3, 3) * torch.tensor([0.01, 0.1, 1, 1, 10, 100])[:, None, None, None]
    noise = shaken(weight, torch.full((1, 1, 1, 1), 0.7), 0.2, 0) - weight
    sizes = weight.square().mean(dim=(1, 2, 3)).sqrt()
    assert torch.allclose(noise.std(dim=(1, 2, 3)) / sizes, torch.tensor(0.2), atol=0.03)
    assert torch.allclose(noise.mean(dim=(1, 2, 3)) / sizes, torch.tensor(0.0), atol=0.04)
    normal = (noise / sizes[:, None, None, None] / 0.2).flatten()
    assert float((normal.abs() < 1).float().mean()) == pytest.approx(0.683, abs=0.03)  # as of a Gaussian
    other = shaken(weight, torch.full((1, 1, 1, 1), 0.8), 0.2, 0) - weight
    assert abs(float(torch.corrcoef(torch.stack([noise[2].flatten(), other[2].flatten()]))[0, 1])) < 0.15


def generator(config: NetConfig, rng: torch.Generator) -> Generator:
    """A trained-looking generator."""
    net = Generator(config).train()
    initialise(net, rng)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(4)
    net(torch.randn(1, 3, 30, 30, generator=rng), torch.zeros(1, 3, 30, 30))
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("config", [DROPOUT, WEIGHTS], ids=["dropout", "weights"])
class TestGenerator:
    """What holds for both."""

    def inputs(self, net: Generator, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z_rec = torch.linspace(-1, 1, 3 * 40 * 30).reshape(1, 3, 40, 30)
        z, previous, chance = net.inputs(noise, z_rec, torch.zeros_like(noise), 1.0)
        assert chance is not None
        return z, previous, chance

    def test_noise_varies_the_image_though_it_is_not_added(self, config: NetConfig, rng: torch.Generator) -> None:
        net = generator(config, rng)
        noise = torch.randn(2, 3, 40, 30, generator=rng)
        z, previous, chance = self.inputs(net, noise)
        assert torch.equal(z[0], z[1])
        images = net(z, previous, chance)
        assert float((images[0] - images[1]).abs().mean()) > 1e-3
        assert torch.equal(net(z, previous, chance), images)
        still = net(z, previous, torch.zeros_like(chance))
        torch.testing.assert_close(still[0], net(z, previous)[0], rtol=0, atol=1e-5)

    def test_a_batch_is_its_images(self, config: NetConfig, rng: torch.Generator) -> None:
        net = generator(config, rng)
        noise = torch.randn(3, 3, 40, 30, generator=rng)
        together = net(*self.inputs(net, noise))
        alone = torch.cat([net(*self.inputs(net, one)) for one in noise.split(1)])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)

    def test_folding_and_strips_change_nothing(
        self, config: NetConfig, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        net = generator(config, rng)
        inputs = self.inputs(net, torch.randn(2, 3, 40, 30, generator=rng))
        whole = net(*inputs)
        torch.testing.assert_close(folded(net)(*inputs), whole, rtol=0, atol=1e-4)
        monkeypatch.setattr(frozen, "STRIP_VALUES", 2 * 30 * 8 * 16)
        torch.testing.assert_close(in_strips(net, *inputs), whole, rtol=0, atol=1e-5)

    def test_gradients_reach_all_weights(self, config: NetConfig, rng: torch.Generator) -> None:
        net = generator(config, rng).train().requires_grad_(True)
        net(*self.inputs(net, torch.randn(1, 3, 40, 30, generator=rng))).square().sum().backward()
        assert all(value.grad is not None and bool(value.grad.any()) for value in net.parameters())


def test_the_reconstructions_noise_fills_other_sizes() -> None:
    inside = torch.arange(6.0).reshape(1, 1, 2, 3)
    z = torch.nn.functional.pad(inside, (1, 1, 1, 1))
    assert torch.equal(repeated(z, (4, 5), 1), z)
    larger = repeated(z, (5, 9), 1)
    assert larger[0, 0, 1:-1, 1:-1].tolist() == [[0, 1, 2, 0, 1, 2, 0], [3, 4, 5, 3, 4, 5, 3], [0, 1, 2, 0, 1, 2, 0]]
    assert float(larger[0, 0, 0].abs().sum() + larger[0, 0, :, -1].abs().sum()) == 0
