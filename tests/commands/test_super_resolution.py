"""Super resolution, from flags to files, with tiny models."""

import json
import shutil

import pytest

import SR
from SinGAN.pictures import images
from tests.workspace import SMALL, Capture, Workspace, refusal

pytestmark = pytest.mark.usefixtures("trained")


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
    assert "--niter is 2, not 5" in line


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
    assert f"no true picture {workspace.inputs / 'nowhere.png'} (--ground_truth)" in line
    assert workspace.results() == before


def test_super_resolution_with_the_model_of_another_picture(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace, "--sr_factor", "2")
    workspace.draw("y.png", 15, 19)
    (workspace.inputs / "x.png").unlink()
    capsys.readouterr()
    enlarge(workspace, "--sr_factor", "2", "--model_name", "x.png", name="y.png")
    assert "Train" not in capsys.readouterr().out
    assert images.read(workspace.out / "SR" / "2" / "y_HR.png").shape[2:] == (30, 38)


def test_an_interrupted_super_resolution_training_resumes(workspace: Workspace, capsys: Capture) -> None:
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


@pytest.mark.slow
def test_one_seed_gives_the_same_enlargement_whether_the_model_was_there_or_not(workspace: Workspace) -> None:
    place = workspace.out / "SR" / "2" / "x_HR.png"
    enlarge(workspace, "--sr_factor", "2")
    first = place.read_bytes()
    enlarge(workspace, "--sr_factor", "2")
    assert place.read_bytes() == first


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
        (["--model_name", "..", "--niter", "2"], "is not a file name"),
        (["--scale_factor", "0.75", "--alpha", "10"], "trained for train, not for SR"),
    ],
)
def test_what_can_not_be_enlarged(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: enlarge(workspace, *flags))
    assert workspace.results() == before


def test_a_manifest_without_an_option_is_named(workspace: Workspace, capsys: Capture) -> None:
    enlarge(workspace)
    manifest = next((workspace.out / "TrainedModels" / "x").glob("*alpha=100")) / "manifest.json"
    content = json.loads(manifest.read_text().replace('"niter"', '"nitre"'))
    content["versions"]["SinGAN"] = "0.2.0"  # which wrote no checksums
    del content["checksum"]
    manifest.write_text(json.dumps(content))
    assert "lacks the option 'niter'" in refusal(capsys, lambda: SR.main([*workspace.flags(), "--not_cuda"]))
