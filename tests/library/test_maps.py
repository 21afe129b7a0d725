"""Trained models of data and maps from Python: laws that hold whatever the data are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage as ski
from PIL import Image

import SinGAN
from SinGAN.library.model import Model
from SinGAN.patches.hybrid import Hybrid
from SinGAN.pictures.possible import Possible
from SinGAN.pictures.rasters import Raster

SMALL: dict[str, Any] = {
    "nfc": 4, "min_nfc": 4, "num_layer": 3, "min_size": 12, "max_size": 28, "niter": 3, "seed": 1, "device": "cpu",
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "sequential": SMALL,
    "concurrent": {name: SMALL[name] for name in SMALL if name != "min_nfc"}
    | {"train_mode": "concurrent", "train_stages": 2},
    "hybrid": {**SMALL, "train_mode": "hybrid", "hybrid_size": 20},
}
H, W = 24, 28


class Quiet:
    """A watcher that shows nothing."""

    def note(self, text: str) -> None: ...
    def iteration(self, progress: Any, losses: Any) -> None: ...
    def scale_done(self, progress: Any, losses: Any, pictures: Any) -> None: ...
    def close(self) -> None: ...


def bands(dtype: str = "uint16") -> npt.NDArray[Any]:
    """Five soft channels (H, W, 5)."""
    y, x = np.mgrid[0:H, 0:W]
    waves = np.stack([np.sin(x / 3 + band) * np.cos(y / (2 + band)) for band in range(5)], axis=2)
    values: npt.NDArray[Any] = ((waves + 1) * 30000).astype(dtype)
    return values


def train(picture: Any, kind: str = "sequential", **more: Any) -> Model:
    return SinGAN.train(picture, watcher=Quiet(), **{**KINDS[kind], **more})


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_channels_give_permuted_results(kind: str) -> None:
    order = [4, 2, 0, 1, 3]
    one = train(Raster.of(bands()), kind).sample(2, seed=0)
    two = train(Raster.of(np.ascontiguousarray(bands()[:, :, order])), kind).sample(2, seed=0)
    np.testing.assert_array_equal(one[..., order], two)


@pytest.mark.parametrize("kind", KINDS)
def test_scaled_floats_give_scaled_results(kind: str) -> None:
    values = np.rint(bands("float32") / 4)  # below 2**14: 1000 times as large they are exact, too
    one, two = (train(Raster.of(values * factor), kind).sample(2, seed=0) for factor in (1, 1000))
    assert one.dtype == np.float32
    np.testing.assert_allclose(two, 1000 * one, rtol=1e-5)


def test_a_wide_range_is_used() -> None:
    samples = train(Raster.of(bands())).sample(2, seed=0)
    assert samples.dtype == np.uint16
    assert all(len(np.unique(channel)) > 256 for channel in np.moveaxis(samples, 3, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_gives_maps(kind: str, tmp_path: Path) -> None:
    labels, heights = np.where(bands()[:, :, 0] > 30000, 5, 9).astype(np.int32), bands("float32")[:, :, :2]
    model = train(Raster.of(bands()), kind, maps={"labels": labels, "heights": heights})
    np.testing.assert_array_equal(model.maps["labels"], labels)
    np.testing.assert_array_equal(model.picture, bands())
    moved = bands()
    moved[4:12, 4:12] = bands()[10:18, 15:23]
    start = 0 if kind == "concurrent" else 1
    calls: list[tuple[Any, tuple[int, ...]]] = [
        (lambda: model.sample(2, seed=0, maps=True), (2, H, W)),
        (lambda: model.sample(1, seed=0, scale_h=1.5, maps=True), (1, H, 42)),
        (lambda: model.harmonize(moved, start_scale=start, seed=0, maps=True), (1, H, W)),
        (lambda: model.edit(moved, start_scale=start, seed=0, maps=True), (1, H, W)),
        (lambda: model.paint(moved, start_scale=start, seed=0, maps=True), (1, H, W)),
        (lambda: model.outpaint(bottom="50%", seed=0, maps=True), (1, 36, W)),
    ]
    calls += [(lambda: model.animate(2, seed=0, maps=True), (2, H, W))] if kind != "hybrid" else []
    calls += [(lambda: model.super_resolve(factor=1.5, seed=0, maps=True), (36, 42))] if kind == "sequential" else []
    for call, shape in calls:
        pictures, maps = call()
        assert pictures.dtype == np.uint16
        assert pictures.shape == (*shape, 5)
        assert maps["labels"].shape == shape
        assert {*np.unique(maps["labels"])} <= {5, 9}
        assert maps["labels"].dtype == np.int32
        assert maps["heights"].shape == (*shape, 2)
        assert maps["heights"].dtype == np.float32
    model.save(tmp_path / "model")
    again, maps = SinGAN.load(tmp_path / "model", device="cpu").sample(2, seed=0, maps=True)
    pictures, own = model.sample(2, seed=0, maps=True)
    np.testing.assert_array_equal(again, pictures)
    np.testing.assert_array_equal(maps["heights"], own["heights"])
    model.save(tmp_path / "compact", compact=True)
    assert SinGAN.load(tmp_path / "compact", device="cpu").layers == model.layers


def test_what_stays_of_an_edit_is_the_picture() -> None:
    labels = np.where(bands()[:, :, 0] > 30000, 5, 9).astype(np.int32)
    model = train(Raster.of(bands()), maps={"labels": labels})
    moved, mask = bands(), np.zeros((H, W), np.uint8)
    moved[4:8, 4:8] = 0
    mask[4:8, 4:8] = 255
    picture, maps = model.outpaint(right=8, seed=0, maps=True)
    np.testing.assert_array_equal(picture[0, :, :W], bands())
    np.testing.assert_array_equal(maps["labels"][0, :, :W], labels)
    edited, maps = model.edit(moved, mask, start_scale=2, seed=0, maps=True)
    assert edited.shape == (1, H, W, 5)
    assert {*np.unique(maps["labels"])} <= {5, 9}


def test_what_models_of_data_refuse() -> None:
    model = train(Raster.of(bands()))
    calls: list[tuple[Any, str]] = [
        (lambda: model.sample(maps=True), "`maps` are asked for, but the picture has none"),
        (lambda: model.refine(model.sample(1), maps=True), "`maps` are asked for, but the picture has none"),
        (lambda: model.refined(bands()[:, :, :3].astype(float)), "the photo has 3 channels of data, the model's"),
        (lambda: model.refined(Raster.of(bands()), maps={"m": bands()[:, :, 0]}), "maps none, the photo m"),
        (lambda: model.refine(bands(), bands()), "`photo` is for pictures of 8 bits"),
        (lambda: model.refined(maps={"m": bands()[:, :, 0]}), "`maps` are those of `photo`: name it, too"),
        (lambda: model.paint(bands(), start_scale=1, quantize=True), "`quantize` is for pictures of 8 bits"),
        (lambda: model.super_resolve(bands()), "`picture` is for models of pictures of 8 bits"),
        (lambda: model.edit(bands()[:, :, :3], start_scale=1), "has 3 channels, the training picture 5"),
        (lambda: train(Raster.of(bands()), "hybrid").refine(bands()), "have the photo's detail already"),
    ]
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("kind", ["sequential", "concurrent"])
def test_a_label_that_is_a_function_of_the_pixel_stays_it(kind: str) -> None:
    """At 100 pixels, however little the model has learned."""
    picture = np.asarray(Image.fromarray(ski.data.coins()[:, :303]).resize((100, 100), Image.Resampling.LANCZOS))
    threshold = ski.filters.threshold_otsu(picture)
    changes = {"max_size": 100, "min_size": 25} | ({"scale_factor": 0.5} if kind == "sequential" else {})
    model = train(picture, kind, maps={"coin": picture > threshold}, nc_im=1, **changes)
    pictures, maps = model.sample(10, seed=0, maps=True)
    assert pictures.shape == (10, 100, 100, 1)
    assert ((pictures[..., 0] > threshold) == maps["coin"]).mean() >= 0.98
    assert kind == "concurrent" or 0.02 < maps["coin"].mean() < 0.98  # whose pictures are bright at first


@pytest.fixture(scope="module")
def large() -> tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]]]:
    """Data of three times the size, and maps that are functions of them."""
    y, x = np.mgrid[0 : 3 * H, 0 : 3 * W]
    waves = np.stack([np.sin(x / 5 + band) * np.cos(y / (4 + band)) for band in range(5)], axis=2)
    values: npt.NDArray[Any] = ((waves + 1) * 30000).astype(np.uint16)
    return values, {"labels": np.where(values[:, :, 0] > 30000, 5, 9), "amount": values[:, :, 1] / np.float32(7)}


@pytest.mark.parametrize("kind", ["hybrid", "refined"])
def test_maps_of_hard_votes_are_the_same_functions_of_the_pixels(kind: str, large: Any) -> None:
    values, maps = large
    if kind == "hybrid":
        model = train(Raster.of(values), kind, maps=maps, max_size=90)
        np.testing.assert_array_equal(model.picture, values)
        np.testing.assert_array_equal(model.maps["amount"], maps["amount"])
        model = model.refined(hard_votes=True)
    else:
        model = train(Raster.of(values), maps=maps).refined(Raster.of(values), maps=maps, hard_votes=True)
        assert model.picture.shape == (H, W, 5)
    moved = values.copy()
    moved[10:30, 12:40] = values[40:60, 42:70]
    calls: list[Any] = [
        lambda: model.sample(2, seed=0, maps=True),
        lambda: model.sample(1, seed=0, scale_h=1.5, maps=True),
        lambda: model.paint(moved, start_scale=1, seed=0, maps=True),
        lambda: model.outpaint(left=9, bottom="50%", seed=0, maps=True),
    ]
    for call in calls:
        pictures, found = call()
        np.testing.assert_array_equal(found["labels"], np.where(pictures[..., 0] > 30000, 5, 9))
        np.testing.assert_array_equal(found["amount"], pictures[..., 1] / np.float32(7))
    edited, found = model.edit(moved, start_scale=1, seed=0, maps=True)
    assert edited.shape == (1, 3 * H, 3 * W, 5)
    if kind == "hybrid":  # of a refined model the soft mask covers a picture as small as this one
        unchanged = (edited[0] == values).all(axis=2)
        assert unchanged.mean() > 0.3
        np.testing.assert_array_equal(found["labels"][0][unchanged], maps["labels"][unchanged])


def test_the_labels_of_generated_pictures_tell_parts_of_the_same_colours_apart() -> None:
    """Two halves of one noise, with two labels: only the generators' labels can say which half a patch is from."""
    rng = np.random.default_rng(0)
    picture = rng.integers(90, 110, (72, 96), np.uint8)
    halves = np.zeros((72, 96), np.uint8)
    halves[:, 48:] = 1
    maker = train(picture, "hybrid", maps={"half": halves}, nc_im=1, max_size=96, hybrid_size=32)._maker
    assert isinstance(maker, Hybrid)
    assert maker.layers is not None
    swapped = maker.small.clone()
    swapped[:, 1:] = swapped[:, 1:].flip(3)  # its labels, not its colours
    (refined,) = maker.refined(swapped).split(1)
    found = maker.layers.split(refined).maps["half"].values[..., 0]
    assert (found[:, 8:40] == 1).mean() > 0.95
    assert (found[:, 56:88] == 0).mean() > 0.95


def test_refined_pictures_have_the_photos_size_and_maps(large: Any) -> None:
    values, maps = large
    model = train(Raster.of(values), maps=maps)
    samples = model.sample(2, seed=0)
    finer = model.refined(Raster.of(values), maps=maps)
    for one, size in ((model, (H, W)), (finer, (3 * H, 3 * W))):
        refined, found = one.refine(samples, maps=True)
        assert refined.shape == (2, *size, 5)
        assert refined.dtype == np.uint16
        assert {*np.unique(found["labels"])} == {5, 9}
        assert found["amount"].shape == (2, *size)
    assert finer.sample(1, seed=0).shape == (1, 3 * H, 3 * W, 5)
    np.testing.assert_array_equal(finer.animate(2, seed=0), model.animate(2, seed=0))
    np.testing.assert_array_equal(finer.super_resolve(factor=1.5, seed=0), model.super_resolve(factor=1.5, seed=0))
    np.testing.assert_array_equal(finer.reconstruct(), model.reconstruct())


def test_hybrid_models_never_copy_pixels_without_data(tmp_path: Path) -> None:
    values = bands("float32")
    values[8:16, 10:18] = np.nan
    model = train(Raster.of(values), "hybrid", max_size=20)
    model.save(tmp_path / "model")
    again = SinGAN.load(tmp_path / "model", device="cpu").refined(hard_votes=True)
    known = train(Raster.of(values), "hybrid").refined(hard_votes=True)
    there = {*map(tuple, values[np.isfinite(values).all(axis=2)].tolist())}
    for sample in known.sample(3, seed=0):
        assert {*map(tuple, sample.reshape(-1, 5).tolist())} <= there
    assert np.isfinite(again.sample(3, seed=0)).all()
    assert np.isfinite(again.outpaint(right=9, seed=0)).all()


def test_labels_that_the_picture_does_not_tell_are_the_models() -> None:
    """Two labels for pixels of the same values: both stay possible, and the model's channels decide."""
    rng = np.random.default_rng(0)
    picture = rng.integers(90, 110, (H, W), np.uint8)
    halves = np.zeros((H, W), np.uint8)
    halves[:, : W // 2] = 1
    model = train(picture, maps={"half": halves}, nc_im=1)
    assert model.layers is not None
    values = np.full((1, 1), 100 / 127.5 - 1, np.float32)
    assert model.layers.possible["half"].mask(values).tolist() == [[True, True]]


def test_a_label_of_other_pixels_is_not_given() -> None:
    pixels = np.array([[-1.0, 0.0], [-0.5, 0.0], [1.0, 0.0]], np.float32)
    possible = Possible.of(pixels, np.array([0, 0, 1]), 3)
    assert possible.mask(pixels).tolist() == [[True, False, False], [True, False, False], [False, True, False]]
    wide = np.random.default_rng(0).standard_normal((50, 9)).astype(np.float32)
    numbers = (wide[:, 0] > 0).astype(int)
    mask = Possible.of(wide, numbers, 2).mask(wide)
    assert mask.shape == (50, 2)
    assert mask[np.arange(50), numbers].all()


def test_previews_stand_for_data() -> None:
    trained, patches = train(Raster.of(bands())), SinGAN.instant(Raster.of(bands()))
    for model in (trained, patches):
        seen = replace(model, previews=True)
        assert seen.picture.shape == (H, W, 3)
        assert seen.picture.dtype == np.uint8
        assert seen.picture.std() > 30
    assert replace(trained, previews=True).sample(2, seed=0).shape == (2, H, W, 3)
