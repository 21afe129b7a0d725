"""Harmonization, editing and paint, from flags to files, with a tiny model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import editing
import harmonization
import paint2image
from SinGAN.pictures import images
from tests.storage.test_files import everything
from tests.workspace import Capture, Workspace, refusal

pytestmark = pytest.mark.usefixtures("trained")

ROOT = Path(__file__).parent.parent.parent
RETOUCH: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "harmonization": (harmonization.main, "Harmonization"),
    "editing": (editing.main, "Editing"),
}


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
        ("ref.png", "two", "'two' is not a whole number"),
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


@pytest.mark.slow
def test_a_paint_model_of_an_older_pyramid_is_trained_again(workspace: Workspace, capsys: Capture) -> None:
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


def test_another_shape_is_reported(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    workspace.draw("tall.png", 28, 20)
    for name, told in (("x.png", False), ("tall.png", True)):
        capsys.readouterr()
        flags = ["--ref_dir", str(workspace.inputs), "--ref_name", name, "--paint_start_scale", "1"]
        paint2image.main([*workspace.flags(), "--not_cuda", *flags])
        line = "has another shape than the training picture: it is stretched to 24 x 18"
        assert (line in capsys.readouterr().out) is told


@pytest.mark.parametrize("name", ["Harmonization/galaxies_planet", "Editing/rocket_edit", "Paint/rocket_paint"])
def test_the_shipped_references_can_be_read(name: str) -> None:
    for file in sorted((ROOT / "Input").glob(f"{name}*")):
        assert max(images.read(file).shape[2:]) == 250
