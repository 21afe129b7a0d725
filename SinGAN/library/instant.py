"""Pictures without training, from Python: the tasks of a model, and more, for one photo."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from SinGAN.engines.engine import choose_device
from SinGAN.library.pictures import FromPicture, add_methods, method
from SinGAN.options.applications import INSTANT, PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import check_values
from SinGAN.patches.instant import Instant
from SinGAN.patches.levels import limit_levels
from SinGAN.patches.makers import Patches
from SinGAN.patches.published import Published, limit_image
from SinGAN.pictures import arrays, images, masks
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.images import Levels
from SinGAN.tasks.analogy import analogy
from SinGAN.tasks.inpaint import inpaint
from SinGAN.tasks.retarget import retarget
from SinGAN.tasks.tile import tile


def instant(
    picture: Picture,
    method: str = INSTANT,
    *,
    variety: str = "medium",
    balance: str = "full",
    max_size: int | None = None,
    nc_im: int = 3,
    device: str | torch.device | None = None,
) -> "InstantModel":
    """Open ``picture`` for pictures without training, in seconds and at its own size.

    Arguments:
        picture: a file or an array, as for ``train``.
        method: "instant"; or, for research and comparison, the published methods "patches" (nearest neighbours) and
            "denoise" (patch diffusion).
        variety: "low", "medium" or "high": how far samples are from the picture.
        balance: "off", "light" or "full": with "denoise", how evenly all parts of the picture are used.
        max_size: longer side, in pixels, to which the picture is reduced. None: its own size; 250 by the published
            methods.
        nc_im: channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        device: "cpu", "cuda" or ``cuda:<n>``; the instant engine uses it for the layouts of samples only. None: CUDA
            where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the picture or an option can't be used; the message names it and the remedy.
    """
    check_values(PatchOptions, {"method": method, "variety": variety, "balance": balance})
    check_values(ModelOptions, {"nc_im": nc_im} | ({} if max_size is None else {"max_size": max_size}))
    chosen = choose_device(device)
    levels, erased = arrays.levels_of(picture, nc_im), masks.find_erased(picture, nc_im)
    if method == INSTANT:
        engine = Instant.of(levels if max_size is None else limit_levels(levels, max_size), variety, chosen)
        return InstantModel(replace(engine, erased=erased))
    real = limit_image(images.to_tensor(levels).to(chosen), max_size or ModelOptions().completed().max_size)
    return InstantModel(Published(real, method, variety, balance, erased))


@dataclass(frozen=True, eq=False)
class InstantModel(FromPicture):
    """Pictures from the patches of one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a ``seed`` they differ
    each time. A ``start_scale`` counts from 0, the coarsest. ``reference``, ``mask``, ``strokes`` and ``structure`` are
    files or arrays, see ``SinGAN.pictures.arrays``.
    """

    engine: Patches

    retarget = method(retarget)
    inpaint = method(inpaint)
    analogy = method(analogy)
    tile = method(tile)

    def __repr__(self) -> str:
        height, width = self.size
        return f"<SinGAN.instant by {self.method}: {len(self)} scales, {height} x {width} pixels>"

    @property
    def method(self) -> str:
        """The method that computes pictures: "instant", "patches" or "denoise"."""
        return INSTANT if isinstance(self.engine, Instant) else self.engine.method

    @property
    def _maker(self) -> Patches:
        return self.engine

    def watched(self, watch: Callable[[Levels], None]) -> "InstantModel":
        """The same model; ``watch`` is called with each level's picture (h, w, C), coarse to fine, as it is computed.

        Raises:
            ValueError: the method is not "instant".
        """
        if not isinstance(self.engine, Instant):
            raise ValueError(f"only `method` {INSTANT} shows its levels, not {self.method}")
        return InstantModel(replace(self.engine, watch=watch))


add_methods(InstantModel, "patches")
