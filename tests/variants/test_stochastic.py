"""Dropout and noise on weights, both decided by noise maps."""

import pytest
import torch

from SinGAN import pyramid
from SinGAN.functions import repeated
from SinGAN.models import Generator, NetConfig, initialise
from SinGAN.pyramid import fold_batchnorms, in_strips
from SinGAN.variants.build import build_generator
from SinGAN.variants.stochastic import noise_dropout, perturb_weights, uniform

DROPOUT = NetConfig(filters=8, min_filters=8, dropout=0.5)
WEIGHTS = NetConfig(filters=8, min_filters=8, weight_noise=0.3)


def far_from_uniform(numbers: torch.Tensor) -> float:
    """How far the distribution of ``numbers`` (n,) is from the uniform one, in units of what is expected by chance."""
    ordered = numbers.sort().values
    steps = torch.arange(1, len(ordered) + 1) / len(ordered)
    return float((ordered - steps).abs().max() * len(ordered) ** 0.5)


def related(numbers: torch.Tensor) -> float:
    """The largest correlation between two rows of ``numbers`` (k, n), in units of what independent ones have."""
    correlations = torch.corrcoef(numbers) - torch.eye(len(numbers))
    return float(correlations.abs().max() * numbers.shape[1] ** 0.5)


def test_the_numbers_are_uniform_and_independent(rng: torch.Generator) -> None:
    numbers = uniform(torch.randn(20_000, 1, generator=rng), 16, 1)
    assert numbers.shape == (20_000, 16)
    assert 0 <= float(numbers.min()) <= float(numbers.max()) < 1
    assert all(far_from_uniform(one) < 2 for one in numbers.T)  # over the seeds
    assert related(numbers.T) < 5
    one = uniform(torch.tensor([0.7]), 20_000, 1)
    assert far_from_uniform(one) < 2  # over the numbers of a seed
    shifted = [one.roll(lag) for lag in (0, 1, 2, 3, 9, 10_000)]
    others = [uniform(torch.tensor([seed]), 20_000, depth) for seed, depth in ((0.7, 2), (0.70001, 1), (-0.7, 1))]
    assert related(torch.stack([*shifted, *others])) < 5


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float, rng: torch.Generator) -> None:
    features, noise = torch.ones(1, 16, 60, 60), torch.randn(1, 1, 64, 64, generator=rng)
    dropped = noise_dropout(features, noise, share, depth=0)
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.01)
    assert dropped[dropped != 0].unique().tolist() == pytest.approx([1 / (1 - share)])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    assert not torch.equal(dropped[0, 0], dropped[0, 1])
    assert not torch.equal(dropped, noise_dropout(features, noise, share, depth=1))


def test_noise_of_zero_drops_nothing_and_shakes_nothing() -> None:
    features, weight = torch.randn(1, 4, 6, 6), torch.randn(4, 3, 3, 3)
    assert torch.equal(noise_dropout(features, torch.zeros(1, 1, 6, 6), 0.5, 0), features)
    assert torch.equal(perturb_weights(weight, torch.zeros(1, 1, 1, 1), 0.5, 0), weight)


@pytest.mark.parametrize("seed", [0.7, -1.3, 1e-6])
def test_weights_are_shaken_by_gaussian_noise_of_each_filters_size(seed: float) -> None:
    weight = torch.randn(6, 64, 5, 5) * torch.tensor([0.01, 0.1, 1, 1, 10, 100])[:, None, None, None]
    noise = perturb_weights(weight, torch.full((1, 1, 1, 1), seed), 0.2, 0) - weight
    sizes = weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    normal = noise / sizes / 0.2
    assert torch.allclose(normal.std(dim=(1, 2, 3)), torch.tensor(1.0), atol=0.08)
    values = normal.flatten().double()
    assert far_from_uniform(torch.special.ndtr(values)) < 2
    assert float((values**4).mean()) == pytest.approx(3, abs=0.4)
    other = (perturb_weights(weight, torch.full((1, 1, 1, 1), seed + 0.1), 0.2, 0) - weight) / sizes
    assert related(torch.stack([values, values.roll(1), values.roll(4800), other.flatten()])) < 5


def generator(config: NetConfig, rng: torch.Generator) -> Generator:
    """A trained-looking generator."""
    net = build_generator(config).train()
    initialise(net, rng)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(4)
        for name, parameter in net.named_parameters():
            if name.endswith("norm.weight"):
                parameter[::2] *= -1  # which folding carries into the filters
    net(torch.randn(1, 3, 30, 30, generator=rng), torch.zeros(1, 3, 30, 30))
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("config", [DROPOUT, WEIGHTS], ids=["dropout", "weights"])
class TestGenerator:
    """What holds for both."""

    def inputs(self, net: Generator, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z_rec = torch.linspace(-1, 1, 3 * 40 * 30).reshape(1, 3, 40, 30)
        z, previous, noise_part = net.inputs(noise, z_rec, torch.zeros_like(noise), 1.0)
        return z, previous, noise_part

    def test_noise_varies_the_image_though_it_is_not_added(self, config: NetConfig, rng: torch.Generator) -> None:
        net = generator(config, rng)
        noise = torch.randn(2, 3, 40, 30, generator=rng)
        z, previous, noise_part = self.inputs(net, noise)
        assert torch.equal(z[0], z[1])
        images = net(z, previous, noise_part)
        assert float((images[0] - images[1]).abs().mean()) > 1e-3
        assert torch.equal(net(z, previous, noise_part), images)
        still = net(z, previous, torch.zeros_like(noise_part))
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
        torch.testing.assert_close(fold_batchnorms(net)(*inputs), whole, rtol=0, atol=1e-4)
        monkeypatch.setattr(pyramid, "STRIP_VALUES", 2 * 30 * 8 * 16)
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
