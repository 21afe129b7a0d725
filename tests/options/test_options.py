"""Options: each described once, and flags, manifests and checks made from that."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from Pix2Pix import options as pairs
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.model import ModelOptions, defaults, legacy_defaults
from SinGAN.options.option import HUGE, check_values, get_options, option
from SinGAN.options.run import RunOptions
from SinGAN.options.tasks import ANIMATION, SUPER_RESOLUTION, TRAIN
from SinGAN.planning import PyramidConfig
from SinGAN.tasks import tasks
from SinGAN.terminal.flags import Parser, add_options, parser, read_options

KINDS = [ModelOptions, RunOptions, *(task.options for task in tasks().values() if task.options is not None)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_a_described_option(kind: type) -> None:
    described = get_options(kind)
    assert list(described) == [field.name for field in fields(kind)]
    for name, entry in described.items():
        assert entry.name == name
        assert entry.help
        assert entry.kind in (int, float, str, bool, Path) or entry.kind.__name__ == "device"


def test_the_options_of_a_model_say_so() -> None:
    assert all(entry.shapes == ("singan",) for entry in get_options(ModelOptions).values())
    assert not any(entry.shapes for entry in get_options(RunOptions).values())


def test_every_option_is_a_flag_with_its_default() -> None:
    known = parser("test", ["train"])
    args = known.parse_args(["--input_name", "x.png"])
    assert read_options(ModelOptions, args) == ModelOptions()
    assert read_options(RunOptions, args) == RunOptions(input_name=("x.png",), mode="train")
    assert all(entry.help in " ".join(known.format_help().split()) for entry in get_options(ModelOptions).values())


@pytest.mark.parametrize(
    ("task", "values"),
    [(TRAIN, (25, 10.0)), (SUPER_RESOLUTION, (18, 100.0)), (ANIMATION, (20, 10.0))],
)
def test_tasks_have_defaults_of_their_own(task: Any, values: tuple[int, float]) -> None:
    assert (defaults(task)["min_size"], defaults(task)["alpha"]) == values
    args = parser("test", ["it"], task=task).parse_args(["--input_name", "x.png"])
    assert (args.min_size, args.alpha) == values
    assert ModelOptions.for_task(task, {"niter": 3}).min_size == values[0]


def test_the_configs_that_options_ask_for() -> None:
    options = ModelOptions(nc_im=1, nfc=8, no_residual=True, netD="multiscale", z_rec="fixed", max_size=90).complete()
    assert options.net == NetConfig(channels=1, filters=8, residual=False, critics=3)
    assert options.pyramid == PyramidConfig(max_size=90)
    assert options.training == TrainConfig()
    assert ModelOptions().complete().training == TrainConfig(redraw_z_rec=True)


def test_options_that_follow_from_others() -> None:
    assert ModelOptions(nc_im=4).complete().nc_z == 4
    assert ModelOptions(gan_mode="hinge").complete().lambda_grad == 0
    assert ModelOptions(gan_mode="hinge", lambda_grad=2.0).complete().lambda_grad == 2
    assert ModelOptions(stochastic="dropout").complete().dropout == 0.5
    assert ModelOptions(stochastic="weights").complete().weight_noise == 0.1
    assert replace(ModelOptions(), stochastic="noise").complete().dropout == 0


def test_manifests_of_every_age_are_read() -> None:
    new = ModelOptions(stochastic="dropout", dropout=0.3, sketch_scales=2).complete()
    assert ModelOptions.of_manifest(new.as_dict()) == new
    old = {name: value for name, value in ModelOptions().complete().as_dict().items() if name not in legacy_defaults()}
    assert ModelOptions.of_manifest({**old, "netD": None}) == ModelOptions().complete()
    assert ModelOptions.of_manifest({**old, "z_rec": "fixed"}).z_rec == "fixed"  # not today's default
    with pytest.raises(ValueError, match="lacks the option 'niter'"):
        ModelOptions.of_manifest({name: value for name, value in old.items() if name != "niter"})
    for wrong in (-1, "much", None, True):
        with pytest.raises(ValueError, match=r"wrong option in manifest\.json: `niter` must be"):
            ModelOptions.of_manifest({**old, "niter": wrong})
    gone = {**new.as_dict(), "netD": "a/file/that/is/gone.pth"}
    assert ModelOptions.of_manifest(gone).netD == "a/file/that/is/gone.pth"


@dataclass(frozen=True)
class Example:
    """Options as a web form may have them."""

    amount: float = option(0.5, "a share", above=0, below=1)
    sides: tuple[int, ...] = option((3,), "odd numbers", least=1, odd=True)
    ways: tuple[str, ...] = option(("here",), "some of", choices=("here", "there"))
    every: tuple[int | None, ...] = option((0,), "numbers, or all", least=0, every="all")


def test_values_are_checked_whoever_gives_them() -> None:
    assert check_values(Example, {"sides": [1, 5], "amount": 0.25}) == {"sides": (1, 5), "amount": 0.25}
    for values, words in (
        ({"amount": 1}, "`amount` must be above 0 and below 1, not 1"),
        ({"amount": float("nan")}, "must be above 0 and below 1, not nan"),
        ({"sides": [2]}, "`sides` must be odd, not 2"),
        ({"ways": ["up"]}, "`ways` must be one of here, there, not up"),
        ({"amuont": 1}, "unknown option `amuont`: do you mean `amount`?"),
        ({"x": 1}, "unknown option `x`: there are amount, sides, ways, every"),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011  # the message is compared below
            check_values(Example, values)
        assert words in str(error.value)
    flags = Parser("test")
    add_options(flags, Example)
    asked = read_options(Example, flags.parse_args(["--every", "all", "3", "--sides", "1", "7"]))
    assert asked == Example(every=(None, 3), sides=(1, 7))


def test_every_whole_number_has_an_upper_limit() -> None:
    for kind in (*KINDS, pairs.StudyOptions, pairs.TestOptions, pairs.DrawOptions):
        for name, entry in get_options(kind).items():
            if entry.kind is int and not entry.choices and name not in ("manualSeed", "nc_z") and "start" not in name:
                assert entry.most <= HUGE, (kind, name)  # scales and nc_z are compared with the model's


def test_a_technical_limit_is_named_only_where_it_is_exceeded() -> None:
    entry = get_options(ModelOptions)["niter"]
    with pytest.raises(ValueError, match=r"^must be at least 1, not 0$"):
        entry.check(0)
    with pytest.raises(ValueError, match=r"^must be at least 1 and at most 1000000, not 1000000000$"):
        entry.check(10**9)
