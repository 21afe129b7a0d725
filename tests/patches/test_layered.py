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
from SinGAN.pictures.opening import open_picture
from SinGAN.pictures.rasters import Form, Raster
from tests.cases import mostly_slow
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
    with pytest.raises(ValueError, match="has no data in any whole patch of 7 x 7 pixels"):
        SinGAN.instant(nearly)


def test_results_hold_raw_values() -> None:
    engine = maker(bands(), where=bands()[:, :, 0] > 30000)
    (image,) = engine.sample(seeded(), 1)
    assert image.shape == (1, 7, H, W)
    parts = engine.layers.split(image)
    assert torch.equal(engine.layers.join(parts), image)
    assert engine.layers.to_floats(image).abs().max() <= 1
    assert engine.layers.to_floats(image).shape == (1, 8, H, W)


def painted() -> npt.NDArray[np.int16]:
    """A guide (60, 80) in the labels of ``labels``: a disk."""
    y, x = np.mgrid[:60, :80]
    return np.where((y - 30) ** 2 + (x - 45) ** 2 < 400, 7, -3).astype(np.int16)


def test_a_guide_decides_where_each_label_comes() -> None:
    height = coins().astype(np.float32)
    model = SinGAN.instant(coins(), nc_im=1, maps={"coin": labels(), "height": height})
    followed = []
    for weight in (0.01, 1.0):
        pictures, maps = model.analogy(guide=painted(), guide_weight=weight, count=2, seed=1, maps=True)
        assert pictures.shape == (2, 60, 80, 1)
        assert np.abs(maps["height"].reshape(2, 60, 80) - pictures[..., 0]).max() <= 0.5
        followed.append((maps["coin"] == painted()).mean())
        assert not np.array_equal(pictures[0], pictures[1])
    assert followed[1] > 0.95
    assert followed[1] > followed[0]


def test_a_guide_of_amounts_is_followed() -> None:
    height = coins().astype(np.float32)
    ramp = np.tile(np.linspace(40, 200, 90, dtype=np.float32), (70, 1))
    _, maps = SinGAN.instant(coins(), nc_im=1, maps={"height": height}).analogy(guide=ramp, seed=1, maps=True)
    found = maps["height"].reshape(70, 90)
    assert np.corrcoef(found.mean(axis=0), ramp[0])[0, 1] > 0.8


def test_colours_of_a_guide_stand_for_the_labels_of_the_palette() -> None:
    palette = bytes([0, 0, 0, 255, 180, 0])
    form = Form(".png", "uint8", "plane", palette=palette.hex())
    ones = (labels() == 7).astype(np.uint8)
    model = SinGAN.instant(coins(), nc_im=1, maps={"coin": Raster(ones[..., None], form)})
    colours = np.frombuffer(palette, np.uint8).reshape(2, 3)[(painted() == 7).astype(int)]
    by_colour, by_number = (
        model.analogy(guide=guide, seed=1) for guide in (colours + (colours < 9), (painted() == 7).astype(np.uint8))
    )
    assert np.array_equal(by_colour, by_number)


@pytest.mark.parametrize(
    ("maps", "guide", "words"),
    [
        ({}, painted(), "`guide` needs `maps`: name the map"),
        ({"coin": labels()}, painted() + 1, "`guide` has the label -2, which the map coin has not: use -3, 7"),
        ({"height": coins() / 7}, np.zeros((40, 40, 2)), "`guide` has 2 channels, the map height 1"),
        ({"coin": labels()}, painted()[:9, :9], "raise|enlarge the `guide`, or reduce the picture"),
        ({"coin": labels()}, None, "`structure` is needed, or a `guide`"),
    ],
)
def test_a_guide_that_does_not_fit_is_refused(maps: Any, guide: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SinGAN.instant(coins(), nc_im=1, maps=maps).analogy(guide=guide, seed=1)


HARD = [name for name in TASKS if name != "edit"]


@pytest.mark.parametrize("task", HARD)
def test_with_hard_votes_a_label_is_the_same_function_of_the_pixel_everywhere(task: str) -> None:
    maps: dict[str, Any] = {"coin": labels(), "height": coins().astype(np.float32) / 3}
    model = SinGAN.instant(coins(), nc_im=1, maps=maps, hard_votes=True, coordinates="uint16")
    pictures, found = TASKS[task](model)
    assert np.array_equal(found["coin"] == 7, pictures[..., 0] > THRESHOLD)
    assert np.array_equal(found["height"][..., 0] if found["height"].ndim == 4 else found["height"],
                          pictures[..., 0].astype(np.float32) / 3)  # fmt: skip
    column, row = np.moveaxis(found["coordinates"], 3, 0)
    assert np.array_equal(coins()[row, column], pictures[..., 0])


@pytest.mark.parametrize("task", mostly_slow(TASKS, {"retarget", "paint", "tile"}))
def test_pictures_are_the_same_with_maps_and_without(task: str) -> None:
    plain, layered = (SinGAN.instant(coins(), nc_im=1, maps=maps) for maps in (None, {"coin": labels()}))
    pictures, _ = TASKS[task](layered)
    assert np.array_equal(TASKS_ALONE[task](plain), pictures)


TASKS_ALONE: dict[str, Any] = {
    "sample": lambda model: model.sample(1, seed=2),
    "retarget": lambda model: model.retarget(1, scale_h=1.4, seed=2),
    "inpaint": lambda model: model.inpaint(hole(), 1, seed=2),
    "outpaint": lambda model: model.outpaint(1, right="30%", seed=2),
    "tile": lambda model: model.tile(1, seed=2),
    "analogy": lambda model: model.analogy(coins()[:, ::-1], 1, seed=2),
    "paint": lambda model: model.paint(coins() // 64 * 64, seed=2),
    "edit": lambda model: model.edit(moved(), seed=2),
}


def test_float_coordinates_are_texture_coordinates() -> None:
    model, exact = (SinGAN.instant(coins(), nc_im=1, coordinates=kind) for kind in ("float32", "uint16"))
    found = model.sample(1, seed=2, maps=True)[1]["coordinates"]
    places = exact.sample(1, seed=2, maps=True)[1]["coordinates"]
    assert found.dtype == np.float32
    assert places.dtype == np.uint16
    assert np.array_equal(np.floor(found * np.array([W, H], np.float32)), places)
    with pytest.raises(ValueError, match="a map is called coordinates, as that of `coordinates`"):
        SinGAN.instant(coins(), nc_im=1, maps={"coordinates": labels()}, coordinates="uint16")


@pytest.mark.slow
def test_several_pictures_bring_their_maps() -> None:
    other = np.ascontiguousarray(ski.data.coins()[150:260, 200:340])
    theirs = np.where(other > THRESHOLD, 9, -3).astype(np.int16)
    model = SinGAN.instant(
        coins(), nc_im=1, maps={"coin": labels()}, also=[other], also_maps=[{"coin": theirs}], shares=(1, 1),
        coordinates="uint16", hard_votes=True,
    )  # fmt: skip
    pictures, maps = model.sample(2, seed=1, maps=True)
    column, row, number = np.moveaxis(maps["coordinates"], 3, 0)
    for index, (picture, labelled) in enumerate(((coins(), labels()), (other, theirs))):
        chosen = number == index
        assert 0.2 < chosen.mean() < 0.8
        assert np.array_equal(pictures[..., 0][chosen], picture[row[chosen], column[chosen]])
        assert np.array_equal(maps["coin"][chosen], labelled[row[chosen], column[chosen]])
    assert {*np.unique(maps["coin"])} == {-3, 7, 9}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"also": [bands("float32")]}, "picture 1 of `also` is a picture of data, and the first one is of 8 bits"),
        ({"also": [coins()]}, "picture 1 of `also` has the maps none, and the first picture coin"),
        ({"also": [coins()], "also_maps": [{}, {}]}, "`also_maps` has the maps of 2 pictures, and there are 1 in"),
        ({"also": [coins()], "also_maps": [{"coin": labels()[:9]}]}, "the map coin has 110 x 9 pixels, the picture"),
        ({"shares": (1, 2)}, "`shares` .* is for several pictures: name more of them with `also`"),
        ({"method": "patches", "hard_votes": True}, "`hard_votes` is for `method` instant, not for patches"),
        ({"coordinates": "int8"}, "`coordinates` must be one of uint16, float32, not int8"),
    ],
)
def test_more_pictures_that_do_not_fit_are_refused(more: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SinGAN.instant(coins(), nc_im=1, maps={"coin": labels()}, **more)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_normal_maps_keep_their_length(dtype: str) -> None:
    slopes = np.stack([*np.gradient(coins() / -20.0), np.ones((H, W))], axis=2)
    normals = slopes / np.linalg.norm(slopes, axis=2, keepdims=True)
    stored = normals.astype(np.float32) if dtype == "float32" else np.rint(127.5 * (normals + 1)).astype(np.uint8)
    model = SinGAN.instant(coins(), nc_im=1, maps={"normal": stored})
    assert model.engine.layers.maps[0].kind == "normal"  # type: ignore[union-attr]
    found = model.tile(variants=2, seed=1, maps=True)[1]["normal"]
    vectors = found.astype(float) if dtype == "float32" else found / 127.5 - 1
    assert found.dtype == dtype
    assert np.abs(np.linalg.norm(vectors, axis=3) - 1).max() < (1e-6 if dtype == "float32" else 0.01)
    plain = SinGAN.instant(coins(), nc_im=1, maps={"normal": stored}, map_kinds=("continuous",))
    shorter = plain.tile(variants=2, seed=1, maps=True)[1]["normal"]
    lengths = np.linalg.norm(shorter.astype(float) if dtype == "float32" else shorter / 127.5 - 1, axis=3)
    assert lengths.min() < 0.9
    with pytest.raises(ValueError, match="depth has 1 channels, and a normal map has 3"):
        SinGAN.instant(coins(), nc_im=1, maps={"depth": coins()}, map_kinds=("normal",))


def test_a_set_of_tiles_fits_in_all_its_maps() -> None:
    model = SinGAN.instant(coins(), nc_im=1, maps={"coin": labels(), "height": coins().astype(np.float32)})
    pictures, maps = model.tile(variants=3, seed=1, maps=True)
    assert len(pictures) == 3
    for values in (pictures, maps["coin"], maps["height"]):
        for edge in (values[:, :3], values[:, -3:], values[:, :, :3], values[:, :, -3:]):
            assert all(np.array_equal(edge[0], each) for each in edge[1:])
