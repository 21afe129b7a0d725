"""Full size through the scripts: the photo's own resolution, in and out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import editing
import harmonization
import inpaint
import random_samples
import retarget
from SinGAN.pictures import images
from tests.commands.test_untrained import run
from tests.patches.plain import scene
from tests.workspace import Capture, Workspace, refusal


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A photo of 420 x 300 pixels: more than the training's 250."""
    made = Workspace(tmp_path)
    images.write(made.inputs / "x.png", scene(300, 420))
    return made


def mask_of(workspace: Workspace, name: str) -> np.ndarray:
    marks = np.zeros((300, 420), np.uint8)
    marks[100:160, 180:260] = 255
    Image.fromarray(marks).save(workspace.inputs / name)
    return marks > 0


def levels_of(file: Path) -> images.Levels:
    return images.read_levels(file)


@pytest.mark.slow
def test_results_have_the_photos_own_size_and_a_given_max_size_limits_it(workspace: Workspace, capsys: Capture) -> None:
    flags = ["--mode", "random_samples", "--method", "instant", "--num_samples", "1"]
    run(random_samples.main, workspace, *flags)
    place = workspace.out / "RandomSamples" / "x"
    assert images.read_size(place / "method=instant" / "gen_start_scale=0" / "0.png") == (300, 420)
    assert "reduced" not in capsys.readouterr().out
    run(random_samples.main, workspace, *flags, "--max_size", "250")
    assert "the picture is reduced from 420 x 300 to 250 x 179 pixels (--max_size 250)" in capsys.readouterr().out
    assert images.read_size(place / "method=instant,max_size=250" / "gen_start_scale=0" / "0.png") == (179, 250)
    run(random_samples.main, workspace, *flags, "--max_size", "120")
    assert images.read_size(place / "method=instant,max_size=120" / "gen_start_scale=0" / "0.png") == (86, 120)
    run(retarget.main, workspace, "--scale_h", "1.5")
    wide = workspace.out / "Retarget" / "x" / "method=instant" / "scale_v=1.000000_scale_h=1.500000" / "0.png"
    assert images.read_size(wide) == (300, 630)


@pytest.mark.slow
def test_published_methods_stay_small(workspace: Workspace, capsys: Capture) -> None:
    run(random_samples.main, workspace, "--mode", "random_samples", "--method", "patches", "--num_samples", "1")
    assert "the picture is reduced from 420 x 300 to 250 x 179 pixels (--max_size 250)" in capsys.readouterr().out


def test_a_photo_is_upright_and_every_byte_outside_its_mask_stays(workspace: Workspace) -> None:
    """A JPEG that is turned by its EXIF tag: the mask is that of the upright picture."""
    turned = Image.open(workspace.inputs / "x.png").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(workspace.inputs / "y.jpg", exif=exif, quality=90)
    hole = mask_of(workspace, "y_mask.png")
    flags = [*workspace.flags(), "--not_cuda", "--manualSeed", "1"]
    flags[flags.index("--input_name") + 1] = "y.jpg"
    inpaint.main([*flags, "--num_samples", "1"])
    photo = levels_of(workspace.inputs / "y.jpg")
    filled = levels_of(workspace.out / "Inpaint" / "y" / "method=instant" / "y_mask_out" / "0.png")
    assert photo.shape == filled.shape == (300, 420, 3)
    assert np.array_equal(filled[~hole], photo[~hole])
    assert not np.array_equal(filled[hole], photo[hole])


def test_an_edit_without_a_scale_keeps_what_is_far_from_its_mask(workspace: Workspace, capsys: Capture) -> None:
    marks = mask_of(workspace, "ref_mask.png")
    photo = levels_of(workspace.inputs / "x.png")
    reference = photo.copy()
    reference[marks] = photo[:60, :80].reshape(-1, 3)
    images.write_levels(workspace.inputs / "ref.png", reference)
    flags = ["--ref_dir", str(workspace.inputs), "--ref_name", "ref.png"]
    for main, folder, names in (
        (editing.main, "Editing", ["start_scale=3_masked"]),
        (harmonization.main, "Harmonization", ["start_scale=3"]),
    ):
        run(main, workspace, *flags, "--method", "instant")
        place = workspace.out / folder / "x" / "method=instant" / "ref_out"
        assert sorted(path.stem for path in place.iterdir()) == ["mask_dilated", *names]
        edited = levels_of(place / f"{names[0]}.png")
        computed = levels_of(place / "mask_dilated.png")[..., 0] > 0
        assert np.array_equal(edited[~(computed | marks)], photo[~(computed | marks)])
        assert np.abs(edited[120:140, 205:235].astype(int) - reference[120:140, 205:235]).mean() < 25
    flag = "name the scales where the reference is inserted with --editing_start_scale: several, or all"
    assert flag in refusal(capsys, lambda: run(editing.main, workspace, *flags, "--method", "patches"))


def test_a_models_samples_are_lifted_to_the_photos_size(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    workspace.sample("--refine", "--full_size")
    lifted = workspace.out / "RandomSamples" / "x" / "refined,full_size" / "gen_start_scale=0" / "0.png"
    assert images.read_size(lifted) == (300, 420)
    for flags, words in (
        (["--full_size"], "--full_size needs --refine: leave it out"),
        (["--full_size", "--method", "instant"], "--full_size is for --method singan"),
    ):
        assert words in refusal(capsys, lambda flags=flags: workspace.sample(*flags))  # type: ignore[misc]  # the callable is not typed


def test_a_flat_picture_is_refused_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    Image.new("RGB", (60, 40), (90, 120, 30)).save(workspace.inputs / "x.png")
    flags = ["--mode", "random_samples", "--method", "instant", "--num_samples", "2"]
    line = refusal(capsys, lambda: run(random_samples.main, workspace, *flags))
    assert "the picture allows no variety: no sample was found that would differ by 6 grey levels" in line
    assert not workspace.out.exists()
