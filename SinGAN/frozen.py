"""A trained generator made ready to generate: BatchNorms folded, large images strip by strip."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from SinGAN.models import ConvBlock, Generator

STRIP_VALUES = 2**26  # of one layer's activations: 256 MB; more go strip by strip


def folded(generator: Generator) -> Generator:
    """A copy of ``generator``, in eval mode, whose convolutions do the work of its BatchNorms, too."""
    copy = Generator(generator.config).to(next(generator.parameters()).device)
    copy.load_state_dict(generator.state_dict())
    for block in copy.eval().requires_grad_(False).modules():
        if isinstance(block, ConvBlock) and isinstance(block.norm, nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.norm)
            block.norm = nn.Identity()
    return copy


def in_strips(generator: Generator, z: Tensor, previous: Tensor, chance: Tensor | None = None) -> Tensor:
    """``generator(z, previous, chance)``, too large an image strip by strip; ``generator`` is in eval mode.

    A strip is made of the margin, too, that its pixels depend on, so that there are no seams.
    """
    margin = 2 * generator.config.margin
    count = max(len(one) for one in (z, previous, chance) if one is not None)
    rows = max(1, STRIP_VALUES // (count * z.shape[-1] * generator.config.filters) - margin)
    height = z.shape[-2]

    def strip(whole: Tensor, top: int) -> Tensor:
        return whole[..., top : top + rows + margin, :] if whole.shape[-2] == height else whole

    strips = [
        generator(strip(z, top), strip(previous, top), None if chance is None else strip(chance, top))
        for top in range(0, height - margin, rows)
    ]
    return torch.cat(strips, dim=-2)
