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
LONGER_SIDE = 250  # pixels: the default of ``max_size``


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


def paste(
    photo: Levels, patch: Levels, top: int, left: int, outline: npt.NDArray[np.bool_] | None = None
) -> tuple[Levels, Levels]:
    """``photo`` with ``patch``, cut out along its ``outline`` (H, W), pasted in; and a mask that is white there."""
    cut = np.ones(patch.shape[:2], bool) if outline is None else outline
    pasted, mask = photo.copy(), np.zeros(photo.shape[:2], np.uint8)
    window = np.s_[top : top + patch.shape[0], left : left + patch.shape[1]]
    pasted[window][cut], mask[window][cut] = patch[cut], 255
    return pasted, mask


def ball(photo: Levels, diameter: int) -> tuple[Levels, npt.NDArray[np.bool_]]:
    """``photo`` (H, W) on a ball that is lit from the upper left, (diameter, diameter, 3), and its outline."""
    y, x = np.mgrid[-1 : 1 : diameter * 1j, -1 : 1 : diameter * 1j]
    outline = x**2 + y**2 <= 1
    height = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    light = np.clip((height - 0.6 * x - 0.6 * y) / 1.3, 0.15, 1)
    surface = np.array(Image.fromarray(photo).resize((diameter, diameter), Image.Resampling.LANCZOS))
    return np.rint(surface[:, :, None] * light[:, :, None] * (1.0, 0.95, 0.8)).astype(np.uint8), outline


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
    planet, outline = ball(data.moon(), diameter=64)
    for folder, name, (pasted, mask) in (
        ("Harmonization", "galaxies_planet", paste(galaxies, planet, 66, 118, outline)),
        ("Editing", "rocket_edit", paste(rocket, rocket[45:148, 62:84], top=45, left=205)),
    ):
        save(f"{folder}/{name}.png", pasted)
        save(f"{folder}/{name}_mask.png", mask)
    save("Paint/rocket_paint.png", paint())


if __name__ == "__main__":
    main()
