"""The pyramid: drawing and generating."""

from typing import Any

import pytest
import torch

from SinGAN import functions, manipulate, planning
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.pyramid import Pyramid, Scale, TrainedScale, convolving_by
from tests.conftest import TINY
from tests.workspace import stripes


def test_noise_maps_have_each_scales_size_and_margin(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    for scale, z in zip(pyramid.scales, pyramid.draw(rng, count=2), strict=True):
        assert z.shape == (2, 3, scale.size[0] + 10, scale.size[1] + 10)
        assert not z[:, :, :5].any()
        assert z[:, :, 5:-5, 5:-5].std() > 0.8


def test_the_coarsest_noise_is_one_channel_repeated(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    first, second, *_ = pyramid.draw(rng)
    assert torch.equal(first[:, 0], first[:, 2])
    assert not torch.equal(second[:, 0], second[:, 2])


def test_first_draws_do_not_depend_on_the_count(pyramid: Pyramid[TrainedScale]) -> None:
    few = pyramid.draw(torch.Generator().manual_seed(3), count=2)
    many = pyramid.draw(torch.Generator().manual_seed(3), count=5)
    assert all(torch.equal(a, b[:2]) for a, b in zip(few, many, strict=True))


def test_noise_border_fills_the_margin(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    bordered = Pyramid(pyramid.scales, pyramid.factor, pyramid.margin, noise_border=True)
    for plain, z in zip(pyramid.draw(rng), bordered.draw(rng), strict=True):
        assert z.shape == plain.shape
        assert bool((z != 0).all())
    assert bordered.generate(bordered.draw(rng)).shape == pyramid.scales[-1].real.shape


def test_larger_noise_makes_a_larger_image(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    assert pyramid.generate(pyramid.draw(rng, enlargement=(1.0, 1.5))).shape == (1, 3, 24, 48)


def test_a_batch_generates_what_its_samples_generate(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    noise = pyramid.draw(rng, count=3)
    together = pyramid.generate(noise)
    for index in range(3):
        alone = pyramid.generate([z[index : index + 1] for z in noise])
        assert float((together[index] - alone[0]).abs().mean()) < 1e-3


def test_shared_coarse_maps_serve_a_batch(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    noise = [*pyramid.z_rec()[:2], *pyramid.draw(rng, count=3, start=2)]
    assert pyramid.generate(noise).shape[0] == 3


def test_generating_from_a_scale_uses_the_given_image(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    fresh = pyramid.draw(rng, start=1)
    coarse = pyramid.below(1).generate(pyramid.z_rec()[:1])
    whole = pyramid.generate([pyramid.z_rec()[0], *fresh])
    assert torch.equal(pyramid.generate(fresh, pyramid.enlarge(coarse)), whole)


def test_no_noise_no_image(pyramid: Pyramid[TrainedScale]) -> None:
    with pytest.raises(ValueError, match="at least one noise map"):
        pyramid.generate([])


def test_finished_scales_are_frozen(pyramid: Pyramid[TrainedScale]) -> None:
    for scale in pyramid.scales:
        assert not scale.generator.training
        assert not any(parameter.requires_grad for parameter in scale.generator.parameters())


class Blurred:
    """A scale without nets: the previous image, blurred, and the noise."""

    values_per_pixel = 3

    def __init__(self, real: torch.Tensor, margin: int) -> None:
        self.real, self.margin = real, margin
        self.z_rec = functions.pad(torch.zeros_like(real), margin)

    @property
    def size(self) -> tuple[int, int]:
        return self.real.shape[-2], self.real.shape[-1]

    def __call__(self, noise: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        blurred = torch.nn.functional.avg_pool2d(previous, 3, stride=1, padding=1) + 0.1 * noise
        return blurred[..., self.margin : -self.margin, self.margin : -self.margin]


def test_scales_without_nets_are_served(rng: torch.Generator) -> None:
    plan = planning.plan_scales(24, 32, TINY)
    scales = tuple(Blurred(real, 2) for real in planning.build_reals(stripes(), plan))
    pyramid: Pyramid[Scale] = Pyramid(scales, plan.factor, 2)
    assert pyramid.generate(pyramid.draw(rng, count=2)).shape == (2, 3, 24, 32)
    samples = list(manipulate.sample(pyramid, rng, 3, 1, (1.0, 1.5)))
    assert [sample.shape for sample in samples] == [(1, 3, 24, 48)] * 3
    injected = torch.cat([*manipulate.inject(pyramid, stripes(), 1, rng, count=2)])
    assert injected.shape == (2, 3, 24, 32)
    layouts = torch.stack([injected[0].flatten(), stripes()[0].flatten()])
    assert float(torch.corrcoef(layouts)[0, 1]) > 0.5
    mixed = pyramid.with_scale(len(pyramid), Blurred(stripes(32, 43), 2))
    assert mixed.generate(mixed.draw(rng)).shape == (1, 3, 32, 43)


def test_a_scale_freezes_nets_only_where_it_is_asked_to(rng: torch.Generator) -> None:
    config, real = NetConfig(filters=4, min_filters=4), stripes(12, 16)
    generator, critic, folded = Generator(config), Discriminator(config), Generator(config)
    z_rec = functions.pad(torch.zeros_like(real), config.margin)

    def in_training() -> list[bool]:
        return [generator.training, *(parameter.requires_grad for parameter in critic.parameters())]

    TrainedScale(generator, critic, real, z_rec, 1.0, folded)
    assert all(in_training())
    TrainedScale.of(generator, critic, real, z_rec, 1.0)
    assert not any(in_training())


def test_a_copy_convolves_by_another_function(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    calls: list[torch.Tensor] = []

    def convolve(input: torch.Tensor, *rest: Any) -> torch.Tensor:
        calls.append(input)
        return torch.nn.functional.conv2d(input, *rest)

    noise, other = pyramid.draw(rng), convolving_by(pyramid, convolve)
    assert torch.equal(other.generate(noise), pyramid.generate(noise))
    assert len(calls) == 5 * len(pyramid)
