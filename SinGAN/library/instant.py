"""Pictures at once, from Python: the applications of a model without a model."""

from dataclasses import dataclass

import torch

from SinGAN import manipulate
from SinGAN.engines.engine import choose_device
from SinGAN.library.pictures import FromPicture, Pictures, check_count
from SinGAN.options.applications import PatchOptions, SampleOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import checked
from SinGAN.patches.engine import Instant, reduced
from SinGAN.pictures import arrays
from SinGAN.pictures.arrays import Picture


def instant(
    picture: Picture,
    method: str = "denoise",
    *,
    variety: str = "medium",
    balance: str = "full",
    max_size: int = 250,
    nc_im: int = 3,
    device: str | torch.device | None = None,
) -> "InstantModel":
    """What ``train`` gives, without training: pictures are made of the patches of ``picture``, in seconds.

    Arguments:
        picture: a file or an array, as for ``train``.
        method: "patches", nearest neighbours: faithful and sharp; or "denoise", patch diffusion: freer, for samples.
        variety: "low", "medium" or "high": how far from the picture.
        balance: "off", "light" or "full": with "denoise", how evenly all parts of the picture are used.
        max_size: longer side, in pixels, to which the picture is reduced.
        nc_im: channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        device: "cpu", "cuda" or "cuda:<n>". None: CUDA where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the picture or an option can't be used; the message names it and the remedy.
    """
    checked(PatchOptions, {"method": method, "variety": variety, "balance": balance})
    checked(ModelOptions, {"max_size": max_size, "nc_im": nc_im})
    chosen = choose_device(None if device is None else torch.device(device), not_cuda=False)
    image = arrays.to_image(picture, nc_im).to(chosen)
    return InstantModel(Instant(reduced(image, max_size), method, variety, balance))


@dataclass(frozen=True, eq=False)
class InstantModel(FromPicture):
    """Pictures from the patches of one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a ``seed`` they differ
    each time. A ``start_scale`` counts from 0, the coarsest. ``reference``, ``mask``, ``strokes`` and ``structure`` are
    files or arrays, see ``SinGAN.pictures.arrays``.
    """

    engine: Instant

    def __repr__(self) -> str:
        height, width = self.size
        return f"<SinGAN.instant by {self.engine.method}: {len(self)} scales, {height} x {width} pixels>"

    @property
    def _maker(self) -> Instant:
        return self.engine

    def paint(self, strokes: Picture, *, start_scale: int, count: int = 1, seed: int | None = None) -> Pictures:
        """A paint, a few strokes of flat colour, turned into pictures like the picture.

        Raises:
            ValueError: ``start_scale`` is not 1 to the finest.
        """
        check_count(count)
        (scale,) = manipulate.injection_scales(self.engine.pyramid, [start_scale])
        image = arrays.to_image_like(strokes, self._real, name="strokes")
        return arrays.from_images(self.engine.paint(image, scale, self._rng(seed), count))

    def retarget(
        self, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: int | None = None
    ) -> Pictures:
        """The picture ``scale_v`` times as high and ``scale_h`` times as wide, with nothing in it stretched.

        Raises:
            ValueError: the size leaves too few pixels.
        """
        check_count(count)
        _check_size(scale_h, scale_v)
        pictures = self.engine.retarget(self._rng(seed), count, (scale_v, scale_h))
        return arrays.from_images(torch.cat(list(pictures)))

    def inpaint(
        self,
        mask: Picture,
        count: int = 1,
        *,
        fill: tuple[int, int, int] | None = None,
        seed: int | None = None,
    ) -> Pictures:
        """The picture with what ``mask`` marks, in white, made anew from the rest.

        Arguments:
            mask: white where something new is to come.
            count: variants.
            fill: levels of red, green and blue, 0 to 255, that the hole starts from: they decide what comes there.
                None: the mean round the hole. Only "patches" heeds it.
            seed: of the random numbers.

        Raises:
            ValueError: the mask marks nothing, everything or too much, or a level is out of range.
        """
        check_count(count)
        if fill is not None and (len(fill) != 3 or not all(0 <= level <= 255 for level in fill)):
            raise ValueError(f"`fill` must be three levels of 0 to 255, not {fill}")
        hole = torch.from_numpy(self._marks(mask)).to(self._real)[None, None]
        filled = self.engine.ring(hole) if fill is None else self.engine.colour(fill)
        pictures = self.engine.inpaint(hole, filled, self._rng(seed), count)
        return arrays.from_images(torch.cat(list(pictures)))

    def analogy(self, structure: Picture, count: int = 1, *, seed: int | None = None) -> Pictures:
        """Pictures with the layout of ``structure``, of its size (at most the picture's), and the picture's texture."""
        check_count(count)
        image = arrays.to_image(structure, self._real.shape[1], "structure", opaque=True).to(self._real.device)
        image = reduced(image, max(self.size))
        return arrays.from_images(torch.cat(list(self.engine.analogy(image, self._rng(seed), count))))

    def tile(self, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: int | None = None) -> Pictures:
        """Pictures that can be laid side by side without a seam."""
        check_count(count)
        _check_size(scale_h, scale_v)
        return arrays.from_images(torch.cat(list(self.engine.tile(self._rng(seed), count, (scale_v, scale_h)))))


def _check_size(scale_h: float, scale_v: float) -> None:
    checked(SampleOptions, {"scale_h": scale_h, "scale_v": scale_v})
