"""Pictures without training, from Python: the applications of a model, and more, from one photo."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from SinGAN.engines.engine import choose_device
from SinGAN.library.pictures import FromPicture, Pictures, check_count
from SinGAN.options.applications import INSTANT, PatchOptions, SampleOptions
from SinGAN.options.instant import OutpaintOptions, margin_pixels
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import checked
from SinGAN.patches.instant import Instant
from SinGAN.patches.levels import limited
from SinGAN.patches.published import Published, reduced
from SinGAN.pictures import arrays, images, masks
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.images import Levels


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
        device: "cpu", "cuda" or "cuda:<n>"; the instant engine uses it for the layouts of samples only. None: CUDA
            where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the picture or an option can't be used; the message names it and the remedy.
    """
    checked(PatchOptions, {"method": method, "variety": variety, "balance": balance})
    checked(ModelOptions, {"nc_im": nc_im} | ({} if max_size is None else {"max_size": max_size}))
    chosen = choose_device(device)
    levels = arrays.levels_of(picture, nc_im)
    if method == INSTANT:
        return InstantModel(Instant.of(levels if max_size is None else limited(levels, max_size), variety, chosen))
    real = reduced(images.to_tensor(levels).to(chosen), max_size or ModelOptions().completed().max_size)
    return InstantModel(Published(real, method, variety, balance))


@dataclass(frozen=True, eq=False)
class InstantModel(FromPicture):
    """Pictures from the patches of one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a ``seed`` they differ
    each time. A ``start_scale`` counts from 0, the coarsest. ``reference``, ``mask``, ``strokes`` and ``structure`` are
    files or arrays, see ``SinGAN.pictures.arrays``.
    """

    engine: Instant | Published

    def __repr__(self) -> str:
        height, width = self.size
        return f"<SinGAN.instant by {self.method}: {len(self)} scales, {height} x {width} pixels>"

    @property
    def method(self) -> str:
        """The method that computes pictures: "instant", "patches" or "denoise"."""
        return INSTANT if isinstance(self.engine, Instant) else self.engine.method

    @property
    def _maker(self) -> Instant | Published:
        return self.engine

    def watched(self, watch: Callable[[Levels], None]) -> "InstantModel":
        """The same, of which ``watch`` is given each level's picture (h, w, C), coarse to fine, while one is computed.

        Raises:
            ValueError: the method is not "instant".
        """
        if not isinstance(self.engine, Instant):
            raise ValueError(f"only `method` {INSTANT} shows its levels, not {self.method}")
        return InstantModel(replace(self.engine, watch=watch))

    def paint(
        self, strokes: Picture, *, start_scale: int | None = None, count: int = 1, seed: int | None = None
    ) -> Pictures:
        """A paint, a few strokes of flat colour, turned into pictures like the picture.

        Raises:
            ValueError: ``start_scale`` is not 1 to the finest, or, by the published methods, not given.
        """
        check_count(count)
        (scale,) = self._injection_scale(start_scale)
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
        """The picture with what ``mask`` marks, in white, computed from the rest.

        Arguments:
            mask: white where something new is to come.
            count: variants.
            fill: levels of red, green and blue, 0 to 255, that the hole starts from: they decide what comes there.
                None: the colours round the hole. "denoise" ignores it.
            seed: of the random numbers.

        Raises:
            ValueError: the mask marks nothing, everything or too much, or a level is out of range.
        """
        check_count(count)
        if fill is not None and (len(fill) != 3 or not all(0 <= level <= 255 for level in fill)):
            raise ValueError(f"`fill` must be three levels of 0 to 255, not {fill}")
        hole = masks.exact_mask(self._marks(mask)).to(self._real)
        filled = None if fill is None else self.engine.colour(fill)
        pictures = self.engine.inpaint(hole, filled, self._rng(seed), count)
        return arrays.from_images(torch.cat(list(pictures)))

    def outpaint(
        self,
        count: int = 1,
        *,
        left: int | str = 0,
        right: int | str = 0,
        top: int | str = 0,
        bottom: int | str = 0,
        seed: int | None = None,
    ) -> Pictures:
        """The picture extended beyond its edges; its own pixels stay.

        Arguments:
            count: variants.
            left: how far, in pixels, or, as "50%", in percent of the picture's width.
            right: likewise.
            top: likewise, in percent of its height.
            bottom: likewise.
            seed: of the random numbers.

        Raises:
            ValueError: no margin is above 0, or one is no such value.
        """
        check_count(count)
        given = {"top": top, "bottom": bottom, "left": left, "right": right}
        checked(OutpaintOptions, {side: str(value) for side, value in given.items()})
        height, width = self.size
        lengths = (height, height, width, width)
        margins = [margin_pixels(str(value), length) for value, length in zip(given.values(), lengths, strict=True)]
        if not any(margins):
            raise ValueError("nothing to extend: `left`, `right`, `top` or `bottom` must be above 0")
        pictures = self.engine.outpaint((margins[0], margins[1], margins[2], margins[3]), self._rng(seed), count)
        return arrays.from_images(torch.cat(list(pictures)))

    def analogy(self, structure: Picture, count: int = 1, *, seed: int | None = None) -> Pictures:
        """Pictures with the layout of ``structure``, of its size (at most this one's), in this picture's texture."""
        check_count(count)
        levels = limited(arrays.levels_of(structure, self._real.shape[1], "structure", opaque=True), max(self.size))
        is_instant = isinstance(self.engine, Instant)
        image = images.as_8_bits(levels) if is_instant else images.to_tensor(levels).to(self._real.device)
        return arrays.from_images(torch.cat(list(self.engine.analogy(image, self._rng(seed), count))))

    def tile(self, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: int | None = None) -> Pictures:
        """Pictures that can be laid side by side without a seam."""
        check_count(count)
        _check_size(scale_h, scale_v)
        return arrays.from_images(torch.cat(list(self.engine.tile(self._rng(seed), count, (scale_v, scale_h)))))


def _check_size(scale_h: float, scale_v: float) -> None:
    checked(SampleOptions, {"scale_h": scale_h, "scale_v": scale_v})
