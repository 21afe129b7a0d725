"""Pictures in and out: every kind of file, and what is said of those that can't be read."""

import gc
import os
from pathlib import Path

import imageio.v3
import numpy as np
import pytest
import torch
from PIL import Image

from SinGAN.pictures import animations, decoding, images, sheets
from SinGAN.terminal.script import printing_notes

RED, GREEN, ALPHA = (255, 0, 0), (0, 255, 0), 128
RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
GREY = RGB[:, :, 0]
RGBA = np.concatenate([RGB, np.full((4, 6, 1), ALPHA, np.uint8)], axis=2)


def levels(path: Path, channels: int = 3) -> np.ndarray:
    """What ``images.read`` gives, back in 8-bit levels (H, W, C)."""
    return images.to_levels(images.read(path, channels))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp", ".webp", ".PNG"])
def test_lossless_files_keep_their_levels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"naïve photo.v2{suffix}"
    Image.fromarray(RGB).save(path, lossless=True)
    assert np.array_equal(levels(path), RGB)


def test_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), RED).save(tmp_path / "a.jpeg", quality=95)
    assert np.abs(levels(tmp_path / "a.jpeg").astype(int) - RED).max() <= 3


def test_only_the_first_frame_of_a_gif_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert levels(tmp_path / "a.gif")[0, 0].tolist() == list(RED)


def test_grey_becomes_rgb_and_rgb_becomes_grey(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    assert np.array_equal(levels(tmp_path / "grey.png"), np.repeat(GREY[:, :, None], 3, axis=2))
    assert np.array_equal(levels(tmp_path / "grey.png", 1)[:, :, 0], GREY)
    Image.fromarray(np.repeat(GREY[:, :, None], 3, axis=2)).save(tmp_path / "rgb.png")
    assert np.array_equal(levels(tmp_path / "rgb.png", 1)[:, :, 0], GREY)


def test_alpha_is_dropped_or_kept(tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "rgba.png")
    assert np.array_equal(levels(tmp_path / "rgba.png"), RGB)
    assert np.array_equal(levels(tmp_path / "rgba.png", 4), RGBA)
    Image.fromarray(np.stack([GREY, RGBA[:, :, 3]], axis=2)).save(tmp_path / "la.png")
    assert levels(tmp_path / "la.png").shape == (4, 6, 3)
    assert levels(tmp_path / "la.png", 4)[:, :, 3].tolist() == [[ALPHA] * 6] * 4
    assert np.array_equal(levels(tmp_path / "la.png", 1)[:, :, 0], GREY)


def test_four_channels_need_an_alpha(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match="no alpha channel"):
        images.read(tmp_path / "rgb.png", 4)


def test_palettes(tmp_path: Path) -> None:
    picture = Image.new("P", (6, 4), 1)
    picture.putpalette([*GREEN, *RED])
    picture.save(tmp_path / "p.png")
    assert levels(tmp_path / "p.png")[0, 0].tolist() == list(RED)
    picture.save(tmp_path / "transparent.png", transparency=1)
    assert levels(tmp_path / "transparent.png", 4)[0, 0].tolist() == [*RED, 0]


def test_one_bit(tmp_path: Path) -> None:
    Image.new("1", (6, 4), 1).save(tmp_path / "bit.png")
    assert levels(tmp_path / "bit.png").min() == 255


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_are_rounded_to_8(tmp_path: Path, suffix: str) -> None:
    wide = GREY.astype(np.uint16) * 257 + 100
    Image.fromarray(wide).save(tmp_path / f"wide{suffix}")
    assert np.array_equal(levels(tmp_path / f"wide{suffix}", 1)[:, :, 0], GREY)


def test_other_colour_spaces_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (6, 4), (0, 255, 255, 0)).save(tmp_path / "cmyk.tiff")
    assert levels(tmp_path / "cmyk.tiff")[0, 0].tolist() == list(RED)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    assert levels(tmp_path / "turned.png").shape == (6, 4, 3)


def test_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(ValueError, match="unknown range"):
        images.read(tmp_path / "float.tiff")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`input_dir`"):
        images.read(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for suffix in ("png", "jpeg"):
        Image.fromarray(noise).save(tmp_path / f"half.{suffix}")
        whole = (tmp_path / f"half.{suffix}").read_bytes()
        (tmp_path / f"half.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    for name in ("text.png", "half.png", "half.jpeg", "empty.png", "."):
        with pytest.raises(ValueError, match="can't be read as a picture"):
            images.read(tmp_path / name)


def test_values_are_those_of_the_authors() -> None:
    image = images.to_tensor(np.array([[[0], [51], [255]]], np.uint8))
    assert image.shape == (1, 1, 1, 3)
    assert image.dtype == torch.float32
    assert image.flatten().tolist() == pytest.approx([-1, -0.6, 1])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_is_written_is_read(tmp_path: Path, channels: int) -> None:
    image = images.to_tensor(RGBA[:, :, :channels])
    images.write(tmp_path / "out.png", image)
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    assert torch.equal(images.read(tmp_path / "out.png", channels), image)


def test_values_out_of_range_are_clamped() -> None:
    assert images.to_levels(torch.tensor([-3.0, 0.0, 2.0]).reshape(1, 1, 1, 3)).flatten().tolist() == [0, 128, 255]


def test_contact_sheets_hold_every_tile_once() -> None:
    tiles = [np.full((10, 20, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    sheet = sheets.contact_sheet(tiles)
    assert all((sheet == value).all(axis=2).sum() == 200 for value in (10, 20, 30, 40, 50))
    assert (sheet[0] == 255).all()
    assert sheets.contact_sheet(tiles, columns=5).shape[1] > 100
    assert sheets.contact_sheet([tile[:, :, :1] for tile in tiles]).shape[2] == 1


def test_tiles_are_large_enough_to_judge_and_say_what_they_are() -> None:
    assert sheets.tile(torch.zeros(1, 3, 512, 300)).shape == (256, 150, 3)
    assert sheets.tile(torch.zeros(1, 3, 2, 5000)).shape == (1, 256, 3)
    assert sheets.tile(torch.zeros(1, 3, 200, 100)).shape == (200, 100, 3)
    small = torch.rand(1, 3, 20, 30) * 2 - 1
    enlarged = sheets.tile(small)
    assert enlarged.shape == (120, 180, 3)
    assert np.array_equal(enlarged[::6, ::6], images.to_levels(small))
    for channels in (1, 3, 4):
        told = sheets.tile(small[:, :1].repeat(1, channels, 1, 1), "scale 2, masked")
        assert told.shape == (120 + sheets.STRIP, 180, channels)
        assert told[: sheets.STRIP, :, 0].min() < 100, "no label"
        assert told[: sheets.STRIP, :, 0].max() == 255
    narrow = sheets.draw_label("a label that is far too long for its tile", 60, 1)
    assert narrow.shape == (sheets.STRIP, 60, 1)


def test_the_original_is_not_stretched() -> None:
    tile = sheets.beside(torch.full((1, 3, 10, 20), -1.0), torch.zeros(1, 3, 10, 40))
    inner = tile[sheets.STRIP :]
    assert inner.shape == (40, 160, 3)
    black = (inner == 0).all(axis=2)
    assert black[:, 40:120].all()
    assert black.sum() == 40 * 80


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_animations_keep_their_frames_and_their_time(tmp_path: Path, suffix: str, channels: int) -> None:
    moving = [torch.full((1, channels, 12, 17), value) for value in (-0.9, -0.3, 0.3, 0.9)]
    for index, frame in enumerate(moving):
        frame[:, :, :, index] = 1 - frame[:, :, :, index].abs()
    animations.write(tmp_path / f"a.{suffix}", moving, fps=5)
    with Image.open(tmp_path / f"a.{suffix}") as animation:
        assert getattr(animation, "n_frames", 1) == 4
        assert animation.size == (17, 12)
        for index in range(4):
            animation.seek(index)
            animation.load()
            assert animation.info["duration"] == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # imageio's reader leaks its pipes
def test_mp4_keeps_its_frames_and_its_time(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    frames = [torch.full((1, 3, 33, 47), value) for value in (-0.9, -0.3, 0.3, 0.9)]
    animations.write(tmp_path / "a.mp4", frames, fps=5)
    video = imageio.v3.imread(tmp_path / "a.mp4", plugin="FFMPEG")
    assert video.shape == (4, 34, 48, 3)
    assert imageio.v3.immeta(tmp_path / "a.mp4", plugin="FFMPEG")["fps"] == 5
    gc.collect()


def test_missing_ffmpeg_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'imageio\[ffmpeg\]'"):
        animations.check_format("mp4")
    animations.check_format("gif")


def test_references_get_the_pictures_size_and_channels(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    assert images.read_like(tmp_path / "rgb.png", torch.zeros(1, 4, 8, 9)).shape == (1, 4, 8, 9)
    assert torch.equal(images.read_like(tmp_path / "rgb.png", torch.zeros(1, 3, 4, 6)), images.to_tensor(RGB))


def test_frames_are_truncated() -> None:
    assert animations.to_frame(torch.full((1, 3, 1, 1), 0.999)).tolist() == [[[254, 254, 254]]]


def test_a_huge_picture_is_said_to_be_one_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (300, 200)).save(tmp_path / "large.png")
    with monkeypatch.context() as patch, printing_notes():
        patch.setattr(decoding, "LARGE", 50_000)
        patch.setattr(decoding, "ENOUGH", 20_000)
        images.read(tmp_path / "large.png")
    assert "300 x 200 pixels, is reduced while it is read" in capsys.readouterr().out
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match="decompression bomb"):
        images.read(tmp_path / "bomb.png")
    Image.new("1", (9_500, 9_500)).save(tmp_path / "big.png")  # Pillow warns from 89 megapixels on
    assert images.read_size(tmp_path / "big.png") == (2_375, 2_375)
    content = bytearray((tmp_path / "big.png").read_bytes())
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="can't be read as a picture"):
        images.read(tmp_path / "cut.png")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n(ran) (w) file closefile showpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["x.png", "x.eps", "x.jpg"])
def test_a_picture_starts_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """PostScript, whatever its name, would be given to Ghostscript."""

    def started(*command: object, **more: object) -> None:
        raise AssertionError(command)

    monkeypatch.setattr("subprocess.Popen", started)
    (tmp_path / name).write_bytes(EPS)
    for read in (images.read, images.read_size):
        with pytest.raises(ValueError, match="it is none of PNG, JPEG, WebP, TIFF, BMP and GIF"):
            read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    """Reading one would wait for ever."""
    os.mkfifo(tmp_path / "x.png")
    for read in (images.read, images.read_size):
        with pytest.raises(ValueError, match=r"x\.png is not a regular file"):
            read(tmp_path / "x.png")


def test_pictures_of_phones_are_read(tmp_path: Path) -> None:
    """Several JPEGs in one file."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert images.read(tmp_path / "x.jpg").shape == (1, 3, 6, 8)
