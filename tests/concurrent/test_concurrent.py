"""Concurrent training: its sizes, its learning rates, how it grows, and what the grown pyramid makes."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from SinGAN import manipulate
from SinGAN.concurrent.inputs import coarsest_input
from SinGAN.concurrent.planning import plan_stages
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.concurrent.stage import parameter_groups
from SinGAN.concurrent.training import start_nets, train_stages
from SinGAN.engines.engine import EngineSettings
from SinGAN.functions import rmse
from SinGAN.kinds import KINDS
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig, initialise
from SinGAN.planning import Plan, PyramidConfig
from SinGAN.pyramid import Pyramid
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.variants.growing import GrowingGenerator
from tests.workspace import stripes

NET = NetConfig(filters=6, min_filters=6, stages=1, batch_norm=False, leak=0.05, noisy_margins=True)
PLAN = plan_stages(25, 33, PyramidConfig(min_size=13), 4)
CONFIG = TrainConfig(niter=3)


def trained(net: NetConfig = NET, config: TrainConfig = CONFIG, plan: Plan = PLAN) -> GrownPyramid:
    rng = torch.Generator().manual_seed(1)
    *_, last = train_stages(stripes(25, 33), plan, net, config, rng)
    return last


@pytest.mark.parametrize(
    ("stages", "min_size", "geometric", "sizes"),
    [
        (6, 25, False, "25x34, 32x42, 42x56, 63x84, 126x167, 188x250"),
        (7, 25, False, "25x34, 30x40, 37x49, 48x64, 71x94, 135x179, 188x250"),
        (6, 25, True, "25x34, 38x50, 57x75, 84x112, 126x167, 188x250"),
        (3, 120, True, "120x160, 151x200, 188x250"),
    ],
)
def test_the_sizes_of_stages(stages: int, min_size: int, geometric: bool, sizes: str) -> None:
    plan = plan_stages(188, 250, PyramidConfig(min_size=min_size), stages, geometric=geometric)
    assert ", ".join(f"{height}x{width}" for height, width in plan.sizes) == sizes
    assert plan.exponents[0] == pytest.approx(stages - 1)
    assert plan.exponents[-2] == pytest.approx(1)
    assert plan.exponents[-1] == 0


def test_two_stages_divide_nothing_by_zero() -> None:
    assert plan_stages(50, 60, PyramidConfig(min_size=25), 2).sizes == ((25, 30), (50, 60))
    with pytest.raises(ValueError, match="as small as the coarsest stage"):
        plan_stages(25, 60, PyramidConfig(min_size=25), 2)


@pytest.mark.parametrize(
    ("newest", "learning", "head"),
    [
        (0, {0: 5e-4}, 5e-4),
        (1, {0: 5e-5, 1: 5e-4}, 5e-5),
        (2, {0: 5e-6, 1: 5e-5, 2: 5e-4}, 5e-6),
        (3, {1: 5e-6, 2: 5e-5, 3: 5e-4}, None),
        (4, {2: 5e-6, 3: 5e-5, 4: 5e-4}, None),
        (5, {3: 5e-6, 4: 5e-5, 5: 5e-4}, None),
    ],
)
def test_the_learning_rates_of_a_stage(newest: int, learning: dict[int, float], head: float | None) -> None:
    generator = GrowingGenerator(NET.at(newest))
    rates = {id(weight): group["lr"] for group in parameter_groups(generator, CONFIG) for weight in group["params"]}
    for index, block in enumerate(generator.body):
        for weight in block.parameters():
            assert rates.get(id(weight)) == (pytest.approx(learning[index]) if index in learning else None)
            assert weight.requires_grad == (index in learning)
    for weight in generator.head.parameters():
        assert rates.get(id(weight)) == (None if head is None else pytest.approx(head))
    assert {rates[id(weight)] for weight in generator.tail.parameters()} == {5e-4}


def test_a_new_block_is_a_copy_of_the_one_before() -> None:
    pyramid = trained()
    generator, critic = start_nets(pyramid, NET.at(4), torch.Generator())
    assert len(generator.body) == 5
    for new, old in zip(generator.body[4].parameters(), generator.body[3].parameters(), strict=True):
        assert torch.equal(new, old)
        assert new is not old
    before = pyramid.scales[-1]
    assert all(torch.equal(value, before.generator.state_dict()[name]) for name, value in _old(generator))
    earlier = before.critic.state_dict()
    assert all(torch.equal(value, earlier[name]) for name, value in critic.state_dict().items())


def _old(generator: GrowingGenerator) -> list[tuple[str, torch.Tensor]]:
    return [(name, value) for name, value in generator.state_dict().items() if not name.startswith("body.4")]


@pytest.mark.parametrize("noisy", [True, False])
def test_a_generator_keeps_odd_sizes(noisy: bool) -> None:
    pyramid = trained(replace(NET, noisy_margins=noisy))
    rng = torch.Generator().manual_seed(1)
    assert pyramid.generate(pyramid.z_rec()).shape == (1, 3, 25, 33)
    assert [tuple(z.shape) for z in pyramid.z_rec()] == [tuple(z.shape) for z in pyramid.draw(rng)]
    for start in (0, 2):
        first, second = manipulate.sample(pyramid, rng, 2, start, (1.3, 0.9))
        assert first.shape == (1, 3, round(1.3 * 25), round(0.9 * 33))
        assert not torch.equal(first, second)
    assert all(scale.noise_amp > 0 for scale in pyramid.scales)
    assert pyramid.scales[0].noise_amp == 1


@pytest.mark.slow
def test_only_the_window_learns_and_the_picture_comes_back_better() -> None:
    start, late = trained(), trained(config=replace(CONFIG, niter=60, lr_g=0.002))
    for pyramid in (start, late):
        weights = [scale.generator.state_dict() for scale in pyramid.scales]
        for name in weights[2]:
            if name.startswith(("head.", "body.0.")):
                assert torch.equal(weights[3][name], weights[2][name])
        assert not torch.equal(weights[3]["body.1.block1.conv.weight"], weights[2]["body.1.block1.conv.weight"])
    real = start.scales[-1].real
    errors = [float(rmse(pyramid.generate(pyramid.z_rec()), real)) for pyramid in (start, late)]
    assert errors[1] < 0.7 * errors[0]


def test_three_steps_of_one_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[list[torch.Tensor]] = []
    adam = torch.optim.Adam.step

    def spy(optimizer: torch.optim.Adam, *rest: object) -> object:
        if len(optimizer.param_groups) > 1:  # the generator's
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            steps.append([weight.grad.clone() for weight in weights if weight.grad is not None])
        return adam(optimizer, *rest)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    trained(config=replace(CONFIG, niter=1), plan=plan_stages(25, 33, PyramidConfig(min_size=13), 2))
    assert len(steps) == 2 * 3
    for stage in (steps[:3], steps[3:]):
        for gradients in stage[1:]:
            assert all(torch.equal(a, b) for a, b in zip(gradients, stage[0], strict=True))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_stage_resumes_to_the_same_bits(batch_norm: bool) -> None:
    states: list[TrainingState] = []

    def watch(scale: int, iteration: int, losses: object, state: Callable[[], TrainingState]) -> None:
        if (scale, iteration) == (1, 1):
            states.append(copy.deepcopy(state()))

    image, plan = stripes(25, 33), plan_stages(25, 33, PyramidConfig(min_size=13), 2)
    net, config = replace(NET, batch_norm=batch_norm), replace(CONFIG, train_depth=1)
    runs = list(train_stages(image, plan, net, config, torch.Generator().manual_seed(1), watch=watch))
    rng = torch.Generator().manual_seed(1)
    (again,) = train_stages(image, plan, net, config, rng, finished=runs[0].scales, resume=states[0])
    expected = runs[-1].scales[-1]
    assert all(torch.equal(a, b) for a, b in zip(again.z_rec(), runs[-1].z_rec(), strict=True))
    assert again.scales[-1].noise_amp == expected.noise_amp
    for name, value in again.scales[-1].generator.state_dict().items():
        assert torch.equal(value, expected.generator.state_dict()[name])


@pytest.mark.parametrize(
    "settings",
    [
        {"recompute": "always"},
        {"winograd": "always"},
        pytest.param({"engine": "compiled", "winograd": "never"}, marks=pytest.mark.slow),
    ],
)
def test_other_engines_compute_the_same(settings: dict[str, str]) -> None:
    engine = EngineSettings(**{"engine": "eager", **settings}).choose(torch.device("cpu"))
    net, plan = replace(NET, filters=8, min_filters=8), plan_stages(25, 33, PyramidConfig(min_size=13), 2)
    results = [
        list(train_stages(stripes(25, 33), plan, net, CONFIG, torch.Generator().manual_seed(1), engine=each))[-1]
        for each in (EngineSettings(engine="eager", winograd="never").choose(torch.device("cpu")), engine)
    ]
    pictures = [pyramid.generate(pyramid.z_rec()) for pyramid in results]
    torch.testing.assert_close(*pictures, atol=2e-2, rtol=0)  # Adam's first steps magnify rounding


def test_bf16_trains_too() -> None:
    engine = EngineSettings("eager", "bf16").choose(torch.device("cpu"))
    *_, pyramid = train_stages(stripes(25, 33), PLAN, NET, CONFIG, torch.Generator().manual_seed(1), engine=engine)
    assert pyramid.generate(pyramid.z_rec()).isfinite().all()


@pytest.mark.parametrize("recipe", ["editing", "harmonization"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_changed_pictures_as_inputs(recipe: str, channels: int) -> None:
    real = stripes(120, 160).repeat(1, 2, 1, 1)[:, :channels]
    rng = torch.Generator().manual_seed(1)
    made = [coarsest_input(real, recipe, rng) for _ in range(40)]
    assert all(image.shape == real.shape and image.isfinite().all() for image in made)
    assert not torch.equal(made[0], made[1])
    noise = 3 * 0.1 if recipe == "editing" else 1e-5
    kept = torch.tensor([float(((image - real).abs() < noise).all(dim=1).float().mean()) for image in made])
    assert 0.3 < float(kept.median()) < 1  # most of the picture stays


def test_a_reference_goes_in_at_the_coarsest_stage() -> None:
    rng = torch.Generator().manual_seed(1)
    pyramid = trained(replace(NET, noisy_margins=False, batch_norm=True), replace(CONFIG, recipe="editing"))
    assert manipulate.injection_scales(pyramid, [None]) == [0]
    with pytest.raises(ValueError, match="must be 0 for this model, not 1"):
        manipulate.injection_scales(pyramid, [1])
    real = pyramid.scales[-1].real
    same, other = manipulate.inject(pyramid, real, 0, rng, 2)
    rebuilt = pyramid.generate(pyramid.z_rec())
    assert float((same - rebuilt).abs().max()) < 0.05  # but for the resize's 8 bits
    assert not torch.equal(same, other)
    with pytest.raises(ValueError, match="of all its stages"):
        pyramid.generate(pyramid.z_rec()[1:], real)


def test_an_animation_walks_through_all_noise() -> None:
    pyramid = trained(config=replace(CONFIG, noise_border=True))
    frames = list(manipulate.animate(pyramid, torch.Generator().manual_seed(1), 3, 0, 0.1, 0.9))
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 25, 33)] * 3
    assert not torch.equal(frames[0], frames[1])


def test_nets_know_their_shape_from_their_weights() -> None:
    net = replace(NET, batch_norm=True).at(2)
    generator = GrowingGenerator(net)
    initialise(generator, torch.Generator().manual_seed(1), spread=True)
    assert NetConfig.of(generator.state_dict(), NET) == net
    assert float(generator.state_dict()["head.conv.bias"].abs().max()) > 0.02
    assert isinstance(KINDS["concurrent"].pyramid(Pyramid((), 0.7, 5), net, {"recipe": None}, {}), GrownPyramid)
    with pytest.raises(ValueError, match="`num_layer` must be at least 3"):
        replace(NET, num_layer=2)
