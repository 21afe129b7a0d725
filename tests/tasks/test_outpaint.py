"""Outpainting by a trained model: the picture stays to the byte, its surroundings are new and fit it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import outpaint
import SinGAN
from SinGAN import manipulate
from SinGAN.library.model import Model
from SinGAN.patches.makers import Refiner, Trained, to_8_bits
from SinGAN.pictures import arrays, images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.model_folder import ModelFolder
from tests.library.test_library import TINY, Listener
from tests.workspace import Capture, Workspace, refusal, stripes

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def dandelions() -> Model:
    """A model that comes with the project."""
    return SinGAN.load(ROOT / "Models" / "dandelions" / "scale_factor=0.750000,alpha=10", device="cpu")


@pytest.fixture(scope="module")
def model() -> Model:
    return SinGAN.train(images.to_levels(stripes(20, 28)), seed=1, device="cpu", watcher=Listener(), **TINY)


def test_the_picture_stays_and_variants_differ(model: Model) -> None:
    height, width = model.size
    wide = model.outpaint(2, left="50%", right=3, top=5, seed=1)
    assert wide.shape == (2, height + 5, width + width // 2 + 3, 3)
    for picture in wide:
        assert np.array_equal(picture[5:, width // 2 : -3], model.picture)
    assert not np.array_equal(wide[0], wide[1])
    assert np.array_equal(wide, model.outpaint(2, left="50%", right=3, top=5, seed=1))
    assert np.array_equal(wide[:1], model.outpaint(1, left="50%", right=3, top=5, seed=1))
    for margins, words in (
        ({}, "nothing to extend"),
        ({"left": -1}, "`left` must be pixels"),
        ({"top": 99999}, "less"),
    ):
        with pytest.raises(ValueError, match=words):
            model.outpaint(**margins)


def test_the_model_itself_rebuilds_the_picture_within_its_surroundings(dandelions: Model) -> None:
    """Before it is put back: at every scale its place has the noise, and the coarser image, of its reconstruction."""
    (height, width), rng = dandelions.size, torch.Generator().manual_seed(1)
    image = next(manipulate.outpaint(dandelions.pyramid, (0, 10, 40, 30), rng))
    assert image.shape == (1, 3, height + 10, width + 70)
    inside = arrays.from_image(image)[:height, 40 : 40 + width].astype(float)
    deep = np.abs(inside - dandelions.reconstruct())[:-12, 12:-12]
    assert deep.mean() < 0.5
    sample = dandelions.sample(1, seed=1)[0].astype(float)
    assert np.abs(sample - dandelions.reconstruct())[:-12, 12:-12].mean() > 10


def test_there_is_no_seam(dandelions: Model) -> None:
    """The step across the picture's borders is no larger than those between its own columns."""
    width = dandelions.size[1]
    wide = dandelions.outpaint(2, left=30, right=30, seed=3).astype(float)
    own = np.abs(np.diff(dandelions.picture.astype(float), axis=1)).mean()
    for picture in wide:
        steps = np.abs(np.diff(picture, axis=1)).mean(axis=(0, 2))
        assert max(steps[29], steps[29 + width]) < 2.5 * own
        assert picture[:, :30].std() > 10  # something is there


def test_concurrent_models_extend_theirs_where_they_begin_with_noise(tmp_path: Path) -> None:
    name = "scale_factor=0.750000_noise_padding,mode=concurrent"
    model = SinGAN.load(ROOT / "Models" / "dandelions" / name, device="cpu")
    height, width = model.size
    (wide,) = model.outpaint(left=20, bottom=8, seed=1)
    assert np.array_equal(wide[:height, 20:], model.picture)
    rng = torch.Generator().manual_seed(1)
    raw = arrays.from_image(next(manipulate.outpaint(model.pyramid, (0, 0, 20, 0), rng)))[:, 20:].astype(float)
    assert np.abs(raw - model.reconstruct())[:, 12:].mean() < 4
    assert width == wide.shape[1] - 20
    options: dict[str, Any] = {
        "train_mode": "concurrent",
        "recipe": "editing",
        "nfc": 4,
        "train_stages": 2,
        "niter": 1,
        "seed": 1,
        "min_size": 12,
        "max_size": 24,
    }
    editing = SinGAN.train(images.to_levels(stripes(20, 28)), device="cpu", watcher=Listener(), **options)
    with pytest.raises(ValueError, match="`recipe` editing can't extend its picture"):
        editing.outpaint(left=3)


@pytest.mark.parametrize("size", [None, (50, 70)])
def test_refined_results_keep_the_photo_of_their_size(model: Model, size: tuple[int, int] | None) -> None:
    real = model.pyramid.scales[-1].real
    photo = None if size is None else arrays.from_image(images.resize(real, size))
    maker = Trained(model.pyramid, Refiner(real, photo))
    (picture,) = maker.outpaint((0, 3, 6, 5), torch.Generator().manual_seed(1))
    kept = arrays.from_image(real) if photo is None else photo
    height, width = kept.shape[:2]
    left = round(6 * width / model.size[1])
    assert np.array_equal(arrays.from_image(picture)[:height, left : left + width], kept)
    assert picture.shape[2] == round(height * (model.size[0] + 3) / model.size[0])
    assert to_8_bits(picture).shape == picture.shape


@pytest.mark.parametrize("noise_border", [False, True])
def test_noise_of_animations_has_its_border_too(model: Model, noise_border: bool) -> None:
    pyramid: Pyramid[TrainedScale] = Pyramid(
        model.pyramid.scales, model.pyramid.factor, model.pyramid.margin, noise_border
    )
    image = next(manipulate.outpaint(pyramid, (2, 0, 5, 0), torch.Generator().manual_seed(1)))
    assert image.shape[-2:] == (model.size[0] + 2, model.size[1] + 5)


def test_the_script(workspace: Workspace, capsys: Capture) -> None:
    flags = [*workspace.flags(), "--not_cuda", "--manualSeed", "2", "--left", "50%", "--method", "singan"]
    assert "no trained model in" in refusal(capsys, lambda: outpaint.main(flags))
    assert "--refine is for --method singan" in refusal(capsys, lambda: outpaint.main([*flags[:-2], "--refine"]))
    workspace.train()
    outpaint.main([*flags, "--num_samples", "2"])
    folder = workspace.out / "Outpaint" / "x" / "left=12"
    assert f"random seed: 2\nextended pictures: {folder}" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "grid.png", "original.png"]
    pyramid = ModelFolder.open(workspace.model()).load(torch.device("cpu"))
    real = arrays.from_image(pyramid.scales[-1].real)
    assert np.array_equal(images.read_levels(folder / "0.png")[:, 12:], real)
    assert np.array_equal(images.read_levels(folder / "original.png"), real)
    library = SinGAN.load(workspace.model(), device="cpu").outpaint(2, left="50%", seed=2)
    assert np.array_equal(images.read_levels(folder / "1.png"), library[1])
