"""Measures by trained nets in a study's table: with random weights."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

from Pix2Pix.study import Learned
from tests.measures.learned import inception_weights, lpips_cache
from tests.workspace import stripes

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="the package torch-fidelity is not installed"
)
CPU = torch.device("cpu")
REAL = [stripes(24, 32).roll(3 * place, 3)[0] for place in range(4)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))


def test_without_weights_there_are_none(tmp_path: Path) -> None:
    assert Learned.found(None).names == ()
    assert Learned.found(None).values(REAL, REAL, CPU) == []
    with pytest.raises(FileNotFoundError):
        Learned.found(tmp_path / "none.pth")


@pytest.mark.slow
def test_lpips_of_the_truth_is_none(tmp_path: Path) -> None:
    lpips_cache(tmp_path / "cache" / "hub" / "checkpoints")
    learned = Learned.found(None)
    assert learned.names == ("LPIPS",)
    assert learned.values(REAL, REAL, CPU) == [0.0]
    (near,), (far,) = (learned.values([image * share for image in REAL], REAL, CPU) for share in (0.9, -1))
    assert 0 < near < far


@pytest.mark.slow
def test_sets(tmp_path: Path) -> None:
    learned = Learned.found(inception_weights(tmp_path / "inception.pth"))
    assert learned.names == ("FID", "KID", "IS")
    same, other = learned.values(REAL, REAL, CPU), learned.values([-image for image in REAL], REAL, CPU)
    assert same[0] < 1e-3 * other[0]
    assert same[1] < other[1]
    assert same[2] >= 1
    assert all(map(math.isnan, learned.values(REAL[:1], REAL[:1], CPU)))
