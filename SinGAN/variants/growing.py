"""The growing generator: one net of several blocks, each of which refines the features of the previous one.

After ConSinGAN (Hinz, Fisher, Wang, Wermter, *Improved Techniques for Training Single-Image GANs*, WACV 2021, Sect. 3).
"""

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.functions import pad
from SinGAN.models import Generator, Inputs, NetConfig


class GrowingGenerator(Generator):
    """G with ``config.stages`` blocks, from noise at each of their sizes to the image of the last one.

    The head turns the coarsest noise into features, each block enlarges and refines them, and the tail turns the last
    ones into an image. The margins that a block crops are features and noise with ``config.noisy_margins``, else zeros.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.body = nn.Sequential(*(copy.deepcopy(self.body) for _ in range(config.stages)))
        self.frozen = 0  # number of frozen blocks; if there are any, ``inputs`` begin with their features

    @property
    def reach(self) -> int:
        """The pixels that one convolution crops from each side."""
        return (self.config.ker_size - 1) // 2

    @property
    def margin(self) -> int:
        """The pixels that a block crops from each side."""
        return block_margin(self.config)

    def window(self, maps: Sequence[Tensor]) -> Inputs:
        """The arguments of ``forward`` from the scaled noise of all stages; frozen blocks run here.

        ``maps`` are (B or 1, C, H, W) at the first stage, then (B or 1, F, H, W), with margins if these are noisy.
        """
        if not self.frozen:
            return tuple(maps)
        with torch.no_grad():
            features = maps[0]
            for index in range(self.frozen):
                features = self.stage(index, maps[index], features)
        return features, *maps[self.frozen :]

    def compute(self, *inputs: Tensor) -> Tensor:
        """The image (B, C, H, W) from the result of ``window``."""
        features = inputs[0]
        for index, noise in enumerate(inputs[1:] if self.frozen else inputs, self.frozen):
            features = self.stage(index, noise, features)
        return self.image(features)

    def stage(self, index: int, noise: Tensor, features: Tensor) -> Tensor:
        """The features (B, F, H, W) of block ``index``, from its scaled ``noise`` and those of the previous block."""
        block: Callable[[Tensor], Tensor] = self.body[index]
        if index == 0:
            first = self.head(pad(noise, self.reach))
            if not self.config.noisy_margins:
                return block(pad(first, self.margin))
            height, width = first.shape[-2:]
            wider = resize(first, (height + 2 * self.reach, width + 2 * self.reach))
            return block(pad(wider, self.margin - self.reach))
        height, width = noise.shape[-2:]
        if not self.config.noisy_margins:
            before = resize(features, (height, width))
            return block(pad(before + noise, self.margin)) + before
        inner = height - 2 * self.margin, width - 2 * self.margin
        return block(resize(features, (height, width)) + noise) + resize(features, inner)

    def image(self, features: Tensor) -> Tensor:
        """The image (B, C, H, W) of ``features`` (B, F, H, W)."""
        result: Tensor = self.tail(pad(features, self.reach))
        return result


def block_margin(config: NetConfig) -> int:
    """The pixels that a block of a growing generator crops from each side."""
    return (config.num_layer - 2) * (config.ker_size - 1) // 2


def resize(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``features`` (B, F, H, W) to ``size``, bicubic with aligned corners.

    Two matrix products take half the time of PyTorch's interpolation on a CPU, and less in the backward pass.
    """
    if features.shape[-2:] == size:
        return features
    height, width = features.shape[-2:]
    rows, columns = resize_matrix(height, size[0], features.device), resize_matrix(width, size[1], features.device)
    return rows @ (features @ columns.T)


@lru_cache(maxsize=256)
def resize_matrix(length: int, out_length: int, device: torch.device) -> Tensor:
    """The matrix (out_length, length) that resizes one axis."""
    each = torch.eye(length, device=device)[None, None]
    resized_eye: Tensor = F.interpolate(each, (out_length, length), mode="bicubic", align_corners=True)
    return resized_eye[0, 0]
