"""The layers of all nets, and their randomness: dropout, or noise on weights, from one random generator."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.models import Conv2d


class Random(nn.Module):
    """A layer that draws; ``rng`` is given to it by ``set_generator``."""

    rng: torch.Generator | None = None
    active = True


class Dropout(Random):
    """Dropout of a share of the activations, at test as well as in training (Isola et al. 2017, Sect. 3.2.1)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def mask(self, x: Tensor) -> Tensor:
        """1 where an activation of ``x`` is kept, else 0."""
        return torch.empty_like(x).bernoulli_(1 - self.share, generator=self.rng)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` of any shape; values that are kept are divided by the share of those kept."""
        return x * self.mask(x) / (1 - self.share) if self.active and self.share else x


class NoisyConv2d(Conv2d, Random):
    """A convolution with Gaussian noise on its weights, in units of the RMS of each output filter."""

    amount = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, h, w)."""
        result: Tensor = self._conv_forward(x, add_weight_noise(self, 0), self.bias)
        return result


class NoisyConvTranspose2d(nn.ConvTranspose2d, Random):
    """The same, transposed: its output filters are dimension 1 of its weights."""

    amount = 0.0

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, in, H, W) to (B, out, h, w)."""
        assert isinstance(self.padding, tuple)  # words for it are of other convolutions
        return F.conv_transpose2d(
            x, add_weight_noise(self, 1), self.bias, self.stride, self.padding, self.output_padding
        )


def add_weight_noise(layer: NoisyConv2d | NoisyConvTranspose2d, output: int) -> Tensor:
    """The weights of ``layer`` with its noise; ``output`` is their dimension of output filters."""
    weight = layer.weight
    if not layer.active or not layer.amount:
        return weight
    others = [dim for dim in range(4) if dim != output]
    rms = weight.detach().square().mean(others, keepdim=True).sqrt()
    noise = torch.randn(weight.shape, generator=layer.rng, device=weight.device, dtype=weight.dtype)
    return weight + layer.amount * rms * noise


@dataclass(frozen=True)
class Layers:
    """Makes layers: all of a net have one norm and one kind of randomness."""

    norm: str = "batch"
    stochastic: str = "none"
    strength: float = 0.0  # of the randomness: the share that is dropped, or the noise in units of the RMS

    @property
    def inner_bias(self) -> bool:
        """Whether convolutions before a norm have biases."""
        return self.norm == "instance"

    def conv(
        self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> nn.Module:
        """A convolution."""
        kind = NoisyConv2d if self.stochastic == "weights" else Conv2d
        return self._noisy(kind(inputs, outputs, size, stride, padding, bias=bias))

    def up(self, inputs: int, outputs: int, size: int, bias: bool, output_padding: int = 0) -> nn.Module:
        """A transposed convolution that doubles the size."""
        kind = NoisyConvTranspose2d if self.stochastic == "weights" else nn.ConvTranspose2d
        return self._noisy(kind(inputs, outputs, size, 2, 1, output_padding, bias=bias))

    def _noisy(self, layer: nn.Module) -> nn.Module:
        if isinstance(layer, NoisyConv2d | NoisyConvTranspose2d):
            layer.amount = self.strength
        return layer

    def normalise(self, channels: int) -> nn.Module:
        """The norm of so many channels."""
        if self.norm == "batch":
            return nn.BatchNorm2d(channels)
        return nn.InstanceNorm2d(channels) if self.norm == "instance" else nn.Identity()

    @property
    def dropout(self) -> list[nn.Module]:
        """Dropout, where the net has it."""
        return [Dropout(self.strength)] if self.stochastic == "dropout" else []


def random_layers(net: nn.Module) -> Iterator[Random]:
    """The layers of ``net`` that draw."""
    return (layer for layer in net.modules() if isinstance(layer, Random))


def set_generator(net: nn.Module, rng: torch.Generator | None, active: bool = True) -> None:
    """Have all layers of ``net`` draw from ``rng``, or, where they are not ``active``, not at all."""
    for layer in random_layers(net):
        layer.rng, layer.active = rng, active


def initialise(net: nn.Module, kind: str, gain: float, rng: torch.Generator) -> None:
    """Fresh weights from ``rng``: convolutions by ``kind`` with ``gain``, batch norms N(1, gain), biases 0."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                _fill(module.weight, kind, gain, rng)
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, gain, generator=rng)
            else:
                continue
            if module.bias is not None:
                module.bias.zero_()


def _fill(weight: Tensor, kind: str, gain: float, rng: torch.Generator) -> None:
    """Fill the weights of a convolution."""
    if kind == "normal":
        weight.normal_(0.0, gain, generator=rng)
    elif kind == "xavier":
        nn.init.xavier_normal_(weight, gain=gain, generator=rng)
    elif kind == "kaiming":
        nn.init.kaiming_normal_(weight, a=0, mode="fan_in", generator=rng)
    else:
        nn.init.orthogonal_(weight, gain=gain, generator=rng)
