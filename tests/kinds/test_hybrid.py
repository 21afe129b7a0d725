"""Hybrid models: a pyramid of a small size, and pictures of the photo's size made of the photo's patches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import animation
import editing
import main_train
import outpaint
import paint2image
import random_samples
import SinGAN
import SR
from SinGAN.kinds import KINDS
from SinGAN.library.model import Model
from SinGAN.models import NetConfig
from SinGAN.options import growing
from SinGAN.patches import levels
from SinGAN.patches.hybrid import Hybrid
from SinGAN.patches.instant import Instant
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.terminal import export
from tests.cuts import CutError, bits, cut_after
from tests.workspace import Capture, Workspace, load_model, refusal

SIZE = 96, 128  # of the photo
MODE = ["--train_mode", "hybrid"]
SMALL = ["--not_cuda", "--nfc", "4", "--min_nfc", "4", "--min_size", "12", "--hybrid_size", "24", "--niter", "2"]
FLAGS = [*SMALL, *MODE, "--manualSeed", "1", "--num_samples", "2", "--checkpoint_every", "0"]
ROOT = Path(__file__).parent.parent.parent


def photo(height: int = SIZE[0], width: int = SIZE[1]) -> Image.Image:
    """A part of a shipped photo."""
    with Image.open(ROOT / "Input" / "Images" / "dandelions.png") as picture:
        return picture.convert("RGB").resize((width, height))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    result = Workspace(tmp_path)
    photo().save(result.inputs / "x.png")
    return result


def train(workspace: Workspace, *more: str) -> None:
    main_train.main([*workspace.flags(), *FLAGS, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a trained model, which tests do not change."""
    result = Workspace(tmp_path_factory.mktemp("trained"))
    photo().save(result.inputs / "x.png")
    photo().save(result.inputs / "r.png")
    train(result)
    return result


@pytest.fixture(scope="module")
def model() -> Model:
    """A model of the photo, trained in memory."""
    sizes: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "hybrid_size": 24, "niter": 2}
    return SinGAN.train(np.asarray(photo()), train_mode="hybrid", seed=1, **sizes)


def folder_of(workspace: Workspace) -> Path:
    return workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000,alpha=10,mode=hybrid"


def read(path: Path) -> levels.Levels:
    return images.read_levels(path)


def test_it_is_trained_small_and_makes_pictures_of_the_photos_size(workspace: Workspace, capsys: Capture) -> None:
    train(workspace)
    told = "the networks are trained at 24 x 18 pixels (--hybrid_size 24); results have 128 x 96"
    assert told in capsys.readouterr().out
    manifest, pyramid = load_model(folder_of(workspace))
    assert (manifest.kind, pyramid.scales[-1].size) == ("hybrid", (18, 24))
    samples = workspace.out / "RandomSamples" / "x" / "mode=hybrid" / "gen_start_scale=0"
    assert {read(samples / f"{index}.png").shape for index in range(2)} == {(*SIZE, 3)}
    workspace.sample(*MODE, "--size", "200x96", mode="random_samples_arbitrary_sizes")
    (wide,) = (path for path in workspace.out.rglob("0.png") if "200x96" in str(path))
    assert read(wide).shape == (96, 200, 3)


@pytest.mark.parametrize(("iterations", "scale"), [pytest.param(1, 0, marks=pytest.mark.slow), (3, 1)])
def test_it_resumes_to_the_same_bits(iterations: int, scale: int, tmp_path: Path) -> None:
    whole, broken = Workspace(tmp_path / "whole"), Workspace(tmp_path / "broken")
    for each in (whole, broken):
        photo().save(each.inputs / "x.png")
    train(whole)
    with cut_after(iterations), pytest.raises(CutError):
        train(broken)
    assert (folder_of(broken) / "photo.pth").exists() == (scale > 0)
    train(broken)
    assert bits(broken) == bits(whole)


def test_max_size_limits_the_results(workspace: Workspace) -> None:
    train(workspace, "--max_size", "64")
    model = SinGAN.load(folder_of(workspace))
    assert model.size == (48, 64)
    assert model.picture.shape == (48, 64, 3)


def test_a_narrow_photo_is_trained_larger(workspace: Workspace, capsys: Capture) -> None:
    photo(40, 200).save(workspace.inputs / "x.png")
    train(workspace)
    assert "(--hybrid_size 24 leaves a narrow picture too few); results have 200 x 40" in capsys.readouterr().out
    _, pyramid = load_model(folder_of(workspace))
    assert len(pyramid) >= 2
    assert pyramid.scales[0].size[0] >= 12


def test_saved_and_loaded_it_makes_the_same_pictures(model: Model, tmp_path: Path) -> None:
    picture = np.asarray(photo())
    assert np.array_equal(model.picture, picture)
    samples = model.sample(2, seed=3)
    assert samples.shape == (2, *SIZE, 3)
    for compact in (False, True):
        model.save(tmp_path / f"{compact}", compact=compact)
        again = SinGAN.load(tmp_path / f"{compact}")
        assert np.array_equal(again.picture, picture)
        assert np.array_equal(again.sample(2, seed=3), samples) or compact
    assert model.paint(picture, start_scale=1, seed=1).shape == (1, *SIZE, 3)


def test_what_is_not_marked_stays_to_the_bit(model: Model) -> None:
    picture = np.asarray(photo())
    reference, mask = picture.copy(), np.zeros(SIZE, bool)
    reference[40:60, 50:80], mask[40:60, 50:80] = (250, 20, 20), True
    for call in (model.edit, model.harmonize):
        first, second = call(reference, mask, start_scale=1, count=2, seed=1)
        changed = (first != picture).any(axis=2)
        assert changed[40:60, 50:80].mean() > 0.9
        assert not changed[:30].any()
        assert not changed[:, 90:].any()
        assert (first != second).any()
    wide = model.outpaint(2, left=32, bottom="25%", seed=1)
    assert wide.shape == (2, 120, 160, 3)
    assert np.array_equal(wide[0, :96, 32:], picture)
    assert (wide[0] != wide[1]).any()


def test_an_objects_detail_is_kept_in_the_colours_that_the_generators_give_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.asarray(photo())
    hybrid = model._maker
    assert isinstance(hybrid, Hybrid)
    # The object: a checkerboard; the generators make it darker by 60 levels.
    reference, mask = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None], torch.zeros(1, 1, *SIZE)
    board = 90 + 80 * ((torch.arange(32)[:, None] // 4 + torch.arange(40) // 4) % 2)
    reference[..., 32:64, 40:80], mask[..., 32:64, 40:80] = board.to(torch.uint8), 1
    darker = lambda pyramid, image, *_: iter([image - 60 / 127.5])  # noqa: E731
    monkeypatch.setattr("SinGAN.patches.hybrid.manipulate.inject", darker)
    ((_, _, result),) = hybrid.retouch(reference, mask, [1], torch.Generator().manual_seed(1)).pictures
    inside = result[0, 0, 38:58, 46:74].float()
    for level in (90 - 60, 170 - 60):
        assert 0.35 < float(((inside - level).abs() < 12).float().mean()) < 0.65


@pytest.mark.parametrize(
    ("name", "size", "source", "place"),
    [
        ("dandelions.png", (128, 96), (50, 10, 40, 40), (20, 70)),
        ("larches.jpg", (200, 133), (48, 131, 47, 31), (52, 44)),
    ],
)
def test_the_edges_of_a_crude_paste_disappear(
    name: str,
    size: tuple[int, int],
    source: tuple[int, int, int, int],
    place: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Image.open(ROOT / "Input" / "Images" / name) as file:
        picture = np.asarray(file.convert("RGB").resize(size))
    (y, x, height, width), (top, left) = source, place
    bottom, right = top + height, left + width
    reference, mask = picture.copy(), np.zeros(picture.shape[:2], bool)
    reference[top:bottom, left:right], mask[top:bottom, left:right] = picture[y : y + height, x : x + width], True
    sizes: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "hybrid_size": 48, "niter": 1}
    model = SinGAN.train(picture, train_mode="hybrid", seed=1, **sizes)
    monkeypatch.setattr("SinGAN.patches.hybrid.manipulate.inject", lambda pyramid, image, *_: image)
    result = model.edit(reference, mask, start_scale=1, seed=1)[0]

    def step(shown: levels.Levels) -> float:
        """The mean difference of the pixels on both sides of the mask's border."""
        values = shown.astype(int)
        across = np.abs(np.diff(values, axis=1))[top:bottom, [left - 1, right - 1]]
        down = np.abs(np.diff(values, axis=0))[[top - 1, bottom - 1], left:right]
        return float((across.mean() + down.mean()) / 2)

    assert step(reference) > 3 * step(picture)
    assert step(result) < 1.3 * step(picture)


def test_the_generators_decide_the_layout() -> None:
    picture = np.asarray(photo())
    small = images.to_tensor(np.asarray(photo(36, 48)))
    pyramid = SinGAN.train(
        picture, train_mode="hybrid", nfc=4, min_nfc=4, min_size=12, hybrid_size=48, niter=1, seed=1
    ).pyramid
    hybrid = Hybrid(pyramid, Instant.of(picture))
    rolled = small.roll((9, 20), (2, 3))
    result = Image.fromarray(images.to_levels(hybrid.refined(rolled))).resize((48, 36), Image.Resampling.BOX)
    to_layout = np.abs(np.asarray(result).astype(int) - images.to_levels(rolled)).mean()
    to_photo = np.abs(np.asarray(result).astype(int) - images.to_levels(small)).mean()
    assert to_layout < to_photo / 2


REFUSED: dict[str, tuple[Callable[[list[str]], None], list[str], str]] = {
    "animation": (animation.main, [], "a model of `train_mode` hybrid is not for animation"),
    "SR": (SR.main, [], "a model of `train_mode` hybrid is not for SR"),
    "refine": (random_samples.main, ["--mode", "random_samples", "--refine"], "leave --refine out"),
    "quantize": (
        paint2image.main,
        ["--paint_start_scale", "1", "--quantization_flag", "True"],
        "no --train_mode hybrid",
    ),
    "fine_tune": (editing.main, ["--editing_start_scale", "1", "--fine_tune", "2"], "of `train_mode` concurrent"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_line_for_what_it_is_not_for(name: str, trained: Workspace, capsys: Capture) -> None:
    main, flags, words = REFUSED[name]
    if name in ("quantize", "fine_tune"):
        flags = [*flags, "--ref_name", "r.png", "--ref_dir", str(trained.inputs)]
    sizes = SMALL if name in ("animation", "SR") else ["--not_cuda"]
    error = refusal(capsys, lambda: main([*trained.flags(), *sizes, *MODE, *flags]))
    assert words.replace("`train_mode`", "--train_mode") in error


def test_the_script_extends_the_photo(trained: Workspace) -> None:
    outpaint.main([*trained.flags(), "--not_cuda", *MODE, "--method", "singan", "--top", "8", "--num_samples", "1"])
    (result,) = (trained.out / "Outpaint" / "x").rglob("0.png")
    assert np.array_equal(read(result)[8:], read(trained.inputs / "x.png"))


def test_it_is_not_exported(trained: Workspace, capsys: Capture) -> None:
    error = refusal(capsys, lambda: export.main([str(folder_of(trained)), "--to", "onnx"]))
    assert "can't be exported: its pictures need the photo's patches" in error


def test_a_changed_photo_is_damage(workspace: Workspace, capsys: Capture) -> None:
    train(workspace)
    path = folder_of(workspace) / "photo.pth"
    stored = torch.load(path)
    for value in (stored.flip(3), stored[:, :1], torch.zeros(3), {"a": 1}):
        torch.save(value, path)
        assert "photo.pth is damaged" in refusal(capsys, lambda: workspace.sample(*MODE, "--gen_start_scale", "1"))
    path.unlink()
    assert "photo.pth" in refusal(capsys, lambda: workspace.sample(*MODE, "--gen_start_scale", "1"))


def test_options_of_other_modes(capsys: Capture, workspace: Workspace) -> None:
    error = refusal(capsys, lambda: main_train.main([*workspace.flags(), "--not_cuda", "--hybrid_size", "30"]))
    assert "--hybrid_size is for --train_mode hybrid" in error
    error = refusal(capsys, lambda: main_train.main([*workspace.flags(), *FLAGS, "--train_depth", "2"]))
    assert "--train_depth is for --train_mode concurrent" in error


def test_the_longest_side_is_that_of_the_patch_search() -> None:
    assert growing.LONGEST == levels.LONGEST


def test_pyramids_without_a_photo_are_plain() -> None:
    plain = Pyramid[TrainedScale]((), 0.75, 5)
    assert type(KINDS["hybrid"].pyramid(plain, NetConfig(), {}, {})) is Pyramid
