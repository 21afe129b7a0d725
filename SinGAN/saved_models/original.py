"""Models that the authors' code trained: their options, worked out from the names and files of their folders."""

import math
import re
from pathlib import Path
from typing import Any

import torch

from SinGAN.models import NetConfig
from SinGAN.planning import Size
from SinGAN.storage.tensors import load_list, load_weights

LISTS = ("NoiseAmp.pth", "reals.pth", "Zs.pth")
MIN_SIZES = (25, 18, 20)  # the defaults of training, super resolution and animation
NAME = re.compile(r"scale_factor=([0-9.]+)(?:,alpha=([0-9.]+))?")


def is_original(folder: Path) -> bool:
    """Whether ``folder`` holds a model of the authors' code: a trained one without a manifest."""
    return all((folder / name).exists() for name in LISTS) and not (folder / "manifest.json").exists()


def describe(folder: Path) -> tuple[dict[str, Any], float, list[Size]]:
    """The options that follow from ``folder``, the model's adjusted factor, and its scales' sizes.

    Raises:
        ValueError: a file is damaged, or no pyramid has these sizes.
    """
    sizes = [(real.shape[-2], real.shape[-1]) for real in load_list(folder / "reals.pth", torch.device("cpu"), 4)]
    net = NetConfig.of(load_weights(folder / "0" / "netG.pth"))
    min_size, factor = _factor(folder, sizes)
    options: dict[str, Any] = {
        "nc_im": net.channels,
        "nc_z": net.channels,
        "nfc": net.filters,
        "min_nfc": net.min_filters,
        "ker_size": net.ker_size,
        "num_layer": net.num_layer,
        "min_size": min_size,
    }
    if named := NAME.match(folder.name):
        options["scale_factor"] = float(named[1])
        options |= {} if named[2] is None else {"alpha": float(named[2])}
    return options, factor, sizes


def _factor(folder: Path, sizes: list[Size]) -> tuple[int, float]:
    """The ``min_size`` and the adjusted factor that give ``sizes``, coarse to fine."""
    (height, width), steps = sizes[-1], len(sizes) - 1
    coarsest = min(sizes[0])
    for min_size in dict.fromkeys((*MIN_SIZES, coarsest, coarsest - 1)):
        if steps and 0 < min_size < min(height, width):
            factor = math.pow(min_size / min(height, width), 1 / steps)
            scales = [math.pow(factor, steps - index) for index in range(steps + 1)]
            if sizes == [(math.ceil(height * scale), math.ceil(width * scale)) for scale in scales]:
                return min_size, factor
    raise ValueError(f"no pyramid has the sizes in {folder / 'reals.pth'}: train again with `overwrite`")
