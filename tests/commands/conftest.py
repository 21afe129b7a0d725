"""What tests of the commands begin with."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workspace import Workspace


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, its model, and references."""
    place = tmp_path_factory.mktemp("workspace")
    made = Workspace(place)
    made.train()
    picture = np.array(Image.open(made.inputs / "x.png"))
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[6:12, 4:10] = 255
    pasted = np.where(mask[:, :, None] > 0, 255 - picture // 2, picture).astype(np.uint8)
    refs = place / "refs"
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
    return place


@pytest.fixture
def trained(home: Path, workspace: Workspace) -> None:
    """Puts a copy of it into the workspace."""
    shutil.copytree(home, workspace.inputs.parent, dirs_exist_ok=True)
