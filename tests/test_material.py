"""The example that makes a material set of one photo."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples import material
from SinGAN.pictures.rasters import read_raster
from tests.workspace import Capture


def test_the_maps_follow_the_brightness(tmp_path: Path) -> None:
    ramp = np.repeat(np.tile(np.arange(0, 240, 6, dtype=np.uint8), (30, 1))[..., None], 3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "photo.png")
    material.main([str(tmp_path / "photo.png"), str(tmp_path / "set")])
    height, normal, roughness = (
        read_raster(tmp_path / "set" / name).values for name in ("height.tif", "normal.png", "roughness.png")
    )
    assert height.dtype == np.uint16
    assert (np.diff(height[..., 0].astype(int), axis=1) > 0).all()
    directions = normal / 127.5 - 1
    assert np.abs(np.linalg.norm(directions, axis=2) - 1).max() < 0.02
    assert (directions[:, 5:-5, 0] < -0.1).all()  # it rises to the right, and so faces left
    assert np.abs(directions[..., 1]).max() < 0.01
    assert (roughness >= round(0.3 * 255)).all()


def test_bad_input_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    for photo, folder in (("none.png", "set"), ("brick", ".")):
        with pytest.raises(SystemExit) as raised:
            material.main([photo, str(tmp_path / folder)])
        assert raised.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not any(tmp_path.iterdir())
