"""Pictures at once, from Python: the applications of a model without a model."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.engines.engine import choose_device
from SinGAN.options.applications import SampleOptions
from SinGAN.options.methods import PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import checked
from SinGAN.patches.engine import Instant, reduced
from SinGAN.pictures import arrays, masks
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.images import Levels

Pictures = Levels  # (count, H, W, C)


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
class InstantModel:
    """Pictures from the patches of one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a ``seed`` they differ
    each time. A ``start_scale`` counts from 0, the coarsest. ``reference``, ``mask``, ``strokes`` and ``structure`` are
    files or arrays, see ``SinGAN.pictures.arrays``.
    """

    engine: Instant

    def __len__(self) -> int:
        """The number of scales."""
        return len(self.engine.pyramid)

    def __repr__(self) -> str:
        height, width = self.size
        return f"<SinGAN.instant by {self.engine.method}: {len(self)} scales, {height} x {width} pixels>"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture, in pixels."""
        return self._real.shape[-2], self._real.shape[-1]

    @property
    def picture(self) -> Levels:
        """The picture itself, (H, W, C)."""
        return arrays.from_image(self._real)

    @property
    def _real(self) -> Tensor:
        return self.engine.real

    def _rng(self, seed: int | None) -> torch.Generator:
        chosen = random.SystemRandom().randrange(2**31) if seed is None else seed
        return torch.Generator(self._real.device).manual_seed(chosen)

    def sample(
        self,
        count: int = 1,
        *,
        start_scale: int = 0,
        scale_h: float = 1.0,
        scale_v: float = 1.0,
        seed: int | None = None,
    ) -> Pictures:
        """Random samples, ``scale_v`` times as high and ``scale_h`` times as wide as the picture.

        Scales below ``start_scale`` are the picture's own.

        Raises:
            ValueError: there is no such scale, or the size leaves no pixel.
        """
        _check_count(count, scale_h, scale_v)
        samples = self.engine.sample(self._rng(seed), count, start_scale, (scale_v, scale_h))
        return arrays.from_images(torch.cat(list(samples)))

    def edit(
        self,
        reference: Picture,
        mask: Picture | None = None,
        *,
        start_scale: int,
        count: int = 1,
        blend: bool = True,
        seed: int | None = None,
    ) -> Pictures:
        """A crude edit of the picture, made seamless; with ``blend`` the picture is kept outside the mask.

        Arguments:
            reference: the edited picture.
            mask: white where it may change. None: a file's own mask (``<name>_mask`` beside it), or else where the
                reference differs from the picture.
            start_scale: where it is put in, 1 to the finest.
            count: how many.
            blend: whether the picture is kept outside the mask.
            seed: of the random numbers.

        Raises:
            ValueError: the scale is out of range, or the mask marks nothing, everything or too much.
        """
        return self._retouched(reference, mask, start_scale, count, blend, seed, masks.EDITING_RADIUS)

    def harmonize(
        self,
        reference: Picture,
        mask: Picture | None = None,
        *,
        start_scale: int,
        count: int = 1,
        seed: int | None = None,
    ) -> Pictures:
        """The same for a pasted object. Foreign objects dissolve: no patch is like them; a trained model keeps them."""
        return self._retouched(reference, mask, start_scale, count, True, seed, masks.HARMONIZATION_RADIUS)

    def _retouched(
        self,
        reference: Picture,
        mask: Picture | None,
        start_scale: int,
        count: int,
        blend: bool,
        seed: int | None,
        radius: int,
    ) -> Pictures:
        _check_count(count)
        scales = manipulate.injection_scales(self.engine.pyramid, [start_scale])
        image = arrays.to_image_like(reference, self._real, name="reference")
        if mask is not None:
            marks = self._marks(mask)
        elif arrays.is_file(reference):
            marks, _ = masks.marks_of(Path(str(reference)), image, self._real)
        else:
            marks = masks.checked_difference(
                image, self._real, "`reference`", "give a `mask`, white where it is to change"
            )
        soft = masks.soft_mask(marks, radius).to(self._real.device)
        result = self.engine.retouch(image, soft, scales, self._rng(seed), count)
        return arrays.from_images((result.blended if blend else result.generated)[start_scale])

    def _marks(self, mask: Picture) -> masks.Marks:
        return masks.checked(masks.marked(arrays.to_image_like(mask, self._real, 3, "mask")), "`mask`")

    def paint(self, strokes: Picture, *, start_scale: int, count: int = 1, seed: int | None = None) -> Pictures:
        """A paint, a few strokes of flat colour, turned into pictures like the picture.

        Raises:
            ValueError: ``start_scale`` is not 1 to the finest.
        """
        _check_count(count)
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
        _check_count(count, scale_h, scale_v)
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
        _check_count(count)
        if fill is not None and (len(fill) != 3 or not all(0 <= level <= 255 for level in fill)):
            raise ValueError(f"`fill` must be three levels of 0 to 255, not {fill}")
        hole = torch.from_numpy(self._marks(mask)).to(self._real)[None, None]
        filled = self.engine.ring(hole) if fill is None else self.engine.colour(fill)
        pictures = self.engine.inpaint(hole, filled, self._rng(seed), count)
        return arrays.from_images(torch.cat(list(pictures)))

    def analogy(self, structure: Picture, count: int = 1, *, seed: int | None = None) -> Pictures:
        """Pictures with the layout of ``structure``, of its size (at most the picture's), and the picture's texture."""
        _check_count(count)
        image = arrays.to_image(structure, self._real.shape[1], "structure", opaque=True).to(self._real.device)
        image = reduced(image, max(self.size))
        return arrays.from_images(torch.cat(list(self.engine.analogy(image, self._rng(seed), count))))

    def tile(self, count: int = 1, *, scale_h: float = 1.0, scale_v: float = 1.0, seed: int | None = None) -> Pictures:
        """Pictures that can be laid side by side without a seam."""
        _check_count(count, scale_h, scale_v)
        return arrays.from_images(torch.cat(list(self.engine.tile(self._rng(seed), count, (scale_v, scale_h)))))


def _check_count(count: int, scale_h: float = 1.0, scale_v: float = 1.0) -> None:
    if count < 1:
        raise ValueError(f"`count` must be at least 1, not {count}")
    checked(SampleOptions, {"scale_h": scale_h, "scale_v": scale_v})
