"""The critics of pairs: of patches, of pixels, several at halved sizes, SESAME's; with the originals' names."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from Pix2Pix.nets.layers import Layers
from SinGAN.models import Conv2d

WIDEST = 8  # times the filters of the first layer


@dataclass(frozen=True)
class CriticConfig:
    """The shape of a critic of pairs."""

    kind: str = "patch"  # of ``CRITICS``
    inputs: tuple[int, int] = (3, 3)  # channels of a, and of b
    filters: int = 64
    depth: int = 3  # layers of a patch critic
    count: int = 2  # critics of ``multiscale`` and ``sesame``
    norm: str = "batch"

    @property
    def smallest(self) -> int:
        """The smallest side of a picture that gives each critic a score."""
        if self.kind == "pixel":
            return 1
        # scores of n pixels: n // 2^depth - 2 of a patch critic, one layer of stride 1 less for SESAME's
        strides = self.depth - (self.kind == "sesame")
        several = self.count if self.kind in ("multiscale", "sesame") else 1
        return int(3 * 2 ** (strides + several - 1))

    def build(self) -> "Critic":
        """The critic, with PyTorch's first weights."""
        if self.kind == "sesame":
            return Critic({f"discriminator_{index}": SesameCritic(self) for index in range(self.count)})
        if self.kind == "multiscale":  # the last one sees the full size
            parts = {f"layer{index}": Joined(*patch_layers(self)) for index in range(self.count)}
            return Critic(parts, reverse=True)
        return Critic(
            {"net": Joined(*pixel_layers(self))} if self.kind == "pixel" else {"model": Joined(*patch_layers(self))}
        )


def patch_layers(config: CriticConfig) -> list[nn.Module]:
    """The layers of a patch critic of a and b joined."""
    layers, width = Layers(config.norm), config.filters
    parts: list[nn.Module] = [layers.conv(sum(config.inputs), width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for index in range(1, config.depth + 1):
        wide = config.filters * min(2**index, WIDEST)
        stride = 2 if index < config.depth else 1
        parts += [layers.conv(width, wide, 4, stride, 1, bias=layers.inner_bias), layers.normalise(wide)]
        parts += [nn.LeakyReLU(0.2)]
        width = wide
    return [*parts, layers.conv(width, 1, 4, 1, 1)]


def pixel_layers(config: CriticConfig) -> list[nn.Module]:
    """The layers of a critic that scores each pixel of a and b joined by itself."""
    layers, width = Layers(config.norm), config.filters
    return [
        layers.conv(sum(config.inputs), width, 1),
        nn.LeakyReLU(0.2),
        layers.conv(width, 2 * width, 1, bias=layers.inner_bias),
        layers.normalise(2 * width),
        nn.LeakyReLU(0.2),
        layers.conv(2 * width, 1, 1, bias=layers.inner_bias),
    ]


def halve(image: Tensor) -> Tensor:
    """``image`` (B, C, H, W) at half its size: means of 3 x 3 pixels, of which only those inside count."""
    return F.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)


class Critic(nn.Module):
    """One or several critics with weights of their own, each on half the size of the one before (Wang et al. 2018)."""

    def __init__(self, parts: Mapping[str, nn.Module], reverse: bool = False) -> None:
        """``parts``: the critics by their names in state dicts; ``reverse``: the last one sees the full size."""
        super().__init__()
        self.order = list(parts)[:: -1 if reverse else 1]
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, a: Tensor, b: Tensor) -> list[Tensor]:
        """The scores (B, 1, h, w) of the pairs ``a``, ``b`` (B, C, H, W) at each size, the full one first."""
        scores = []
        for index, name in enumerate(self.order):
            if index:
                a, b = halve(a), halve(b)
            scores.append(self.get_submodule(name)(a, b))
        return scores


class Joined(nn.Sequential):
    """Layers that score a and b joined."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]  # nn.Sequential takes one input
        """The scores (B, 1, h, w) of the pairs ``a``, ``b`` (B, C, H, W)."""
        scores = torch.cat([a, b], dim=1)
        for layer in self:
            scores = layer(scores)
        return scores


class SesameCritic(nn.Module):
    """A critic in which one map of a's stream weighs the features of b's (Ntavelis et al. 2020, Sect. 3.2)."""

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.sem_sequence, self.img_sequence = (
            nn.Sequential(*self.stream(channels, config)) for channels in config.inputs
        )
        widest = min(config.filters * 2 ** (config.depth - 1), 512)
        self.img_sequence.append(nn.Sequential(Conv2d(widest, 1, 4, 1, 1)))

    @staticmethod
    def stream(channels: int, config: CriticConfig) -> list[nn.Module]:
        """The layers of one stream."""
        width = config.filters
        parts = [nn.Sequential(Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))]
        for index in range(1, config.depth):
            wide, stride = min(config.filters * 2**index, 512), 2 if index < config.depth - 1 else 1
            normed = nn.Sequential(Conv2d(width, wide, 4, stride, 1, bias=False), nn.InstanceNorm2d(wide))
            parts.append(nn.Sequential(normed, nn.LeakyReLU(0.2)))
            width = wide
        return list(parts)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The scores (B, 1, h, w) of the pairs ``a``, ``b`` (B, C, H, W)."""
        *streams, last = self.img_sequence
        seen, image = self.sem_sequence(a), b
        for layer in streams:
            image = layer(image)
        scores: Tensor = last(image * (1 + seen.sum(dim=1, keepdim=True)))
        return scores
