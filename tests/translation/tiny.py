"""A tiny data set of drawn pairs: coloured squares, and the same shaded."""

from pathlib import Path

import numpy as np
from PIL import Image

NETS = ["--netG", "unet_32", "--ngf", "4", "--ndf", "4", "--n_layers_D", "1", "--load_size", "36", "--crop_size", "32"]
TINY = [*NETS, "--n_epochs", "2", "--n_epochs_decay", "1", "--manualSeed", "1", "--not_cuda"]


def draw(index: int, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A pair (size, size, 3)."""
    rng = np.random.default_rng(index)
    labels = np.full((size, size, 3), (30, 60, 120), np.uint8)
    x, y = rng.integers(2, size // 2, 2)
    labels[y : y + size // 3, x : x + size // 3] = (220, 30, 30)
    light = np.linspace(0.5, 1, size)[:, None, None]
    return labels, (labels * light).astype(np.uint8)


def side_by_side(folder: Path, count: int, first: int = 0) -> Path:
    """``count`` pairs in ``folder``, A and B in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        Image.fromarray(np.concatenate(draw(index), axis=1)).save(folder / f"{index}.png")
    return folder


def data_set(root: Path) -> Path:
    """A data set of six pairs to learn from, and three to test on."""
    side_by_side(root / "train", 6)
    side_by_side(root / "test", 3, first=10)
    return root
