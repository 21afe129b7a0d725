"""The instant engine on data of any channels and on pictures with maps: all that is aligned stays aligned."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage as ski
import torch

import SinGAN
from SinGAN.patches.instant import Instant
from SinGAN.patches.layered import Guide, LayeredInstant
from SinGAN.pictures.layers import open_picture
from SinGAN.pictures.rasters import Raster
from tests.patches.plain import seeded

H, W = 90, 110
THRESHOLD = 104  # grey levels, between coins and ground


def coins() -> npt.NDArray[np.uint8]:
    """A part of scikit-image's coins (H, W)."""
    return np.ascontiguousarray(ski.data.coins()[60 : 60 + H, 20 : 20 + W])


def bands(dtype: str = "uint16") -> npt.NDArray[Any]:
    """Six channels (H, W, 6) of scikit-image's coffee: colours, and these as hue, saturation and value."""
    colours = ski.data.coffee()[100 : 100 + H, 150 : 150 + W]
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 6))
    values = np.concatenate([colours / 255, ski.color.rgb2hsv(colours)], axis=2) * 65279 + noise
    return values.astype(dtype)


def maker(picture: Any, **maps: Any) -> LayeredInstant:
    return LayeredInstant.of(open_picture(picture, maps=maps))


def labels() -> npt.NDArray[np.int16]:
    """A label map (H, W) that is a function of the pixel."""
    return np.where(coins() > THRESHOLD, 7, -3).astype(np.int16)


TASKS: dict[str, Any] = {
    "sample": lambda model: model.sample(1, seed=2, maps=True),
    "retarget": lambda model: model.retarget(1, scale_h=1.4, seed=2, maps=True),
    "inpaint": lambda model: model.inpaint(hole(), 1, seed=2, maps=True),
    "outpaint": lambda model: model.outpaint(1, right="30%", seed=2, maps=True),
    "tile": lambda model: model.tile(1, seed=2, maps=True),
    "analogy": lambda model: model.analogy(coins()[:, ::-1], 1, seed=2, maps=True),
    "paint": lambda model: model.paint(coins() // 64 * 64, seed=2, maps=True),
    "edit": lambda model: model.edit(moved(), seed=2, maps=True),
}


def hole() -> npt.NDArray[np.uint8]:
    mask = np.zeros((H, W), np.uint8)
    mask[30:55, 40:70] = 255
    return mask


def moved() -> npt.NDArray[np.uint8]:
    """The coins with a part put elsewhere."""
    result = coins()
    result[30:60, 60:90] = coins()[0:30, 20:50]
    return result


@pytest.mark.parametrize("task", TASKS)
def test_a_label_that_is_a_function_of_the_pixel_stays_it(task: str) -> None:
    """Where pixels are means of several, the label with most weight is nearly always that of the mean."""
    model = SinGAN.instant(coins(), nc_im=1, maps={"coin": labels(), "height": coins().astype(np.float32) / 3})
    pictures, maps = TASKS[task](model)
    assert pictures.dtype == np.uint8
    assert maps["coin"].shape == maps["height"].shape == pictures.shape[:3]
    assert maps["coin"].dtype == np.int16
    assert {*np.unique(maps["coin"])} == {-3, 7}
    agreement = ((pictures[..., 0] > THRESHOLD) == (maps["coin"] == 7)).mean()
    assert agreement > (0.995 if task != "edit" else 0.98)
    if task not in ("inpaint", "outpaint"):  # which shift colours at last
        assert np.abs(maps["height"] * 3 - pictures[..., 0]).max() <= 0.51 + 30 * (task == "edit")


def test_pictures_are_those_without_maps() -> None:
    with_maps, plain = SinGAN.instant(coins(), nc_im=1, maps={"coin": labels()}), SinGAN.instant(coins(), nc_im=1)
    np.testing.assert_array_equal(with_maps.sample(2, seed=1), plain.sample(2, seed=1))
    np.testing.assert_array_equal(with_maps.picture[:, :, 0], coins())
    np.testing.assert_array_equal(with_maps.maps["coin"], labels())


def test_many_channels_keep_type_and_precision() -> None:
    result = SinGAN.instant(Raster.of(bands())).sample(1, seed=1)
    assert result.dtype == np.uint16
    assert result.shape == (1, H, W, 6)
    assert all(len(np.unique(channel)) > 1000 for channel in np.moveaxis(result[0], 2, 0))
    assert (result.min((0, 1, 2)) >= bands().min((0, 1))).all()
    assert (result.max((0, 1, 2)) <= bands().max((0, 1))).all()


@pytest.mark.parametrize("channels", [2, 6])
def test_permuted_channels_give_permuted_results(channels: int) -> None:
    values, order = bands()[:, :, :channels], [3, 0, 5, 1, 4, 2] if channels == 6 else [1, 0]
    one = SinGAN.instant(Raster.of(values)).sample(1, seed=1)
    two = SinGAN.instant(Raster.of(np.ascontiguousarray(values[:, :, order]))).sample(1, seed=1)
    np.testing.assert_array_equal(one[..., order], two)


def test_scaled_floats_give_scaled_results() -> None:
    values = np.rint(bands("float32") / 4)  # below 2**14: 1000 times as large they are exact, too
    one, two = (SinGAN.instant(Raster.of(values * factor)).sample(1, seed=1) for factor in (1, 1000))
    np.testing.assert_allclose(two, 1000 * one, rtol=1e-5)


def test_pixels_without_data_are_never_copied() -> None:
    """Results of a picture with a gap are those of the rest: the gap's values don't matter, and don't appear."""
    values = bands("float32")
    marked = values.copy()
    marked[20:50, 30:70] = np.nan
    other = marked.copy()
    other[20:50, 30:70, 0] = np.inf
    one, two = (SinGAN.instant(Raster.of(each)).sample(1, seed=1) for each in (marked, other))
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, two)
    known = ~np.isnan(marked).any(axis=2)
    assert (one.min((0, 1, 2)) >= values[known].min(0)).all()
    assert (one.max((0, 1, 2)) <= values[known].max(0)).all()


def test_a_reduced_picture_has_reduced_maps() -> None:
    model = SinGAN.instant(coins(), nc_im=1, max_size=60, maps={"coin": labels()})
    pictures, maps = model.sample(1, seed=1, maps=True)
    assert pictures.shape == (1, 50, 60, 1)
    assert maps["coin"].shape == (1, 50, 60)
    assert {*np.unique(maps["coin"])} == {-3, 7}


def test_guides_of_many_channels_are_principal_components() -> None:
    opened = open_picture(bands())
    guide = Guide.of(opened.image)
    assert guide.directions.shape == (6, 3)
    np.testing.assert_allclose(guide.directions.T @ guide.directions, np.eye(3), atol=1e-9)
    levels = guide.levels(opened.image).astype(float)
    assert levels[..., 0].std() >= levels[..., 1].std() >= levels[..., 2].std()
    assert levels.shape == (H, W, 3)
    assert isinstance(maker(bands()).engine, Instant)


def test_what_data_can_not_do_is_said() -> None:
    model = SinGAN.instant(Raster.of(bands()))
    with pytest.raises(ValueError, match="`fill` is for pictures of 8 bits"):
        model.inpaint(hole(), fill=[9])
    with pytest.raises(ValueError, match="`maps` are asked for, but the picture has none"):
        model.sample(maps=True)
    with pytest.raises(ValueError, match="`structure` has 1 channels, the training picture 6"):
        model.analogy(Raster.of(coins()))
    nearly = np.full((40, 40, 2), np.nan)
    nearly[:3, :3] = np.arange(18).reshape(3, 3, 2)
    with pytest.raises(ValueError, match="leaves no whole patch"):
        SinGAN.instant(nearly)


def test_results_hold_raw_values() -> None:
    engine = maker(bands(), where=bands()[:, :, 0] > 30000)
    (image,) = engine.sample(seeded(), 1)
    assert image.shape == (1, 7, H, W)
    parts = engine.layers.split(image)
    assert torch.equal(engine.layers.join(parts), image)
    assert engine.layers.to_floats(image).abs().max() <= 1
    assert engine.layers.to_floats(image).shape == (1, 8, H, W)
