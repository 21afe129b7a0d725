"""Grey sketches of images: dark and light lines at edges."""

import numpy as np
import skimage as ski
import torch
from torch import Tensor

FINE, COARSE = 0.8, 1.6  # pixels: the deviations of the two Gaussians
LUMA = (0.299, 0.587, 0.114)
DARKEST = 0.8  # of a line; from black or white, a generator could not reach all colours
STRENGTH = 0.5  # darkness of a line of one standard deviation of the difference


def sketch(image: Tensor) -> Tensor:
    """A grey sketch of ``image`` (1, C, H, W) in [-1, 1], of the same shape; alpha stays as it is.

    The difference of two Gaussians of the brightness (Marr and Hildreth 1980): 0 on plain areas, dark
    and light on the two sides of an edge. So it differs from the image by little more than 1, the most
    that a generator can add or subtract.
    """
    colours = image[0, :3].double().cpu().numpy()
    grey = np.average(colours, axis=0, weights=LUMA if len(colours) == 3 else None)
    difference = ski.filters.difference_of_gaussians(grey, FINE, COARSE, mode="nearest")
    lines = (difference * STRENGTH / max(float(difference.std()), 1e-6)).clip(-DARKEST, DARKEST)
    drawn = torch.from_numpy(lines).to(image).expand(1, len(colours), -1, -1)
    return torch.cat([drawn, image[:, 3:]], dim=1)
