"""Texture and perceptual loss: VGG's view, known distances, and the trainer's use of them."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from SinGAN.losses import perceptual
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.iteration import iteration
from SinGAN.losses.perceptual import VGG, VGGTarget, gram, load_vgg_weights, perceptual_distance, texture_distance
from SinGAN.losses.terms import (
    Target,
    generator_losses,
    loss_names,
    terms_on_fake,
    terms_on_rebuilt,
)
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage import pretrained as weight_files
from SinGAN.training import StartWeights, draw, first_z_rec, make_target, train_scale, trained_vgg
from tests.conftest import TINY_NET, train_tiny
from tests.workspace import stripes


@pytest.fixture(scope="module")
def vgg() -> VGG:
    """One of random weights that keep the activations' size."""
    torch.manual_seed(3)
    net = VGG()
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return net


def test_the_net_is_torchvisions_up_to_relu4_3(vgg: VGG) -> None:
    whole = vgg16(weights=None, init_weights=False).features[:23].eval()
    whole.load_state_dict(vgg.state_dict())
    image = torch.rand(2, 3, 40, 33) * 2 - 1
    normalised = ((image + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    activations = vgg(image)
    assert [seen.shape[1:] for seen in activations] == [(64, 40, 33), (128, 20, 16), (256, 10, 8), (512, 5, 4)]
    torch.testing.assert_close(activations[-1], whole(normalised))
    assert all(float(seen.min()) == 0 for seen in activations)  # behind their ReLUs


def test_grey_and_transparent_images_count_by_their_colours(vgg: VGG) -> None:
    grey, colours = torch.rand(1, 1, 24, 24), torch.rand(1, 3, 24, 24)
    assert torch.equal(vgg(grey)[-1], vgg(grey.expand(-1, 3, -1, -1))[-1])
    assert torch.equal(vgg(torch.cat([colours, grey], dim=1))[-1], vgg(colours)[-1])
    assert torch.equal(vgg(torch.cat([grey, grey / 2], dim=1))[-1], vgg(grey)[-1])  # data of two channels


def test_a_small_image_has_fewer_layers(vgg: VGG) -> None:
    assert [len(vgg(torch.zeros(1, 3, side, 30))) for side in (1, 3, 5, 8, 25)] == [1, 2, 3, 4, 4]


def test_gram_of_known_features() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 1, 2)
    assert gram(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_known_distances() -> None:
    wanted = [torch.randn(1, 4, 6, 6), torch.randn(1, 8, 3, 3)]
    grams = [gram(one) for one in wanted]
    assert float(texture_distance(wanted, grams)) == 0
    assert float(texture_distance([torch.zeros_like(one) for one in wanted], grams)) == pytest.approx(1)
    assert float(texture_distance([2 * one for one in wanted], grams)) == pytest.approx(9)  # (4 - 1)^2
    moved = [one.roll(2, dims=-1) for one in wanted]
    assert float(texture_distance(moved, grams)) == pytest.approx(0, abs=1e-9)  # places don't matter
    assert float(perceptual_distance(wanted, wanted[1])) == 0
    assert float(perceptual_distance([wanted[0], 3 * wanted[1]], wanted[1])) == pytest.approx(4)
    assert float(perceptual_distance(moved, wanted[1])) > 0.1  # here they do


def test_the_losses_reach_the_generator_alone(vgg: VGG, rng: torch.Generator) -> None:
    real = stripes(12, 16)
    seen = VGGTarget.of(vgg, real)
    generator, critic = Generator(TINY_NET), Discriminator(TINY_NET).requires_grad_(False)
    z = torch.randn(1, 3, 22, 26, generator=rng)
    target, config = Target(real, z, 1.0, seen), TrainConfig(alpha=0.0, texture_weight=5.0, perceptual_weight=2.0)
    parts = generator_losses(generator, critic, (z, z), target, WASSERSTEIN, terms_on_fake(config))
    distance = texture_distance(vgg(generator(z, z)), seen.grams)
    torch.testing.assert_close(parts[1], 5 * distance, rtol=1e-4, atol=0)
    parts[1].backward()
    assert bool(generator.head.conv.weight.grad is not None and generator.head.conv.weight.grad.any())
    generator.zero_grad()
    parts = generator_losses(generator, None, (z, z), target, WASSERSTEIN, terms_on_rebuilt(config))
    assert float(parts[0].detach()) == 0
    parts.sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    assert all(parameter.grad is None for net in (vgg, critic) for parameter in net.parameters())


def test_an_iteration_reports_what_counts(vgg: VGG, rng: torch.Generator) -> None:
    below, real = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin), stripes(12, 16)
    z_rec = first_z_rec(below, real, rng)
    for texture, perceptual_weight, names in (
        (0.0, 0.0, ()),
        (3.0, 0.0, ("texture",)),
        (3.0, 2.0, ("texture", "perceptual")),
    ):
        config = TrainConfig(texture_weight=texture, perceptual_weight=perceptual_weight)
        assert loss_names(config) == (*loss_names(TrainConfig()), *names)
        target = make_target(below, real, z_rec, config)
        target = Target(real, target.reconstruction, 1.0, VGGTarget.of(vgg, real) if config.uses_vgg else None)
        nets = Adversaries.of(Generator(TINY_NET), Discriminator(TINY_NET), config)
        losses = iteration(nets, target, draw(below, real, z_rec, 3, rng), config)
        assert tuple(losses) == loss_names(config)
        values = {name: float(value) for name, value in losses.items()}
        parts = [values[name] for name in ("G_adversarial", "reconstruction", *names)]
        assert values["G_total"] == pytest.approx(sum(parts), rel=1e-5)
        assert all(values[name] > 0 for name in names)


@pytest.mark.slow
def test_the_texture_loss_brings_textures_near(vgg: VGG) -> None:
    """The same training with and without it; the weight is large, so that it decides."""
    distances = []
    for weight in (0.0, 50.0):
        rng = torch.Generator().manual_seed(1)
        below, real = Pyramid[TrainedScale]((), 0.75, TINY_NET.margin), stripes(12, 16)
        config = TrainConfig(niter=40, texture_weight=weight, alpha=0.0, lambda_grad=0.1)
        torch.manual_seed(0)
        nets = Generator(TINY_NET), Discriminator(TINY_NET)
        scale = train_scale(below, real, *nets, config, rng, vgg=vgg if weight else None)
        pyramid = below.with_scale(0, scale)
        samples = pyramid.generate(pyramid.draw(rng, 8))
        wanted = VGGTarget.of(vgg, real).grams
        distances.append(sum(float(texture_distance(vgg(one), wanted)) for one in samples.split(1)) / 8)
    assert distances[1] < 0.7 * distances[0]


def test_what_is_looked_through_must_be_given() -> None:
    with pytest.raises(ValueError, match="need the weights of a VGG16"):
        trained_vgg(TrainConfig(texture_weight=1.0), StartWeights(), torch.device("cpu"))
    with pytest.raises(ValueError, match="need the weights of a VGG16"):
        train_tiny(stripes(), TrainConfig(niter=1, perceptual_weight=1.0))
    assert trained_vgg(TrainConfig(), StartWeights(), torch.device("cpu")) is None


def test_weights_come_from_a_file_or_a_checked_download(
    vgg: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vgg.pth"
    torch.save({f"features.{name}": value for name, value in vgg.state_dict().items()}, file)
    assert all(torch.equal(value, vgg.state_dict()[name]) for name, value in load_vgg_weights(file).items())
    with pytest.raises(FileNotFoundError, match=r"no weights file .*nowhere\.pth \(`vgg_weights`\)"):
        load_vgg_weights(tmp_path / "nowhere.pth")
    torch.save({"features.0.weight": vgg.state_dict()["0.weight"]}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part\.pth lacks 0\.bias"):
        load_vgg_weights(tmp_path / "part.pth")
    asked: list[str] = []

    def fetch(url: str) -> Path:
        asked.append(url)
        return file

    monkeypatch.setattr(weight_files, "fetch", fetch)
    assert len(load_vgg_weights(None)) == len(vgg.state_dict())
    assert asked[0].startswith("https://download.pytorch.org/models/vgg16-")
    assert len(weight_files.expected_hash(asked[0].rpartition("/")[2])) == 64  # of the whole file
    assert perceptual.LAYERS[8] == "relu2_2"
