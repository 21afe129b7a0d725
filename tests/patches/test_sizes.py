"""Sizes that leave no pixel, or no patch, at some level: one line in every task that takes a size."""

import re
from typing import Any

import numpy as np
import pytest

import SinGAN
from SinGAN.runs.events import NOBODY

PICTURE = np.random.default_rng(1).integers(0, 256, (32, 40, 3), np.uint8)
OPTIONS: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "niter": 1, "seed": 1, "watcher": NOBODY}
SLOW = tuple(pytest.param(size, marks=pytest.mark.slow) for size in ((32, 1), (2, 2), (6, 6)))
SIZES = ((1, 1), (1, 40), (3, 9), (12, 7), *SLOW)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {
        "trained": SinGAN.train(PICTURE, max_size=24, **OPTIONS),
        "grown": SinGAN.train(PICTURE, max_size=24, train_mode="concurrent", train_stages=3, **OPTIONS),
        "hybrid": SinGAN.train(PICTURE, train_mode="hybrid", hybrid_size=24, **OPTIONS),
        **{method: SinGAN.instant(PICTURE, method) for method in ("instant", "patches", "denoise")},
    }


def check(call: Any) -> None:
    """The call works, or says in one line that the size is too small."""
    try:
        found = call()
    except ValueError as error:
        assert re.search("pixel|patch", str(error))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        assert ": " in str(error)  # noqa: PT017  # the remedy
    else:
        assert found.size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", ["sample", "retarget", "tile"])
@pytest.mark.parametrize("kind", ["trained", "grown", "hybrid", "instant", "patches", "denoise"])
def test_small_results(kind: str, method: str, size: tuple[int, int], models: dict[str, Any]) -> None:
    model = models[kind]
    if not hasattr(model, method):
        return
    scales = {"scale_v": size[0] / model.size[0], "scale_h": size[1] / model.size[1]}
    starts = model.start_scales if method == "sample" else range(1)
    for start in starts:
        extra = {"start_scale": start} if method == "sample" else {}
        check(lambda extra=extra: getattr(model, method)(2, seed=1, **scales, **extra))


@pytest.mark.parametrize("size", [*SIZES, (40, 3)])
@pytest.mark.parametrize("kind", ["instant", "patches", "denoise"])
def test_small_structures(kind: str, size: tuple[int, int], models: dict[str, Any]) -> None:
    check(lambda: models[kind].analogy(np.resize(PICTURE, (*size, 3)), seed=1))
    check(lambda: models[kind].analogy(PICTURE, max_size=max(size), seed=1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["trained", "grown"])
def test_small_pictures_of_a_model(kind: str, size: tuple[int, int], models: dict[str, Any]) -> None:
    picture = np.resize(PICTURE, (*size, 3))
    check(lambda: models[kind].refine([picture]))
    check(lambda: models[kind].refine([PICTURE], photo=picture))
    if kind == "trained":
        check(lambda: models[kind].super_resolve(picture, factor=1.3, seed=1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", ["instant", "patches", "denoise"])
def test_small_photos(method: str, size: tuple[int, int]) -> None:
    def use(task: str, **arguments: Any) -> Any:
        return getattr(SinGAN.instant(np.resize(PICTURE, (*size, 3)), method), task)(seed=1, **arguments)

    for task in ("retarget", "tile"):
        check(lambda task=task: use(task))
    check(lambda: use("outpaint", left=3))
