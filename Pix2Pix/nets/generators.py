"""The generators: U-Nets and ResNets (Isola et al. 2017, appendix; Johnson et al. 2016), with the originals' names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn

from Pix2Pix.nets.layers import Layers
from Pix2Pix.options import NETS

DROPPED_FROM = 4  # the first level of a U-Net that drops
WIDEST = 8  # times the filters of the first layer


@dataclass(frozen=True)
class GeneratorConfig:
    """The shape of a generator."""

    kind: str = "unet_256"  # of ``NETS``, or any ``unet_<2^n>`` and ``resnet_<n>blocks``
    inputs: int = 3  # channels
    outputs: int = 3
    filters: int = 64
    layers: Layers = Layers()

    @property
    def halvings(self) -> int:
        """How often a U-Net halves the picture; 0: it is a ResNet."""
        size = re.fullmatch(r"unet_(\d+)", self.kind)
        return int(size[1]).bit_length() - 1 if size else 0

    @property
    def blocks(self) -> int:
        """The residual blocks of a ResNet."""
        found = re.fullmatch(r"resnet_(\d+)blocks", self.kind)
        return int(found[1]) if found else 0

    @property
    def multiple(self) -> int:
        """Both sides of a picture must be multiples of this."""
        return 2**self.halvings if self.halvings else 4

    def build(self) -> nn.Module:
        """The net, with weights as PyTorch makes them."""
        if self.halvings < 2 and not self.blocks:
            raise ValueError(f"`netG` must be one of {', '.join(NETS)}, not {self.kind}")
        return Generator(Level(self, 0) if self.halvings else nn.Sequential(*resnet_layers(self)))


class Generator(nn.Module):
    """A U-Net, or a ResNet; ``model`` is the first part of the originals' names of weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] to (B, C', H, W)."""
        result: Tensor = self.model(x)
        return result


class Level(nn.Module):
    """A level of a U-Net, with all that are below it."""

    def __init__(self, config: GeneratorConfig, index: int) -> None:
        super().__init__()
        layers, last = config.layers, config.halvings - 1
        width = config.filters * min(2**index, WIDEST)
        above = config.filters * min(2 ** (index - 1), WIDEST) if index else config.inputs
        self.outermost = index == 0
        bias = layers.inner_bias
        down = layers.conv(above, width, 4, 2, 1, bias=bias)
        below = [] if index == last else [Level(config, index + 1)]
        met = width if index == last else 2 * width
        if index == 0:
            up = [nn.ReLU(), layers.up(met, config.outputs, 4, bias=True), nn.Tanh()]
            self.model = nn.Sequential(down, *below, *up)
            return
        norms = [] if index == last else [layers.normalise(width)]
        up = [nn.ReLU(), layers.up(met, above, 4, bias=bias), layers.normalise(above)]
        drops = layers.dropout if DROPPED_FROM <= index < last else []
        self.model = nn.Sequential(nn.LeakyReLU(0.2), down, *norms, *below, *up, *drops)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the picture, or, below the outermost level, to ``x`` joined with the result of this level."""
        result: Tensor = self.model(x)
        return result if self.outermost else torch.cat([x, result], dim=1)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            layers.conv(width, width, 3, bias=layers.inner_bias),
            layers.normalise(width),
            nn.ReLU(),
            *layers.dropout,
            nn.ReflectionPad2d(1),
            layers.conv(width, width, 3, bias=layers.inner_bias),
            layers.normalise(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        added: Tensor = self.conv_block(x)
        return x + added


def resnet_layers(config: GeneratorConfig) -> list[nn.Module]:
    """The layers of a ResNet: two halvings, residual blocks, two doublings."""
    layers, width, bias = config.layers, config.filters, config.layers.inner_bias
    parts = [nn.ReflectionPad2d(3), layers.conv(config.inputs, width, 7, bias=bias), layers.normalise(width), nn.ReLU()]
    for wide in (width, 2 * width):
        parts += [layers.conv(wide, 2 * wide, 3, 2, 1, bias=bias), layers.normalise(2 * wide), nn.ReLU()]
    parts += [Block(4 * width, layers) for _ in range(config.blocks)]
    for wide in (4 * width, 2 * width):
        parts += [layers.up(wide, wide // 2, 3, bias=bias, output_padding=1)]
        parts += [layers.normalise(wide // 2), nn.ReLU()]
    return [*parts, nn.ReflectionPad2d(3), layers.conv(width, config.outputs, 7), nn.Tanh()]


def config_of(state: Mapping[str, Tensor], layers: Layers) -> GeneratorConfig:
    """The config of the generator with the weights ``state``; ``layers`` has the randomness that they don't show.

    Raises:
        ValueError: they do not belong to such a net.
    """
    if "model.model.0.weight" in state:
        return _config_of_unet(state, layers)
    return _config_of_resnet(state, layers)


def _config_of_unet(state: Mapping[str, Tensor], layers: Layers) -> GeneratorConfig:
    halvings = next(index for index in count(1) if not _has_level(state, index))
    first, last = state["model.model.0.weight"], state["model.model.3.weight"]
    norm = _norm(state, "model.model.1.model.1.bias")
    return GeneratorConfig(
        f"unet_{2**halvings}", first.shape[1], last.shape[1], first.shape[0],
        Layers(norm, layers.stochastic, layers.strength),
    )  # fmt: skip


def _has_level(state: Mapping[str, Tensor], index: int) -> bool:
    """Whether a U-Net's ``state`` has the level ``index``, of which 0 is the outermost."""
    return f"{level_name(index)}.{1 if index else 0}.weight" in state


def level_name(index: int) -> str:
    """The name of a U-Net's level in state dicts."""
    return "model.model" if index == 0 else "model.model.1.model" + ".3.model" * (index - 1)


def _config_of_resnet(state: Mapping[str, Tensor], layers: Layers) -> GeneratorConfig:
    blocks = sum(1 for index in range(10, 10 + len(state)) if f"model.{index}.conv_block.1.weight" in state)
    last = f"model.{10 + blocks + 7}.weight"
    if not blocks or last not in state:
        raise ValueError("these weights belong to no known generator")
    first = state["model.1.weight"]
    drops = "model.10.conv_block.6.weight" in state and state["model.10.conv_block.6.weight"].ndim == 4
    stochastic = "dropout" if drops else "none" if layers.stochastic == "dropout" else layers.stochastic
    return GeneratorConfig(
        f"resnet_{blocks}blocks", first.shape[1], state[last].shape[0], first.shape[0],
        Layers(_norm(state, "model.1.bias"), stochastic, layers.strength),
    )  # fmt: skip


def _norm(state: Mapping[str, Tensor], bias: str) -> str:
    """The norm of the net with the weights ``state``; ``bias`` is the name that an inner convolution's would have."""
    if any(name.endswith("running_mean") for name in state):
        return "batch"
    return "instance" if bias in state else "none"
