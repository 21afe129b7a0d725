"""Models that come with the project: found where the output folder has none, and kept without critics."""

import shutil
from pathlib import Path

import pytest
import torch

import animation
import SinGAN
from SinGAN.saved_models.lookup import load
from tests.storage.test_files import everything
from tests.workspace import SMALL, Capture, Workspace, refusal


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose output folder is empty, with the model of its picture in Models."""
    monkeypatch.chdir(tmp_path)
    made = Workspace(tmp_path)
    made.train()
    animation.main([*made.flags(), *SMALL, "--num_frames", "2", "--animation_start_scale", "0"])
    for folder in sorted((made.out / "TrainedModels" / "x").iterdir()):
        SinGAN.load(folder).save(Path("Models") / "x" / folder.name, critics=False)
    shutil.rmtree(made.out)
    return made


def test_commands_find_it(workspace: Workspace, capsys: Capture) -> None:
    before = everything(Path("Models"))
    assert not any("netD" in name for name in before)
    workspace.sample()
    assert (workspace.out / "RandomSamples" / "x" / "gen_start_scale=0" / "2.png").exists()
    flags = [*workspace.flags(), "--not_cuda", "--num_frames", "2", "--animation_start_scale", "0"]
    animation.main(flags)
    assert "Train SinGAN" not in capsys.readouterr().out
    assert not (workspace.out / "TrainedModels").exists()
    assert everything(Path("Models")) == before
    assert "no trained model" in refusal(capsys, lambda: workspace.sample("--alpha", "2"))


def test_trainings_leave_it_alone(workspace: Workspace) -> None:
    before = everything(Path("Models"))
    workspace.train("--alpha", "10")
    assert (workspace.model() / "0" / "netD.pth").exists()
    flags = ["--not_cuda", "--num_frames", "2", "--animation_start_scale", "0", "--overwrite", *SMALL[1:]]
    animation.main([*workspace.flags(), *flags])
    assert (workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding").exists()
    assert everything(Path("Models")) == before


def test_a_model_without_critics(workspace: Workspace) -> None:
    folder = Path("Models/x/scale_factor=0.750000,alpha=10")
    _, pyramid = load(folder, torch.device("cpu"))
    assert all(scale.discriminator is None for scale in pyramid.scales)
    with pytest.raises(ValueError, match="kept without its critics"):
        _ = pyramid.scales[0].critic
    model = SinGAN.load(folder)
    assert model.paint(workspace.inputs / "x.png", start_scale=1, quantize=True, progress=False).shape[0] == 1
    (folder / "1" / "netG.pth").unlink()
    with pytest.raises(ValueError, match="incomplete, 1 of"):
        SinGAN.load(folder)


def test_it_is_found_beside_the_package(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("SinGAN.storage.layout.SHIPPED", (Path("Models"), tmp_path / "Models"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    workspace.sample()
    assert (workspace.out / "RandomSamples" / "x").exists()


def test_a_model_of_another_picture_is_not_taken(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", mode="L")
    assert "no trained model" in refusal(capsys, workspace.sample)
    flags = [*workspace.flags(), *SMALL, "--num_frames", "2", "--animation_start_scale", "0"]
    animation.main(flags)
    assert "Train SinGAN" in capsys.readouterr().out
    (workspace.inputs / "x.png").unlink()
    workspace.sample()
