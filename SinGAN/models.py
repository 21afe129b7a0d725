"""The generator and the critic of one scale, and the frozen config that shapes them (paper, Sect. 2.1)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import centre_crop, leaky_relu_

MAX_FILTERS, LEAK = 128, 0.2

Convolve = Callable[..., Tensor]
"""A convolution, called as ``torch.nn.functional.conv2d`` is."""

Inputs = tuple[Tensor, ...]
"""The arguments of a generator's ``forward``: ``z``, ``previous``, and what else decides the image."""


@dataclass(frozen=True)
class NetConfig:
    """The shape of both nets of one scale; ``variants.build`` chooses the nets that it asks for."""

    channels: int = 3  # of the image, and so of the noise
    filters: int = 32  # of the first block
    min_filters: int = 32  # blocks halve the filters, down to this
    ker_size: int = 3
    num_layer: int = 5
    residual: bool = True  # G adds the previous scale's image to its output
    dropout: float = 0.0  # share of G's activations that the noise drops, in place of being added to G's input
    weight_noise: float = 0.0  # noise on G's weights, a share of each filter's RMS, in place of noise on its input
    critics: int = 1  # number of critics whose mean is D, each on half the size of the one before
    conditional: bool = False  # D sees the previous scale's image, too
    stages: int = 0  # blocks of a generator that grows (Hinz et al. 2021); 0: the paper's
    batch_norm: bool = True  # of G's blocks, and where G does not grow of D's
    leak: float = LEAK  # slope of LeakyReLU below 0
    noisy_margins: bool = False  # the noise of a generator that grows covers the margins of its blocks, too

    def __post_init__(self) -> None:
        if self.ker_size < 1 or self.ker_size % 2 == 0:
            raise ValueError(f"`ker_size` must be odd, not {self.ker_size}")
        if self.num_layer < 2:
            raise ValueError(f"`num_layer` must be at least 2, not {self.num_layer}")
        if min(self.channels, self.filters, self.min_filters, self.critics) < 1:
            raise ValueError("the numbers of channels, filters and critics must be at least 1")
        if self.stages and self.num_layer < 3:
            raise ValueError(f"`num_layer` must be at least 3 for `train_mode` concurrent, not {self.num_layer}")
        if not 0 <= self.dropout < 1 or self.weight_noise < 0:
            raise ValueError(f"`dropout` {self.dropout:g} or `weight_noise` {self.weight_noise:g} is out of range")

    @property
    def margin(self) -> int:
        """Zeros to add on each side, so that the output has the input's unpadded size."""
        return (self.ker_size - 1) * self.num_layer // 2

    @property
    def adds_noise(self) -> bool:
        """Whether the noise is added to G's input; else it drops G's activations or perturbs its weights."""
        return not self.dropout and not self.weight_noise

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the patch that one output of either net sees."""
        return 2 * self.margin + 1

    def at(self, scale: int) -> "NetConfig":
        """The config of scale ``scale``: filters double every four scales, up to 128, or another block is there."""
        if self.stages:
            return replace(self, stages=scale + 1)
        growth: int = 2 ** (scale // 4)
        return replace(
            self,
            filters=min(self.filters * growth, MAX_FILTERS),
            min_filters=min(self.min_filters * growth, MAX_FILTERS),
            conditional=self.conditional and scale > 0,  # there is no image before the coarsest
        )

    def block_filters(self) -> list[int]:
        """The output filters of each block but the last (whose output is the image or the score)."""
        return [max(self.filters // 2**block, self.min_filters) for block in range(self.num_layer - 1)]

    def weights_per_pixel(self) -> int:
        """Multiplications that one output pixel of the generator costs."""
        widths = [self.channels, *self.block_filters(), self.channels]
        return self.ker_size**2 * sum(a * b for a, b in pairwise(widths))

    @classmethod
    def of(cls, state: Mapping[str, Tensor], like: "NetConfig | None" = None) -> "NetConfig":
        """The config of the generator with the state dict ``state``; what that does not tell is as in ``like``.

        Raises:
            ValueError: ``state`` is not a generator's.
        """
        try:
            head, tail, known = state["head.conv.weight"], state["tail.0.weight"], like or cls()
            body = [key.split(".") for key in state if key.startswith("body.") and key.endswith("conv.weight")]
            stages = len({parts[1] for parts in body}) if known.stages else 0
            blocks = len(body) // max(1, stages)
            return replace(
                known,
                stages=stages,
                batch_norm="head.norm.weight" in state,
                channels=head.shape[1],
                filters=head.shape[0],
                min_filters=tail.shape[1],
                ker_size=head.shape[-1],
                num_layer=blocks + 2,
            )
        except (KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"no generator's weights: {error} is missing") from error


def run_directly(compute: Callable[..., Any], *inputs: Any) -> Any:
    """The value of ``compute(*inputs)``."""
    return compute(*inputs)


class Recomputable(nn.Module):
    """A module whose work can be done again in the backward pass, so that its activations need not be kept.

    ``forward`` calls ``wrapper`` with ``compute``, which subclasses define, and with the inputs. An
    engine sets another ``wrapper`` on the modules that it trains.
    """

    wrapper: Callable[..., Any] = staticmethod(run_directly)
    compute: Callable[..., Any]

    def forward(self, *inputs: Any) -> Any:
        """The value of ``compute(*inputs)``, by way of ``wrapper``."""
        return self.wrapper(self.compute, *inputs)


class Conv2d(nn.Conv2d):
    """Convolution by ``backend``: PyTorch's, unless an engine sets another one on the modules that it trains."""

    backend: Convolve = staticmethod(F.conv2d)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.backend(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class ConvBlock(Recomputable):
    """Convolution without padding, BatchNorm where asked for, LeakyReLU; named as the authors name them."""

    def __init__(self, inputs: int, outputs: int, config: NetConfig) -> None:
        super().__init__()
        self.conv = Conv2d(inputs, outputs, config.ker_size)
        self.norm: nn.BatchNorm2d | nn.Identity = nn.BatchNorm2d(outputs) if config.batch_norm else nn.Identity()
        self.LeakyRelu = nn.LeakyReLU(config.leak, inplace=True)

    def compute(self, input: Tensor, weight: Tensor | None = None) -> Tensor:
        """The block's output for ``input`` (B, C, H, W); ``weight`` takes the place of the convolution's own."""
        mapped = self.conv(input) if weight is None else self.conv.backend(input, weight, self.conv.bias)
        if isinstance(self.norm, nn.Identity):
            return leaky_relu_(mapped, self.LeakyRelu.negative_slope)
        activations: Tensor = self.LeakyRelu(self.norm(mapped))
        return activations


class Backbone(nn.Module):
    """The part that generator and critic share: all blocks but the last."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels, *config.block_filters()]
        blocks = [ConvBlock(a, b, config) for a, b in pairwise(widths)]
        self.head = blocks[0]
        self.body = nn.Sequential()
        for index, block in enumerate(blocks[1:], start=1):
            self.body.add_module(f"block{index}", block)

    def blocks(self) -> list[ConvBlock]:
        """The head and the blocks of the body, in order."""
        return [block for block in (self.head, *self.body) if isinstance(block, ConvBlock)]

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, filters of the last block, smaller H, smaller W)."""
        features: Tensor = self.body(self.head(x))
        return features


class Generator(Backbone, Recomputable):
    """G_n: adds detail, made from noise, to the previous scale's image (paper, eq. 3).

    Without ``config.residual`` the detail alone is the image.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        tail = Conv2d(config.block_filters()[-1], config.channels, config.ker_size)
        self.tail = nn.Sequential(tail, nn.Tanh())

    def inputs(self, noise: Tensor, z_rec: Tensor, previous: Tensor, amp: float) -> Inputs:
        """The arguments of ``forward``, from maps (B or 1, C, H + 2 m, W + 2 m); m is ``config.margin``.

        Here ``z``, the amplified noise plus ``previous``, and ``previous``. Generators whose noise is
        not added need ``z_rec``, the noise of the reconstruction.
        """
        return amp * noise + previous, previous

    def compute(self, *inputs: Tensor) -> Tensor:
        """The image (B, C, H, W) from ``z`` and ``previous``, both (B or 1, C, H + 2 m, W + 2 m)."""
        z, previous = inputs
        return self.with_residual(self.tail(self.features(z)), previous)

    def with_residual(self, detail: Tensor, previous: Tensor) -> Tensor:
        """``detail`` (B, C, H, W) plus the centre of ``previous``, where ``config.residual`` asks for it."""
        if not self.config.residual:
            return detail
        return detail + centre_crop(previous, (detail.shape[-2], detail.shape[-1]))


class Discriminator(Backbone):
    """D_n: the patch critic, a map of scores, one for each patch of its receptive field."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.tail = Conv2d(config.block_filters()[-1], 1, config.ker_size)

    def forward(self, critic_input: Tensor) -> Tensor:
        """The scores (B, 1, H - 2 m, W - 2 m) of ``critic_input`` (B, C or 2 C, H, W), in its precision."""
        return self.scores_and_features(critic_input)[0]

    def scores_and_features(self, critic_input: Tensor) -> tuple[Tensor, Tensor]:
        """The scores, and the features (B, F, h, w) from which the tail computes them."""
        features = self.scored_features(critic_input)
        return self.tail(features).to(critic_input), features

    def scored_features(self, critic_input: Tensor) -> Tensor:
        """The features (B, F, h, w) that the tail scores: those of the last block."""
        return self.features(critic_input)

    def critic_input(self, image: Tensor, previous: Tensor) -> Tensor:
        """The input of ``forward`` for ``image`` (B, C, H, W), made from ``previous`` (B, C, H + 2 m, W + 2 m)."""
        return image

    def critics_and_inputs(self, critic_input: Tensor) -> Iterator[tuple["Discriminator", Tensor]]:
        """Each critic whose mean is D, with its input: here this one alone."""
        yield self, critic_input


def initialise(net: nn.Module, rng: torch.Generator, spread: bool = False) -> None:
    """Fresh weights from ``rng``: convolutions N(0, 0.02), BatchNorm N(1, 0.02), biases 0.

    With ``spread`` the biases of convolutions are PyTorch's: uniform, up to 1 / sqrt(inputs of an output).
    """
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                mean = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
                module.weight.normal_(mean, 0.02, generator=rng)
                most = module.weight[0].numel() ** -0.5 if spread and isinstance(module, nn.Conv2d) else 0.0
                assert module.bias is not None
                module.bias.uniform_(-most, most, generator=rng) if most else module.bias.zero_()
