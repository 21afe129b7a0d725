"""Models that come with the project: found where the output folder has none, and kept without critics."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import animation
import paint2image
import SinGAN
from SinGAN.pictures import images
from tests.storage.test_files import everything
from tests.workspace import MODEL, SMALL, Capture, Workspace, load_model, refusal


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose output folder is empty, with the model of its picture in Models."""
    monkeypatch.chdir(tmp_path)
    made = Workspace(tmp_path)
    made.train()
    animation.main([*made.flags(), *SMALL, "--num_frames", "2", "--animation_start_scale", "0"])
    for folder in sorted((made.out / "TrainedModels" / "x").iterdir()):
        SinGAN.load(folder).save(Path("Models") / "x" / folder.name, compact=True)
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


def test_the_model_for_animation_stands_in_for_one_that_is_not_there(workspace: Workspace, capsys: Capture) -> None:
    shutil.rmtree(Path("Models") / "x" / MODEL)
    animated = Path("Models") / "x" / "scale_factor=0.750000_noise_padding"
    workspace.sample("--manualSeed", "1")
    assert f"using the one for animation, {animated}" in capsys.readouterr().out
    folder = workspace.out / "RandomSamples" / "x" / "noise_padding" / "gen_start_scale=0"
    drawn = [images.to_levels(images.read(folder / f"{index}.png")) for index in range(3)]
    assert np.array_equal(drawn, SinGAN.load(animated).sample(3, seed=1))
    assert "no trained model" in refusal(capsys, lambda: workspace.sample("--alpha", "10"))
    flags = ["--not_cuda", "--ref_dir", str(workspace.inputs), "--ref_name", "x.png", "--paint_start_scale", "1"]
    assert "no trained model" in refusal(capsys, lambda: paint2image.main([*workspace.flags(), *flags]))
    workspace.train()  # the model that was asked for
    workspace.sample()
    assert (folder.parent.parent / "gen_start_scale=0" / "2.png").exists()


def test_trainings_leave_it_alone(workspace: Workspace) -> None:
    before = everything(Path("Models"))
    workspace.train("--alpha", "10")
    assert (workspace.model() / "0" / "netD.pth").exists()
    flags = ["--not_cuda", "--num_frames", "2", "--animation_start_scale", "0", "--overwrite", *SMALL[1:]]
    animation.main([*workspace.flags(), *flags])
    assert (workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding").exists()
    assert everything(Path("Models")) == before


@pytest.mark.slow
def test_an_animation_by_other_options_is_trained(workspace: Workspace, capsys: Capture) -> None:
    before = everything(Path("Models"))
    flags = ["--num_frames", "2", "--animation_start_scale", "0", *SMALL, "--niter", "3"]
    animation.main([*workspace.flags(), *flags])
    assert "Train SinGAN for animation" in capsys.readouterr().out
    manifest = SinGAN.load(workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding").manifest
    assert manifest.options["niter"] == 3
    assert everything(Path("Models")) == before


@pytest.mark.slow
def test_a_model_without_critics(workspace: Workspace) -> None:
    folder = Path("Models/x/scale_factor=0.750000,alpha=10")
    _, pyramid = load_model(folder, torch.device("cpu"))
    assert all(scale.discriminator is None for scale in pyramid.scales)
    with pytest.raises(ValueError, match="saved without its critics"):
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


@pytest.mark.parametrize("mode", ["sequential", "concurrent"])
def test_a_compact_model_makes_the_same_pictures(mode: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    model = SinGAN.train(picture, niter=3, nfc=8, min_nfc=8, seed=2, train_mode=mode)
    model.save(tmp_path / "whole")
    model.save(tmp_path / "compact", compact=True)
    compact = SinGAN.load(tmp_path / "compact")
    for scale, other in zip(model.pyramid.scales, compact.pyramid.scales, strict=True):
        assert torch.equal(scale.z_rec, other.z_rec)
        assert torch.equal(scale.real, other.real)
        assert other.noise_amp == pytest.approx(scale.noise_amp)
    apart = np.abs(model.sample(2, seed=1).astype(int) - compact.sample(2, seed=1))
    assert apart.mean() < 0.5
    assert apart.max() <= 5
    sizes = [sum(file.stat().st_size for file in (tmp_path / name).rglob("*.pth")) for name in ("compact", "whole")]
    assert sizes[0] < sizes[1] / 2.5
    maps = torch.load(tmp_path / "compact" / "Zs.pth", weights_only=True)
    assert [z.numel() > 0 for z in maps] == [True] + [False] * (len(maps) - 1)


def test_a_compact_model_that_lost_its_net(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    model = SinGAN.train(picture, niter=1, nfc=4, min_nfc=4, train_mode="concurrent", train_stages=3)
    folder = tmp_path / "model"
    model.save(folder, compact=True)
    assert sorted(path.parent.name for path in folder.rglob("netG.pth")) == ["2"]
    (folder / "2" / "netG.pth").unlink()
    with pytest.raises(ValueError, match="incomplete, 2 of 3"):
        SinGAN.load(folder)
