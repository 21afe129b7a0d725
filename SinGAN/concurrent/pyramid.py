"""The stages of a growing generator as a pyramid: features go from one to the next, not images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from SinGAN.concurrent.inputs import RANDOM, coarsest_input
from SinGAN.functions import repeated, stretch
from SinGAN.imresize import imresize_to
from SinGAN.models import NetConfig
from SinGAN.planning import Size, enlarged
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.variants.growing import GrowingGenerator, block_margin

RIM = 1  # features at the border of the picture that are computed again where it is extended


@dataclass(frozen=True, eq=False)
class GrownPyramid(Pyramid[TrainedScale]):
    """The stages, coarse to fine; the generator of the last one makes all images.

    The noise of the first stage is like an image, (B, C, H, W); that of the others like features, (B, F, H + 2 m,
    W + 2 m), with a margin m where the net wants noise there.
    """

    filters: int = 64
    recipe: str = "generation"  # the input of the first stage in training: see ``concurrent.inputs``
    first_step: ClassVar[float] = 0.01

    @classmethod
    def of(
        cls, scales: tuple[TrainedScale, ...], factor: float, net: NetConfig, noise_border: bool, recipe: str,
        exact: bool = False,
    ) -> "GrownPyramid":  # fmt: skip
        """The pyramid of trained stages ``scales`` with nets like ``net``."""
        return cls(scales, factor, block_margin(net) * net.noisy_margins, noise_border, exact, net.filters, recipe)

    @property
    def injection_scales(self) -> range:
        """The first stage alone: after it come features."""
        return range(1)

    def check_passes_images(self, purpose: str) -> None:
        """Raise a ValueError: features go from stage to stage."""
        raise ValueError(
            f"a model of `train_mode` concurrent can't {purpose}: features go from stage to stage, not images"
        )

    def draw_map(self, rng: torch.Generator, like: Tensor, size: Size, coarsest: bool) -> Tensor:
        """Noise for an image of ``size``; where the net was trained on changed pictures, ``like`` changed at random."""
        if not coarsest:
            shape = (1, self.filters, size[0] + 2 * self.margin, size[1] + 2 * self.margin)
            return torch.randn(shape, generator=rng, device=like.device)
        if self.recipe in RANDOM:
            return torch.randn((1, like.shape[1], *size), generator=rng, device=like.device)
        return stretch(coarsest_input(like, self.recipe, rng), size)

    @torch.no_grad()
    def generate(self, noise: Sequence[Tensor], previous: Tensor | None = None) -> Tensor:
        """The finest image (B, C, H, W) that ``noise`` makes, one map for each stage.

        Raises:
            ValueError: there is a ``previous`` image, or a map is missing.
        """
        if previous is not None or len(noise) != len(self):
            raise ValueError("a growing generator makes images from the noise of all its stages only")
        image: Tensor = self.scales[-1].folded(*self.amplify(noise))
        return image

    @torch.no_grad()
    def generate_around(self, noise: Sequence[Tensor], corners: Sequence[tuple[int, int]]) -> Tensor:
        """The finest image (1, C, H, W) that ``noise`` makes around the training picture; see ``Pyramid``.

        The features of the picture's own reconstruction stay, as images do there.

        Raises:
            ValueError: the first stage's noise is a picture.
        """
        if self.recipe not in RANDOM:
            raise ValueError(
                f"a model of `recipe` {self.recipe} can't extend its picture, because it starts from that, not from "
                f"noise: use one of `recipe` {RANDOM[0]}"
            )
        net = self.scales[-1].folded
        assert isinstance(net, GrowingGenerator)
        wide, rebuilt = noise[0], self.scales[0].z_rec
        maps = zip(self.amplify(noise), self.amplify(self.z_rec()), corners, strict=True)
        for index, (z, own, (top, left)) in enumerate(maps):
            wide, rebuilt = net.stage(index, z, wide), net.stage(index, own, rebuilt)
            # All but the outermost features, which have seen the padding: artefacts would grow from them.
            inside = rebuilt[..., RIM:-RIM, RIM:-RIM]
            height, width = inside.shape[-2:]
            wide[..., top + RIM : top + RIM + height, left + RIM : left + RIM + width] = inside
        return net.image(wide)

    def amplify(self, noise: Sequence[Tensor]) -> list[Tensor]:
        """The maps ``noise``, each times its stage's amplitude."""
        return [scale.noise_amp * z for scale, z in zip(self.scales, noise, strict=True)]

    def from_start(self, noise: list[Tensor], start: int, enlargement: tuple[float, float]) -> Tensor:
        """The images (B, C, H, W) of another size whose stages below ``start`` have the reconstruction's noise."""
        border, sizes = 2 * self.margin, [enlarged(scale.size, enlargement) for scale in self.scales[:start]]
        fixed = [stretch(self.scales[0].z_rec, sizes[0])]
        for scale, (height, width) in zip(self.scales[1:start], sizes[1:], strict=True):
            fixed.append(repeated(scale.z_rec, (height + border, width + border), 0))
        return self.generate([*fixed, *noise])

    def with_reference(
        self, reference: Tensor, start: int, rng: torch.Generator, count: int, first: int
    ) -> tuple[list[Tensor], Tensor | None]:
        """The noise of ``count`` pictures: the first one has the reconstruction's, but for what ``reference`` changes.

        Others have fresh noise at the stages after the first.
        """
        coarsest = self.scales[0]
        changed = coarsest.z_rec + imresize_to(reference, coarsest.size, self.exact) - coarsest.real
        fresh = self.draw(rng, count, 1)
        for z, scale in zip(fresh, self.scales[1:], strict=True):
            if first == 0:
                z[:1] = scale.z_rec
        return [changed, *fresh], None
