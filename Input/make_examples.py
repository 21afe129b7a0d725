"""Make the example pictures of this folder from photos that come with scikit-image.

Run it from anywhere: ``python Input/make_examples.py``. Sources and licences: README.md beside it.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

HERE = Path(__file__).parent
LONGER_SIDE = 250  # pixels: the default --max_size


def save(photo: np.ndarray, path: Path) -> None:
    """Write ``photo`` (H, W, 3), reduced to ``LONGER_SIDE``, as PNG."""
    picture = Image.fromarray(photo)
    picture.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
    path.parent.mkdir(exist_ok=True)
    picture.save(path, optimize=True)


def main() -> None:
    save(data.hubble_deep_field()[220:430, 230:560], HERE / "Images" / "galaxies.png")
    save(data.rocket(), HERE / "Images" / "rocket.png")


if __name__ == "__main__":
    main()
