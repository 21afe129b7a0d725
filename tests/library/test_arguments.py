"""Every argument of every public function and method: what is accepted, and the one line for what is not."""

import inspect
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import SinGAN
from SinGAN.library.instant import InstantModel
from SinGAN.library.model import Model
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import get_options
from SinGAN.pictures.arrays import is_data
from SinGAN.runs.events import NOBODY
from tests.workspace import stripes

LEVELS = np.rint(np.asarray(stripes(32, 40)[0].permute(1, 2, 0) + 1) * 127.5).astype(np.uint8)
PICTURE = LEVELS / 255
MASK = np.zeros((32, 40), bool)
MASK[10:20, 10:20] = True
EDITED = LEVELS * ~MASK[..., None]
LABELS = MASK.astype(np.uint8)
SIZES: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "max_size": 24, "niter": 1, "watcher": NOBODY}
MODELS: dict[str, Callable[[], Any]] = {
    "trained": lambda: SinGAN.train(PICTURE, seed=1, **SIZES),
    "grown": lambda: SinGAN.train(PICTURE, seed=1, train_mode="concurrent", train_stages=3, **SIZES),
    "instant": lambda: SinGAN.instant(PICTURE),
}
KINDS: dict[str, Any] = {"trained": Model, "grown": Model, "instant": InstantModel}
NOT_CHECKED = {"reconstruct", "iterate"}  # has no arguments; those of the method that it names
ONLY_GROWN = {"fine_tune"}

COUNTS: list[Any] = [0, -1, 1.5, math.nan, math.inf, "2", None, True, (1, 2), 2**70]
FLAGS: list[Any] = ["yes", 1, 0, 2.5]
MARGINS: list[Any] = [-1, 1.5, math.nan, "x", "5 %", None, True, 10**7]
WORDS: list[Any] = ["x", "", 3, None]
SCALES: list[Any] = [0, -1, math.nan, math.inf, "2", None, (1, 2)]
SHARES: list[Any] = [-0.1, 1.1, math.nan, math.inf, "x", None, (0.1, 0.2)]
NO_PICTURES: list[Any] = [
    3,
    object(),
    np.zeros((0, 8, 3), np.uint8),
    np.zeros((3, 32, 40), np.uint8),
    LEVELS.astype(complex),
    LEVELS.astype(float),
    PICTURE * np.float32(math.nan),
    LEVELS.astype(np.int64) - 300,
    LEVELS.astype(np.uint32) * 300,
]
WRONG: dict[str, list[Any]] = {
    "count": COUNTS, "frames": COUNTS, "iterations": COUNTS,
    "seed": [-1, 2**64, 1.5, math.nan, "1", True],
    "start_scale": [-1, 1.5, math.nan, "1", True, {1}],
    "scale_h": SCALES, "scale_v": SCALES, "alpha": SHARES, "beta": SHARES,
    "factor": [1, math.nan, math.inf, "2", None], "sr_factor": [1, math.nan, math.inf, "2", None],
    "back_projection": [-1, 1.5, math.nan, "1", None],
    "left": MARGINS, "right": MARGINS, "top": MARGINS, "bottom": MARGINS,
    "fill": [-1, 256, 1.5, math.nan, "red", (1, 2), (), [0.5] * 3],
    "max_size": [0, 1.5, 24.0, math.nan, "24", True], "nc_im": [2, 1.5, "3", None],
    "method": WORDS, "variety": WORDS, "balance": WORDS, "task": WORDS,
    "device": ["cpuu", "mps", "", 1.5, torch.device("meta")],
    "engine": ["eager", None], "watcher": [3, print], "watch": [3, "print"],
    "vgg_weights": [3, 1.5], "folder": [3, None, 1.5],
    "blend": FLAGS, "quantize": FLAGS, "progress": FLAGS, "overwrite": FLAGS, "compact": FLAGS,
    "reference": [*NO_PICTURES, None], "strokes": [*NO_PICTURES, None], "structure": [*NO_PICTURES, None],
    "mask": NO_PICTURES, "photo": NO_PICTURES,
    "guide": [object(), np.zeros((0, 8), np.uint8), LABELS], "guide_weight": [0, -1, 10, math.nan, "1", None],
    "variants": [0, -1, 1.5, math.nan, "2", True],
    "also": [3, "x.png", [3]], "also_maps": [3, "x.png", [3], [{}]],
    "shares": [3, "x", (-1, 1), (1, math.nan), (1, 2)],
    "hard_votes": FLAGS, "coordinates": ["int8", 3, True],
    "maps": [3, 1.5, "labels.png"], "map_kinds": ["x", ("label", "x"), 3],
    "picture": [*NO_PICTURES, torch.full((1, 3, 8, 8), 9.0), torch.zeros((1, 3, 8, 8), dtype=torch.uint8)],
    "pictures": [3, None, [], np.zeros((0, 8, 8, 3), np.uint8), [np.zeros((0, 8, 3))], [3]],
}  # fmt: skip
"""For each argument values that are refused."""
ONE: list[Any] = [np.int64(1), torch.tensor(1)]
REAL: list[Any] = [np.float32(0.9), 1]
YES: list[Any] = [np.True_, np.array(False)]
PICTURES: list[Any] = [
    LEVELS,
    PICTURE,
    LEVELS.tolist(),
    LEVELS.astype(np.int64),
    LEVELS.astype(np.uint32),
    LEVELS.astype(np.uint16) * 257,
    Image.fromarray(LEVELS),
    torch.tensor(LEVELS),
    torch.tensor(LEVELS.astype(np.int64)),
    torch.tensor(PICTURE, requires_grad=True),
    torch.tensor(PICTURE).bfloat16(),
]
RIGHT: dict[str, list[Any]] = {
    "count": ONE, "frames": ONE, "iterations": ONE, "seed": [*ONE, None, 2**63 - 1, torch.Generator()],
    "start_scale": ONE, "scale_h": REAL, "scale_v": REAL, "alpha": REAL, "beta": REAL,
    "factor": [np.float32(1.5), 2, np.int64(2)], "sr_factor": [np.float32(2), 2], "back_projection": ONE,
    "left": [np.int64(4), "10%"], "right": [4], "top": ["5"], "bottom": [np.uint8(4)],
    "fill": [9, np.uint8(9), (9,), [1, 2, 3], np.array([1, 2, 3]), None],
    "max_size": [np.int64(24), None], "nc_im": [np.int64(1)],
    "method": ["patches"], "variety": ["low"], "balance": ["off"], "task": ["animation"],
    "device": [None, "cpu", torch.device("cpu")], "engine": [SinGAN.EngineSettings("eager")],
    "watcher": [NOBODY], "watch": [lambda levels: None, len], "vgg_weights": [None, "vgg.pth", Path("vgg.pth")],
    "blend": [*YES, None], "quantize": [np.False_], "progress": YES, "overwrite": [np.True_], "compact": YES,
    "reference": [EDITED, torch.tensor(EDITED / 255, requires_grad=True)], "strokes": PICTURES, "structure": PICTURES,
    "mask": [MASK, MASK.astype(np.uint8), MASK.astype(np.int64), MASK * 255, MASK.astype(float), torch.tensor(MASK)],
    "guide": [], "guide_weight": REAL, "variants": [*ONE, None],
    "also": [(), [LEVELS], [LEVELS, PICTURE]], "also_maps": [None], "shares": [()],
    "hard_votes": YES, "coordinates": [None, "uint16", "float32"],
    "maps": [None, {}, {"m": LABELS}], "map_kinds": [()],
    "photo": [None, LEVELS], "picture": PICTURES, "pictures": [LEVELS, [LEVELS], LEVELS[None], torch.tensor(LEVELS)],
}  # fmt: skip
"""For each argument values that are accepted."""
ALIKE = {"strokes", "structure", "reference", "mask"}  # are read as ``picture`` is
NEEDED: dict[str, Any] = {
    "reference": EDITED, "strokes": LEVELS, "structure": LEVELS, "mask": MASK, "pictures": [LEVELS], "watch": len,
    "picture": LEVELS, "iterations": 1, "photo": LEVELS,
}  # fmt: skip
"""Values of arguments that have no default, or one that takes long."""


def public() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Each public function and method, with the kind of model ("": none) that has it, and its name."""
    for name in ("train", "load", "instant"):
        yield "", name, getattr(SinGAN, name)
    for kind, model in KINDS.items():
        for name, function in inspect.getmembers(model, inspect.isfunction):
            if not name.startswith("_") and (kind == "grown") == (name in ONLY_GROWN) and name not in NOT_CHECKED:
                yield kind, name, function


def cases(table: dict[str, list[Any]]) -> list[Any]:
    """A call for each value in ``table`` of each argument of each function."""
    found = []
    for kind, name, function in public():
        for argument, parameter in inspect.signature(function).parameters.items():
            if argument in ("self", "model") or parameter.kind is parameter.VAR_KEYWORD:
                continue
            for index, value in enumerate(table.get(argument, ())):
                if table is RIGHT and (kind, name) == ("instant", "sample") and argument != "count":
                    continue  # takes seconds each; other methods show it
                if is_meant(name, argument, value):
                    is_one_of_many = index > 1 and argument in ALIKE
                    marks = [pytest.mark.slow] if is_one_of_many else []
                    label = f"{kind}.{name}-{argument}-{index}"
                    found.append(pytest.param(kind, name, argument, value, id=label, marks=marks))
    return found


def is_meant(function: str, argument: str, value: Any) -> bool:
    """Whether a value of the tables is one for this function's ``argument``."""
    if function in ("train", "instant") and argument == "picture" and isinstance(value, np.ndarray) and is_data(value):
        return False  # data of any range
    if function in ("train", "instant") and argument == "picture" and isinstance(value, torch.Tensor):
        return value.ndim == 3
    if function in ("refine", "refined") and argument == "maps" and (value is None or isinstance(value, dict)):
        return function == "refined" and not value  # those of a photo, for a model with maps; of ``refine`` a flag
    if function == "super_resolve" and argument == "picture":
        return not isinstance(value, np.ndarray) or value.ndim == 3
    return not (function in ("train", "fine_tune", "load") and isinstance(value, torch.Generator))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {kind: make() for kind, make in MODELS.items()}


def call(models: dict[str, Any], kind: str, name: str, place: Path, **given: Any) -> Any:
    """Call a function with the arguments that it needs, and those ``given``."""
    function = getattr(models[kind], name) if kind else getattr(SinGAN, name)
    parameters = inspect.signature(function).parameters
    values = {argument: value for argument, value in NEEDED.items() if argument in parameters}
    if "start_scale" in parameters and name not in ("sample", "animate"):
        values["start_scale"] = 1
    extra: dict[str, dict[str, Any]] = {
        "train": SIZES, "outpaint": {"left": 4}, "animate": {"frames": 1}, "load": {"folder": place / "model"},
        "save": {"folder": place / "new"},
    }  # fmt: skip
    return function(**{**values, **extra.get(name, {}), **given})


def test_the_tables_have_every_argument() -> None:
    names = {
        argument
        for _, _, function in public()
        for argument, parameter in inspect.signature(function).parameters.items()
        if argument not in ("self", "model") and parameter.kind is not parameter.VAR_KEYWORD
    }
    assert names == WRONG.keys()
    assert names == RIGHT.keys() | {"folder"}  # which the tests of saving and loading use
    assert names > {"count", "seed", "fill", "blend", "frames", "compact", "pictures"}


@pytest.mark.parametrize(("kind", "name", "argument", "value"), cases(WRONG))
def test_a_wrong_value_is_one_line(
    kind: str, name: str, argument: str, value: Any, models: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"`{argument}`") as raised:
        call(models, kind, name, tmp_path, **{argument: value})
    message = str(raised.value)
    assert "\n" not in message
    if isinstance(value, int | float | str):
        assert str(value) in message
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "name", "argument", "value"), cases(RIGHT))
def test_a_value_of_clear_meaning_is_accepted(
    kind: str, name: str, argument: str, value: Any, models: dict[str, Any], tmp_path: Path
) -> None:
    if name == "load":
        models["trained"].save(tmp_path / "model")
    found = call(models, kind, name, tmp_path, **{argument: value})
    if isinstance(found, np.ndarray):
        assert found.dtype == np.uint8
        assert found.size


@pytest.mark.parametrize("index", range(len(PICTURES)))
def test_pictures_of_all_types_are_one_picture(index: int) -> None:
    shown = SinGAN.instant(PICTURES[index]).picture
    assert np.abs(shown.astype(int) - LEVELS).max() <= (1 if index == len(PICTURES) - 1 else 0)  # bfloat16 has 8 bits


@pytest.mark.parametrize("index", range(len(RIGHT["mask"])))
def test_masks_of_all_types_are_one_mask(index: int, models: dict[str, Any]) -> None:
    mask = RIGHT["mask"][index]
    for kind, values in (("instant", {}), ("trained", {"start_scale": 1, "reference": EDITED})):
        method = "edit" if values else "inpaint"
        first, second = (getattr(models[kind], method)(mask=one, seed=1, **values) for one in (MASK, mask))
        assert np.array_equal(first, second)


def test_one_level_fills_a_grey_picture() -> None:
    model = SinGAN.instant(LEVELS[..., 0], nc_im=1)
    assert np.array_equal(model.inpaint(MASK, fill=9, seed=1), model.inpaint(MASK, fill=(9,), seed=1))
    with pytest.raises(ValueError, match=r"`fill` must be one level of 0 to 255, as 120, not 3"):
        model.inpaint(MASK, fill=(1, 2, 3))


def test_a_single_picture_is_refined_as_one_of_a_list(models: dict[str, Any]) -> None:
    assert np.array_equal(models["trained"].refine(LEVELS), models["trained"].refine([LEVELS]))


def test_a_guide_and_shares_are_accepted_of_any_type() -> None:
    model = SinGAN.instant(
        LEVELS, maps={"m": LABELS}, also=[LEVELS], also_maps=[{"m": LABELS}], shares=[np.int64(1), 2]
    )
    guides: list[Any] = [LABELS, torch.tensor(LABELS), LABELS.tolist(), Image.fromarray(LABELS)]
    for guide in guides:
        assert model.analogy(guide=guide, guide_weight=np.float32(2), seed=1).shape == (1, 32, 40, 3)


def test_numbers_of_numpy_are_those_of_python(models: dict[str, Any]) -> None:
    first = models["trained"].sample(2, scale_h=1.5, seed=3)
    second = models["trained"].sample(np.int64(2), scale_h=np.float32(1.5), seed=np.int64(3))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("value", [np.int64(1), np.uint8(1), torch.tensor(1)])
def test_options_of_a_training_accept_numpy(value: Any) -> None:
    options: dict[str, Any] = {**SIZES, "niter": value, "alpha": np.float32(10), "max_size": np.int64(24)}
    model = SinGAN.train(PICTURE, seed=np.int64(1), **options)
    known = get_options(ModelOptions)
    assert all(type(entry) in (known[name].kind, type(None)) for name, entry in model.manifest.options.items())
    assert np.array_equal(model.sample(seed=1), MODELS["trained"]().sample(seed=1))


@pytest.mark.parametrize("name", ["engine", "precision", "recompute", "winograd"])
def test_settings_of_an_engine(name: str) -> None:
    wrong: dict[str, Any] = {name: "x"}
    with pytest.raises(ValueError, match=f"`{name}` must be one of .*, not x"):
        SinGAN.EngineSettings(**wrong)
