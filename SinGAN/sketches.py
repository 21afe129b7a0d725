"""A sketch of an image: dark lines on white paper, where its brightness changes."""

import numpy as np
import torch
from skimage.filters import difference_of_gaussians
from torch import Tensor

FINE, COARSE = 0.8, 1.6  # pixels: the deviations of the two Gaussians
LUMA = (0.299, 0.587, 0.114)
STRENGTH = 1.0  # lines are black from 1 / STRENGTH standard deviations of the difference on


def sketch(image: Tensor) -> Tensor:
    """Of an image (1, C, H, W) in [-1, 1] a grey sketch of the same shape; alpha stays as it is.

    The difference of two Gaussians of the brightness (Marr and Hildreth 1980), its dark side drawn.
    """
    colours = image[0, :3].double().cpu().numpy()
    grey = np.average(colours, axis=0, weights=LUMA if len(colours) == 3 else None)
    difference = difference_of_gaussians(grey, FINE, COARSE, mode="nearest")
    lines = (-difference * STRENGTH / max(float(difference.std()), 1e-6)).clip(0, 1)
    drawn = torch.from_numpy(1 - 2 * lines).to(image).expand(1, len(colours), -1, -1)
    return torch.cat([drawn, image[:, 3:]], dim=1)
