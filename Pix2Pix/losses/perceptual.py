"""The distance of two pictures in the features of VGG19, as SPADE has it (Park et al. 2019)."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.losses.perceptual import VGG, Plan, load_vgg_weights

PLAN = Plan(
    url_of="VGG19_Weights",
    letter="E",
    entries=17,
    layers={1: "relu1_1", 6: "relu2_1", 11: "relu3_1", 20: "relu4_1", 29: "relu5_1"},
    normalises=False,
)
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class Perceptual(nn.Module):
    """The mean absolute differences of VGG19's relu1_1 .. relu5_1, weighted: a scalar."""

    def __init__(self, net: VGG) -> None:
        super().__init__()
        self.net = net

    @classmethod
    def of(cls, file: Path | None) -> "Perceptual":
        """With the weights in ``file``, or torchvision's, downloaded once."""
        return cls(VGG.of(load_vgg_weights(file, PLAN), PLAN))

    def distances(self, image: Tensor, wanted: Tensor) -> list[Tensor]:
        """The distance of ``image`` from ``wanted`` (B, C, H, W), in [-1, 1], at each layer."""
        with torch.no_grad():
            target = self.net(wanted)
        return [F.l1_loss(ours, theirs) for ours, theirs in zip(self.net(image), target, strict=True)]

    def forward(self, image: Tensor, wanted: Tensor) -> Tensor:
        """The distance of ``image`` from ``wanted``."""
        found = self.distances(image, wanted)
        return torch.stack([weight * one for weight, one in zip(WEIGHTS, found, strict=False)]).sum()
