"""The networks: their sizes, their names in a checkpoint, their fresh weights."""

from typing import Any

import pytest
import torch
from torch import nn

from SinGAN import pyramid
from SinGAN.models import Discriminator, Generator, NetConfig, initialise


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("scale", "generator", "critic"), [(0, 29763, 29185), (3, 29763, 29185), (4, 114819, 113665), (8, 450819, 448513)]
)
def test_parameter_counts(scale: int, generator: int, critic: int) -> None:
    config = NetConfig().at(scale)
    assert parameters(Generator(config)) == generator
    assert parameters(Discriminator(config)) == critic


def test_filters_double_every_four_scales_up_to_128() -> None:
    assert [NetConfig().at(scale).filters for scale in (0, 3, 4, 7, 8, 12)] == [32, 32, 64, 64, 128, 128]


def test_blocks_halve_their_filters_down_to_min_nfc() -> None:
    assert NetConfig(filters=64, min_filters=16, num_layer=6).block_filters() == [64, 32, 16, 16, 16]
    assert NetConfig(filters=8, min_filters=32).block_filters() == [32] * 4


def test_state_dict_keys_are_the_authors() -> None:
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    blocks = ["head", "body.block1", "body.block2", "body.block3"]
    trunk = [f"{b}.{k}" for b in blocks for k in ("conv.weight", "conv.bias", *(f"norm.{name}" for name in norm))]
    assert list(Generator(NetConfig()).state_dict()) == [*trunk, "tail.0.weight", "tail.0.bias"]
    assert list(Discriminator(NetConfig()).state_dict()) == [*trunk, "tail.weight", "tail.bias"]


def test_fresh_weights(rng: torch.Generator) -> None:
    net = Generator(NetConfig(filters=128, min_filters=128))
    initialise(net, rng)
    convolution = net.get_submodule("body.block1.conv")
    norm = net.get_submodule("body.block1.norm")
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert float(convolution.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert abs(float(convolution.weight.detach().mean())) < 1e-3
    assert float(norm.weight.detach().mean()) == pytest.approx(1, abs=0.01)
    assert float(norm.weight.detach().std()) == pytest.approx(0.02, rel=0.3)
    assert all(not value.any() for name, value in net.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(("ker_size", "num_layer"), [(3, 5), (3, 4), (5, 3), (3, 7)])
def test_margin_and_receptive_field(ker_size: int, num_layer: int) -> None:
    config = NetConfig(filters=4, min_filters=4, ker_size=ker_size, num_layer=num_layer)
    field = config.receptive_field
    assert field == 1 + num_layer * (ker_size - 1)
    assert Discriminator(config)(torch.zeros(2, 3, field, field + 1)).shape == (2, 1, 1, 2)
    z = torch.zeros(1, 3, 10 + 2 * config.margin, 12 + 2 * config.margin)
    assert Generator(config)(z, z).shape == (1, 3, 10, 12)


def test_the_generator_adds_to_the_previous_image() -> None:
    net = Generator(NetConfig(filters=4, min_filters=4)).eval()
    z, previous = torch.rand(1, 3, 20, 22), torch.rand(1, 3, 20, 22)
    detail = net(z, torch.zeros_like(z))
    torch.testing.assert_close(net(z, previous), detail + previous[:, :, 5:-5, 5:-5])


def test_the_config_is_read_from_a_checkpoint() -> None:
    config = NetConfig(channels=4, filters=16, min_filters=4, ker_size=5, num_layer=4)
    assert NetConfig.of(Generator(config).state_dict()) == config
    with pytest.raises(ValueError, match=r"head\.conv\.weight"):
        NetConfig.of({})


@pytest.mark.parametrize("wrong", [{"ker_size": 4}, {"num_layer": 1}, {"channels": 0}])
def test_impossible_shapes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        NetConfig(**wrong)


def trained_generator(rng: torch.Generator) -> Generator:
    """A generator whose running statistics are not those of a fresh one."""
    net = Generator(NetConfig(filters=8, min_filters=8)).train()
    initialise(net, rng)
    for _ in range(3):
        net(2 * torch.randn(1, 3, 30, 30, generator=rng) + 1, torch.zeros(1, 3, 30, 30))
    return net.eval()


def test_a_folded_generator_makes_the_same_images_without_batchnorms(rng: torch.Generator) -> None:
    net = trained_generator(rng)
    copy, z = pyramid.fold_batchnorms(net), torch.randn(2, 3, 20, 26, generator=rng)
    torch.testing.assert_close(copy(z, z), net(z, z), rtol=0, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert "head.norm.weight" in net.state_dict()


@pytest.mark.parametrize(("images", "maps"), [(1, 1), (3, 3), (3, 1)])
def test_strips_make_the_image_without_seams(
    rng: torch.Generator, images: int, maps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = trained_generator(rng)
    z = torch.randn(images, 3, 61, 26, generator=rng)
    previous = torch.randn(maps, 3, 61, 26, generator=rng)
    whole, rows = net(z, previous), []
    monkeypatch.setattr(pyramid, "STRIP_VALUES", 24 * images * 26 * 8)

    class Spy(Generator):
        def compute(self, *inputs: torch.Tensor) -> torch.Tensor:
            rows.append(inputs[0].shape[-2])
            return super().compute(*inputs)

    net.__class__ = Spy
    strips = pyramid.in_strips(net, z, previous)
    assert rows == [24, 24, 24, 19]  # 14, 14, 14 and 9 rows of the image, each with its margin
    torch.testing.assert_close(strips, whole, rtol=0, atol=1e-6)
