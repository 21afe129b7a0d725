"""Pictures with maps as the channels of one image, and back as files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from SinGAN.pictures import rasters
from SinGAN.pictures.arrays import is_data
from SinGAN.pictures.layer import LABEL, Layer, guess_kind
from SinGAN.pictures.layers import Layers
from SinGAN.pictures.opening import maps_by_name, open_picture
from SinGAN.pictures.rasters import Form, Raster, read_raster

H, W = 20, 24


def bands(channels: int = 5, dtype: str = "uint16", seed: int = 0) -> npt.NDArray[Any]:
    """Different channels (H, W, channels) that use the range of ``dtype``."""
    rng = np.random.default_rng(seed)
    values = rng.random((H, W, channels)) ** np.linspace(0.5, 2, channels)
    return (values * (30000 if dtype == "int16" else 65535)).astype(dtype)


def labels() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).choice(np.array([0, 3, 200], np.uint8), (H, W))


def opened(**maps: npt.NDArray[Any]) -> tuple[torch.Tensor, Layers]:
    result = open_picture(bands(), maps=maps)
    assert result.layers is not None
    return result.image, result.layers


def test_the_channels_of_maps_follow_those_of_the_picture() -> None:
    depth = np.random.default_rng(2).random((H, W)).astype(np.float32) * 100
    image, layers = opened(labels=labels(), depth=depth)
    assert image.shape == (1, 5 + 3 + 1, H, W)
    assert layers.count == 9
    assert [layer.kind for layer in layers.maps] == ["label", "continuous"]
    assert set(image[0, 5:8].unique().tolist()) == {-1, 1}
    assert (image[0, 5:8].sum(dim=0) == -1).all()
    parts = layers.split(image)
    np.testing.assert_array_equal(parts.picture.values, bands())
    np.testing.assert_array_equal(parts.maps["labels"].as_array, labels())
    np.testing.assert_allclose(parts.maps["depth"].as_array, depth, atol=1e-4)
    assert parts.maps["labels"].values.dtype == np.uint8
    assert Layers.of(json.loads(json.dumps(layers.as_dict()))) == layers


def test_only_labels_that_were_there_come_out() -> None:
    image, layers = opened(labels=labels())
    noise = torch.randn(1, 8, 50, 60, generator=torch.Generator().manual_seed(0))
    assert set(np.unique(layers.split(noise).maps["labels"].values)) == {0, 3, 200}
    assert image.shape[1] == 8


def test_the_order_of_channels_in_the_file_does_not_matter() -> None:
    order = [3, 0, 4, 1, 2]
    image, permuted = open_picture(bands()), open_picture(np.ascontiguousarray(bands()[:, :, order]))
    assert torch.equal(image.image, permuted.image)
    assert image.layers is not None
    assert permuted.layers is not None
    changed = image.image.flip(2)
    one, two = (layers.split(changed).picture.values for layers in (image.layers, permuted.layers))
    np.testing.assert_array_equal(one[:, :, order], two)


@pytest.mark.parametrize("factor", [1000, 3.7, 1e-6])
def test_scaled_values_make_the_same_image(factor: float) -> None:
    values = bands(dtype="float32").astype(np.float64)
    one, two = open_picture(values), open_picture(values * factor)
    assert torch.equal(one.image, two.image)
    assert one.layers is not None
    assert two.layers is not None
    np.testing.assert_allclose(
        two.layers.split(one.image.flip(3)).picture.values, factor * one.layers.split(one.image.flip(3)).picture.values
    )


def test_colours_can_be_labels() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)[np.random.default_rng(0).integers(0, 2, (H, W))]
    result = open_picture(bands(), maps={"classes": colours}, kinds=[LABEL])
    assert result.layers is not None
    assert result.image.shape[1] == 7
    np.testing.assert_array_equal(result.layers.split(result.image).maps["classes"].values, colours)


def test_a_picture_of_8_bits_keeps_its_channels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "x.png")
    plain, with_map = open_picture(tmp_path / "x.png"), open_picture(tmp_path / "x.png", maps={"m": labels()})
    assert plain.layers is None
    assert with_map.layers is not None
    assert torch.equal(with_map.image[:, :3], plain.image)
    np.testing.assert_array_equal(with_map.layers.split(with_map.image).picture.values, picture)
    assert with_map.layers.is_plain
    viewed = with_map.layers.viewed(with_map.image)
    np.testing.assert_array_equal(viewed.preview(with_map.image)[0].permute(1, 2, 0), picture)


def test_no_data_anywhere_is_invalid_everywhere() -> None:
    picture, depth = bands(dtype="float32"), np.ones((H, W), np.float32)
    picture[2, 3, 1], depth[5, 6] = np.nan, np.nan
    depth[0, 0] = 2
    result = open_picture(picture, maps={"depth": depth})
    assert result.valid is not None
    assert (result.valid == 0).nonzero().tolist() == [[0, 0, 2, 3], [0, 0, 5, 6]]
    assert result.image.isfinite().all()


def test_kinds_are_guessed_by_type() -> None:
    numbers = np.arange(H * W).reshape(H, W)
    guesses: dict[str, list[npt.NDArray[Any]]] = {
        "label": [labels(), labels().astype(np.int16), numbers.astype(np.int32), labels() > 3],
        "continuous": [numbers.astype(np.uint16), numbers.astype(np.float32), bands(3, "uint8"), labels() * 1.0],
    }
    for kind, maps in guesses.items():
        assert [guess_kind(Raster.of(each)) for each in maps] == [kind] * len(maps)


def test_results_are_named_after_the_map(tmp_path: Path) -> None:
    picture = Image.fromarray(labels())
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(tmp_path / "labels.png")
    np.save(tmp_path / "x.npy", bands())
    np.save(tmp_path / "depth.npy", bands(1)[:, :, 0].astype(np.float32))
    maps = maps_by_name([tmp_path / "labels.png", tmp_path / "depth.npy"])
    result = open_picture(tmp_path / "x.npy", maps=maps)
    assert result.layers is not None
    layers, place = result.layers.viewed(result.image), tmp_path / "out"
    place.mkdir()
    layers.write(place, "0", result.image)
    names = ["0.npy", "0.png", "0_depth.npy", "0_depth.png", "0_labels.png"]
    assert sorted(path.name for path in place.iterdir()) == names
    np.testing.assert_array_equal(np.load(place / "0.npy"), bands())
    with Image.open(place / "0_labels.png") as copy:
        assert copy.mode == "P"
        np.testing.assert_array_equal(np.asarray(copy), labels())
    with pytest.raises(ValueError, match=r"two results would be 0_depth.npy: give the map another name"):
        layers.write(place, "0_depth", result.image)


PREVIEWS = [((), "RGB"), (("2",), "L"), (("5", "4", "1"), "RGB"), (("1", "magma"), "RGB")]


@pytest.mark.parametrize(("show", "mode"), PREVIEWS)
def test_previews_show_chosen_channels(show: tuple[str, ...], mode: str) -> None:
    image, layers = opened()
    seen = layers.viewed(image, show, (0, 100)).preview(image)
    assert seen.shape == (1, 3 if mode == "RGB" else 1, H, W)
    if len(show) != 2:
        chosen = [int(number) - 1 for number in show] or [0, 1, 2]
        values = bands()[:, :, chosen].astype(float)
        low, high = values.min((0, 1)), values.max((0, 1))
        expected = np.rint(255 * (values - low) / (high - low))
        assert np.abs(seen[0].permute(1, 2, 0).numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    ("show", "message"),
    [
        (("6",), "the picture has the channels 1 to 5"),
        (("0",), "the picture has the channels 1 to 5"),
        (("1", "2"), "name one channel or three"),
        (("1", "2", "3", "viridis"), "name one channel or three"),
        (("nothing",), "there is no such colour map"),
    ],
)
def test_bad_previews_are_refused(show: tuple[str, ...], message: str) -> None:
    image, layers = opened()
    with pytest.raises(ValueError, match=message):
        layers.viewed(image, show)


def test_a_reference_has_the_maps_beside_it_or_those_of_like_pixels(tmp_path: Path) -> None:
    picture = bands()
    where = picture[:, :, 0] > 30000
    image, layers = opened(m=where.astype(np.uint8))
    changed = picture.copy()
    changed[:10, :10] = picture[10:, 14:]
    np.save(tmp_path / "cat.npy", changed)
    reference = layers.read_like(tmp_path / "cat.npy", image)
    parts = layers.split(reference)
    np.testing.assert_array_equal(parts.picture.values, changed)
    np.testing.assert_array_equal(parts.maps["m"].as_array, changed[:, :, 0] > 30000)
    np.save(tmp_path / "cat_m.npy", 1 - where.astype(np.uint8))
    given = layers.split(layers.read_like(tmp_path / "cat.npy", image)).maps["m"].as_array
    np.testing.assert_array_equal(given, ~where)
    with pytest.raises(ValueError, match="`reference` has 4 channels, the training picture 5"):
        layers.read_like(changed[:, :, :4], image)


def test_what_is_data() -> None:
    assert not is_data(bands(3, "uint8"))
    assert not is_data(bands(3, "uint16"))
    assert not is_data(np.random.default_rng(0).random((H, W, 3)))
    assert is_data(bands(5, "uint8"))
    assert is_data(bands(3, "int16"))
    assert is_data(bands(3, "float32"))
    assert is_data(np.full((H, W), np.nan))
    assert is_data(Raster.of(bands(3, "uint8")))
    assert not is_data("photo.png")


@pytest.mark.parametrize(
    ("maps", "kinds", "message"),
    [
        ({"m": labels()[:5]}, (), r"the map m has 24 x 5 pixels, the picture 24 x 20"),
        ({"m": np.arange(H * W).reshape(H, W)}, (), "the map m has 480 labels: at most 256"),
        ({"m": labels()}, ("label", "label"), "name a kind for each map, 1"),
        ({"a/m": labels()}, (), "`maps` has 'a/m'"),
        ({"a\nm": labels()}, (), "`maps` has "),
        ({"": labels()}, (), "`maps` has ''"),
        ({3: labels()}, (), "`maps` has 3"),
        ({"m": np.full((H, W), np.nan)}, (), "`m` has no data"),
    ],
)
def test_bad_maps_are_refused_in_a_line(maps: dict[str, Any], kinds: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        open_picture(bands(), maps=maps, kinds=kinds)
    assert "\n" not in str(error.value)


def test_bad_pictures_are_refused_in_a_line(tmp_path: Path) -> None:
    Image.fromarray(bands(3, "uint8")).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"x.png is a picture of 8 bits: `nc_im` must be 1, 3 or 4, not 5"):
        open_picture(tmp_path / "x.png", 5)
    with pytest.raises(ValueError, match="`nc_im` 3 asked, but `picture` has 5 channels"):
        open_picture(bands(), 3)
    with pytest.raises(ValueError, match="`picture` is constant"):
        open_picture(np.full((H, W, 2), -7, np.int16))
    half = np.ones((H, W, 2), np.float32)
    half[:, :10, 0] = half[:, 10:, 1] = np.nan
    with pytest.raises(ValueError, match="has no data"):
        open_picture(half)
    with pytest.raises(ValueError, match="have the same name"):
        maps_by_name([Path("a/x.png"), Path("b/x.tif")])
    one = bands(2)
    one[:, :, 1] = 7
    result = open_picture(one.astype(np.int32))
    assert result.notes == ("channel 2 of the picture is constant, and stays so",)
    assert result.layers is not None
    np.testing.assert_array_equal(result.layers.split(result.image).picture.values, one)


@pytest.mark.parametrize(
    "change",
    [
        {"knots": [[[1, 0], [0, 1]]]},
        {"knots": []},
        {"labels": [[1.0]]},
        {"order": [0, 0, 1, 2, 3]},
        {"name": "../x"},
        {"form": {}},
        {"knots": [[[0, "x"]]]},
    ],
)
def test_damaged_descriptions_are_refused(change: dict[str, Any]) -> None:
    _, layers = opened()
    values = layers.as_dict()
    values["picture"] = {**values["picture"], **change}
    with pytest.raises(ValueError, match="damaged"):
        Layers.of(json.loads(json.dumps(values)))


def test_read_raster_reads_what_was_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", bands())
    assert rasters.is_raster(tmp_path / "x.npy")
    assert open_picture(tmp_path / "x.npy").image.shape == (1, read_raster(tmp_path / "x.npy").channels, H, W)


def test_labels_are_numbered_in_any_order() -> None:
    layer = Layer(Form(), labels=((3.0,), (-2.0,), (7.0,)))
    raster = Raster(np.random.default_rng(0).integers(-3, 9, (20, 30, 1)).astype(np.int16))
    assert np.array_equal(layer.index(raster), layer.encode(raster)[0].argmax(dim=0).numpy())
    assert np.array_equal(layer.index(layer.from_index(np.array([[0, 1, 2]]))), [[0, 1, 2]])
