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
from SinGAN.engines.engine import Engine
from SinGAN.losses import terms
from SinGAN.losses.terms import CRITIC_LOSSES, MEASURED, Target, Term, loss_names, unweighted, weights
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import plan_scales
from SinGAN.training import train
from tests.conftest import TINY, TINY_NET
from tests.workspace import stripes

Patch = pytest.MonkeyPatch
PLAIN = ("G_adversarial", "reconstruction", "G_total")


def brightness(image: Tensor, target: Target) -> Tensor:
    """A loss that pulls an image to white."""
    return (image - target.real.new_ones(())).square().mean()


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
        "cudagraph",
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
    config, means, seen = TrainConfig(niter=20, lr_g=0.01), [], list[Mapping[str, Tensor]]()
    for weight in (0.0, 50.0):
        term = Term("brightness", weight, brightness)
        monkeypatch.setattr(terms, place, lambda config, term=term: (*rows(config), term))
        pyramids = train(
            stripes(),
            plan_scales(24, 32, TINY),
            TINY_NET,
            config,
            torch.Generator().manual_seed(1),
            watch=lambda scale, iteration, losses, state: seen.append(losses),
            engine=ENGINES[name],
        )
        pyramid = next(pyramids)
        means.append(float(pyramid.generate(pyramid.z_rec()).mean()))
    assert loss_names(config) == (*CRITIC_LOSSES, *PLAIN, "brightness")
    assert all(tuple(losses) == loss_names(config) for losses in seen)
    assert float(seen[0]["brightness"]) == 0 < float(seen[-1]["brightness"])
    assert means[1] > means[0] + 0.1
    last = seen[-1]
    summands = last["G_adversarial"] + last["reconstruction"] + last["brightness"]
    torch.testing.assert_close(last["G_total"], summands, rtol=1e-5, atol=1e-5)


def test_the_columns_keep_their_order() -> None:
    config = TrainConfig(texture_weight=1.0, perceptual_weight=1.0)
    critics = ("D_real", "D_fake", "gradient_penalty", "D_total")
    assert loss_names(TrainConfig()) == (*critics, *PLAIN)
    assert loss_names(config) == (*critics, *PLAIN, "texture", "perceptual")


def test_a_loss_that_compares_activations_needs_a_vgg() -> None:
    target = Target(stripes(), stripes(), 1.0)
    (term,) = terms.terms_on_fake(TrainConfig(texture_weight=1.0))
    with pytest.raises(ValueError, match="need a VGG"):
        term.value(stripes(), target)


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
        patch.setattr(terms, "measured_error", lambda *inputs: torch.zeros(()))
        unmeasured = trained()
    assert all(torch.equal(one, other) for one, other in zip(measured, unmeasured, strict=True))
