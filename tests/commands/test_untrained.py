"""The instant engine through the scripts: no model is needed or made, and results lie in folders of their own."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import analogy
import editing
import harmonization
import inpaint
import paint2image
import random_samples
import retarget
import study
import tile
from SIFID import evaluate
from SinGAN.pictures import images
from tests.measures.test_evaluate import rows
from tests.patches.plain import scene
from tests.workspace import Capture, Workspace, refusal


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    images.write(made.inputs / "x.png", scene(36, 44))
    return made


def run(main: Callable[[Sequence[str]], object], workspace: Workspace, *more: str) -> None:
    main([*workspace.flags(), "--not_cuda", "--manualSeed", "1", *more])


@pytest.mark.parametrize("method", ["instant", "patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_samples_without_a_model(workspace: Workspace, capsys: Capture, method: str) -> None:
    flags = ["--mode", "random_samples", "--method", method, "--num_samples", "2"]
    run(random_samples.main, workspace, *flags)
    folder = workspace.out / "RandomSamples" / "x" / f"method={method}" / "gen_start_scale=0"
    files = [path for path in workspace.out.rglob("*") if path.is_file()]
    assert sorted(files) == [folder / name for name in ("0.png", "1.png", "grid.png")]
    first = (folder / "0.png").read_bytes()
    run(random_samples.main, workspace, *flags[:-1], "3")
    assert "3 random samples for image x.png, start scale=0, 2 of them drawn before" in capsys.readouterr().out
    assert (folder / "0.png").read_bytes() == first
    starts = ["0"] if method == "instant" else ["0", "1"]
    sizes = ["--mode", "random_samples_arbitrary_sizes", "--size", "60x30", "--gen_start_scale", *starts]
    run(random_samples.main, workspace, *sizes, "--method", method, "--num_samples", "1")
    place = workspace.out / "RandomSamples_ArbitrerySizes" / "x" / f"method={method}"
    assert {images.read_size(file) for file in place.glob("*/0.png")} == {(30, 60)}
    assert len(list(place.iterdir())) == len(starts)


def test_other_settings_have_folders_of_their_own(workspace: Workspace, capsys: Capture) -> None:
    flags = ["--mode", "random_samples", "--num_samples", "1", "--method"]
    run(random_samples.main, workspace, *flags, "denoise", "--variety", "high", "--balance", "off", "--max_size", "40")
    assert "the picture is reduced from 44 x 36 to 40 x 33 pixels (--max_size 40)" in capsys.readouterr().out
    run(random_samples.main, workspace, *flags, "patches", "--nc_im", "1")
    names = {place.name for place in (workspace.out / "RandomSamples" / "x").iterdir()}
    assert names == {"method=denoise,variety=high,balance=off,max_size=40", "method=patches,nc_im=1"}


@pytest.mark.parametrize("method", ["instant", "patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_edits_paints_and_pasted_objects(workspace: Workspace, capsys: Capture, method: str) -> None:
    picture = Image.open(workspace.inputs / "x.png")
    mask = Image.new("L", picture.size)
    mask.paste(255, (12, 10, 28, 24))
    Image.composite(picture.point(lambda level: 255 - level), picture, mask).save(workspace.inputs / "ref.png")
    mask.save(workspace.inputs / "ref_mask.png")
    flags = ["--ref_dir", str(workspace.inputs), "--ref_name", "ref.png", "--method", method]
    run(editing.main, workspace, *flags, "--editing_start_scale", "1")
    run(harmonization.main, workspace, *flags, "--harmonization_start_scale", "1")
    fate = "keep their colours" if method == "instant" else "dissolve"
    assert f"foreign objects {fate} with --method {method}" in capsys.readouterr().out
    run(paint2image.main, workspace, *flags, "--paint_start_scale", "all", "--num_samples", "2")
    for folder, count in (("Editing", 2), ("Harmonization", 2), ("Paint2image", 3)):
        place = workspace.out / folder / "x" / f"method={method}" / "ref_out"
        assert len(list(place.glob("*.png"))) >= count, folder
    assert not (workspace.out / "TrainedModels").exists()
    assert "retrains a scale: it needs --method singan" in refusal(
        capsys, lambda: run(paint2image.main, workspace, *flags, "--paint_start_scale", "1", "--quantization_flag")
    )


@pytest.mark.parametrize("method", ["instant", "patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_the_new_tasks(workspace: Workspace, capsys: Capture, method: str) -> None:
    own = ["--method", method]
    run(retarget.main, workspace, *own, "--scale_h", "1.5", "--num_samples", "2")
    run(retarget.main, workspace, *own, "--size", "36x36")
    run(analogy.main, workspace, *own, "--ref_dir", str(workspace.inputs), "--ref_name", "x.png", "--num_samples", "2")
    run(tile.main, workspace, *own, "--repeat", "2")
    mask = np.zeros((36, 44), dtype=np.uint8)
    mask[12:24, 16:30] = 255
    Image.fromarray(mask).save(workspace.inputs / "x_mask.png")
    run(inpaint.main, workspace, *own, "--num_samples", "2")
    label = f"method={method}"
    place = workspace.out / "Retarget" / "x" / label
    assert {images.read_size(file) for file in place.glob("scale*/[01].png")} == {(36, 66)}
    assert images.read_size(place / "size=36x36" / "0.png") == (36, 36)
    assert images.read_size(workspace.out / "Analogy" / "x" / label / "x_out" / "0.png") == (36, 44)
    folder = workspace.out / "Tile" / "x" / label / "scale_v=1.000000_scale_h=1.000000"
    assert images.read_size(folder / "0_2x2.png") == (72, 88)
    filled = images.read(workspace.out / "Inpaint" / "x" / label / "x_mask_out" / "0.png")
    difference = (filled - images.read(workspace.inputs / "x.png")).abs().amax(dim=1)[0]
    assert float(difference[torch.from_numpy(mask) == 0].max()) < 1e-6
    assert (workspace.out / "Inpaint" / "x" / label / "x_mask_out" / "grid.png").exists()
    assert not (workspace.out / "TrainedModels").exists()
    assert "seed: 1" in capsys.readouterr().out


def test_a_sample_of_a_model_is_refined(workspace: Workspace) -> None:
    workspace.train()
    workspace.sample()
    workspace.sample("--refine")
    folder = workspace.out / "RandomSamples" / "x"
    plain = folder / "gen_start_scale=0" / "0.png"
    refined = folder / "refined" / "gen_start_scale=0" / "0.png"
    assert images.read_size(refined) == images.read_size(plain)
    assert refined.read_bytes() != plain.read_bytes()


@pytest.mark.slow
def test_the_methods_in_one_table(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("SinGAN.studies.command.sifid_net", lambda dims, file: None)
    monkeypatch.setattr("SIFID.evaluate.sifid_net", lambda dims, file: None)
    small = [
        "--max_size",
        "28",
        "--min_size",
        "14",
        "--nfc",
        "4",
        "--min_nfc",
        "4",
        "--niter",
        "2",
        "--num_samples",
        "2",
    ]
    run(study.main, workspace, *small, "--method", "singan", "refined", "instant", "patches", "denoise")
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in table] == [
        "method", "---", "singan", "refined", "instant", "patches", "denoise",
    ]  # fmt: skip
    assert "s a sample" in table[0]
    run(evaluate.main, workspace, "--method", "patches", "--num_samples", "2")
    place = workspace.out / "Evaluation" / "x" / "method=patches"
    assert (place / "evaluation.json").exists()
    (row,) = rows(json.loads((place / "evaluation.json").read_text()))
    assert row["coherent_copies"] >= 0


@pytest.mark.parametrize(
    ("main", "flags", "words"),
    [
        (random_samples.main, "--mode random_samples --method magic", "--method: invalid choice"),
        (random_samples.main, "--mode random_samples --method patches --refine", "--refine is for --method singan"),
        (random_samples.main, "--mode random_samples --variety high", "--variety is for methods without training"),
        (
            random_samples.main,
            "--mode random_samples --method patches --balance off",
            "--balance is for --method denoise",
        ),
        (
            random_samples.main,
            "--mode random_samples --method patches --gen_start_scale 99",
            "--gen_start_scale must be",
        ),
        (
            inpaint.main,
            "",
            "the part to be filled, erase it in the picture, or name another file with --mask",
        ),
        (inpaint.main, "--mask nowhere.png", "nowhere.png: do you mean other.png? (--mask)"),
        (inpaint.main, "--mask MASK --fill 1 2", "--fill must be 3 levels of 0 to 255"),
        (retarget.main, "--size 1x1 --method patches", "leaves no pixel at a coarse level: raise --scale_h"),
        (retarget.main, "--scale_h .02 --method denoise", "leaves no pixel at a coarse level: raise --scale_h"),
        (inpaint.main, "--mask MASK --fill 1 2 300", "--fill: must be at least 0 and at most 255, not 300"),
        (analogy.main, "", "--ref_name"),
        (retarget.main, "--scale_h 0.2", "and a patch has 7 x 7: raise --scale_h"),
        (retarget.main, "--method singan", "--method: invalid choice"),
        (tile.main, "--repeat 0", "--repeat: must be at least 1"),
    ],
)
def test_invalid_input_is_refused(
    workspace: Workspace, capsys: Capture, main: Callable[[Sequence[str]], object], flags: str, words: str
) -> None:
    mask = Image.new("L", (44, 36))
    mask.paste(255, (12, 10, 28, 24))
    mask.save(workspace.inputs / "other.png")
    given = [str(workspace.inputs / "other.png") if word == "MASK" else word for word in flags.split()]
    assert words in refusal(capsys, lambda: run(main, workspace, *given))
    assert not workspace.out.exists()
