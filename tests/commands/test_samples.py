"""Random samples, from flags to files, of a tiny model."""

import os
import shutil
from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image

import random_samples
from SinGAN.pictures import images
from tests.storage.test_files import everything
from tests.workspace import Capture, Workspace, refusal

pytestmark = pytest.mark.usefixtures("trained")


def test_random_samples_need_only_the_models_name(workspace: Workspace, capsys: Capture) -> None:
    (workspace.inputs / "x.png").unlink()
    workspace.sample("--gen_start_scale", "1")
    folder = workspace.out / "RandomSamples" / "x" / "gen_start_scale=1"
    assert everything(folder) == ["0.png", "1.png", "2.png", "grid.png"]
    assert str(folder) in capsys.readouterr().out


def test_existing_samples_are_kept_unless_overwritten(workspace: Workspace, capsys: Capture) -> None:
    workspace.sample("--gen_start_scale", "1", "--manualSeed", "1")
    before = workspace.results()
    capsys.readouterr()
    workspace.sample("--gen_start_scale", "1", "--manualSeed", "2")
    assert "random samples for image x.png, start scale=1 are already there" in capsys.readouterr().out
    assert workspace.results() == before
    workspace.sample("--gen_start_scale", "1", "--manualSeed", "2", "--overwrite")
    assert workspace.results() != before


def test_an_empty_folder_is_no_samples(workspace: Workspace) -> None:
    folder = workspace.out / "RandomSamples" / "x" / "gen_start_scale=1"
    folder.mkdir()
    workspace.sample("--gen_start_scale", "1")
    assert (folder / "grid.png").exists()


@pytest.mark.parametrize(("start", "suffix"), [("0", ""), ("2", "_gen_start_scale=2")])
def test_arbitrary_sizes(workspace: Workspace, capsys: Capture, start: str, suffix: str) -> None:
    arguments = ["--scale_h", "2", "--scale_v", "0.5", "--gen_start_scale", start]
    workspace.sample(*arguments, mode="random_samples_arbitrary_sizes")
    folder = workspace.out / "RandomSamples_ArbitrerySizes" / "x" / f"scale_v=0.500000_scale_h=2.000000{suffix}"
    assert images.read(folder / "2.png").shape == (1, 3, 9, 48)
    workspace.sample(*arguments, mode="random_samples_arbitrary_sizes")
    assert "at size: scale_h=2.000000, scale_v=0.500000 are already there" in capsys.readouterr().out


def test_several_start_scales_and_sizes_in_pixels(workspace: Workspace, capsys: Capture) -> None:
    workspace.sample("--gen_start_scale", "all")
    found = sorted(path.name for path in (workspace.out / "RandomSamples" / "x").iterdir())
    assert found == [f"gen_start_scale={scale}" for scale in range(3)]
    sizes = ["--size", "40x30", "33X50", "--gen_start_scale", "0", "1"]
    workspace.sample(*sizes, mode="random_samples_arbitrary_sizes")
    folder = workspace.out / "RandomSamples_ArbitrerySizes" / "x"
    assert {path.name: images.read_size(path / "0.png") for path in folder.iterdir()} == {
        "size=40x30": (30, 40), "size=40x30_gen_start_scale=1": (30, 40),
        "size=33x50": (50, 33), "size=33x50_gen_start_scale=1": (50, 33),
    }  # fmt: skip
    line = refusal(capsys, lambda: workspace.sample("--size", "40x30"))
    assert "--size is for --mode random_samples_arbitrary_sizes" in line
    for size in ("40", "0x5", "40x", "4.5x3", "axb"):
        call = partial(workspace.sample, "--size", size, mode="random_samples_arbitrary_sizes")
        assert f"must be width x height in pixels, as 400x200, not {size}" in refusal(capsys, call)


def test_a_model_of_other_channels_is_refused(workspace: Workspace, capsys: Capture) -> None:
    line = refusal(capsys, lambda: workspace.sample("--nc_im", "1"))
    assert "--nc_im 1 asked, but the model" in line
    assert "has 3 channels" in line


def test_flags_that_differ_from_the_models_are_named(workspace: Workspace, capsys: Capture) -> None:
    workspace.sample("--nfc", "64", "--max_size", "24", "--gen_start_scale", "1")
    out = capsys.readouterr().out
    assert "--nfc is 4, not 64" in out
    assert "max_size" not in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--gen_start_scale", "4"], "--gen_start_scale must be 0 to 2 for this model, not 4"),
        (["--gen_start_scale", "-1"], "must be at least 0"),
        (["--scale_h", "0"], "--scale_h: must be above 0"),
        (["--num_samples", "0"], "--num_samples: must be at least 1"),
        (["--alpha", "3"], "no trained model in"),
    ],
)
def test_samples_that_can_not_be_drawn(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: workspace.sample(*flags, "--overwrite"))
    assert workspace.results() == before


def test_samples_that_are_missing_are_drawn(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    draws: dict[str, Callable[..., None]] = {
        "gen_start_scale=1": partial(workspace.sample, "--gen_start_scale", "1"),
        "gen_start_scale=0": workspace.train,
    }
    for folder, draw in draws.items():
        place = workspace.out / "RandomSamples" / "x" / folder
        draw("--num_samples", "3", "--manualSeed", "1")
        few = {path.name: path.read_bytes() for path in place.glob("?.png")}
        draw("--num_samples", "5", "--manualSeed", "1")
        more = {path.name: path.read_bytes() for path in place.glob("?.png")}
        assert sorted(more) == [f"{index}.png" for index in range(5)]
        assert {name: more[name] for name in few} == few
        shutil.rmtree(place)
        draw("--num_samples", "5", "--manualSeed", "1")
        assert {path.name: path.read_bytes() for path in place.glob("?.png")} == more
        capsys.readouterr()
        draw("--num_samples", "4", "--manualSeed", "1")
        assert "already there" in capsys.readouterr().out


def test_samples_of_two_models_are_never_mixed(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    workspace.sample("--gen_start_scale", "1", "--num_samples", "2")
    workspace.train("--manualSeed", "7", "--overwrite")
    before = workspace.results()
    workspace.sample("--gen_start_scale", "1", "--num_samples", "4")
    assert "there are 2 of another model" in capsys.readouterr().out
    assert workspace.results() == before
    workspace.sample("--gen_start_scale", "1", "--num_samples", "2")  # as many as there are
    assert "there are 2 of another model" in capsys.readouterr().out
    workspace.sample("--gen_start_scale", "1", "--num_samples", "4", "--overwrite")
    assert len(list((workspace.out / "RandomSamples" / "x" / "gen_start_scale=1").glob("?.png"))) == 4


def test_samples_of_two_pictures_of_one_name_are_never_mixed(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("other.png", 22, 30)
    elsewhere = workspace.inputs / "elsewhere" / "x.jpg"
    elsewhere.parent.mkdir()
    Image.open(workspace.inputs / "other.png").save(elsewhere)
    os.utime(elsewhere, (1, 1))  # older than the samples
    more = ["--num_samples", "2", "--method", "instant", "--manualSeed", "1"]
    workspace.sample(*more)
    before = workspace.results()
    for count in ("2", "4"):
        other = ["--input_name", str(elsewhere), "--out", str(workspace.out), "--not_cuda", "--mode", "random_samples"]
        random_samples.main([*other, *more, "--num_samples", count])
        assert "there are 2 of another model or picture" in capsys.readouterr().out
    assert workspace.results() == before
    os.utime(workspace.inputs / "x.png")  # newer than the samples, and the same picture
    workspace.sample(*more, "--num_samples", "3")
    assert "2 of them drawn before" in capsys.readouterr().out
    grid = workspace.out / "RandomSamples" / "x" / "method=instant" / "gen_start_scale=0" / "grid.png"
    Image.open(grid).save(grid)  # as older versions wrote it, without the source
    os.utime(grid, (1, 1))
    workspace.sample(*more, "--num_samples", "4")
    assert "there are 3 of another model or picture" in capsys.readouterr().out
