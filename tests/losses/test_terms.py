"""The terms of a loss: one more row is reported and trained, whatever runs the iterations."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from SinGAN.engines import cuda_graph
from SinGAN.engines.compiled import Compiled, has_compiler
from SinGAN.engines.cuda_graph import Captured
from SinGAN.engines.engine import EAGER, Engine
from SinGAN.losses import terms
from SinGAN.losses.gan import WASSERSTEIN
from SinGAN.losses.terms import (
    MEASURED,
    CriticContext,
    GeneratorContext,
    Target,
    Term,
    critic_losses,
    feature_matching,
    loss_names,
    unweighted,
    weights,
)
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig, initialise
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import train
from SinGAN.variants.build import build_critic, build_generator
from tests.conftest import TINY, TINY_NET
from tests.workspace import stripes

Patch = pytest.MonkeyPatch
PLAIN = ("G_adversarial", "reconstruction", "G_total")


def brightness(context: GeneratorContext) -> Tensor:
    """A loss that pulls an image to white."""
    return (context.image - context.target.real.new_ones(())).square().mean()


def fooling(context: GeneratorContext) -> Tensor:
    """A loss that pulls the critic's scores of an image up."""
    return torch.stack([-scores.mean() for scores, _ in context.scores_and_features]).mean()


def drift(context: CriticContext) -> Tensor:
    """The mean square of the scores of the real image (Karras et al. 2018)."""
    scores: Tensor = context.critic(context.real)
    return scores.square().mean()


def repeated(work: Callable[[], Tensor], rng: torch.Generator, stream: object) -> Callable[[], Tensor]:
    """In place of a CUDA graph: the work itself."""
    return work


ENGINES = {
    "eager": Engine(),
    "recompute": Engine(recompute="always"),
    "cudagraph": Engine("cudagraph", prepare=Captured),
    "compiled": Engine("compiled", programs=Compiled()),
}
NEEDS_COMPILER = pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")


@pytest.mark.parametrize(
    "name",
    [
        "eager",
        pytest.param("cudagraph", marks=pytest.mark.slow),
        pytest.param("recompute", marks=pytest.mark.slow),
        pytest.param("compiled", marks=[pytest.mark.slow, NEEDS_COMPILER]),
    ],
)
@pytest.mark.parametrize("place", ["terms_on_fake", "terms_on_rebuilt"])
def test_another_row_is_reported_and_trains(name: str, place: str, monkeypatch: Patch) -> None:
    monkeypatch.setattr(cuda_graph, "side_stream", lambda device: None)
    monkeypatch.setattr(cuda_graph, "run_on_stream", lambda work, stream, device: work())
    monkeypatch.setattr(cuda_graph, "capture", repeated)
    rows = getattr(terms, place)
    config, means = TrainConfig(niter=20, lr_g=0.01), []
    for weight in (0.0, 50.0):
        term = Term("brightness", weight, brightness)
        monkeypatch.setattr(terms, place, lambda config, term=term: (*rows(config), term))
        pyramid, seen = train_one_scale(config, ENGINES[name])
        means.append(float(pyramid.generate(pyramid.z_rec()).mean()))
        assert (float(seen[0]["brightness"]) == 0) == (weight == 0)
    assert loss_names(config) == (*critic_losses(config), *PLAIN, "brightness")
    assert all(tuple(losses) == loss_names(config) for losses in seen)
    assert means[1] > means[0] + 0.1
    last = seen[-1]
    summands = last["G_adversarial"] + last["reconstruction"] + last["brightness"]
    torch.testing.assert_close(last["G_total"], summands, rtol=1e-5, atol=1e-5)


def train_one_scale(
    config: TrainConfig, engine: Engine = EAGER, net: NetConfig = TINY_NET
) -> tuple[Pyramid[TrainedScale], list[Mapping[str, Tensor]]]:
    """The coarsest scale of a tiny pyramid after its training, and the losses of each iteration."""
    seen: list[Mapping[str, Tensor]] = []

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: object) -> None:
        seen.append(losses)

    rng = torch.Generator().manual_seed(1)
    return next(train(stripes(), plan_scales(24, 32, TINY), net, config, rng, watch=watch, engine=engine)), seen


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_another_row_on_the_critic_is_reported_and_trains(weight: float, monkeypatch: Patch) -> None:
    config, rows = TrainConfig(niter=3), terms.terms_on_critic
    plain, _ = train_one_scale(config)
    monkeypatch.setattr(terms, "terms_on_critic", lambda config: (*rows(config), Term("drift", weight, drift)))
    pyramid, seen = train_one_scale(config)
    assert critic_losses(config) == ("D_real", "D_fake", "gradient_penalty", "drift", "D_total")
    assert weights(config)["drift"] == weight
    for losses in seen:
        assert tuple(losses) == loss_names(config)
        summands = losses["D_fake"] - losses["D_real"] + losses["gradient_penalty"] + losses["drift"]
        torch.testing.assert_close(losses["D_total"], summands, rtol=1e-5, atol=1e-5)
    critics = [each.scales[0].critic.state_dict()["tail.weight"] for each in (plain, pyramid)]
    assert torch.equal(*critics) == (weight == 0)


@pytest.mark.parametrize("name", ["eager", pytest.param("recompute", marks=pytest.mark.slow)])
def test_a_row_on_the_reconstruction_may_use_the_critic(name: str, monkeypatch: Patch) -> None:
    rows = terms.terms_on_rebuilt
    row = Term("fooling", 3.0, fooling, uses_critic=True)
    monkeypatch.setattr(terms, "terms_on_rebuilt", lambda config: (*rows(config), row))
    _, seen = train_one_scale(TrainConfig(niter=2), ENGINES[name])
    assert all(math.isfinite(float(losses["fooling"])) and float(losses["fooling"]) for losses in seen)


@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_feature_matching(critics: int, conditional: bool, batch_norm: bool, rng: torch.Generator) -> None:
    """The squared distance of mean features; they come from the critic, and pull the generator alone."""
    net = NetConfig(
        filters=4, min_filters=4, num_layer=3, critics=critics, conditional=conditional, batch_norm=batch_norm
    )
    generator, critic = build_generator(net), build_critic(net).requires_grad_(False)
    for each in (generator, critic):
        initialise(each, rng, spread=True)
    real, z = stripes(30, 34), torch.randn(1, 3, 36, 40, generator=rng)
    previous = torch.rand(1, 3, 36, 40, generator=rng)
    context = GeneratorContext(generator(z, previous), previous, Target(real, previous, 1.0), WASSERSTEIN, critic)
    value = feature_matching(context)
    distances = []
    views = [critic.critic_input(image, previous) for image in (context.image, real)]
    for (each, fake_view), (_, real_view) in zip(*map(critic.critics_and_inputs, views), strict=True):
        means = [each.scored_features(view).mean(dim=(0, 2, 3)) for view in (fake_view, real_view)]
        distances.append(float((means[0] - means[1]).square().mean().detach()))
    assert len(distances) == critics
    assert float(value.detach()) == pytest.approx(sum(distances) / critics, rel=1e-4)
    value.backward()
    gradient = generator.head.conv.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0
    assert all(parameter.grad is None for parameter in critic.parameters())
    same = GeneratorContext(real, previous, context.target, WASSERSTEIN, critic)
    assert float(feature_matching(same)) == pytest.approx(0, abs=1e-10)


@pytest.mark.slow
def test_feature_matching_brings_the_features_near() -> None:
    """The features of a critic that hardly moves, in the last half of a training with and without the term."""
    config, distances = TrainConfig(niter=60, lr_g=0.005, lr_d=1e-9, alpha=0.0), []
    for weight in (1e-9, 100.0):
        _, seen = train_one_scale(replace(config, feature_weight=weight))
        distances.append(sum(float(losses["feature_matching"]) / weight for losses in seen[30:]))
    assert distances[1] < 0.5 * distances[0]


def test_the_columns_keep_their_order() -> None:
    config = TrainConfig(texture_weight=1.0, perceptual_weight=1.0, feature_weight=1.0)
    critics = ("D_real", "D_fake", "gradient_penalty", "D_total")
    assert loss_names(TrainConfig()) == (*critics, *PLAIN)
    assert loss_names(config) == (*critics, *PLAIN, "texture", "feature_matching", "perceptual")


def test_a_loss_that_compares_activations_needs_a_vgg() -> None:
    target = Target(stripes(), stripes(), 1.0)
    _, term = terms.terms_on_fake(TrainConfig(texture_weight=1.0))
    context = GeneratorContext(stripes(), stripes(), target, WASSERSTEIN, None)
    with pytest.raises(ValueError, match="need a VGG"):
        term.value(context)
    with pytest.raises(ValueError, match="must be marked with `uses_critic`"):
        fooling(context)


def test_losses_are_shown_without_their_weights() -> None:
    config = TrainConfig(alpha=10, lambda_grad=0.1, texture_weight=4)
    names = loss_names(config)
    weighted = dict(zip(names, (1.0, 2.0, 0.3, 1.3, -0.5, 0.25, 3.75, 4.0), strict=True))
    shown = unweighted(weighted, config)
    assert shown == {**weighted, "gradient_penalty": pytest.approx(3), "reconstruction": 0.025, "texture": 1.0}
    assert weights(config) == {"gradient_penalty": 0.1, "reconstruction": 10, "texture": 4}
    total = shown["G_adversarial"] + sum(weights(config)[name] * shown[name] for name in ("reconstruction", "texture"))
    assert total == pytest.approx(weighted["G_total"])


@pytest.mark.parametrize("net", [TINY_NET, replace(TINY_NET, dropout=0.3)])
def test_the_reconstruction_is_measured_where_it_has_no_weight(net: NetConfig) -> None:
    """To the bits of the training without that measurement: neither weights nor statistics move."""
    config = TrainConfig(niter=3, alpha=0, lambda_grad=0)
    seen: list[dict[str, float]] = []

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: object) -> None:
        seen.append({name: float(value) for name, value in losses.items()})

    def trained() -> list[Tensor]:
        rng = torch.Generator().manual_seed(1)
        *_, pyramid = train(stripes(), plan_scales(24, 32, TINY), net, config, rng, watch=watch)
        return [value for scale in pyramid.scales for value in scale.generator.state_dict().values()]

    measured = trained()
    shown = unweighted(seen[-1], config)
    assert 0 < shown["reconstruction"] == seen[-1][MEASURED] < 4
    assert seen[-1]["reconstruction"] == 0
    assert math.isnan(shown["gradient_penalty"])
    assert MEASURED not in shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "reconstruction_mse", lambda *inputs: torch.zeros(()))
        unmeasured = trained()
    assert all(torch.equal(one, other) for one, other in zip(measured, unmeasured, strict=True))
