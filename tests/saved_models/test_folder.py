"""A pyramid as a folder: saving and loading."""

from pathlib import Path

import pytest
import torch

from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.folder import load_pyramid, save_pyramid, trained_scales


def test_save_and_load_give_the_same_samples(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    assert trained_scales(tmp_path) == len(pyramid)
    loaded = load_pyramid(tmp_path, torch.device("cpu"), pyramid.factor)
    noise = pyramid.draw(torch.Generator().manual_seed(5))
    assert torch.equal(loaded.generate(noise), pyramid.generate(noise))
    assert [scale.noise_amp for scale in loaded.scales] == [scale.noise_amp for scale in pyramid.scales]
    assert loaded.margin == pyramid.margin


def test_a_folder_cut_short_holds_fewer_scales(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    assert trained_scales(tmp_path) == 0
    save_pyramid(pyramid.below(2), tmp_path)
    assert trained_scales(tmp_path) == 2
    save_pyramid(pyramid, tmp_path)
    assert trained_scales(tmp_path) == len(pyramid)


def test_files_hold_tensors_only(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    files = list(tmp_path.rglob("*.pth"))
    assert len(files) == 3 * len(pyramid) + 3
    for file in files:
        torch.load(file, weights_only=True)


def test_damaged_files_are_named(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    whole = (tmp_path / "0" / "netG.pth").read_bytes()
    (tmp_path / "0" / "netG.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"0/netG\.pth is damaged"):
        load_pyramid(tmp_path, torch.device("cpu"), pyramid.factor)
    torch.save([1, 2], tmp_path / "0" / "netG.pth")
    with pytest.raises(ValueError, match="does not hold the weights"):
        load_pyramid(tmp_path, torch.device("cpu"), pyramid.factor, sealed=False)


def test_weights_of_another_shape_are_named(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    critic = tmp_path / "0" / "netD.pth"
    torch.save({**torch.load(critic), "tail.weight": torch.zeros(1, 9, 3, 3)}, critic)
    with pytest.raises(ValueError, match=r"0/netD\.pth does not fit"):
        load_pyramid(tmp_path, torch.device("cpu"), pyramid.factor, sealed=False)
