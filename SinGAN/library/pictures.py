"""What a trained model and patches share: the applications of their scales, on arrays as well as files."""

import random
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from SinGAN import manipulate
from SinGAN.manipulate import Retouched
from SinGAN.patches.makers import Maker
from SinGAN.pictures import arrays, masks
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.images import Levels

Pictures = Levels  # (count, H, W, C)


class FromPicture(ABC):
    """Something that makes pictures of one picture's kind."""

    @property
    @abstractmethod
    def _maker(self) -> Maker: ...

    def __len__(self) -> int:
        """The number of scales."""
        return len(self._maker)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the finest scale, in pixels."""
        return self._real.shape[-2], self._real.shape[-1]

    @property
    def picture(self) -> Levels:
        """The picture at the finest scale, (H, W, C)."""
        return arrays.from_image(self._real)

    @property
    def injection_scales(self) -> range:
        """The scales at which a reference or strokes can be put in, coarse to fine."""
        return self._maker.injection_scales

    @property
    def start_scales(self) -> range:
        """The scales at which random samples can start."""
        return self._maker.start_scales

    @property
    def _real(self) -> Tensor:
        return self._maker.real

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
        """Random samples, ``scale_v`` times as high and ``scale_h`` times as wide as the training picture.

        Scales below ``start_scale`` keep the training picture's noise; by the published patch methods, they are the
        picture's own; the instant engine has samples from scale 0 only. Its samples all differ from the picture and
        from each other by 6 grey levels or more, mean absolute: where the picture allows no more, there are fewer.

        Raises:
            ValueError: the model lacks ``start_scale``, the size is too small, or the picture allows no variety.
        """
        check_count(count)
        samples = self._maker.sample(self._rng(seed), count, start_scale, (scale_v, scale_h))
        return arrays.from_images(torch.cat(list(samples)))

    def harmonize(
        self,
        reference: Picture,
        mask: Picture | None = None,
        *,
        start_scale: int | None = None,
        count: int = 1,
        seed: int | None = None,
    ) -> Pictures:
        """An object pasted into the training picture, made to look as if it belonged there (paper, Sect. 4).

        A trained model adapts the object. By the instant engine it keeps its colours and fits at its edges; by the
        published patch methods foreign objects dissolve.

        Arguments:
            reference: the training picture with the object pasted in.
            mask: white where the object is. None: a file's own mask (``<name>_mask`` beside it), or else
                where the reference differs from the training picture.
            start_scale: where the reference is put in, 1 to the finest; None: only by the instant engine, at the
                level of 64 pixels or more.
            count: how many.
            seed: of the random numbers.

        Raises:
            ValueError: the scale is out of range, or the mask marks nothing, everything or too much.
        """
        result = self._retouched(reference, mask, start_scale, count, seed, masks.HARMONIZATION_RADIUS)
        (pictures,) = result.blended.values()
        return arrays.from_images(pictures)

    def edit(
        self,
        reference: Picture,
        mask: Picture | None = None,
        *,
        start_scale: int | None = None,
        count: int = 1,
        blend: bool = True,
        seed: int | None = None,
    ) -> Pictures:
        """A crude edit of the training picture, made seamless; arguments and errors as in ``harmonize``.

        With ``blend`` the training picture is kept outside the mask; the instant engine always does so.
        """
        result = self._retouched(reference, mask, start_scale, count, seed, masks.EDITING_RADIUS)
        (pictures,) = (result.blended if blend or not result.generated else result.generated).values()
        return arrays.from_images(pictures)

    def _retouched(
        self,
        reference: Picture,
        mask: Picture | None,
        start_scale: int | None,
        count: int,
        seed: int | None,
        radius: int,
    ) -> Retouched:
        check_count(count)
        scales = self._injection_scale(start_scale)
        image = arrays.to_image_like(reference, self._real, name="reference")
        if mask is not None:
            marks = self._marks(mask)
        elif arrays.is_file(reference):
            marks, _ = masks.marks_of(Path(str(reference)), image, self._real)
        else:
            marks = masks.checked_difference(
                image, self._real, "`reference`", "give a `mask`, white where it is to change"
            )
        exact = self._maker.exact_mask
        drawn = masks.exact_mask(marks) if exact else masks.soft_mask(marks, radius).to(self._real.device)
        return self._maker.retouch(image, drawn, scales, self._rng(seed), count)

    def _injection_scale(self, start_scale: int | None) -> list[int]:
        own = self._maker.injection_scale
        if start_scale is None and own is None:
            raise ValueError("`start_scale` is needed: the scale where the reference is put in, 1 to the finest")
        return (
            [own]
            if start_scale is None and own is not None
            else manipulate.injection_scales(self._maker, [start_scale])
        )

    def _marks(self, mask: Picture) -> masks.Marks:
        return masks.checked(masks.marked(arrays.to_image_like(mask, self._real, 3, "mask")), "`mask`")


def check_count(count: int) -> None:
    """Raise a ValueError unless ``count`` is a number of pictures."""
    if count < 1:
        raise ValueError(f"`count` must be at least 1, not {count}")
