"""Hybrid: SinGAN's pyramid, trained at a small size, and the photo's own patches up to the photo's size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from SinGAN.kinds.singan import SinGANKind
from SinGAN.models import NetConfig
from SinGAN.options.growing import HYBRID
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.patches.hybrid import Hybrid
from SinGAN.patches.instant import Instant, as_image, as_levels
from SinGAN.patches.layered import LayeredInstant, reduce_marks, reduce_parts
from SinGAN.patches.levels import limit_levels
from SinGAN.patches.makers import Maker, to_8_bits
from SinGAN.pictures.layers import Layers
from SinGAN.pictures.opening import Opened
from SinGAN.planning import Plan, Size, plan_scales
from SinGAN.pyramid import NewScaleT, Pyramid, ScaleT, TrainedScale

PHOTO = "photo.pth"


@dataclass(frozen=True, eq=False)
class HybridPyramid(Pyramid[ScaleT]):
    """A pyramid with the photo that its pictures are enlarged with."""

    photo: Tensor = torch.empty(0)
    """(1, C, H, W): of 8 bits, or raw values, and one more channel, 0 where there are no data, where some have none."""

    def with_scale(self, index: int, scale: NewScaleT) -> "HybridPyramid[ScaleT | NewScaleT]":
        """As ``Pyramid.with_scale``."""
        scales = super().with_scale(index, scale).scales
        return HybridPyramid(scales, self.factor, self.margin, self.noise_border, self.exact, self.photo)


class HybridKind(SinGANKind):
    """A pyramid of ``hybrid_size`` pixels; ``SinGAN.patches.hybrid`` enlarges its pictures to the photo's size."""

    name = HYBRID
    extra_files = (PHOTO,)
    unexportable = "its pictures need the photo's patches"

    def plan(self, height: int, width: int, options: ModelOptions, task: Task) -> Plan:
        """The scales of a photo of ``height`` x ``width`` pixels.

        Raises:
            ValueError: the photo has no valid pyramid, or ``task`` is another one than "train".
        """
        if task is not TRAIN:
            raise ValueError(
                f"a model of `train_mode` {HYBRID} is not for {task.name}: patches add the detail, picture by picture"
            )
        # A narrow photo gets a larger size, which leaves two scales.
        narrow = options.min_size / options.scale_factor * max(height, width) / min(height, width)
        size = min(options.max_size, max(options.hybrid_size or 0, round(narrow + 1)))
        return plan_scales(height, width, replace(options.pyramid, max_size=size))

    def picture(self, image: Tensor, options: ModelOptions, layers: Layers | None = None) -> Tensor:
        """``image`` (1, C, H, W), its longer side reduced to ``max_size`` where that is less."""
        longer = max(image.shape[-2:])
        if longer <= options.max_size:
            return image
        if layers is not None:
            small = reduce_parts(layers, layers.split(image), options.max_size / longer)
            return layers.join(small).to(image)
        levels = limit_levels(as_levels(to_8_bits(image)), options.max_size)
        return (as_image(levels).float() / 127.5 - 1).to(image.device)

    def describe_reduction(self, size: Size, finest: Size, options: Mapping[str, Any]) -> str:
        """A line on the sizes (height, width) of the picture and of the finest scale."""
        (low, narrow), asked = finest, options["hybrid_size"]
        reason = f"`hybrid_size` {asked}" + (" leaves a narrow picture too few" if max(finest) > asked else "")
        return f"the networks are trained at {narrow} x {low} pixels ({reason}); results have {size[1]} x {size[0]}"

    def pyramid(
        self, plain: Pyramid[TrainedScale], net: NetConfig, options: Mapping[str, Any], extras: Mapping[str, Tensor]
    ) -> Pyramid[TrainedScale]:
        """The pyramid with the photo in ``extras``; the plain one before the training.

        Raises:
            ValueError: the file holds no photo.
        """
        if not extras:
            return plain
        photo = extras[PHOTO]
        is_photo = photo.ndim == 4 and photo.shape[0] == 1
        if not is_photo or (not plain.exact and (photo.dtype != torch.uint8 or photo.shape[1] != net.channels)):
            raise ValueError(f"{PHOTO} is damaged: it holds no photo of {net.channels} channels")
        return with_photo(plain, photo)

    def extras(self, pyramid: Pyramid[TrainedScale]) -> Mapping[str, Tensor]:
        """The photo."""
        assert isinstance(pyramid, HybridPyramid)
        return {PHOTO: pyramid.photo}

    def maker(self, pyramid: Pyramid[TrainedScale], layers: Layers | None = None) -> Maker:
        """The object that makes pictures of the photo's size.

        Raises:
            ValueError: the photo does not fit the ``layers``.
        """
        assert isinstance(pyramid, HybridPyramid)
        photo = pyramid.photo
        if layers is None:
            return Hybrid(pyramid, Instant.of(as_levels(photo)))
        raw = layers.as_raw
        if photo.shape[1] not in (raw.count, raw.count + 1) or not photo.isfinite().all():
            raise ValueError(f"{PHOTO} is damaged: it holds no photo of {raw.count} channels")
        values, valid = photo[:, : raw.count], photo[:, raw.count :]
        opened = Opened(values, layers, valid if valid.numel() else None, parts=raw.split(values))
        return Hybrid(pyramid, LayeredInstant.of(opened))

    def completed(self, pyramid: Pyramid[TrainedScale], picture: Opened) -> Pyramid[TrainedScale]:
        """``pyramid`` with the photo: of 8 bits or, with layers, raw values and a channel of the pixels with data."""
        layers, parts = picture.layers, picture.parts
        if layers is None:
            return with_photo(pyramid, to_8_bits(picture.image).cpu())
        size = picture.image.shape[-2], picture.image.shape[-1]
        if parts is None or parts.picture.size != size:  # it is reduced
            parts = layers.split(picture.image)
        photo = layers.as_raw.join(parts)
        if picture.valid is not None:
            empty = reduce_marks(picture.valid[0, 0].cpu().numpy() == 0, size)
            photo = torch.cat([photo, torch.from_numpy(~empty)[None, None].to(photo)], dim=1)
        small = photo.clamp(0, 255).to(torch.uint8)
        return with_photo(pyramid, small if torch.equal(small.to(photo), photo) else photo)

    def describe(self, options: Mapping[str, Any]) -> str:
        """The mode."""
        return f"{HYBRID}: pictures of the photo's size"


def with_photo(pyramid: Pyramid[TrainedScale], photo: Tensor) -> HybridPyramid[TrainedScale]:
    """``pyramid`` with the ``photo`` (1, C, H, W)."""
    return HybridPyramid(pyramid.scales, pyramid.factor, pyramid.margin, pyramid.noise_border, pyramid.exact, photo)
