"""Measures by trained nets in a study's table: with random weights."""

import importlib.util
import math
from functools import partial
from pathlib import Path

import pytest
import torch

from Pix2Pix.study import learned_measures
from SIFID import fidelity
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
    assert fidelity.lpips_missing()
    assert fidelity.inception_file(None) is None
    assert learned_measures(REAL, REAL, CPU, lpips=False, inception=None) == {}
    with pytest.raises(FileNotFoundError):
        fidelity.inception_file(tmp_path / "none.pth")


@pytest.mark.slow
def test_lpips_of_the_truth_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lpips_cache(tmp_path / "cache" / "hub" / "checkpoints", monkeypatch)
    assert not fidelity.lpips_missing()
    same, near, far = (
        learned_measures([image * share for image in REAL], REAL, CPU, lpips=True, inception=None)
        for share in (1, 0.9, -1)
    )
    assert same == {"LPIPS": 0.0}
    assert 0 < near["LPIPS"] < far["LPIPS"]


@pytest.mark.slow
def test_sets(tmp_path: Path) -> None:
    measure = partial(learned_measures, device=CPU, lpips=False, inception=inception_weights(tmp_path / "weights.pth"))
    same, other = measure(REAL, REAL), measure([-image for image in REAL], REAL)
    assert list(same) == ["FID", "KID", "IS"]
    assert same["FID"] < 1e-3 * other["FID"]
    assert same["KID"] < other["KID"]
    assert same["IS"] >= 1
    assert all(map(math.isnan, measure(REAL[:1], REAL[:1]).values()))
