"""The nets: their sizes, names and randomness, and what weights tell of them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from Pix2Pix.losses.step import LossConfig, Nets
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig, config_of
from Pix2Pix.nets.layers import Layers, initialise, set_generator
from Pix2Pix.options import INITIAL
from Pix2Pix.runs import training
from Pix2Pix.runs.folder import clean_state, load_generator
from SinGAN.engines.engine import Engine, no_capture
from SinGAN.storage.tensors import save

GENERATORS = {
    ("unet_256", "batch", 64): 54_413_955, ("unet_256", "instance", 64): 54_409_603,
    ("unet_256", "batch", 16): 3_404_451,
    ("unet_128", "batch", 64): 41_828_995, ("unet_64", "batch", 64): 29_244_035, ("unet_32", "batch", 64): 16_659_075,
    ("unet_128", "instance", 64): 41_825_667, ("unet_64", "instance", 64): 29_241_731,
    ("unet_32", "instance", 64): 16_657_795, ("unet_128", "batch", 16): 2_617_507, ("unet_64", "batch", 16): 1_830_563,
    ("unet_32", "batch", 16): 1_043_619, ("resnet_9blocks", "batch", 64): 11_383_427,
    ("resnet_6blocks", "batch", 64): 7_841_411, ("resnet_9blocks", "instance", 64): 11_378_179,
    ("resnet_6blocks", "instance", 64): 7_837_699, ("resnet_9blocks", "batch", 16): 716_963,
    ("resnet_6blocks", "batch", 16): 495_011,
}  # fmt: skip
CRITICS = {
    ("patch", 3, "batch", 64): 2_768_705, ("patch", 1, "batch", 64): 139_585, ("patch", 2, "batch", 64): 666_433,
    ("patch", 4, "batch", 64): 6_964_033, ("patch", 5, "batch", 64): 11_159_361,
    ("patch", 3, "instance", 64): 2_767_809,
    ("patch", 3, "batch", 16): 176_081, ("pixel", 3, "batch", 64): 9_024, ("pixel", 3, "instance", 64): 8_897,
    ("pixel", 3, "batch", 16): 720, ("multiscale", 3, "batch", 64): 5_537_410,
    ("multiscale", 3, "instance", 64): 5_535_618, ("multiscale", 3, "batch", 16): 352_162,
    ("sesame", 3, "batch", 64): 2_642_178, ("sesame", 4, "batch", 64): 11_038_978, ("sesame", 3, "batch", 16): 169_026,
}  # fmt: skip
KINDS = [("unet_32", "batch"), ("unet_64", "instance"), ("unet_32", "none"), ("resnet_6blocks", "batch")]


def count(net: nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def test_they_have_as_many_parameters_as_the_originals() -> None:
    with torch.device("meta"):
        for (kind, norm, filters), wanted in GENERATORS.items():
            assert count(GeneratorConfig(kind, 3, 3, filters, Layers(norm)).build()) == wanted, (kind, norm, filters)
        for (kind, depth, norm, filters), wanted in CRITICS.items():
            assert count(CriticConfig(kind, (3, 3), filters, depth, norm=norm).build()) == wanted, (kind, depth, norm)


@pytest.mark.parametrize(("kind", "norm"), KINDS)
def test_weights_tell_their_net(kind: str, norm: str) -> None:
    config = GeneratorConfig(kind, 1, 3, 4, Layers(norm, "dropout", 0.5))
    state = config.build().state_dict()
    assert config_of(state, config.layers) == config


def test_weights_of_no_net_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "latest_net_G.pth", {"weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="no known generator"):
        load_generator(tmp_path, "latest", Layers())
    with pytest.raises(FileNotFoundError, match=r"no model of epoch 7 in .*: there are latest"):
        load_generator(tmp_path, "7", Layers())


def test_models_of_others_and_of_old_versions_are_read(tmp_path: Path) -> None:
    net = GeneratorConfig("unet_32", 3, 3, 4, Layers("instance")).build()
    old = {f"module.{name}": value for name, value in net.state_dict().items()}
    old |= {f"module.model.model.1.model.2.{name}": torch.zeros(8) for name in ("running_mean", "running_var")}
    torch.save(old, tmp_path / "latest_net_G.pth", _use_new_zipfile_serialization=False)
    config, loaded = load_generator(tmp_path, "latest", Layers())
    assert (config.kind, config.layers.norm) == ("unet_32", "instance")
    a = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(loaded(a), net(a))


def test_a_lacking_counter_is_zero() -> None:
    state = GeneratorConfig("unet_32", 3, 3, 2).build().state_dict()
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert counters
    filled = clean_state({name: value for name, value in state.items() if name not in counters})
    assert filled.keys() == state.keys()
    assert all(filled[name] == 0 for name in counters)


@pytest.mark.parametrize(("stochastic", "strength"), [("dropout", 0.5), ("weights", 0.1)])
@pytest.mark.parametrize("kind", ["unet_64", "resnet_6blocks"])
def test_randomness_comes_from_one_generator(stochastic: str, strength: float, kind: str) -> None:
    net, a = GeneratorConfig(kind, 3, 3, 4, Layers("instance", stochastic, strength)).build(), torch.rand(1, 3, 64, 64)
    initialise(net, "normal", 0.2, torch.Generator().manual_seed(0))
    rng = torch.Generator()
    set_generator(net, rng)
    with torch.no_grad():
        one, other = net(a), net(a)
        rng.manual_seed(3)
        first = net(a)
        rng.manual_seed(3)
        assert torch.equal(net(a), first)
        assert not torch.allclose(one, other)
        set_generator(net, None, active=False)
        assert torch.equal(net(a), net(a))


@pytest.mark.parametrize("kind", INITIAL)
def test_first_weights(kind: str) -> None:
    nets = [GeneratorConfig("unet_32", 3, 3, 8).build() for _ in range(2)]
    for net in nets:
        initialise(net, kind, 0.02, torch.Generator().manual_seed(1))
    for ours, theirs in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    if kind == "normal":
        weight = nets[0].get_parameter("model.model.1.model.3.model.1.weight")
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not nets[0].get_parameter("model.model.3.bias").any()


def test_a_step_is_made_ready_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are those of steps that are run as they are; beyond ``MOST_SHAPES`` no more are made ready."""
    monkeypatch.setattr(training, "MOST_SHAPES", 2)
    prepared: list[object] = []

    def prepare(work: Callable[[], torch.Tensor], rng: torch.Generator) -> Callable[[], torch.Tensor]:
        prepared.append(work)
        return work

    shapes = [(1, 3, 64, 64), (1, 3, 64, 128), (1, 3, 64, 64), (1, 3, 128, 64), (1, 3, 64, 128)]
    found = []
    for way in (prepare, no_capture):
        rng = torch.Generator().manual_seed(1)
        generator = GeneratorConfig("unet_64", 3, 3, 4, Layers("batch", "none", 0.0)).build()
        critic = CriticConfig("patch", (3, 3), 4, 2).build()
        for net in (generator, critic):
            initialise(net, "normal", 0.02, rng)
        options = SimpleNamespace(batch_size=1)
        asked = SimpleNamespace(options=options, losses=LossConfig())
        trainer = SimpleNamespace(asked=asked, engine=Engine(prepare=way), rng=rng, nets=Nets.of(generator, critic))
        repeat = training.PreparedStep(cast(Any, trainer))
        images = [torch.rand(shape, generator=rng) * 2 - 1 for shape in shapes]
        found.append([{name: float(loss) for name, loss in repeat(a, -a).items()} for a in images])
    assert len(prepared) == 2
    assert found[0] == found[1]
