"""A pyramid as a folder: saving and loading."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SinGAN.models import NetConfig
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.folder import save_pyramid
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from tests.conftest import TINY


def handle(folder: Path, *, sealed: bool = True) -> ModelFolder:
    """The handle of ``folder``, with a manifest or, as older versions wrote it, one without a checksum."""
    plan, options = plan_scales(24, 32, TINY), ModelOptions().complete()
    manifest = Manifest.of(
        picture="x", sha256="0", options=options, seed=1, plan=plan, device=torch.device("cpu"), task=TRAIN
    )
    return ModelFolder(folder, manifest if sealed else replace(manifest, checksum=None))


def read(folder: Path, *, sealed: bool = True) -> Pyramid[TrainedScale]:
    """The pyramid in ``folder``."""
    return handle(folder, sealed=sealed).pyramid(torch.device("cpu"), NetConfig(), noise_border=False)


def test_save_and_load_give_the_same_samples(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    assert handle(tmp_path).scales == len(pyramid)
    loaded = read(tmp_path)
    noise = pyramid.draw(torch.Generator().manual_seed(5))
    assert torch.equal(loaded.generate(noise), pyramid.generate(noise))
    assert [scale.noise_amp for scale in loaded.scales] == [scale.noise_amp for scale in pyramid.scales]
    assert loaded.margin == pyramid.margin


def test_a_folder_cut_short_holds_fewer_scales(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    assert handle(tmp_path).scales == 0
    save_pyramid(pyramid.below(2), tmp_path)
    assert handle(tmp_path).scales == 2
    save_pyramid(pyramid, tmp_path)
    assert handle(tmp_path).scales == len(pyramid)


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
        read(tmp_path)
    torch.save([1, 2], tmp_path / "0" / "netG.pth")
    with pytest.raises(ValueError, match="does not hold the weights"):
        read(tmp_path, sealed=False)


def test_weights_of_another_shape_are_named(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    save_pyramid(pyramid, tmp_path)
    critic = tmp_path / "0" / "netD.pth"
    torch.save({**torch.load(critic), "tail.weight": torch.zeros(1, 9, 3, 3)}, critic)
    with pytest.raises(ValueError, match=r"0/netD\.pth does not fit"):
        read(tmp_path, sealed=False)
