"""Variants of nets and losses on every engine."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SinGAN.engines import cuda_graph as graphs_module
from SinGAN.engines.compiled import Compiled
from SinGAN.engines.cuda_graph import Captured
from SinGAN.engines.engine import Engine
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.gan import GAN_MODES
from SinGAN.losses.iteration import differentiate_eagerly, iteration
from SinGAN.losses.perceptual import VGGTarget, load_vgg_weights
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import StartWeights, draw, first_z_rec, make_target, start_nets, train, trained_vgg
from tests.cases import mostly_slow
from tests.conftest import TINY, TINY_NET
from tests.engines.test_engine import Graphs, NoWaiting, equal
from tests.workspace import stripes

CPU = torch.device("cpu")


def knobs_of_training() -> dict[str, tuple[NetConfig, TrainConfig]]:
    """What engines must serve: nets and trainings."""
    net, config = NetConfig(filters=4, min_filters=4), TrainConfig(niter=5)
    nets = {
        "several critics": NetConfig(filters=4, min_filters=4, num_layer=2, critics=2),
        "conditional": NetConfig(filters=4, min_filters=4, conditional=True),
        "dropout": NetConfig(filters=4, min_filters=4, dropout=0.5),
        "weight noise": NetConfig(filters=4, min_filters=4, weight_noise=0.1),
    }
    configs = {
        "hinge": TrainConfig(niter=5, adversarial=GAN_MODES["hinge"]),
        "looks": TrainConfig(niter=5, texture_weight=1.0, perceptual_weight=1.0),
        "features": TrainConfig(niter=5, feature_weight=1.0),
        "one_sided": TrainConfig(niter=5, penalty="one_sided"),
        "r1": TrainConfig(niter=5, penalty="r1"),
    }
    return {
        **{name: (own, config) for name, own in nets.items()},
        "features of several": (NetConfig(filters=4, min_filters=4, critics=2, conditional=True), configs["features"]),
        **{name: (net, own) for name, own in configs.items()},
    }


CASES = [
    "several critics",
    "dropout",
    "conditional",
    "weight noise",
    "hinge",
    "looks",
    "features",
    "one_sided",
    "r1",
    "features of several",
]


def run(case: str, engine: Engine, vgg_file: Path, niter: int = 5) -> tuple[Pyramid[TrainedScale], torch.Tensor]:
    """A tiny training by ``engine``: the pyramid and all its losses."""
    net, config = knobs_of_training()[case]
    config = replace(config, niter=niter)
    image, losses = stripes(), list[torch.Tensor]()
    rng = torch.Generator().manual_seed(3)

    def watch(scale: int, iteration: int, now: Mapping[str, torch.Tensor], state: object) -> None:
        losses.append(torch.stack(tuple(now.values())))

    weights = StartWeights(vgg=load_vgg_weights(vgg_file)) if config.uses_vgg else StartWeights()
    plan = plan_scales(24, 32, TINY)
    *_, pyramid = train(image, plan, net, config, rng, watch=watch, weights=weights, engine=engine)
    return pyramid, torch.stack(losses)


@pytest.mark.parametrize("case", mostly_slow(CASES, {"several critics"}))
def test_a_captured_training_is_the_eager_one(case: str, vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = Graphs()
    monkeypatch.setattr(graphs_module, "side_stream", lambda device: None)
    monkeypatch.setattr(graphs_module, "run_on_stream", graphs.run_aside)
    monkeypatch.setattr(graphs_module, "capture", graphs.capture)
    eager, eager_losses = run(case, Engine(), vgg_file)
    captured, losses = run(case, Engine("cudagraph", prepare=Captured), vgg_file)
    assert graphs.repeated > 0
    assert equal(eager, captured)
    assert torch.equal(eager_losses, losses)


@pytest.mark.parametrize("case", mostly_slow(CASES, {"several critics", "looks", "r1"}))
def test_an_iteration_never_waits_for_the_device(case: str, vgg_file: Path, rng: torch.Generator) -> None:
    net, config = knobs_of_training()[case]
    below, first, real = Pyramid[TrainedScale]((), 0.75, net.margin), stripes(20, 18), stripes(28, 26)
    below = below.with_scale(
        0, TrainedScale.of(*start_nets(below, net, rng), first, first_z_rec(below, first, rng), 1.0)
    )
    z_rec = first_z_rec(below, real, rng)
    vgg = trained_vgg(config, StartWeights(vgg=load_vgg_weights(vgg_file)), CPU)
    target = replace(make_target(below, real, z_rec, config), vgg=None if vgg is None else VGGTarget.of(vgg, real))
    nets = Adversaries.of(*start_nets(replace(below, scales=()), net, rng), config)
    for mode in (contextlib.nullcontext(), NoWaiting()):  # the optimizers' first step is lazy
        drawn = draw(below, real, z_rec, config.Dsteps, rng)
        with mode:
            iteration(nets, target, drawn, config)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_compiled_iteration_is_the_eager_one(case: str, vgg_file: Path, pyramid: Pyramid[TrainedScale]) -> None:
    net, config = knobs_of_training()[case]
    net = replace(net, num_layer=TINY_NET.num_layer)
    rng, below, real = torch.Generator().manual_seed(5), pyramid.below(1), stripes(44, 46)
    z_rec = first_z_rec(below, real, rng)
    vgg = trained_vgg(config, StartWeights(vgg=load_vgg_weights(vgg_file)), CPU)
    target = make_target(below, real, z_rec, config)
    target = replace(target, vgg=None if vgg is None else VGGTarget.of(vgg, real))
    drawn, compiled = draw(below, real, z_rec, config.Dsteps, rng), Compiled()
    results = []
    for differentiate in (differentiate_eagerly, compiled):
        nets = Adversaries.of(*start_nets(replace(below, scales=()), net, rng.manual_seed(6)), config)
        results.append((iteration(nets, target, drawn, config, differentiate), nets.critic.state_dict()))
    assert compiled.programs
    (losses, state), (compiled_losses, compiled_state) = results
    torch.testing.assert_close(compiled_losses, losses, rtol=2e-3, atol=2e-3)
    for key in state:
        if key.endswith("running_var"):
            torch.testing.assert_close(compiled_state[key], state[key], rtol=2e-3, atol=2e-3)
