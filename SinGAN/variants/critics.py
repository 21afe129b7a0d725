"""Critics beyond the paper's: one that sees the previous scale's image, several at halved sizes."""

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import centre_crop
from SinGAN.models import Backbone, Discriminator, NetConfig


class ConditionalCritic(Discriminator):
    """D_n that sees the previous scale's image in a second stream of layers (SESAME, Ntavelis et al. 2020).

    One map, the sum of the second stream's channels, weighs all features of the image, as the authors' code has it.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.stream = Backbone(config)

    def scored_features(self, critic_input: Tensor) -> Tensor:
        """The features (B, F, h, w) of the image in ``critic_input`` (B, 2 C, H, W), weighted by the second stream."""
        image, previous = critic_input.chunk(2, dim=1)
        return self.features(image) * (1 + self.stream.features(previous).sum(dim=1, keepdim=True))

    def critic_input(self, image: Tensor, previous: Tensor) -> Tensor:
        """``image`` (B, C, H, W) and the centre of ``previous`` (B, C, H + 2 m, W + 2 m): (B, 2 C, H, W)."""
        return torch.cat([image, centre_crop(previous, (image.shape[-2], image.shape[-1]))], dim=1)


class SeveralCritics(Discriminator):
    """D_n as the mean of several critics (pix2pixHD, Wang et al. 2018).

    ``coarser`` holds those that see the image at 1/2, 1/4, .. of its size.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        kind = ConditionalCritic if config.conditional else Discriminator
        alone = replace(config, critics=1)
        self.coarser = nn.ModuleList(kind(alone) for _ in range(config.critics - 1))

    def critics_and_inputs(self, critic_input: Tensor) -> Iterator[tuple[Discriminator, Tensor]]:
        """Each critic with its input.

        Halved sizes below two patches a side are left out: their few scores would outweigh the others.
        """
        yield self, critic_input
        for critic in self.coarser:
            assert isinstance(critic, Discriminator)
            critic_input = F.avg_pool2d(critic_input, 3, stride=2, padding=1, count_include_pad=False)
            if min(critic_input.shape[-2:]) >= 2 * self.config.receptive_field:
                yield critic, critic_input


class SeveralConditionalCritics(SeveralCritics, ConditionalCritic):
    """D_n as the mean of several critics that see the previous scale's image, too."""
