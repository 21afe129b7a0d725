"""Arrays, TIFF files and maps are read and written without a change, and converted to and from tensors."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from SinGAN.pictures.rasters import (
    Form,
    Raster,
    from_tensor,
    is_raster,
    knots_of,
    read_raster,
    to_tensor,
    write_raster,
)

H, W = 12, 17


def values(dtype: str, channels: int | None = 5, seed: int = 0) -> npt.NDArray[Any]:
    """Random values (H, W, channels), or (H, W), that use the range of ``dtype``."""
    shape, rng = (H, W) if channels is None else (H, W, channels), np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (1e4 * rng.standard_normal(shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)


def save_tiff(path: Path, array: npt.NDArray[Any], **layout: object) -> None:
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **layout})  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", ">u2"])
@pytest.mark.parametrize("kind", ["npy", "npz", "npy_first", "npy_plane", "bands", "planes", "pages", "tiff_plane"])
def test_files_come_back_as_they_were(kind: str, dtype: str, tmp_path: Path) -> None:
    """Type, axes, order of the channels and values, to the bit; for arrays, the order of bytes, too."""
    array = values(dtype)
    path = tmp_path / ("x.npy" if kind.startswith("npy") else "x.npz" if kind == "npz" else "x.tif")
    if kind == "npy_first":
        array = np.moveaxis(np.broadcast_to(array[:, :1], (H, 70, 5)), 2, 0)
    elif kind.endswith("plane"):
        array = array[:, :, 0]
    if path.suffix == ".npy":
        np.save(path, array)
    elif kind == "npz":
        np.savez(path, bands=array)
    elif kind == "bands":
        save_tiff(path, array, planarconfig="contig")
    elif kind == "planes":
        save_tiff(path, np.moveaxis(array, 2, 0), planarconfig="separate")
    elif kind == "pages":
        save_tiff(path, np.moveaxis(array, 2, 0))
    else:
        save_tiff(path, array)
    assert is_raster(path) == (not (kind == "tiff_plane" and dtype == "uint8"))
    raster = read_raster(path)
    assert raster.channels == (1 if array.ndim == 2 else 5)
    expected = np.moveaxis(array, 0, 2) if kind == "npy_first" else array
    np.testing.assert_array_equal(raster.values.squeeze(), expected)
    copy = tmp_path / f"copy{raster.form.suffix}"
    write_raster(copy, raster)
    again = read_raster(copy)
    assert again.form == raster.form
    np.testing.assert_array_equal(again.values, raster.values)
    if path.suffix == ".npy":
        np.testing.assert_array_equal(np.load(copy), array)
        assert np.load(copy).dtype == array.dtype
    elif path.suffix == ".tif":
        with tifffile.TiffFile(path) as one, tifffile.TiffFile(copy) as two:
            assert [page.shape for page in one.pages] == [page.shape for page in two.pages]
            assert [page.dtype for page in one.pages] == [page.dtype for page in two.pages]
    assert Form.of(json.loads(json.dumps(raster.form.as_dict()))) == raster.form


def test_the_arrays_of_an_npz_are_channels(tmp_path: Path) -> None:
    red, nir = values("uint16", None), values("uint16", None, seed=1)
    np.savez(tmp_path / "x.npz", red=red, nir=nir)
    raster = read_raster(tmp_path / "x.npz")
    np.testing.assert_array_equal(raster.values, np.stack([red, nir], axis=2))
    write_raster(tmp_path / "y.npz", raster)
    copy = np.load(tmp_path / "y.npz")
    assert copy.files == ["red", "nir"]
    np.testing.assert_array_equal(copy["nir"], nir)


def test_a_palette_stays(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).choice(np.array([0, 3, 7], np.uint8), (H, W))
    picture = Image.fromarray(numbers)
    picture.putpalette(bytes(range(30)))
    picture.save(tmp_path / "labels.png")
    raster = read_raster(tmp_path / "labels.png")
    np.testing.assert_array_equal(raster.values[:, :, 0], numbers)
    write_raster(tmp_path / "copy.png", raster)
    with Image.open(tmp_path / "copy.png") as copy:
        assert copy.mode == "P"
        assert list(copy.getpalette("RGB") or [])[:30] == list(range(30))
        np.testing.assert_array_equal(np.asarray(copy), numbers)


@pytest.mark.parametrize(("dtype", "mode"), [("uint8", "L"), ("uint16", "I;16")])
def test_numbers_of_a_png_stay(dtype: str, mode: str, tmp_path: Path) -> None:
    array = values(dtype, None)
    Image.fromarray(array).save(tmp_path / "x.png")
    write_raster(tmp_path / "y.png", read_raster(tmp_path / "x.png"))
    with Image.open(tmp_path / "y.png") as copy:
        assert copy.mode == mode
        np.testing.assert_array_equal(np.asarray(copy), array)


def test_8_bit_pictures_are_no_rasters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in [(H, W), (H, W, 3), (H, W, 4)]:
        Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(tmp_path / "x.tif")
        assert not is_raster(tmp_path / "x.tif")
    Image.fromarray(rng.integers(0, 255, (H, W, 3), np.uint8)).save(tmp_path / "x.png")
    assert not is_raster(tmp_path / "x.png")
    (tmp_path / "y.tif").write_bytes(b"II*\0 damaged")
    assert not is_raster(tmp_path / "y.tif")


def test_nan_and_the_nodata_value_have_no_data(tmp_path: Path) -> None:
    array = values("float32", 2)
    array[2:4, 3] = np.nan
    array[5, 5, 1] = np.inf
    np.save(tmp_path / "x.npy", array)
    raster = read_raster(tmp_path / "x.npy")
    assert raster.empty is not None
    assert raster.empty.sum() == 3
    assert np.isfinite(raster.filled()).all()
    assert raster.known().shape == (H * W - 3, 2)
    save_tiff(tmp_path / "x.tif", values("int16", None) | 1, extratags=[(42113, "s", 0, "-9999", True)])
    changed = tifffile.imread(tmp_path / "x.tif")
    changed[0, :2] = -9999
    save_tiff(tmp_path / "x.tif", changed, extratags=[(42113, "s", 0, "-9999", True)])
    raster = read_raster(tmp_path / "x.tif")
    assert raster.form.nodata == -9999
    assert raster.empty is not None
    assert raster.empty[0, :2].all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_tensors_give_whole_numbers_back(dtype: str) -> None:
    raster = Raster.of(values(dtype))
    knots = [knots_of(channel) for channel in raster.known().T]
    image = to_tensor(raster, knots)
    assert image.shape == (1, 5, H, W)
    assert image.min() == -1
    assert image.max() == 1
    np.testing.assert_array_equal(from_tensor(image, knots, raster.form).values, raster.values)


def test_floats_come_back_but_for_rounding() -> None:
    raster = Raster.of(values("float32"))
    knots = [knots_of(channel) for channel in raster.known().T]
    back = from_tensor(to_tensor(raster, knots), knots, raster.form).values
    assert np.abs(back - raster.values).max() < 1e-6 * np.abs(raster.values).max()


def test_long_tails_leave_room_for_the_rest() -> None:
    channel = np.concatenate([np.linspace(0, 3000, 10000), [65000.0]])
    knots = knots_of(channel)
    assert len(knots) == 4
    assert 1.7 < np.interp(2990, *np.transpose(knots)) - np.interp(10, *np.transpose(knots)) <= 1.8
    assert knots_of(np.array([0.0, 1, 2, 3])) == ((0, -1), (3, 1))
    assert knots_of(np.array([4.0, 4])) == ((4, 0),)
    scaled = knots_of(1000 * channel)
    assert [place for _, place in scaled] == [place for _, place in knots]
    np.testing.assert_allclose([value for value, _ in scaled], [1000 * value for value, _ in knots])


def test_no_result_has_the_value_for_no_data() -> None:
    form = Form(".tif", "<i2", nodata=0)
    knots = [((-5.0, -1.0), (5.0, 1.0)), ((1.0, -1.0), (9.0, 1.0))]
    image = to_tensor(Raster(np.random.default_rng(0).integers(-5, 6, (30, 30, 2)), form), knots)
    result = from_tensor(image, knots, form).values
    assert (result != 0).all()
    assert result.min() == -5
    form = Form(dtype="<f4", nodata=2.5)
    result = from_tensor(image[:, 1:] * 0 - 0.625, knots[1:], form).values
    assert (result != 2.5).all()
    np.testing.assert_allclose(result, 2.5, rtol=1e-5)


def bad_file(folder: Path, what: str) -> Path:
    """A file that can't be used."""
    path = folder / "x.npy"
    rng = np.random.default_rng(0)
    if what == "types":
        np.savez(path := folder / "x.npz", a=rng.integers(0, 9, (H, W)), b=rng.random((H, W)))
    elif what == "sizes":
        with tifffile.TiffWriter(path := folder / "x.tif") as writer:
            writer.write(values("uint8", None))
            writer.write(values("uint8", None)[:5])
    elif what == "nan":
        np.save(path, np.full((H, W), np.nan))
    elif what == "channels":
        np.save(path, np.zeros((70, 77, 65)))
    elif what == "objects":
        np.save(path, np.array([[{}]]), allow_pickle=True)
    elif what == "complex":
        np.save(path, np.zeros((H, W), complex))
    elif what == "shape":
        np.save(path, np.zeros((2, 3, H, W)))
    elif what == "damaged":
        path.write_bytes(b"\x93NUMPY nothing")
    elif what == "huge":
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
            )
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("types", "mixes types or shapes: a int64 (12, 17), b float64 (12, 17)"),
        ("sizes", "mix types or shapes: uint8 (12, 17), uint8 (5, 17)"),
        ("nan", "has no data"),
        ("channels", "has 65 channels: at most 64"),
        ("objects", "can't be read as data"),
        ("complex", "type complex128"),
        ("shape", "has the shape (2, 3, 12, 17)"),
        ("damaged", "can't be read as data"),
        ("huge", "can't be read as data"),
    ],
)
def test_bad_files_are_refused_in_a_line(what: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  the message is compared below
        read_raster(bad_file(tmp_path, what))
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change", [{"suffix": ".exe"}, {"dtype": "O"}, {"axes": "x"}, {"keys": ["../x"]}, {"palette": "xy"}, {"more": 1}]
)
def test_damaged_forms_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Form.of({**Form().as_dict(), **change})


def test_a_damaged_tiff_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program without handlers for logs would show the lines of tifffile."""
    (tmp_path / "x.tif").write_bytes(b"II*\0nonsense")
    monkeypatch.setattr(logging.root, "handlers", [])
    assert not is_raster(tmp_path / "x.tif")
    assert capsys.readouterr() == ("", "")
