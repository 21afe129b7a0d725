"""What tests of the commands begin with."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workspace import Workspace


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, its model, and references."""
    home = tmp_path_factory.mktemp("workspace")
    made = Workspace(home)
    made.train()
    picture = np.array(Image.open(made.inputs / "x.png"))
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[6:12, 4:10] = 255
    pasted = np.where(mask[:, :, None] > 0, 255 - picture // 2, picture).astype(np.uint8)
    refs = home / "refs"
    refs.mkdir()
    for name in ("ref.png", "unmasked.png"):
        Image.fromarray(pasted).save(refs / name)
    Image.fromarray(mask).save(refs / "ref_mask.png")
    Image.fromarray(pasted).resize((70, 50)).save(refs / "large.jpeg", quality=95)
    Image.fromarray(mask).resize((35, 25)).save(refs / "large_mask.jpeg", quality=95)
    for name, value in (("none", 0), ("all", 255)):
        Image.fromarray(pasted).save(refs / f"{name}.png")
        Image.new("L", (28, 20), value).save(refs / f"{name}_mask.png")
    Image.fromarray(picture).save(refs / "same.png")
    Image.fromarray(255 - picture).save(refs / "other.png")
    return home


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """A copy of it for each test."""
    shutil.copytree(trained, tmp_path / "home")
    return Workspace(tmp_path / "home")
