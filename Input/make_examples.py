"""Make the example pictures of this folder from photos that come with scikit-image.

Run it from anywhere: ``python Input/make_examples.py``. Sources and licences: README.md beside it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import data, draw

Levels = npt.NDArray[np.uint8]

HERE = Path(__file__).parent
LONGER_SIDE = 250  # pixels: the default --max_size


def reduced(photo: Levels, longer_side: int = LONGER_SIDE) -> Levels:
    """``photo`` (H, W, 3), its longer side reduced to ``longer_side``."""
    picture = Image.fromarray(photo)
    picture.thumbnail((longer_side, longer_side), Image.Resampling.LANCZOS)
    return np.array(picture)


def save(path: str, levels: Levels) -> None:
    """Write ``levels`` as ``path`` below this folder."""
    place = HERE / path
    place.parent.mkdir(exist_ok=True)
    Image.fromarray(levels).save(place, optimize=True)


def paste(photo: Levels, patch: Levels, top: int, left: int) -> tuple[Levels, Levels]:
    """``photo`` with ``patch`` pasted in, and the mask (white where)."""
    pasted, mask = photo.copy(), np.zeros(photo.shape[:2], np.uint8)
    here = np.s_[top : top + patch.shape[0], left : left + patch.shape[1]]
    pasted[here], mask[here] = patch, 255
    return pasted, mask


def paint() -> Levels:
    """The rocket on its pad in a few strokes of flat colour, another tower than in the photo."""
    canvas = np.zeros((167, 250, 3), np.uint8)
    canvas[:] = (32, 48, 92)
    canvas[140:] = (22, 22, 34)
    for left, top, width, colour in (
        (60, 50, 9, (214, 196, 168)),
        (150, 20, 6, (92, 74, 66)),
        (205, 70, 5, (92, 74, 66)),
    ):
        canvas[top:160, left : left + width] = colour
    for row, column in ((148, 35), (152, 64), (149, 110), (152, 153), (148, 206)):
        canvas[draw.disk((row, column), 4, shape=canvas.shape[:2])] = (244, 186, 92)
    return canvas


def main() -> None:
    rocket, galaxies = reduced(data.rocket()), reduced(data.hubble_deep_field()[220:430, 230:560])
    save("Images/rocket.png", rocket)
    save("Images/galaxies.png", galaxies)
    save("Images/coffee_LR.png", reduced(data.coffee(), longer_side=90))
    flying = reduced(data.rocket()[110:330, 295:350], longer_side=80)
    for folder, name, (pasted, mask) in (
        ("Harmonization", "galaxies_rocket", paste(galaxies, flying, top=45, left=160)),
        ("Editing", "rocket_edit", paste(rocket, rocket[45:148, 62:84], top=45, left=205)),
    ):
        save(f"{folder}/{name}.png", pasted)
        save(f"{folder}/{name}_mask.png", mask)
    save("Paint/rocket_paint.png", paint())


if __name__ == "__main__":
    main()
