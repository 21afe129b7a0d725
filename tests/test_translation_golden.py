"""Paired translation agrees with reference numbers; tolerances as in golden_translation/README.md.

Sizes, widths and the number of cases come from the files: any folder of the same layout can be given with
``pytest --golden_translation DIR``.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from Pix2Pix.data import warp
from Pix2Pix.data.layouts import PairFiles, read_sides
from Pix2Pix.data.pairs import Preparation
from Pix2Pix.losses import games
from Pix2Pix.losses.perceptual import PLAN, Perceptual
from Pix2Pix.losses.step import LossConfig, Nets, train_step
from Pix2Pix.nets.critics import CriticConfig, halve
from Pix2Pix.nets.generators import GeneratorConfig, config_of
from Pix2Pix.nets.layers import Dropout, Layers
from Pix2Pix.options import GAMES_ALSO
from SinGAN.losses.perceptual import VGG

Arrays = dict[str, np.ndarray]
MODES = ("vanilla", "lsgan", "hinge")


def read(folder: Path, name: str) -> Arrays:
    with np.load(folder / f"{name}.npz") as arrays:
        return dict(arrays)


def picture(array: np.ndarray) -> Tensor:
    """(B, C, H, W) in [-1, 1] of 8-bit pictures (B, H, W, C)."""
    return torch.from_numpy((array / 255 - 0.5) / 0.5).float().permute(0, 3, 1, 2).contiguous()


def state(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(f"{prefix}/"): torch.from_numpy(np.asarray(value))
        for key, value in arrays.items()
        if key.startswith(f"{prefix}/")
    }


def near(actual: Tensor, wanted: np.ndarray, absolute: float = 1e-5, relative: float = 0.0) -> None:
    torch.testing.assert_close(
        actual.detach().double(), torch.from_numpy(np.asarray(wanted)).double(), atol=absolute, rtol=relative
    )


def loaded(net: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    net.load_state_dict(weights)
    return net.train()


def generator(weights: dict[str, Tensor], layers: Layers = Layers()) -> nn.Module:
    return loaded(config_of(weights, layers).build(), weights)


def test_a_unet_in_training_and_after(golden_translation: Path) -> None:
    arrays = read(golden_translation, "unet")
    weights, a = state(arrays, "G"), picture(arrays["a"])
    net = generator(weights)
    near(net(a), arrays["train"])
    for name, wanted in state(arrays, "after").items():
        near(net.state_dict()[name], wanted.numpy())
    near(net.eval()(a), arrays["eval"])


def test_a_unet_with_instance_norm(golden_translation: Path) -> None:
    arrays = read(golden_translation, "unet")
    convolutions = {name: value for name, value in state(arrays, "G").items() if value.ndim == 4}
    last = {name: value for name, value in state(arrays, "G").items() if name == "model.model.3.bias"}
    weights = convolutions | last | state(arrays, "bias")
    assert config_of(weights, Layers()).layers.norm == "instance"
    near(generator(weights)(picture(arrays["a"])), arrays["instance"])


def test_dropout_where_it_belongs(golden_translation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = read(golden_translation, "dropout")
    net, a = generator(state(arrays, "G"), Layers("batch", "dropout", 0.5)), picture(arrays["a"])
    assert sum(isinstance(layer, Dropout) for layer in net.modules()) == 1
    monkeypatch.setattr(Dropout, "mask", lambda self, x: torch.from_numpy(arrays["mask"]).to(x))
    near(net(a), arrays["dropped"])
    near(generator(state(arrays, "G"), Layers("batch", "none"))(a), arrays["whole"])


@pytest.mark.parametrize("name", ["sizes"])
def test_scores_of_a_patch_critic(golden_translation: Path, name: str) -> None:
    for depth, height, width, high, wide in read(golden_translation, "critics")[name]:
        config = CriticConfig("patch", (1, 1), 2, int(depth), norm="none")
        a = torch.zeros(1, 1, int(height), int(width))
        (scores,) = config.build()(a, a)
        assert tuple(scores.shape[-2:]) == (high, wide)


def test_critics(golden_translation: Path) -> None:
    arrays = read(golden_translation, "critics")
    a, b = picture(arrays["a"]), picture(arrays["b"])
    near(halve(torch.cat([a, b], dim=1)), arrays["halved"])
    for kind, norm in (("multiscale", "batch"), ("sesame", "instance")):
        weights = {name: value for name, value in state(arrays, kind).items() if "." in name}
        width = next(iter(weights.values())).shape[0]
        scores = loaded(CriticConfig(kind, (3, 3), width, norm=norm).build(), weights)(a, b)
        near(scores[0], arrays[f"{kind}/out0"], 1e-4)
        near(scores[1], arrays[f"{kind}/out1"], 1e-4)
        for mode in ("vanilla", "lsgan", "hinge", "wgan"):
            game = games.GAMES[mode]
            for name, loss in (("real", game.real), ("fake", game.fake), ("generator", game.generator)):
                near(games.mean_loss(loss, scores), arrays[f"{kind}/{mode}_{name}"], 1e-6, 1e-4)
    weights = {name: value for name, value in state(arrays, "pixel").items() if name != "out"}
    (scores,) = loaded(CriticConfig("pixel", (3, 3), weights["net.0.weight"].shape[0]).build(), weights)(a, b)
    near(scores, arrays["pixel/out"])


def test_games(golden_translation: Path) -> None:
    arrays = read(golden_translation, "games")
    real, fake = torch.from_numpy(arrays["real"]), torch.from_numpy(arrays["fake"])
    for mode in {key.split("/")[0] for key in arrays if key.endswith("/D_real")}:
        game = games.GAMES[GAMES_ALSO.get(mode, mode)]
        d_real, d_fake = games.mean_loss(game.real, [real]), games.mean_loss(game.fake, [fake])
        near(d_real, arrays[f"{mode}/D_real"], 1e-6, 1e-5)
        near(d_fake, arrays[f"{mode}/D_fake"], 1e-6, 1e-5)
        near((d_real + d_fake) / 2, arrays[f"{mode}/D_total"], 1e-6, 1e-5)
        near(games.mean_loss(game.generator, [fake]), arrays[f"{mode}/G"], 1e-6, 1e-5)


def test_gradient_penalty(golden_translation: Path) -> None:
    arrays = read(golden_translation, "games")
    weights = state(arrays, "penalty/D")
    width = weights["model.0.weight"].shape[0]
    critic = loaded(CriticConfig("patch", (3, 3), width, norm="instance").build(), weights)
    a, b, fake = (picture(arrays[f"penalty/{name}"]) for name in ("a", "b", "fake"))
    penalty = 10 * games.gradient_penalty(critic, a, b, fake, torch.from_numpy(arrays["penalty/alpha"]).float())
    near(penalty, arrays["penalty/value"], 0, 1e-5)
    penalty.backward()
    wanted = arrays["penalty/grad/model.0.weight"]
    assert critic is not None
    gradient = critic.get_parameter("model.0.weight").grad
    assert gradient is not None
    near(gradient, wanted, 1e-4 * float(np.abs(wanted).max()))


def test_rates(golden_translation: Path) -> None:
    for case in json.loads((golden_translation / "schedule.json").read_text()):
        whole, falling, start, rates = (case[key] for key in ("n_epochs", "n_epochs_decay", "lr", "rates"))
        ours = [games.learning_rate(epoch, start, whole, falling) for epoch in range(1, len(rates) + 1)]
        assert ours == pytest.approx(rates, rel=1e-12, abs=1e-18)


def test_names(golden_translation: Path) -> None:
    for described, wanted in json.loads((golden_translation / "names.json").read_text()).items():
        kind, norm, *rest = (
            described.split()
            if described.split()[1].isalpha()
            else [described.split()[0], "instance", *described.split()[1:]]
        )
        drops = [Layers(norm, "dropout" if rest[-1] == "dropout" else "none", 0.5)]
        if kind.startswith(("unet", "resnet")):
            net = GeneratorConfig(kind, int(rest[0]), int(rest[1]), int(rest[2]), drops[0]).build()
        else:
            inputs = (int(rest[0]), int(rest[1])) if kind == "sesame" else (int(rest[0]) // 2, int(rest[0]) // 2)
            net = CriticConfig(kind, inputs, int(rest[-1]), norm=norm).build()
        ours = [(name, list(value.shape)) for name, value in net.state_dict().items()]
        assert ours == list(wanted.items()), described


def test_warps(golden_translation: Path) -> None:
    arrays = read(golden_translation, "tps")
    height, width = arrays["image"].shape[:2]
    np.testing.assert_allclose(warp.control_grid(height, width), arrays["grid"], atol=1e-5)
    where = warp.source_positions(arrays["moved"].astype(np.float64), height, width)
    np.testing.assert_allclose(where, arrays["where"], atol=1e-4)
    np.testing.assert_allclose(warp.resample(arrays["image"], where), arrays["bilinear"], atol=1e-2)
    np.testing.assert_allclose(warp.resample(arrays["image"], where, nearest=True), arrays["nearest"], atol=1e-2)


class Fixed(np.random.Generator):
    """Draws what it was given: places, then whether to mirror."""

    def __init__(self, places: list[int], mirror: bool) -> None:
        super().__init__(np.random.PCG64())
        self.places, self.mirror = iter(places), mirror

    def integers(self, *_: object, **__: object) -> int:  # type: ignore[override]
        return next(self.places)

    def random(self, *_: object, **__: object) -> float:  # type: ignore[override]
        return 0.0 if self.mirror else 1.0


def test_preparing_a_pair(golden_translation: Path, tmp_path: Path) -> None:
    arrays = read(golden_translation, "data")
    load, crop, x, y, flip = (int(arrays[name]) for name in ("load_size", "crop_size", "x", "y", "flip"))
    Image.fromarray(arrays["ab"]).save(tmp_path / "ab.png")
    a, b = read_sides(PairFiles("ab", tmp_path / "ab.png", None))
    prepared = Preparation(load_size=load, crop_size=crop)
    ours = prepared(a, b, Fixed([x, y], bool(flip)))
    near(ours[0], arrays["A"])
    near(ours[1], arrays["B"])
    for name, swapped in (("A", False), ("B", True)):
        labels = replace(prepared, label_maps=True, swapped=swapped)(a, b, Fixed([x, y], bool(flip)))[0]
        near(labels, arrays[f"{name}_nearest"])
    tested = prepared.for_test()(a, b)
    near(tested[0], arrays["A_test"])
    near(tested[1], arrays["B_test"])
    near(replace(prepared, outputs=1).for_test()(a, b)[1], arrays["B_test_grey"])


@pytest.mark.parametrize("mode", MODES)
def test_a_step(golden_translation: Path, mode: str) -> None:
    arrays = read(golden_translation, "step")
    a, b = picture(arrays["a"]), picture(arrays["b"])
    weights = state(arrays, "D")
    critic = loaded(CriticConfig("patch", (3, 3), weights["model.0.weight"].shape[0]).build(), weights)
    nets = Nets.of(generator(state(read(golden_translation, "unet"), "G")), critic)
    scores = []
    critic.register_forward_hook(lambda net, given, made: scores.append(made[0].detach().clone()))
    fakes = []
    nets.generator.register_forward_hook(lambda net, given, made: fakes.append(made.detach().clone()))
    gradients: dict[str, dict[str, Tensor]] = {"D": {}, "G": {}}
    for name, net, optimizer in (("D", critic, nets.critic_optimizer), ("G", nets.generator, nets.generator_optimizer)):
        assert optimizer is not None
        optimizer.register_step_pre_hook(
            lambda *_, name=name, net=net: gradients[name].update(
                {key: value.grad.clone() for key, value in net.named_parameters() if value.grad is not None}
            )
        )
    losses = train_step(nets, a, b, LossConfig(mode), torch.Generator())
    near(fakes[0], arrays[f"{mode}/fake"])
    for place, name in enumerate(("score_fake", "score_real", "score_fake_updated")):
        near(scores[place], arrays[f"{mode}/{name}"], 1e-4)
    for name in ("D_fake", "D_real", "D_total", "G_GAN", "G_L1", "G_total"):
        near(losses[name], arrays[f"{mode}/{name}"], 1e-6, 1e-4)
    for which, net in (("D", critic), ("G", nets.generator)):
        largest = max(float(value.abs().max()) for value in gradients[which].values())
        for key, wanted in state(arrays, f"{mode}/grad{which}").items():
            near(gradients[which][key], wanted.numpy(), 1e-4 * largest)
        for key, wanted in state(arrays, f"{mode}/grad{which}_norm").items():
            near(gradients[which][key].norm(), wanted.numpy(), 1e-3 * largest)
        ours = net.state_dict()
        for key, wanted in state(arrays, f"{mode}/{which}_after").items():
            if key in gradients[which]:
                counts = gradients[which][key].abs() > 1e-4 * largest
                near(ours[key][counts], wanted.numpy()[counts.numpy()])
            else:
                near(ours[key], wanted.numpy(), 1e-4)


def test_perceptual_distance(golden_translation: Path) -> None:
    arrays = read(golden_translation, "perceptual")
    net, index = VGG(PLAN), 0
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            outputs, inputs = layer.weight.shape[:2]
            weight = np.random.RandomState(1000 + index).standard_normal((outputs, inputs, 3, 3))
            weight *= np.sqrt(2 / (9 * inputs))
            bias = np.random.RandomState(2000 + index).standard_normal(outputs) * 0.05
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
                assert layer.bias is not None
                layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
            if index == 0:
                near(layer.weight.flatten()[:5], arrays["first"], 1e-7)
            index += 1
    x, y = picture(arrays["x"]).requires_grad_(), picture(arrays["y"])
    measure = Perceptual(net)
    near(torch.stack(measure.distances(x, y)), arrays["layers"], 1e-5, 1e-4)
    total = measure(x, y)
    near(total, arrays["total"], 1e-5, 1e-4)
    total.backward()
    assert x.grad is not None
    near(x.grad, arrays["grad"], 1e-4 * float(np.abs(arrays["grad"]).max()))
