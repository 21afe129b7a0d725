"""How many threads of a CPU the iterations of a scale get: as many as their work is worth."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from SinGAN.concurrent.training import train_stages
from SinGAN.engines import estimates
from SinGAN.engines.engine import EAGER
from SinGAN.engines.estimates import SHARED, USER_THREADS, ScaleSetting, choose_threads, scale_cost
from SinGAN.kinds import KINDS
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.growing import CONCURRENT
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.planning import plan_scales
from SinGAN.terminal.watchers import watched_environment
from SinGAN.training import train
from tests.conftest import TINY, TINY_NET
from tests.workspace import stripes

CPU = torch.device("cpu")
# differences of less than 6 % are left out
MEASURED = [  # filters, height and width of a scale; milliseconds of an iteration by one thread, and by two
    (4, 13, 17, 18.6, 22.5),
    (8, 13, 17, 19.3, 22.5),
    (8, 20, 26, 25.8, 29.7),
    (8, 25, 34, 32.4, 41.4),
    (16, 13, 17, 27.5, 29.9),
    (16, 31, 41, 54.2, 49.2),
    (16, 48, 64, 96.3, 75.9),
    (32, 20, 26, 55.8, 49.5),
    (32, 25, 34, 80.1, 75.4),
    (32, 48, 64, 146.9, 106.6),
    (64, 48, 64, 350.2, 244.7),
]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USER_THREADS, raising=False)
    monkeypatch.delenv(SHARED, raising=False)


@pytest.fixture
def two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def cores(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: count)


@pytest.mark.parametrize(("filters", "height", "width", "one", "both"), MEASURED)
def test_the_number_that_was_measured_to_be_the_faster(
    filters: int, height: int, width: int, one: float, both: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(2, monkeypatch)
    net = NetConfig(filters=filters, min_filters=filters)
    assert choose_threads(scale_cost(net, (height, width), winograd=True)) == (1 if one < both else 2)


def test_many_cores_get_all_of_a_large_scale_and_few_of_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(64, monkeypatch)
    small, large = ((25, 34), NetConfig()), ((188, 250), NetConfig().at(9))
    assert 2 < choose_threads(scale_cost(small[1], small[0], winograd=True)) < 9
    assert choose_threads(scale_cost(large[1], large[0], winograd=True)) == 64
    assert choose_threads(1.0) == 1


def test_what_the_user_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(64, monkeypatch)
    monkeypatch.setenv(USER_THREADS, "64")
    assert choose_threads(1.0) == 64
    assert SHARED not in watched_environment()
    monkeypatch.setenv(SHARED, "1")  # it is the share of a job, which the user has not chosen
    assert choose_threads(1.0) == 1
    assert watched_environment()[SHARED] == "1"
    monkeypatch.delenv(USER_THREADS)
    assert watched_environment()[SHARED] == "1"


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("mode", [pytest.param("sequential", marks=pytest.mark.slow), CONCURRENT])
@pytest.mark.parametrize(("grain", "expected"), [(estimates.GRAIN, 1), (1.0, 2)])
def test_a_training_takes_them_and_gives_them_back(
    mode: str, grain: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "GRAIN", grain)
    seen, rng, image = set[int](), torch.Generator().manual_seed(1), stripes()

    def watch(scale: int, iteration: int, losses: Mapping[str, Tensor], state: object) -> None:
        seen.add(torch.get_num_threads())

    pyramids: Iterator[object]
    if mode == CONCURRENT:
        options = ModelOptions(train_mode=mode, nfc=4, min_size=12, max_size=24, train_stages=3, niter=1).complete()
        plan = KINDS[CONCURRENT].plan(image.shape[-2], image.shape[-1], options, TRAIN)
        pyramids = train_stages(image, plan, options.net, options.training, rng, watch=watch)
    else:
        plan = plan_scales(image.shape[-2], image.shape[-1], TINY)
        pyramids = train(image, plan, TINY_NET, TrainConfig(niter=1), rng, watch=watch)
    for _ in pyramids:
        assert torch.get_num_threads() == 2  # for the pictures of the scale
    assert seen == {expected}


@pytest.mark.usefixtures("two")
def test_they_are_given_back_after_an_error() -> None:
    def watch(*_: object) -> None:
        assert torch.get_num_threads() == 1
        raise KeyboardInterrupt

    image = stripes()
    plan = plan_scales(image.shape[-2], image.shape[-1], TINY)
    with pytest.raises(KeyboardInterrupt):
        next(train(image, plan, TINY_NET, TrainConfig(niter=1), torch.Generator().manual_seed(1), watch=watch))
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two")
def test_a_vgg_and_a_gpu_are_not_measured_by_the_nets() -> None:
    setting = ScaleSetting(TINY_NET, (12, 12), CPU, TrainConfig())
    texture = replace(setting, training=replace(setting.training, texture_weight=1.0))
    for each, expected in ((setting, 1), (texture, 2), (replace(setting, device=torch.device("cuda")), 2)):
        with EAGER.threads(each):
            assert torch.get_num_threads() == expected
