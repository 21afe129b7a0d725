"""Maps without training, from flags to files: guides, several pictures, coordinates and sets of tiles."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import analogy
import inpaint
import random_samples
import retarget
import tile
from SinGAN.pictures.images import to_levels, write
from tests.patches.plain import scene, seam_ratio
from tests.workspace import Capture, Workspace, refusal

PALETTE = bytes([10, 20, 30, 250, 180, 0, 0, 200, 100])


@pytest.fixture
def maps(workspace: Workspace) -> Path:
    """The folder of two pictures, each with a label map and a normal map."""
    folder = workspace.inputs
    for name, image in (("x", scene(44, 56)), ("y", -scene(40, 60))):
        write(folder / f"{name}.png", image)
        levels = to_levels(image).astype(int)
        labels = Image.fromarray((levels.sum(axis=2) > 380).astype(np.uint8) * 2)
        labels.putpalette(PALETTE)
        labels.save(folder / f"{name}_labels.png")
        slopes = np.stack([*np.gradient(levels[..., 0] / -30), np.ones(levels.shape[:2])], axis=2)
        normals = slopes / np.linalg.norm(slopes, axis=2, keepdims=True)
        Image.fromarray(np.rint(127.5 * (normals + 1)).astype(np.uint8)).save(folder / f"{name}_normal.png")
    for name in ("labels", "normal"):
        shutil.copy(folder / f"x_{name}.png", folder / f"{name}.png")
    return folder


def run(main: Callable[[Sequence[str]], object], workspace: Workspace, *more: str) -> None:
    main([*workspace.flags("x.png"), "--not_cuda", "--manualSeed", "1", *more])


def only(folder: Path, name: str) -> Path:
    """The folder of results that has the file ``name``."""
    (found,) = {file.parent for file in folder.rglob(name)}
    return found


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def test_coordinates_give_hard_pictures_and_labels(workspace: Workspace, maps: Path) -> None:
    flags = [
        "--method",
        "instant",
        "--mode",
        "random_samples",
        "--num_samples",
        "2",
        "--maps",
        str(maps / "labels.png"),
    ]
    run(random_samples.main, workspace, *flags, "--coordinates", "--hard_votes")
    folder = only(workspace.out, "1_coordinates.tif")
    assert {"grid.png", "grid_labels.png", "grid_coordinates.png"} < {file.name for file in folder.iterdir()}
    for index in range(2):
        places = tifffile.imread(folder / f"{index}_coordinates.tif")
        assert places.dtype == np.uint16
        column, row = np.moveaxis(places, 2, 0)
        assert np.array_equal(read(folder / f"{index}.png"), read(maps / "x.png")[row, column])
        with Image.open(folder / f"{index}_labels.png") as labels:
            assert bytes(labels.getpalette() or []) == PALETTE
            assert np.array_equal(np.array(labels), read(maps / "labels.png")[row, column])


def test_more_pictures_bring_the_maps_beside_them(workspace: Workspace, capsys: Capture, maps: Path) -> None:
    flags = ["--maps", str(maps / "labels.png"), "--also", str(maps / "y.png"), "--shares", "1", "2", "--coordinates"]
    run(retarget.main, workspace, *flags, "--num_samples", "2")
    folder, words = only(workspace.out, "1_coordinates.tif"), capsys.readouterr().out
    for index in range(2):
        number = tifffile.imread(folder / f"{index}_coordinates.tif")[..., 2]
        (line,) = (line for line in words.splitlines() if line.startswith(f"{index}: "))
        share = int(line.split("% of y.png")[0].split()[-1])
        assert abs(100 * number.mean() - share) < 6
        assert 45 < share < 85
    assert "also=y,shares=1+2" in str(folder)


def test_a_guide_is_painted_with_labels_or_the_colours_of_their_palette(workspace: Workspace, maps: Path) -> None:
    guide = np.zeros((40, 50), np.uint8)
    guide[10:30, 12:40] = 2
    Image.fromarray(guide).save(maps / "numbers.png")
    Image.fromarray(np.frombuffer(PALETTE, np.uint8).reshape(3, 3)[guide]).save(maps / "colours.png")
    for name in ("numbers", "colours"):
        run(analogy.main, workspace, "--maps", str(maps / "labels.png"), "--guide", str(maps / f"{name}.png"))
    numbers, colours = (next((workspace.out / "Analogy").rglob(f"{name}_out")) for name in ("numbers", "colours"))
    assert np.array_equal(read(numbers / "0.png"), read(colours / "0.png"))
    assert (read(numbers / "0_labels.png") == guide).mean() > 0.95


def test_a_set_of_tiles_comes_with_its_maps_and_a_preview_that_mixes_them(workspace: Workspace, maps: Path) -> None:
    flags = ["--variants", "3", "--repeat", "4", "--maps", str(maps / "labels.png"), str(maps / "normal.png")]
    run(tile.main, workspace, *flags)
    folder = only(workspace.out, "mixed_4x4.png")
    tiles = [read(folder / f"{index}.png") for index in range(3)]
    ratios = [seam_ratio(one, other, axis) for one in tiles for other in tiles for axis in (0, 1)]
    assert np.median(ratios) <= 1.0
    mixed, normals = read(folder / "mixed_4x4.png"), read(folder / "mixed_normal_4x4.png")
    height, width = tiles[0].shape[:2]
    used = set()
    for row in range(4):
        for column in range(4):
            place = slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
            (index,) = (index for index, each in enumerate(tiles) if np.array_equal(each, mixed[place]))
            assert np.array_equal(normals[place], read(folder / f"{index}_normal.png"))
            used.add(index)
    assert len(used) > 1
    lengths = np.linalg.norm(normals / 127.5 - 1, axis=2)
    assert np.abs(lengths - 1).max() < 0.01


@pytest.mark.parametrize(
    ("main", "flags", "words"),
    [
        (tile.main, "--variants 0", "--variants: must be at least 1"),
        (tile.main, "--variants 2 --method patches", "--variants is for --method instant, not for patches"),
        (tile.main, "--also nowhere.png", "nowhere.png"),
        (tile.main, "--also MAPS/y.png --shares 1", "--shares has 1 numbers, and there are 2 pictures"),
        (tile.main, "--also MAPS/y.png --shares 0 0", "--shares are all 0: name one above 0"),
        (tile.main, "--also MAPS/y.png --shares 1 -1", "--shares: must be at least 0, not -1"),
        (tile.main, "--shares 1 2", "--shares is for several pictures: name more of them with --also"),
        (tile.main, "--maps MAPS/normal.png --also MAPS/labels.png", "labels_normal.png"),
        (tile.main, "--coordinates int8", "--coordinates: invalid choice"),
        (tile.main, "--hard_votes --method denoise", "--hard_votes is for --method instant, not for denoise"),
        (analogy.main, "--guide MAPS/labels.png", "--guide needs --maps: name the map whose labels it is painted with"),
        (analogy.main, "--maps MAPS/labels.png --guide MAPS/labels.png --guide_weight 10", "--guide_weight: must be"),
        (analogy.main, "--maps MAPS/labels.png --guide MAPS/labels.png --ref_name x.png", "name either the structure"),
        (analogy.main, "--maps MAPS/labels.png --guide nowhere.png", "no file nowhere.png"),
        (inpaint.main, "--mask MAPS/labels.png --maps MAPS/small.png", "small.png has 5 x 5 pixels, the picture 56 x"),
        (tile.main, "--maps MAPS/labels.png --map_kinds normal", "labels.png has 1 channels, and a normal map has 3"),
    ],
)  # fmt: skip
def test_invalid_input_is_refused(
    workspace: Workspace, capsys: Capture, maps: Path, main: Callable[[Sequence[str]], object], flags: str, words: str
) -> None:
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(maps / "small.png")
    assert words in refusal(capsys, lambda: run(main, workspace, *flags.replace("MAPS", str(maps)).split()))
    assert not workspace.out.exists()
