"""What a newcomer types: pictures by path, names that are nearly right, help, sprites."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

import main_train
import random_samples
from tests.cases import mostly_slow
from tests.workspace import MODEL, SMALL, Capture, Workspace, refusal

ROOT = Path(__file__).parent.parent.parent


def test_the_advice_for_a_sprite_works(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 8, 8)
    flags = [*workspace.flags(), "--not_cuda", "--nfc", "4", "--min_nfc", "4", "--niter", "2", "--num_samples", "2"]
    line = refusal(capsys, lambda: main_train.main(flags))
    assert "enlarge it 4 times first, pixel by pixel, or use smaller nets: --num_layer 2, --min_size 5" in line
    main_train.main([*flags, "--num_layer", "2", "--min_size", "5"])
    Image.open(workspace.inputs / "x.png").resize((32, 32), Image.Resampling.NEAREST).save(workspace.inputs / "y.png")
    main_train.main([*flags, *workspace.flags("y.png")])
    assert {place.name for place in (workspace.out / "TrainedModels").iterdir()} == {"x", "y"}


@pytest.mark.parametrize("mode", ["sequential", "concurrent", "hybrid"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (8, 8), (3, 40)])
def test_advice_names_only_what_the_mode_allows(
    workspace: Workspace, capsys: Capture, mode: str, size: tuple[int, int]
) -> None:
    workspace.draw("x.png", *size)
    for more in ([], ["--min_size", "5"]):
        flags = [*workspace.flags(), "--not_cuda", "--niter", "2", "--train_mode", mode, *more]
        line = refusal(capsys, partial(main_train.main, flags))
        assert "receptive field of 11 pixels: enlarge it" in line
        assert "enlarge it 1 times" not in line
        assert ("--num_layer" in line) == (size == (8, 8) and mode != "concurrent")


def test_a_picture_without_its_flag_and_by_its_path(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "album" / "lake.png"
    elsewhere.parent.mkdir()
    shutil.copy(workspace.inputs / "x.png", elsewhere)
    flags = ["--out", str(workspace.out), *SMALL, "--num_samples", "2"]
    main_train.main([str(elsewhere), *flags])
    assert workspace.model("lake").is_dir()
    assert "--mode random_samples --gen_start_scale 1 --input_name lake.png" in capsys.readouterr().out
    monkeypatch.chdir(elsewhere.parent)
    shutil.copy(elsewhere, "hill.png")
    main_train.main([*flags, "hill.png"])  # it lies here
    monkeypatch.setenv("HOME", str(tmp_path))
    random_samples.main(["--mode", "random_samples", "~/album/lake.png", "--out", str(workspace.out), "--not_cuda"])
    assert workspace.model("hill").is_dir()
    line = refusal(capsys, lambda: main_train.main(["lake.png", "--input_name", "x.png", *flags]))
    assert "lake.png in addition to --input_name: give all pictures" in line


@pytest.mark.parametrize(
    ("asked", "there", "hint"),
    [
        ("balloons", "balloons.png", "do you mean balloons.png?"),
        ("photo.jpg", "photo.JPG", "do you mean photo.JPG?"),
        ("Photo.png", "photo.png", "do you mean photo.png?"),
        ("photo.jpeg", "photo.png", "do you mean photo.png?"),
        ("ballons.png", "balloons.png", "do you mean balloons.png?"),
        ("caf\u00e9.png", "cafe\u0301.png", "do you mean cafe\u0301.png?"),
        ("screen\u0020shot.png", "screen\u202fshot.png", "do you mean screen\u202fshot.png?"),
        ("quite_other.png", "photo.png", "put it there, or name its folder"),
    ],
)
def test_a_name_that_is_nearly_right_gets_a_hint(
    workspace: Workspace, capsys: Capture, asked: str, there: str, hint: str
) -> None:
    (workspace.inputs / "x.png").rename(workspace.inputs / there)
    line = refusal(capsys, partial(main_train.main, [*workspace.flags(asked), *SMALL]))
    assert hint in line or hint.encode("ascii", "backslashreplace").decode() in line


def test_a_picture_that_lies_here_is_hinted_at(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(workspace.inputs / "x.png", "balloons.png")
    line = refusal(capsys, partial(main_train.main, ["ballons.png", "--out", str(workspace.out), *SMALL]))
    assert "do you mean balloons.png?" in line


def test_a_model_that_is_nearly_right_gets_a_hint(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    shutil.copytree(workspace.model(), workspace.out / "TrainedModels" / "lighthouse" / MODEL)
    assert "do you mean lighthouse?" in refusal(capsys, lambda: workspace.sample(name="lighthose.png"))
    line = refusal(capsys, lambda: workspace.sample("--alpha", "2"))
    assert (
        f"of this picture there are {MODEL} (--scale_factor, --alpha, --train_mode and --recipe name a model)" in line
    )
    assert "train it first" in refusal(capsys, lambda: workspace.sample(name="quite_other.png"))


SLOW = {"torch", "numpy", "scipy", "skimage", "matplotlib", "PIL"}
SCRIPTS = [*sorted(file.name for file in ROOT.glob("*.py") if file.name != "config.py"), "SIFID/evaluate.py"]


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        *((script, ["-h"]) for script in (*SCRIPTS, "SIFID/sifid_score.py", "-m SinGAN train", "-m SinGAN.export")),
        *((script, ["--nitre", "3"]) for script in ("main_train.py", "SIFID/evaluate.py", "-m SinGAN train")),
    ],
)
def test_help_and_a_typo_are_answered_before_anything_slow_is_imported(script: str, flags: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *script.split(), *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == (0 if flags == ["-h"] else 2)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "argparse" in imported
    assert not imported & SLOW


@pytest.mark.parametrize(
    "modules",
    mostly_slow(
        ["SinGAN.runs.training", "SinGAN.runs.source", "SinGAN.runs.results, SinGAN.library.model"],
        {"SinGAN.runs.training"},
    ),
)
def test_a_command_imports_only_what_it_needs_before_its_first_picture(modules: str) -> None:
    seldom = {"matplotlib", "scipy.ndimage", "scipy.linalg", "skimage.color", "skimage.filters", "skimage.transform"}
    program = f"import sys, SinGAN.terminal.command, {modules}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not seldom & set(done.stdout.splitlines())


@pytest.mark.parametrize("script", ["random_samples.py", "editing.py", "harmonization.py", "paint2image.py"])
def test_the_help_of_a_script_shows_its_own_flags_first_and_none_without_effect(script: str) -> None:
    out = subprocess.run([sys.executable, script, "-h"], cwd=ROOT, capture_output=True, text=True).stdout
    assert out.index("--num_samples") < out.index("--input_name") < out.index("--scale_factor")
    assert not [flag for flag in ("--niter", "--lr_g", "--engine", "--ray", "--min_size") if flag in out]
