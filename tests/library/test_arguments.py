"""Arguments of all methods of models: what is accepted, and the one line for what is not."""

import inspect
import math
from typing import Any

import numpy as np
import pytest

import SinGAN
from SinGAN.library.instant import InstantModel
from SinGAN.library.model import Model
from SinGAN.options.option import get_options
from SinGAN.tasks import tasks
from tests.workspace import stripes

PICTURE = np.asarray((stripes(32, 40)[0].permute(1, 2, 0) + 1) / 2)
MASK = np.zeros((32, 40), bool)
MASK[10:20, 10:20] = True
PICTURES = {"reference": PICTURE * (1 - MASK[..., None]), "strokes": PICTURE, "structure": PICTURE, "mask": MASK}
"""Values of the arguments that have no default."""


@pytest.fixture(scope="module")
def models() -> dict[str, Model | InstantModel]:
    sizes: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "max_size": 24, "niter": 1}
    return {"trained": SinGAN.train(PICTURE, seed=1, **sizes), "patches": SinGAN.instant(PICTURE)}


def cases(wrong: bool) -> list[tuple[str, str, str, Any]]:
    """A method and a value of each argument that an option declares, by kind of model."""
    found = []
    for task in tasks().values():
        if task.method is None or task.options is None:
            continue
        parameters = inspect.signature(task.method).parameters
        for entry in get_options(task.options).values():
            name = entry.argument or entry.name
            if name not in parameters or entry.kind not in (int, float):
                continue
            values: list[Any] = [np.int64(1) if entry.kind is int else np.float32(1)]
            if wrong:
                values = [math.nan, -1, "2", 1.5 if entry.kind is int else math.inf]
            found += [(kind, task.method.__name__, name, value) for kind in task.models for value in values]
    return found


def call(models: dict[str, Model | InstantModel], kind: str, method: str, **arguments: Any) -> Any:
    bound = getattr(models[kind], method)
    needed = {
        name: PICTURES[name]
        for name, parameter in inspect.signature(bound).parameters.items()
        if parameter.default is inspect.Parameter.empty and name in PICTURES
    }
    scales = {"start_scale": 1} if method in ("harmonize", "edit", "paint") else {}
    margins = {"left": 4} if method == "outpaint" else {}
    masks = {"mask": MASK} if method == "inpaint" else {}
    return bound(**{**needed, **scales, **margins, **masks, **arguments})


@pytest.mark.parametrize(("kind", "method", "name", "value"), cases(wrong=True))
def test_a_wrong_value_is_one_line(
    kind: str, method: str, name: str, value: Any, models: dict[str, Model | InstantModel]
) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        call(models, kind, method, **{name: value})


@pytest.mark.parametrize(("kind", "method", "name", "value"), cases(wrong=False))
def test_numbers_of_numpy_are_accepted(
    kind: str, method: str, name: str, value: Any, models: dict[str, Model | InstantModel]
) -> None:
    value = value + 1 if name == "factor" else value
    value = np.int64(0) if (kind, method, name) == ("patches", "sample", "start_scale") else value
    value = (value, value, value) if name == "fill" else value
    assert call(models, kind, method, **{name: value}).dtype == np.uint8


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, math.nan])
@pytest.mark.parametrize(("kind", "method"), [("trained", "sample"), ("trained", "animate"), ("patches", "tile")])
def test_a_wrong_seed(kind: str, method: str, seed: Any, models: dict[str, Model | InstantModel]) -> None:
    with pytest.raises(ValueError, match="`seed` must be"):
        call(models, kind, method, seed=seed)


def test_a_seed_of_numpy(models: dict[str, Model | InstantModel]) -> None:
    first, second = (call(models, "trained", "sample", seed=seed) for seed in (3, np.int64(3)))
    assert np.array_equal(first, second)
