"""The generator and the critic of one scale, and the frozen config that shapes them (paper, Sect. 2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from SinGAN.functions import centre_crop

MAX_FILTERS = 128
LEAK = 0.2
STRIP_VALUES = 2**26  # of one layer's activations: 256 MB; more go strip by strip


@dataclass(frozen=True)
class NetConfig:
    """The shape of both nets of one scale."""

    channels: int = 3  # of the image, and so of the noise
    filters: int = 32  # of the first block
    min_filters: int = 32  # blocks halve the filters, down to this
    ker_size: int = 3
    num_layer: int = 5
    residual: bool = True  # G adds the previous scale's image to what it makes

    def __post_init__(self) -> None:
        if self.ker_size < 1 or self.ker_size % 2 == 0:
            raise ValueError(f"--ker_size must be odd, not {self.ker_size}")
        if self.num_layer < 2:
            raise ValueError(f"--num_layer must be at least 2, not {self.num_layer}")
        if min(self.channels, self.filters, self.min_filters) < 1:
            raise ValueError("the numbers of channels and filters must be at least 1")

    @property
    def margin(self) -> int:
        """Zeros to add on each side, so that the output has the input's unpadded size."""
        return (self.ker_size - 1) * self.num_layer // 2

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the patch that one output of either net sees."""
        return 2 * self.margin + 1

    def at(self, scale: int) -> "NetConfig":
        """The config of scale ``scale``: filters double every four scales, up to 128."""
        growth: int = 2 ** (scale // 4)
        return replace(
            self,
            filters=min(self.filters * growth, MAX_FILTERS),
            min_filters=min(self.min_filters * growth, MAX_FILTERS),
        )

    def block_filters(self) -> list[int]:
        """The output filters of each block but the last (whose output is the image or the score)."""
        return [max(self.filters // 2**block, self.min_filters) for block in range(self.num_layer - 1)]

    def weights_per_pixel(self) -> int:
        """Multiplications that one output pixel of the generator costs."""
        widths = [self.channels, *self.block_filters(), self.channels]
        return self.ker_size**2 * sum(a * b for a, b in pairwise(widths))

    @classmethod
    def of(cls, state: Mapping[str, Tensor], residual: bool = True) -> "NetConfig":
        """The config of the generator whose state dict ``state`` is; that does not tell ``residual``.

        Raises:
            ValueError: ``state`` is not a generator's.
        """
        try:
            head, tail = state["head.conv.weight"], state["tail.0.weight"]
            blocks = sum(key.startswith("body.") and key.endswith("conv.weight") for key in state)
            return cls(head.shape[1], head.shape[0], tail.shape[1], head.shape[-1], blocks + 2, residual)
        except (KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"no generator's weights: {error} is missing") from error


class ConvBlock(nn.Sequential):
    """Convolution without padding, BatchNorm, LeakyReLU; submodules named as the authors name them."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | nn.Identity

    def __init__(self, inputs: int, outputs: int, ker_size: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(inputs, outputs, ker_size))
        self.add_module("norm", nn.BatchNorm2d(outputs))
        self.add_module("LeakyRelu", nn.LeakyReLU(LEAK, inplace=True))


class Trunk(nn.Module):
    """What generator and critic share: all blocks but the last."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels, *config.block_filters()]
        blocks = [ConvBlock(a, b, config.ker_size) for a, b in pairwise(widths)]
        self.head = blocks[0]
        self.body = nn.Sequential()
        for index, block in enumerate(blocks[1:], start=1):
            self.body.add_module(f"block{index}", block)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, filters of the last block, smaller H, smaller W)."""
        features: Tensor = self.body(self.head(x))
        return features


class Generator(Trunk):
    """G_n: adds to the previous scale's image the detail that it makes from noise (paper, eq. 3).

    Without ``config.residual`` what it makes is the image.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        tail = nn.Conv2d(config.block_filters()[-1], config.channels, config.ker_size)
        self.tail = nn.Sequential(tail, nn.Tanh())

    def forward(self, z: Tensor, previous: Tensor) -> Tensor:
        """The image (B, C, H, W) from ``z`` and ``previous``, both (B or 1, C, H + 2 m, W + 2 m).

        ``z`` is amplified noise plus ``previous``; m is ``config.margin``.
        """
        detail: Tensor = self.tail(self.features(z))
        if not self.config.residual:
            return detail
        return detail + centre_crop(previous, (detail.shape[-2], detail.shape[-1]))


def folded(generator: Generator) -> Generator:
    """A copy of ``generator``, in eval mode, whose convolutions do the work of its BatchNorms, too."""
    copy = Generator(generator.config).to(next(generator.parameters()).device)
    copy.load_state_dict(generator.state_dict())
    for block in copy.eval().requires_grad_(False).modules():
        if isinstance(block, ConvBlock) and isinstance(block.norm, nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.norm)
            block.norm = nn.Identity()
    return copy


def in_strips(generator: Generator, z: Tensor, previous: Tensor) -> Tensor:
    """``generator(z, previous)``, of an image too large for memory strip by strip; ``generator`` is in eval mode.

    A strip is made of the margin, too, that its pixels depend on, so that there are no seams.
    """
    margin = 2 * generator.config.margin
    rows = max(1, STRIP_VALUES // (z.shape[0] * z.shape[-1] * generator.config.filters) - margin)
    strips = [
        generator(z[..., top : top + rows + margin, :], previous[..., top : top + rows + margin, :])
        for top in range(0, z.shape[-2] - margin, rows)
    ]
    return torch.cat(strips, dim=-2)


class Discriminator(Trunk):
    """D_n: the patch critic, a map of scores, one for each patch of its receptive field."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.tail = nn.Conv2d(config.block_filters()[-1], 1, config.ker_size)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the scores (B, 1, H - 2 m, W - 2 m), in the image's precision."""
        scores: Tensor = self.tail(self.features(image))
        return scores.to(image)


def initialise(net: nn.Module, rng: torch.Generator) -> None:
    """Fresh weights from ``rng``: convolutions N(0, 0.02), BatchNorm N(1, 0.02), biases 0."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                mean = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
                module.weight.normal_(mean, 0.02, generator=rng)
                if module.bias is not None:
                    module.bias.zero_()
