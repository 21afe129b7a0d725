"""Files from the world: read as viewers show them, or refused in one line."""

import importlib.util
import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from SinGAN.pictures import animations, decoding, images
from tests.workspace import stripes

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "gif": "GIF"}


def drawn() -> Image.Image:
    """A picture, 60 wide and 40 high, that is unlike itself turned."""
    return Image.fromarray(images.to_levels(stripes(40, 60)))


def read(path: Path, channels: int = 3) -> np.ndarray:
    return images.to_levels(images.read(path, channels))


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_is_upright(turn: int, ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    picture = drawn()
    undo = {**decoding.TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = picture.transpose(undo[turn]) if turn > 1 else picture
    stored.save(tmp_path / f"x.{ending}", exif=exif, lossless=True)
    levels = read(tmp_path / f"x.{ending}")
    assert levels.shape == (40, 60, 3)
    assert images.read_size(tmp_path / f"x.{ending}") == (40, 60)
    assert np.abs(levels.astype(int) - np.asarray(picture)).mean() < (8 if ending == "jpg" else 1e-9)


@pytest.mark.parametrize(
    "change", [b"\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01", b"\x00\x0a\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_odd_metadata_does_not_decide(change: bytes, tmp_path: Path) -> None:
    """An EXIF tag of a kind that it cannot have, beside an orientation."""
    tags = struct.pack(">HHIHH", ExifTags.Base.Orientation, 3, 1, 6, 0) + struct.pack(">H", 0x011A) + change
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + tags + bytes(8)
    drawn().save(tmp_path / "x.jpg", exif=exif)
    assert sorted(read(tmp_path / "x.jpg").shape[:2]) == [40, 60]


@pytest.mark.parametrize("ending", FORMATS)
def test_mutated_files_are_a_picture_or_one_line(ending: str, tmp_path: Path) -> None:
    dice, content, path = random.Random(ending), io.BytesIO(), tmp_path / f"x.{ending}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "somebody"
    options = {"exif": exif} if ending in ("png", "jpg", "webp", "tif") else {}
    drawn().save(content, FORMATS[ending], **options)
    seen = {True: 0, False: 0}
    for _ in range(150):
        data = bytearray(content.getvalue())
        for _ in range(dice.choice([1, 1, 3, 20])):
            data[dice.randrange(min(len(data), dice.choice([200, 10**6])))] = dice.randrange(256)
        path.write_bytes(data[: dice.choice([len(data)] * 5 + [dice.randrange(len(data))])])
        for reading in (images.read, images.read_size):
            try:
                reading(path)
                seen[True] += 1
            except ValueError as error:
                seen[False] += 1
                told = str(error)
                path.with_suffix(".txt").write_text(told)
        if path.with_suffix(".txt").exists():
            assert str(path) in path.with_suffix(".txt").read_text()
    assert min(seen.values()) > 0


def test_long_texts_in_a_png_do_not_matter(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a" * 3_000_000, zip=True)
    drawn().save(tmp_path / "x.png", pnginfo=texts)
    assert np.array_equal(read(tmp_path / "x.png"), np.asarray(drawn()))


def tiff(path: Path, values: np.ndarray, bits: int, photometric: int = 1, kind: int = 1, planes: int = 1) -> None:
    """Write an uncompressed TIFF by hand: of ``values`` (H, W) or (C, H, W), and tags that no one checks."""
    count = values.shape[0] if values.ndim == 3 else 1
    height, width = values.shape[-2:]
    data = values.tobytes()
    part = len(data) // (count if planes == 2 else 1)
    entries = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * count), (259, 3, [1]), (262, 3, [photometric]),
        (273, 4, [0] * (count if planes == 2 else 1)), (277, 3, [count]), (278, 4, [height]),
        (279, 4, [part] * (count if planes == 2 else 1)), (284, 3, [planes]), (339, 3, [kind] * count),
    ]  # fmt: skip
    start, extra = 8 + 2 + 12 * len(entries) + 4, b""
    table = struct.pack("<H", len(entries))
    sizes = {3: 2, 4: 4}
    length = sum(sizes[type_] * len(some) for _, type_, some in entries if sizes[type_] * len(some) > 4)
    for tag, type_, some in entries:
        if tag == 273:
            some = [start + length + index * part for index in range(len(some))]
        packed = struct.pack(f"<{len(some)}{'H' if type_ == 3 else 'I'}", *some)
        if len(packed) > 4:
            table += struct.pack("<HHII", tag, type_, len(some), start + len(extra))
            extra += packed
        else:
            table += struct.pack("<HHI", tag, type_, len(some)) + packed.ljust(4, b"\0")
    path.write_bytes(b"II*\0\x08\0\0\0" + table + bytes(4) + extra + data)


RAMP = np.add.outer(np.arange(40), 3 * np.arange(60))  # 0 .. 216


def test_whole_numbers_of_32_bits_are_levels_where_they_fit(tmp_path: Path) -> None:
    tiff(tmp_path / "x.tif", RAMP.astype("<i4"), 32, kind=2)
    assert np.array_equal(read(tmp_path / "x.tif", 1)[:, :, 0], RAMP)
    tiff(tmp_path / "x.tif", (RAMP * 257).astype("<i4"), 32, kind=2)
    assert np.array_equal(read(tmp_path / "x.tif", 1)[:, :, 0], RAMP)
    tiff(tmp_path / "x.tif", (RAMP * 1000).astype("<i4"), 32, kind=2)
    with pytest.raises(ValueError, match="more than 16 bits"):
        images.read(tmp_path / "x.tif")


def test_white_is_zero_in_16_bits(tmp_path: Path) -> None:
    tiff(tmp_path / "x.tif", (65535 - RAMP * 257).astype("<u2"), 16, photometric=0)
    assert np.array_equal(read(tmp_path / "x.tif", 1)[:, :, 0], RAMP)


@pytest.mark.parametrize(("bits", "kind"), [(8, "i1"), (16, "<i2")])
def test_signed_values_are_refused(bits: int, kind: str, tmp_path: Path) -> None:
    tiff(tmp_path / "x.tif", (RAMP - 100).astype(kind), bits, kind=2)
    with pytest.raises(ValueError, match="can't be read as a picture: "):
        images.read(tmp_path / "x.tif")


def test_planes_of_16_bits_are_refused(tmp_path: Path) -> None:
    tiff(tmp_path / "x.tif", np.stack([RAMP * 257] * 3).astype("<u2"), 16, photometric=2, planes=2)
    with pytest.raises(ValueError, match="can't be read as a picture: "):
        images.read(tmp_path / "x.tif")


def test_twelve_bits_in_sixteen_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Image.fromarray((RAMP * 18).astype(np.uint16)).save(tmp_path / "x.png")
    images.read(tmp_path / "x.png")
    assert "values up to 3888 of 65535 only" in caplog.text
    caplog.clear()
    Image.fromarray((RAMP * 257).astype(np.uint16)).save(tmp_path / "x.png")
    images.read(tmp_path / "x.png")
    assert not caplog.text


def test_colours_of_another_space_become_srgb(tmp_path: Path) -> None:
    """In a space whose red is sRGB's green, and the other way round; damaged profiles do not matter."""
    picture, srgb = drawn(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = srgb.replace(b"rXYZ", b"kXYZ").replace(b"gXYZ", b"rXYZ").replace(b"kXYZ", b"gXYZ")
    for name, profile in (("same", srgb), ("odd", b"no profile"), ("cut", srgb[:200])):
        picture.save(tmp_path / f"{name}.png", icc_profile=profile)
        assert np.array_equal(read(tmp_path / f"{name}.png"), np.asarray(picture)), name
    picture.save(
        tmp_path / "other.png", icc_profile=other.replace("sRGB".encode("utf-16-be"), "ours".encode("utf-16-be"))
    )
    assert np.abs(read(tmp_path / "other.png").astype(int) - np.asarray(picture)[:, :, [1, 0, 2]]).max() <= 2


def test_hidden_colours_do_not_bleed() -> None:
    levels = np.zeros((6, 8, 4), np.uint8)
    levels[:, :4] = (10, 200, 30, 255)
    levels[:, 4:] = (255, 0, 255, 0)
    filled = images.with_channels(levels, 4)
    assert (filled[:, :, :3] == (10, 200, 30)).all()
    assert np.array_equal(filled[:, :, 3], levels[:, :, 3])
    levels[:, :, 3] = 0
    assert np.array_equal(images.with_channels(levels, 4), levels)


def test_a_vast_picture_is_reduced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGE", 2000)
    monkeypatch.setattr(decoding, "ENOUGH", 700)
    for ending in ("jpg", "png"):
        drawn().save(tmp_path / f"x.{ending}")
        assert read(tmp_path / f"x.{ending}").shape == (20, 30, 3)
        assert images.read_size(tmp_path / f"x.{ending}") == (20, 30)
    expected = np.asarray(drawn().reduce(2)).astype(int)
    assert np.abs(read(tmp_path / "x.png") - expected).max() == 0
    assert np.abs(read(tmp_path / "x.jpg") - expected).mean() < 8


def test_a_heic_photo_is_read_or_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(drawn()).save(str(tmp_path / "x.heic"))
    assert np.abs(read(tmp_path / "x.heic").astype(int) - np.asarray(drawn())).mean() < 12
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="it is a HEIC photo: pip install pillow-heif"):
        images.read(tmp_path / "x.heic")


@pytest.mark.parametrize(
    ("fps", "milliseconds", "told"), [(10, 100, ""), (60, 20, "it has 50"), (30, 30, "33.3"), (50, 20, "")]
)
def test_a_gif_has_whole_hundredths(
    fps: float, milliseconds: int, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    animations.write(tmp_path / "x.gif", [stripes(), -stripes()], fps)
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.info["duration"] == milliseconds
    assert told in caplog.text
    assert bool(caplog.text) is bool(told)


def test_animations_hide_what_is_hidden(tmp_path: Path) -> None:
    levels = np.full((16, 16, 4), 255, np.uint8)
    levels[:, 8:] = (255, 0, 255, 3)  # nearly hidden, as a net makes it
    frames = [images.to_tensor(levels)] * 2
    animations.write(tmp_path / "x.gif", frames, 10)
    with Image.open(tmp_path / "x.gif") as picture:
        assert np.asarray(picture.convert("RGBA"))[8, 12, 3] == 0
    assert animations.blend_on_white(levels)[8, 12].tolist() == [255, 252, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
def test_a_vast_picture_of_any_mode_has_the_size_that_was_told(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "LARGE", 2000)
    monkeypatch.setattr(decoding, "ENOUGH", 700)
    file = tmp_path / ("x.tif" if mode in ("CMYK", "I") else "x.png")
    picture = drawn().convert("L" if mode.startswith("I") else mode)
    if mode.startswith("I"):
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    picture.save(file)
    assert read(file).shape == (20, 30, 3)
    assert images.read_size(file) == (20, 30)
    plain = np.asarray(drawn().convert("L" if mode in ("1", "L", "LA", "I", "I;16") else "RGB").reduce(2)).astype(int)
    assert np.abs(read(file).astype(int) - np.atleast_3d(plain)).mean() < (40 if mode in ("1", "P", "CMYK") else 1)


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("is_late", [False, True])
def test_the_size_of_a_png_is_read_from_its_header(
    turn: int, is_late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    drawn().save(tmp_path / "x.png", exif=exif)
    content = (tmp_path / "x.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, rest, last = content[start:end], content[:start] + content[end:-12], content[-12:]
    (tmp_path / "x.png").write_bytes(rest + chunk + last if is_late else content)
    size = (60, 40) if turn == 6 else (40, 60)
    assert read(tmp_path / "x.png").shape == (*size, 3)
    assert images.read_size(tmp_path / "x.png") == size
    (tmp_path / "x.png").write_bytes(rest + last)  # no orientation at all: nothing is decoded
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
    assert images.read_size(tmp_path / "x.png") == (40, 60)
