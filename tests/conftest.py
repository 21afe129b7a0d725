"""What several test files share: the golden folder, a tiny trained pyramid, small pictures."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from SinGAN.losses.perceptual import VGG
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig, plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import train
from tests.workspace import Workspace, stripes

HERE = Path(__file__).parent

torch.set_num_threads(1)  # for tiny images faster than several, and safe beside other processes
os.environ["OMP_NUM_THREADS"] = "1"  # the same for the scripts that tests start


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", type=Path, default=HERE / "golden", help="folder of the reference numbers")
    parser.addoption(
        "--golden_translation", type=Path, default=HERE / "golden_translation", help="the same for paired translation"
    )


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--golden")
    return folder.resolve()


@pytest.fixture(scope="session")
def golden_translation(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--golden_translation")
    return folder.resolve()


WHOLE = Figure.savefig


def save_blank(figure: Figure, where: Any, **options: Any) -> None:
    """Save a small grey picture for ``figure``: drawing it takes a quarter of a tiny training's time."""
    Image.new("L", (4, 3), 128).save(where, format=options.get("format"))


@pytest.fixture(scope="session", autouse=True)
def quick_plots() -> Iterator[None]:
    """In this process plots are blank, but for tests that use ``whole_plots``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save_blank)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Tests kill processes, never the machine: what is written need not reach the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # asks for an open file too
        yield


@pytest.fixture
def whole_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots as users get them: for tests of plots, and of processes beside this one."""
    monkeypatch.setattr(Figure, "savefig", WHOLE)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(7)


TINY = PyramidConfig(min_size=12, max_size=32)
TINY_NET = NetConfig(filters=4, min_filters=4)
"""Small enough to train in a second: scales of 12 x 16 to 24 x 32."""


def train_tiny(image: torch.Tensor, config: TrainConfig, seed: int = 1) -> Pyramid[TrainedScale]:
    """The pyramid of ``image`` after all its scales."""
    plan = plan_scales(image.shape[-2], image.shape[-1], TINY)
    *_, pyramid = train(image, plan, TINY_NET, config, torch.Generator().manual_seed(seed))
    return pyramid


@pytest.fixture(scope="session")
def pyramid() -> Pyramid[TrainedScale]:
    return train_tiny(stripes(), TrainConfig(niter=12))


@pytest.fixture(scope="session")
def stem_file(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden weights of Inception's first layers."""
    with np.load(golden / "sifid.npz") as arrays:
        stem = {name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")}
    file: Path = tmp_path_factory.mktemp("stem") / "stem.npz"
    np.savez(file, **stem)
    return file


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, as torchvision names them."""
    torch.manual_seed(0)
    net = VGG()
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    file: Path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save({f"features.{name}": value for name, value in net.state_dict().items()}, file)
    return file
