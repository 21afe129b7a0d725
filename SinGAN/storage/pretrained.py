"""Files of trained weights: named by hand, or downloaded once into torch's cache."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from SinGAN.pyramid import read_weights
from SinGAN.storage.files import fresh_parents

HASH = re.compile(r"-([0-9a-f]{8,})\.")  # the start of a file's SHA-256, in its name


def cached(url: str) -> Path:
    """Where torch keeps the file at ``url``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def fetch(url: str) -> Path:
    """The file at ``url``, downloaded where torch's cache lacks it, and checked by the hash in its name.

    Raises:
        FileNotFoundError: it can't be had; nothing is left behind.
    """
    file, checksum = cached(url), HASH.search(url)
    if file.exists():
        return file
    print(f"downloading {url} to {file}")
    try:
        with fresh_parents(file):
            torch.hub.download_url_to_file(url, str(file), checksum and checksum.group(1))
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no weights: {url} can't be had ({error}). Get it elsewhere, and put it at {file}"
        ) from error
    return file


def existing(path: Path, flag: str) -> Path:
    """``path``, given with ``flag``; a FileNotFoundError where there is no such file."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path} ({flag})")
    return path


def read(path: Path) -> dict[str, Tensor]:
    """The weights in ``path``: a state dict saved by torch, or arrays in an npz file. Reading can't run code.

    Raises:
        ValueError: it holds something else.
    """
    if path.suffix != ".npz":
        return read_weights(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except Exception as error:  # damaged bytes make numpy raise nearly anything
        raise ValueError(f"{path} is damaged or no npz file of weights ({error})") from error


def fill(net: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Put ``weights`` from ``source`` into ``net``; they may hold more than it needs.

    Raises:
        ValueError: they lack a tensor, or hold one of another shape.
    """
    wanted = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name, value in wanted.items():
        if name not in weights:
            raise ValueError(f"{source} lacks {name}")
        if weights[name].shape != value.shape:
            raise ValueError(f"{source}: {name} has the shape {tuple(weights[name].shape)}, not {tuple(value.shape)}")
    net.load_state_dict({name: weights[name] for name in wanted}, strict=False)
