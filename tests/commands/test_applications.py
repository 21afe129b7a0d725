"""The five applications, from flags to files, on tiny trained models."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import animation
import editing
import harmonization
import paint2image
import SR
from SinGAN import training
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs import request
from tests.storage.test_files import everything
from tests.workspace import SMALL, Capture, Workspace, refusal

ROOT = Path(__file__).parent.parent.parent
RETOUCH: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "harmonization": (harmonization.main, "Harmonization"),
    "editing": (editing.main, "Editing"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, its model, and references."""
    home = tmp_path_factory.mktemp("workspace")
    made = Workspace(home)
    made.train()
    picture = np.array(Image.open(made.inputs / "x.png"))
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[6:12, 4:10] = 255
    pasted = np.where(mask[:, :, None] > 0, 255 - picture // 2, picture).astype(np.uint8)
    refs = home / "refs"
    refs.mkdir()
    for name in ("ref.png", "unmasked.png"):
        Image.fromarray(pasted).save(refs / name)
    Image.fromarray(mask).save(refs / "ref_mask.png")
    Image.fromarray(pasted).resize((70, 50)).save(refs / "large.jpeg", quality=95)
    Image.fromarray(mask).resize((35, 25)).save(refs / "large_mask.jpeg", quality=95)
    for name, value in (("none", 0), ("all", 255)):
        Image.fromarray(pasted).save(refs / f"{name}.png")
        Image.new("L", (28, 20), value).save(refs / f"{name}_mask.png")
    Image.fromarray(picture).save(refs / "same.png")
    Image.fromarray(255 - picture).save(refs / "other.png")
    return home


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """A copy of it for each test."""
    shutil.copytree(trained, tmp_path / "home")
    return Workspace(tmp_path / "home")


def retouch(workspace: Workspace, task: str, reference: str, *more: str) -> Path:
    main, folder = RETOUCH[task]
    refs = str(workspace.inputs.parent / "refs")
    main([*workspace.flags(), "--not_cuda", "--manualSeed", "1", "--ref_dir", refs, "--ref_name", reference, *more])
    return workspace.out / folder / "x" / f"{Path(reference).stem}_out"


def paint(workspace: Workspace, *more: str) -> None:
    refs = str(workspace.inputs.parent / "refs")
    paint2image.main([*workspace.flags(), "--not_cuda", "--ref_dir", refs, "--ref_name", "other.png", *more])


@pytest.mark.parametrize("reference", ["ref.png", "large.jpeg", "unmasked.png"])
def test_harmonization(workspace: Workspace, reference: str, capsys: Capture) -> None:
    before = everything(workspace.inputs.parent / "refs")
    folder = retouch(workspace, "harmonization", reference, "--harmonization_start_scale", "1")
    assert everything(folder) == ["mask_dilated.png", "start_scale=1.png"]
    assert ("no mask file" in capsys.readouterr().out) == (reference == "unmasked.png")
    assert everything(workspace.inputs.parent / "refs") == before


def test_outside_the_mask_the_picture_stays(workspace: Workspace) -> None:
    folder = retouch(workspace, "harmonization", "ref.png", "--harmonization_start_scale", "2")
    result = images.to_levels(images.read(folder / "start_scale=2.png")).astype(int)
    real = images.to_levels(images.read(workspace.model() / "2" / "real_scale.png")).astype(int)
    mask = images.to_levels(images.read(folder / "mask_dilated.png", 1))
    gap = np.abs(result - real).max(axis=2)
    assert (mask == 0).any()
    assert gap[mask[:, :, 0] == 0].max() <= 1
    assert gap.max() > 20


def test_editing_saves_both_for_several_scales(workspace: Workspace) -> None:
    folder = retouch(workspace, "editing", "ref.png", "--editing_start_scale", "all", "--num_samples", "2")
    wanted = [f"start_scale={scale}{mask}{n}.png" for scale in (1, 2) for mask in ("", "_masked") for n in ("", "_1")]
    assert everything(folder) == sorted(["grid.png", "mask_dilated.png", *wanted])


def test_one_seed_gives_the_same_edit(workspace: Workspace) -> None:
    folder = retouch(workspace, "editing", "ref.png", "--editing_start_scale", "1")
    first = (folder / "start_scale=1.png").read_bytes()
    retouch(workspace, "editing", "ref.png", "--editing_start_scale", "1")
    assert (folder / "start_scale=1.png").read_bytes() == first


@pytest.mark.parametrize("task", ["harmonization", "editing"])
@pytest.mark.parametrize(
    ("reference", "scale", "words"),
    [
        ("missing.png", "1", "no picture"),
        ("ref.png", "0", "the injection scale must be 1 to 2 for this model, not 0"),
        ("ref.png", "3", "the injection scale must be 1 to 2 for this model, not 3"),
        ("ref.png", "two", "'two' is no whole number"),
        ("none.png", "1", "marks no pixel"),
        ("all.png", "1", "marks every pixel"),
        ("same.png", "1", "does not differ from the training picture"),
        ("other.png", "1", "mark what to change, white on black, in a mask file"),
    ],
)
def test_what_can_not_be_retouched(
    workspace: Workspace, capsys: Capture, task: str, reference: str, scale: str, words: str
) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: retouch_once(workspace, task, reference, scale))
    assert workspace.results() == before
    assert not (workspace.out / RETOUCH[task][1]).exists()


def retouch_once(workspace: Workspace, task: str, reference: str, scale: str) -> None:
    retouch(workspace, task, reference, f"--{task}_start_scale", scale)


def test_paint(workspace: Workspace) -> None:
    paint(workspace, "--paint_start_scale", "1", "2")
    folder = workspace.out / "Paint2image" / "x" / "other_out"
    assert everything(folder) == ["grid.png", "start_scale=1.png", "start_scale=2.png"]


def test_quantised_paint_retrains_one_scale_and_keeps_it(workspace: Workspace, capsys: Capture) -> None:
    paint(workspace, "--paint_start_scale", "1", "--quantization_flag")
    folder = workspace.out / "Paint2image" / "x" / "other_out_quantized"
    assert everything(folder) == ["in_paint.png", "in_paint_quant.png", "real_quant.png", "start_scale=1.png"]
    for name in ("in_paint_quant", "real_quant"):
        levels = images.to_levels(images.read(folder / f"{name}.png"))
        assert len(np.unique(levels.reshape(-1, 3), axis=0)) <= (5 if name == "real_quant" else 255)
    model = workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_paint" / "start_scale=1"
    same = [
        (model / str(n) / "netG.pth").read_bytes() == (workspace.model() / str(n) / "netG.pth").read_bytes()
        for n in range(3)
    ]
    assert same == [True, False, True]
    assert "scale 1 of 0..2" in capsys.readouterr().out
    before = (model / "1" / "netG.pth").read_bytes()
    paint(workspace, "--paint_start_scale", "1", "--quantization_flag", "True", "--manualSeed", "77")
    assert "scale 1 of" not in capsys.readouterr().out
    assert (model / "1" / "netG.pth").read_bytes() == before


def test_a_paint_model_of_an_older_pyramid_is_trained_anew(workspace: Workspace, capsys: Capture) -> None:
    paint(workspace, "--paint_start_scale", "1", "--quantization_flag")
    workspace.train("--overwrite", "--manualSeed", "2")
    capsys.readouterr()
    paint(workspace, "--paint_start_scale", "1", "--quantization_flag")
    assert "scale 1 of 0..2" in capsys.readouterr().out


def test_quantization_can_be_switched_off(workspace: Workspace, capsys: Capture) -> None:
    paint(workspace, "--paint_start_scale", "1", "--quantization_flag", "False")
    assert (workspace.out / "Paint2image" / "x" / "other_out").exists()
    assert not (workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_paint").exists()
    line = refusal(capsys, lambda: paint(workspace, "--paint_start_scale", "1", "--quantization_flag", "maybe"))
    assert "must be True or False" in line


def enlarge(workspace: Workspace, *more: str, name: str = "x.png") -> None:
    small = [flag for flag in SMALL if flag not in ("--min_size", "12")]
    SR.main([*workspace.flags(name), *small, "--min_size", "12", *more])


@pytest.mark.parametrize(("factor", "folder", "size"), [("2", "2", (36, 48)), ("1.1", "1.1", (19, 26))])
def test_super_resolution(
    workspace: Workspace, capsys: Capture, factor: str, folder: str, size: tuple[int, int]
) -> None:
    enlarge(workspace, "--sr_factor", factor)
    out = capsys.readouterr().out
    assert "*** Train SinGAN for SR ***" in out
    assert "x.png is reduced to 18 x 24 first: raise --max_size to keep it" in out
    result = workspace.out / "SR" / folder / "x_HR.png"
    assert images.read(result).shape[2:] == size
    assert [path.name for path in (workspace.out / "TrainedModels" / "x").glob("*alpha=100")]
    enlarge(workspace, "--sr_factor", factor)
    assert "Train" not in capsys.readouterr().out


def test_super_resolution_needs_no_options_twice(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace)
    SR.main([*workspace.flags(), "--not_cuda"])
    line = refusal(capsys, lambda: SR.main([*workspace.flags(), "--not_cuda", "--niter", "5"]))
    assert "--niter 2 there, 5 asked" in line


def test_super_resolution_against_the_truth(workspace: Workspace, capsys: Capture) -> None:
    truth = workspace.inputs / "truth.png"
    workspace.draw("truth.png", 72, 97)
    enlarge(workspace, "--ground_truth", str(truth))
    out = capsys.readouterr().out
    assert "SinGAN   PSNR" in out
    assert "bicubic  PSNR" in out
    before = workspace.results()
    workspace.draw("truth.png", 300, 97)
    line = refusal(capsys, lambda: enlarge(workspace, "--ground_truth", str(truth), "--overwrite"))
    assert "don't show the same" in line
    line = refusal(capsys, lambda: enlarge(workspace, "--ground_truth", "nowhere.png"))
    assert "no true picture nowhere.png (--ground_truth)" in line
    assert workspace.results() == before


def test_super_resolution_with_the_model_of_another_picture(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace, "--sr_factor", "2")
    workspace.draw("y.png", 15, 19)
    (workspace.inputs / "x.png").unlink()
    capsys.readouterr()
    enlarge(workspace, "--sr_factor", "2", "--model_name", "x.png", name="y.png")
    assert "Train" not in capsys.readouterr().out
    assert images.read(workspace.out / "SR" / "2" / "y_HR.png").shape[2:] == (30, 38)


def test_an_interrupted_super_resolution_training_goes_on(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace)
    model = next((workspace.out / "TrainedModels" / "x").glob("*alpha=100"))
    shutil.rmtree(model / "2")
    kept = (model / "1" / "netG.pth").read_bytes()
    capsys.readouterr()
    enlarge(workspace)
    out = capsys.readouterr().out
    assert "scale 2 of" in out
    assert "scale 1 of" not in out
    assert (model / "1" / "netG.pth").read_bytes() == kept


def test_one_seed_gives_the_same_result_whether_the_model_was_there_or_not(workspace: Workspace) -> None:
    place = workspace.out / "SR" / "2" / "x_HR.png"
    enlarge(workspace, "--sr_factor", "2")
    first = place.read_bytes()
    enlarge(workspace, "--sr_factor", "2")
    assert place.read_bytes() == first
    gif = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    for _ in range(2):
        animate(workspace, "--animation_start_scale", "0", "--beta_animation", "0.8")
        first, before = gif.read_bytes(), first
    assert gif.read_bytes() == first
    assert before == first


def test_the_truth_is_compared_with_what_the_model_makes(workspace: Workspace, capsys: Capture) -> None:
    """Size and channels come from the model, not from the flags' defaults."""
    enlarge(workspace, "--sr_factor", "2", "--nc_im", "1")
    workspace.draw("truth.png", 36, 48)
    capsys.readouterr()
    truth = str(workspace.inputs / "truth.png")
    SR.main([*workspace.flags(), "--not_cuda", "--sr_factor", "2", "--ground_truth", truth])
    assert "bicubic  PSNR" in capsys.readouterr().out
    workspace.draw("large.png", 40, 60)
    SR.main([*workspace.flags("large.png"), "--not_cuda", "--sr_factor", "2", "--model_name", "x.png"])
    assert images.read(workspace.out / "SR" / "2" / "large_HR.png").shape[2:] == (32, 48)


def test_a_trained_model_does_not_need_the_weights_that_it_started_from(workspace: Workspace) -> None:
    weights = workspace.inputs / "start.pth"
    shutil.copy(workspace.model() / "0" / "netG.pth", weights)
    enlarge(workspace, "--netG", str(weights))
    weights.unlink()
    SR.main([*workspace.flags(), "--not_cuda"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sr_factor", "1"], "--sr_factor: must be above 1, not 1"),
        (["--sr_factor", "0.5"], "must be above 1"),
        (["--input_name", "none.png"], "no picture"),
        (["--model_name", "../x.png"], "holds a folder"),
        (["--scale_factor", "0.75", "--alpha", "10"], "trained for train there, SR asked"),
    ],
)
def test_what_can_not_be_enlarged(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: enlarge(workspace, *flags))
    assert workspace.results() == before


def animate(workspace: Workspace, *more: str) -> None:
    animation.main([*workspace.flags(), *SMALL, "--num_frames", "3", *more])


def test_animation_makes_the_authors_12_gifs(workspace: Workspace, capsys: Capture) -> None:
    animate(workspace)
    assert "*** Train SinGAN for animation ***" in capsys.readouterr().out
    names = [f"alpha=0.100000_beta={beta:f}.gif" for beta in (0.8, 0.85, 0.9, 0.95)]
    for start in range(3):
        assert everything(workspace.out / "Animation" / "x" / f"start_scale={start}") == names
    assert (workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding").exists()
    animate(workspace, "--animation_start_scale", "1", "--beta_animation", "0.5", "--alpha_animation", "0.2", "0.3")
    assert "Train" not in capsys.readouterr().out
    assert (workspace.out / "Animation" / "x" / "start_scale=1" / "alpha=0.300000_beta=0.500000.gif").exists()


def test_an_animation_has_all_its_frames(workspace: Workspace) -> None:
    animate(workspace, "--animation_start_scale", "0", "--beta_animation", "0.8", "--num_frames", "6", "--fps", "4")
    place = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    with Image.open(place) as gif:
        assert getattr(gif, "n_frames", 1) == 6
        assert gif.info["duration"] == 250
        assert gif.size == (24, 18)


def test_another_seed_makes_another_animation_of_the_same_model(workspace: Workspace, capsys: Capture) -> None:
    one = ["--animation_start_scale", "0", "--beta_animation", "0.8"]
    place = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    animate(workspace, *one)
    first = place.read_bytes()
    capsys.readouterr()
    animate(workspace, *one, "--manualSeed", "2")
    assert "Train" not in capsys.readouterr().out
    assert place.read_bytes() != first


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--animation_start_scale", "9"], "--animation_start_scale must be 0 to"),
        (["--alpha_animation", "1.5"], "--alpha_animation: must be at least 0 and at most 1, not 1.5"),
        (["--num_frames", "0"], "--num_frames"),
        (["--fps", "0"], "--fps"),
        (["--format", "avi"], "--format"),
    ],
)
def test_what_can_not_be_animated(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: animate(workspace, *flags))
    assert workspace.results() == before


def test_an_interrupted_animation_training_goes_on(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> Iterator[Pyramid[TrainedScale]]:
        yield next(training.train(*arguments, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(request, "train", broken)
    with pytest.raises(SystemExit) as stop:
        animate(workspace)
    assert stop.value.code == 130
    monkeypatch.undo()
    capsys.readouterr()
    animate(workspace, "--animation_start_scale", "0")
    assert "scale 0 of" not in capsys.readouterr().out


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
    assert "there are 2 of an older model" in capsys.readouterr().out
    assert workspace.results() == before
    workspace.sample("--gen_start_scale", "1", "--num_samples", "4", "--overwrite")
    assert len(list((workspace.out / "RandomSamples" / "x" / "gen_start_scale=1").glob("?.png"))) == 4


def test_another_shape_is_told(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    workspace.draw("tall.png", 28, 20)
    for name, told in (("x.png", False), ("tall.png", True)):
        capsys.readouterr()
        flags = ["--ref_dir", str(workspace.inputs), "--ref_name", name, "--paint_start_scale", "1"]
        paint2image.main([*workspace.flags(), "--not_cuda", *flags])
        line = "has another shape than the training picture: it is stretched to 24 x 18"
        assert (line in capsys.readouterr().out) is told


def test_a_manifest_without_an_option_is_named(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace)
    manifest = next((workspace.out / "TrainedModels" / "x").glob("*alpha=100")) / "manifest.json"
    content = json.loads(manifest.read_text().replace('"niter"', '"nitre"'))
    content["versions"]["SinGAN"] = "0.2.0"  # which wrote no checksums
    del content["checksum"]
    manifest.write_text(json.dumps(content))
    assert "lacks the option 'niter'" in refusal(capsys, lambda: SR.main([*workspace.flags(), "--not_cuda"]))


@pytest.mark.parametrize("name", ["Harmonization/galaxies_planet", "Editing/rocket_edit", "Paint/rocket_paint"])
def test_the_shipped_references_can_be_read(name: str) -> None:
    for file in sorted((ROOT / "Input").glob(f"{name}*")):
        assert max(images.read(file).shape[2:]) == 250
