"""SinGAN: a generative model learned from one single image (Rott Shaham et al., ICCV 2019).

    import SinGAN

    model = SinGAN.train("lake.jpg", max_size=120, niter=300, seed=1)
    pictures = model.sample(4, scale_h=2)  # uint8 arrays (4, H, W, 3)
    model.save("models/lake")
    SinGAN.instant("lake.jpg").sample(4)  # without training, in seconds

This module stays light, so that a script's Ctrl-C is quiet from the start: PyTorch is imported when it is needed.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 10):  # noqa: UP036  # one line, where pip did not look
    raise SystemExit(f"SinGAN needs Python 3.10 or newer, not {sys.version.split()[0]} ({sys.executable})")

if TYPE_CHECKING:
    from SinGAN.engines.engine import EngineSettings
    from SinGAN.library.instant import InstantModel, instant
    from SinGAN.library.model import Model
    from SinGAN.library.train import load, train
    from SinGAN.pictures.rasters import Raster

__version__ = "0.4.0"
__all__ = ["EngineSettings", "InstantModel", "Model", "Raster", "__version__", "instant", "load", "train"]

_HOMES = {
    "EngineSettings": "SinGAN.engines.engine",
    "InstantModel": "SinGAN.library.instant",
    "Model": "SinGAN.library.model",
    "Raster": "SinGAN.pictures.rasters",
    "instant": "SinGAN.library.instant",
    "load": "SinGAN.library.train",
    "train": "SinGAN.library.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
