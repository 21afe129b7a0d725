"""The generator and the critic of one scale, and the frozen config that shapes them (paper, Sect. 2.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import centre_crop, repeated
from SinGAN.variants.stochastic import dropped, shaken

MAX_FILTERS = 128
LEAK = 0.2


@dataclass(frozen=True)
class NetConfig:
    """The shape of both nets of one scale."""

    channels: int = 3  # of the image, and so of the noise
    filters: int = 32  # of the first block
    min_filters: int = 32  # blocks halve the filters, down to this
    ker_size: int = 3
    num_layer: int = 5
    residual: bool = True  # G adds the previous scale's image to what it makes
    dropout: float = 0.0  # the share of G's activations that the noise drops, in place of being added
    weight_noise: float = 0.0  # noise on G's weights, a share of each filter's RMS, in place of noise on its input
    critics: int = 1  # D is the mean of so many, each on half the size of the one before
    conditional: bool = False  # D sees the previous scale's image, too

    def __post_init__(self) -> None:
        if self.ker_size < 1 or self.ker_size % 2 == 0:
            raise ValueError(f"--ker_size must be odd, not {self.ker_size}")
        if self.num_layer < 2:
            raise ValueError(f"--num_layer must be at least 2, not {self.num_layer}")
        if min(self.channels, self.filters, self.min_filters, self.critics) < 1:
            raise ValueError("the numbers of channels, filters and critics must be at least 1")
        if not 0 <= self.dropout < 1 or self.weight_noise < 0:
            raise ValueError(f"--dropout {self.dropout:g} or --weight_noise {self.weight_noise:g} is out of range")

    @property
    def margin(self) -> int:
        """Zeros to add on each side, so that the output has the input's unpadded size."""
        return (self.ker_size - 1) * self.num_layer // 2

    @property
    def adds_noise(self) -> bool:
        """Whether the noise is added to what G sees; else it decides what G drops, or shakes its weights."""
        return not self.dropout and not self.weight_noise

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
        """The config of the generator whose state dict ``state`` is; what that does not tell is as in ``like``.

        Raises:
            ValueError: ``state`` is not a generator's.
        """
        try:
            head, tail = state["head.conv.weight"], state["tail.0.weight"]
            blocks = sum(key.startswith("body.") and key.endswith("conv.weight") for key in state)
            shape = head.shape[1], head.shape[0], tail.shape[1], head.shape[-1], blocks + 2
            like = like or cls()
            return cls(*shape, like.residual, like.dropout, like.weight_noise, like.critics, like.conditional)
        except (KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"no generator's weights: {error} is missing") from error


class ConvBlock(nn.Sequential):
    """Convolution without padding, BatchNorm, LeakyReLU; submodules named as the authors name them."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | nn.Identity
    LeakyRelu: nn.LeakyReLU

    def __init__(self, inputs: int, outputs: int, ker_size: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(inputs, outputs, ker_size))
        self.add_module("norm", nn.BatchNorm2d(outputs))
        self.add_module("LeakyRelu", nn.LeakyReLU(LEAK, inplace=True))

    def forward(self, input: Tensor, weight: Tensor | None = None) -> Tensor:
        """What the block makes of ``input``, its convolution having another ``weight`` where one is given."""
        mapped = self.conv(input) if weight is None else F.conv2d(input, weight, self.conv.bias)
        made: Tensor = self.LeakyRelu(self.norm(mapped))
        return made


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


Inputs = tuple[Tensor, Tensor, Tensor | None]  # z, previous, chance


class Generator(Trunk):
    """G_n: adds to the previous scale's image the detail that it makes from noise (paper, eq. 3).

    Without ``config.residual`` what it makes is the image.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        tail = nn.Conv2d(config.block_filters()[-1], config.channels, config.ker_size)
        self.tail = nn.Sequential(tail, nn.Tanh())

    def forward(self, z: Tensor, previous: Tensor, chance: Tensor | None = None) -> Tensor:
        """The image (B, C, H, W) from ``z`` and ``previous``, both (B or 1, C, H + 2 m, W + 2 m).

        What comes in is what ``inputs`` gives; m is ``config.margin``.
        """
        if chance is None:
            detail: Tensor = self.tail(self.features(z))
        elif self.config.dropout:
            detail = self._dropping(z, chance)
        else:
            count = max(len(z), len(chance))  # each image has weights of its own
            pairs = zip(z.expand(count, -1, -1, -1).split(1), chance.expand(count, -1, -1, -1).split(1), strict=True)
            detail = torch.cat([self._shaken(*pair) for pair in pairs])
        if not self.config.residual:
            return detail
        return detail + centre_crop(previous, (detail.shape[-2], detail.shape[-1]))

    def inputs(self, noise: Tensor, z_rec: Tensor, previous: Tensor, amp: float) -> Inputs:
        """What ``forward`` takes, from maps (B or 1, C, H + 2 m, W + 2 m): ``z``, ``previous`` and the chance.

        ``z`` is amplified noise plus ``previous``. Where the noise is not added, that of the
        reconstruction, ``z_rec``, takes its place, and the chance is what of the noise decides: one
        channel (B, 1, ..) for dropout, one number (B, 1, 1, 1) for weights. Noise of 0 changes nothing.
        """
        if self.config.adds_noise:
            return amp * noise + previous, previous, None
        margin = self.config.margin
        z = amp * repeated(z_rec, (noise.shape[-2], noise.shape[-1]), margin) + previous
        here = slice(margin, margin + 1)
        return z, previous, noise[:, :1] if self.config.dropout else noise[:, :1, here, here]

    def _dropping(self, z: Tensor, chance: Tensor) -> Tensor:
        for depth, block in enumerate((self.head, *self.body)):
            z = dropped(block(z), chance, self.config.dropout, depth)
        detail: Tensor = self.tail(z)
        return detail

    def _shaken(self, z: Tensor, seed: Tensor) -> Tensor:
        amount = self.config.weight_noise
        for depth, block in enumerate((self.head, *self.body)):
            assert isinstance(block, ConvBlock)
            z = block(z, shaken(block.conv.weight, seed, amount, depth))
        conv, tanh = self.tail
        assert isinstance(conv, nn.Conv2d)
        detail: Tensor = tanh(F.conv2d(z, shaken(conv.weight, seed, amount, self.config.num_layer), conv.bias))
        return detail


class Discriminator(Trunk):
    """D_n: the patch critic, a map of scores, one for each patch of its receptive field.

    With ``config.conditional`` it sees the previous scale's image in a second stream of layers, whose
    features multiply those of the image (SESAME, Ntavelis et al. 2020). With several
    ``config.critics``, ``coarser`` holds those that see the image at 1/2, 1/4, .. of its size
    (pix2pixHD, Wang et al. 2018).
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.tail = nn.Conv2d(config.block_filters()[-1], 1, config.ker_size)
        if config.conditional:
            self.stream = Trunk(config)
        if config.critics > 1:
            alone = replace(config, critics=1)
            self.coarser = nn.ModuleList(Discriminator(alone) for _ in range(config.critics - 1))

    def forward(self, shown: Tensor) -> Tensor:
        """Of what ``show`` gives (B, C or 2 C, H, W), the scores (B, 1, H - 2 m, W - 2 m), in its precision."""
        if self.config.conditional:
            image, previous = shown.chunk(2, dim=1)
            features = self.features(image) * (1 + self.stream.features(previous))
        else:
            features = self.features(shown)
        scores: Tensor = self.tail(features)
        return scores.to(shown)

    def show(self, image: Tensor, previous: Tensor) -> Tensor:
        """What this critic sees of ``image`` (B, C, H, W), made from ``previous`` (B, C, H + 2 m, W + 2 m)."""
        if not self.config.conditional:
            return image
        return torch.cat([image, centre_crop(previous, (image.shape[-2], image.shape[-1]))], dim=1)

    def looks(self, shown: Tensor) -> Iterator[tuple["Discriminator", Tensor]]:
        """Each critic with what it sees of ``shown``.

        Halved sizes below two patches a side are left out: their few scores would outweigh the others.
        """
        yield self, shown
        for critic in self.coarser if self.config.critics > 1 else ():
            assert isinstance(critic, Discriminator)
            shown = F.avg_pool2d(shown, 3, stride=2, padding=1, count_include_pad=False)
            if min(shown.shape[-2:]) >= 2 * self.config.receptive_field:
                yield critic, shown


def initialise(net: nn.Module, rng: torch.Generator) -> None:
    """Fresh weights from ``rng``: convolutions N(0, 0.02), BatchNorm N(1, 0.02), biases 0."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                mean = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
                module.weight.normal_(mean, 0.02, generator=rng)
                if module.bias is not None:
                    module.bias.zero_()
