r"""Make a material set of one photo: albedo, height, normal map and roughness, which ``tile.py --maps`` keeps aligned.

    python examples/material.py gravel.png material     # a photo, or one of scikit-image: brick, grass, gravel
    python tile.py --input_dir material --input_name albedo.png --variants 6 \
        --maps material/normal.png material/height.tif material/roughness.png

The maps are synthesized from the photo's brightness, by the formulas of ``maps_of``; they are not measured.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

SMOOTH = 1.5  # pixels, deviation of the Gaussian that makes heights of brightness
STEEP = 16.0  # slope of a step from black to white between neighbouring pixels
BROAD = 8.0  # pixels, deviation of the Gaussian round a pixel whose brightness is compared with its own

Maps = dict[str, npt.NDArray[np.uint8] | npt.NDArray[np.uint16]]


def maps_of(albedo: npt.NDArray[np.uint8]) -> Maps:
    """The maps of ``albedo`` (H, W, 3), by name.

    - height h (H, W), 16 bits: the brightness, blurred; bright is high.
    - normal (H, W, 3), 8 bits: (-16 dh/dx, 16 dh/dy, 1) at length 1; red is right, green up, as OpenGL has it.
    - roughness (H, W), 8 bits: 0.9 in hollows, 0.3 on what stands out of its surroundings by a quarter of all heights.
    """
    brightness = albedo.astype(np.float64).mean(axis=2) / 255
    height = ndimage.gaussian_filter(brightness, SMOOTH, mode="nearest")
    down, right = np.gradient(height)
    normal = np.stack([-STEEP * right, STEEP * down, np.ones_like(height)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    above = height - ndimage.gaussian_filter(brightness, BROAD, mode="nearest")
    roughness = np.clip(0.6 - 1.2 * above, 0.3, 0.9)
    return {
        "height": np.rint(65535 * height).astype(np.uint16),
        "normal": np.rint(127.5 * (normal + 1)).astype(np.uint8),
        "roughness": np.rint(255 * roughness).astype(np.uint8),
    }


def read(name: str) -> npt.NDArray[np.uint8]:
    """The photo (H, W, 3) in a file, or the texture of scikit-image called so.

    Raises:
        OSError: there is no such photo, or it can't be read.
    """
    if name in ("brick", "grass", "gravel"):
        from skimage import data

        return np.repeat(getattr(data, name)()[..., None], 3, axis=2)
    with Image.open(name) as picture:
        return np.asarray(picture.convert("RGB"))


def main(arguments: list[str] | None = None) -> None:
    """Write the set into a folder: albedo.png, height.tif, normal.png and roughness.png."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("photo", help="a file, or brick, grass or gravel of scikit-image")
    flags.add_argument("folder", type=Path, help="that is made")
    asked = flags.parse_args(arguments)
    try:
        albedo = read(asked.photo)
        asked.folder.mkdir(parents=True)
    except (OSError, UnidentifiedImageError) as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        raise SystemExit(2) from None
    Image.fromarray(albedo).save(asked.folder / "albedo.png")
    for name, values in maps_of(albedo).items():
        if values.dtype == np.uint16:
            tifffile.imwrite(asked.folder / f"{name}.tif", values, photometric="minisblack")
        else:
            Image.fromarray(values).save(asked.folder / f"{name}.png")


if __name__ == "__main__":
    main()
