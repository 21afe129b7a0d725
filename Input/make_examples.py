"""Make the example pictures of this folder from photos that come with scikit-image, and from those that lie here.

Run it from anywhere: ``python Input/make_examples.py``. Sources and licences: README.md beside it.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import data, draw

Levels = npt.NDArray[np.uint8]

HERE = Path(__file__).parent
WALLPAPERS = {
    "mountains": "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "brook": "life_by_Aitzol_Berasategi.jpg",
    "autumn": "aitzgorri_by_Aitzol_Berasategi.jpg",
    "dandelions": "seeding_by_Clements_Engelhardt.jpg",
}
"""By the name here: the file of Debian's package lomiri-wallpapers-16.04."""
LARGE = {"peaks": "mountains", "larches": "autumn"}
"""Two of them again, by the name of the large one."""
LARGE_SIDE, LARGE_QUALITY = 1600, 82  # pixels; of JPEG: below 500 kB
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
    Image.fromarray(levels).save(place, optimize=True, quality=LARGE_QUALITY)  # the quality is JPEG's


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


def rocket_paint() -> Levels:
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


def mountains_paint() -> Levels:
    """Mountains, a cloud, a meadow and a path in a few flat colours."""
    canvas = np.zeros((188, 250, 3), np.uint8)
    canvas[:] = (47, 84, 143)
    shapes = (
        ((232, 236, 242), (14, 8, 20, 34, 44, 34), (88, 112, 134, 128, 98, 80)),  # cloud
        ((108, 108, 112), (110, 42, 74, 30, 66, 22, 110), (0, 36, 62, 96, 128, 168, 249)),  # rock
        ((238, 240, 244), (42, 58, 52, 60), (36, 28, 37, 44)),  # snow
        ((238, 240, 244), (30, 48, 42, 50), (96, 84, 97, 110)),
        ((238, 240, 244), (22, 46, 38, 48), (168, 148, 170, 190)),
        ((92, 86, 48), (98, 88, 112, 187, 187), (0, 90, 249, 249, 0)),  # meadow
        ((112, 82, 66), (100, 104, 187, 187), (150, 158, 128, 70)),  # path
    )
    for colour, rows, columns in shapes:
        canvas[draw.polygon(rows, columns, shape=canvas.shape[:2])] = colour
    return canvas


def dandelions_paint() -> Levels:
    """A meadow against the light, and dandelion clocks of three sizes, elsewhere than in the photo."""
    canvas = np.zeros((141, 250, 3), np.uint8)
    canvas[:] = (26, 30, 8)
    for bottom, colour in ((48, (62, 62, 16)), (24, (126, 104, 40)), (18, (228, 206, 164))):
        canvas[:bottom] = colour
    canvas[draw.ellipse(10, 70, 14, 44, shape=canvas.shape[:2])] = (255, 250, 232)
    for row, column, radius in ((50, 178, 36), (104, 62, 15), (62, 30, 9), (76, 96, 10), (46, 118, 7), (98, 128, 9)):
        stem = max(1, radius // 10)
        canvas[row:, column - stem : column + stem] = (128, 110, 42) if radius > 20 else (74, 70, 22)
        canvas[draw.disk((row, column), radius, shape=canvas.shape[:2])] = (190, 166, 124)
        canvas[draw.disk((row + radius // 5, column), radius // 3, shape=canvas.shape[:2])] = (104, 80, 56)
    return canvas


def poppy(height: int, width: int) -> tuple[Levels, npt.NDArray[np.bool_]]:
    """A poppy on its stem in flat colours, (height, width, 3), and its outline."""
    picture, outline = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    middle, radius = width // 2, width // 2 - 1
    parts = (
        (
            draw.polygon((radius, radius, height, height), (middle - 1, middle + 1, middle + 2, middle), outline.shape),
            (74, 104, 42),
        ),
        (draw.ellipse(radius, middle, 0.8 * radius, radius, shape=outline.shape), (214, 34, 24)),
        (draw.ellipse(0.6 * radius, middle, 0.5 * radius, 0.7 * radius, shape=outline.shape), (238, 64, 40)),
        (draw.disk((1.1 * radius, middle), 0.25 * radius, shape=outline.shape), (34, 22, 30)),
    )
    for place, colour in parts:
        picture[place], outline[place] = colour, True
    return picture, outline


def hut(height: int, width: int) -> tuple[Levels, npt.NDArray[np.bool_]]:
    """A wooden hut in flat colours, (height, width, 3), and its outline."""
    picture, outline = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    eaves, ridge, corner = round(0.45 * height), round(0.3 * width), round(0.6 * width)
    parts = (
        ((122, 84, 58), (eaves, eaves, height, height), (0, corner, corner, 0)),  # long wall
        (
            (150, 108, 74),
            (eaves, 2, eaves, height, height),
            (corner, (corner + width) // 2, width, width, corner),
        ),  # gable
        ((92, 48, 40), (0, 0, eaves, eaves), (ridge - corner // 3, (corner + width) // 2, corner, 0)),  # roof
        (
            (52, 40, 36),
            (round(0.62 * height), round(0.62 * height), height, height),
            (corner + 6, width - 8, width - 8, corner + 6),
        ),
        (
            (222, 210, 160),
            (round(0.6 * height), round(0.6 * height), round(0.8 * height), round(0.8 * height)),
            (8, 18, 18, 8),
        ),
    )
    for colour, rows, columns in parts:
        place = draw.polygon(rows, columns, shape=outline.shape)
        picture[place], outline[place] = colour, True
    return picture, outline


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--wallpapers", type=Path, help="folder of the originals of the four landscapes")
    folder: Path | None = flags.parse_args().wallpapers
    for name, original in WALLPAPERS.items():
        if folder is not None:
            with Image.open(folder / original) as photo:
                save(f"Images/{name}.png", reduced(np.array(photo.convert("RGB"))))
    for name, small in LARGE.items():
        if folder is not None:
            with Image.open(folder / WALLPAPERS[small]) as photo:
                save(f"Images/{name}.jpg", reduced(np.array(photo.convert("RGB")), LARGE_SIDE))
    rocket, galaxies = reduced(data.rocket()), reduced(data.hubble_deep_field()[220:430, 230:560])
    photos = (np.array(Image.open(HERE / "Images" / f"{name}.png")) for name in WALLPAPERS)
    mountains, brook, autumn, dandelions = photos
    save("Images/rocket.png", rocket)
    save("Images/galaxies.png", galaxies)
    save("Images/coffee_LR.png", reduced(data.coffee(), longer_side=90))
    save("Images/brook_LR.png", reduced(brook, longer_side=90))
    cabin, cabin_outline = hut(44, 66)
    planet, outline = ball(data.moon(), diameter=64)
    flower, flower_outline = poppy(62, 38)
    for folder_name, name, (pasted, mask) in (
        ("Harmonization", "galaxies_planet", paste(galaxies, planet, 66, 118, outline)),
        ("Harmonization", "autumn_hut", paste(autumn, cabin, 96, 60, cabin_outline)),
        ("Harmonization", "dandelions_poppy", paste(dandelions, flower, 70, 92, flower_outline)),
        ("Editing", "dandelions_edit", paste(dandelions, dandelions[13:120, 34:112], top=34, left=140)),
        ("Editing", "rocket_edit", paste(rocket, rocket[45:148, 62:84], top=45, left=205)),
        ("Editing", "mountains_edit", paste(mountains, mountains[36:82, 106:166], top=46, left=20)),
    ):
        save(f"{folder_name}/{name}.png", pasted)
        save(f"{folder_name}/{name}_mask.png", mask)
    save("Paint/rocket_paint.png", rocket_paint())
    save("Paint/mountains_paint.png", mountains_paint())
    save("Paint/dandelions_paint.png", dandelions_paint())
    hole = np.zeros(autumn.shape[:2], np.uint8)
    hole[60:118, 170:212] = 255
    save("Inpaint/autumn_mask.png", hole)
    peaks, larches = (np.array(Image.open(HERE / "Images" / f"{name}.jpg")) for name in LARGE)
    height, width = larches.shape[:2]
    fir = np.zeros((height, width), np.uint8)
    fir[draw.ellipse(0.52 * height, 0.75 * width, 0.18 * height, 0.07 * width, shape=fir.shape)] = 255
    save("Inpaint/larches_mask.png", fir)
    summit = peaks[230:525, 678:1062]
    pasted, mask = paste(peaks, summit, top=294, left=128)
    save("Editing/peaks_edit.jpg", pasted)
    save("Editing/peaks_edit_mask.png", mask)


if __name__ == "__main__":
    main()
