"""A trained VGG16, and two distances between its activations for two images.

The texture distance compares Gram matrices (Gatys et al. 2015), the perceptual distance the activations themselves
(Johnson et al. 2016).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.models import Conv2d, Recomputable
from SinGAN.storage import pretrained as weights

LAYERS = {3: "relu1_2", 8: "relu2_2", 15: "relu3_3", 22: "relu4_3"}
PERCEPTUAL = 1  # index of relu2_2 in LAYERS, which Johnson et al. use for super resolution
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the colours of ImageNet, in [0, 1]


@dataclass(frozen=True)
class Plan:
    """Which VGG is used, its number of layers, and which activations are compared."""

    url_of: str = "VGG16_Weights"  # name of its weights in torchvision
    letter: str = "D"  # name of its configuration there
    entries: int = 13  # of the configuration that are built: up to relu4_3
    layers: Mapping[int, str] = field(default_factory=lambda: LAYERS)
    normalises: bool = True  # images are normalised with MEAN and DEVIATION; else they are used in [-1, 1]


VGG16 = Plan()


class VGG(Recomputable, nn.Sequential):
    """A frozen VGG (Simonyan and Zisserman 2014); parameters are named as in torchvision, without ``features.``."""

    average: Tensor  # (3, 1, 1), like the next one
    deviation: Tensor

    def __init__(self, plan: Plan = VGG16) -> None:
        from torchvision.models.vgg import cfgs, make_layers  # the import takes two seconds

        super().__init__(*map(replace_convolution, make_layers(cfgs[plan.letter][: plan.entries])))
        self.plan = plan
        for name, values in (("average", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], plan: Plan = VGG16) -> "VGG":
        """The network with the weights ``state``, as ``load_vgg_weights`` returns them."""
        net = cls(plan)
        net.load_state_dict(state)
        return net

    def compute(self, image: Tensor) -> list[Tensor]:
        """The activations (B, F, h, w) of the plan's layers for an image (B, C, H, W) in [-1, 1].

        The first channel of one or two is repeated to three; of more than three the first three count. Layers for which
        a small image has no pixel are left out.
        """
        colours = image[:, :3] if image.shape[1] >= 3 else image[:, :1].expand(-1, 3, -1, -1)
        x = ((colours + 1) / 2 - self.average) / self.deviation if self.plan.normalises else colours
        activations = []
        for index, layer in enumerate(self):
            if isinstance(layer, nn.MaxPool2d) and min(x.shape[-2:]) < 2:
                break
            x = layer(x)
            if index in self.plan.layers:
                activations.append(x)
        return activations


def replace_convolution(layer: nn.Module) -> nn.Module:
    """``layer``; a 3 x 3 convolution of PyTorch is replaced by a new ``Conv2d``, whose backend can be set."""
    return Conv2d(layer.in_channels, layer.out_channels, 3, padding=1) if isinstance(layer, nn.Conv2d) else layer


def load_vgg_weights(file: Path | None, plan: Plan = VGG16) -> dict[str, Tensor]:
    """The weights for ``VGG`` from ``file``, or torchvision's ``IMAGENET1K_V1``, which are downloaded once.

    Raises:
        FileNotFoundError: the file does not exist, or can't be downloaded.
        ValueError: the file lacks a layer, or has one of another shape.
    """
    from torchvision import models

    url = getattr(models, plan.url_of).IMAGENET1K_V1.url
    source = weights.fetch(url) if file is None else weights.check_exists(file, "vgg_weights")
    state = {name.removeprefix("features."): value for name, value in weights.read(source).items()}
    net = VGG(plan)
    weights.fill(net, state, source)
    return net.state_dict()


@dataclass(frozen=True, eq=False)
class VGGTarget:
    """A VGG, and its activations for the real image of a scale."""

    net: VGG
    grams: tuple[Tensor, ...]  # (1, F, F) for each of ``LAYERS``
    features: Tensor  # (1, F, h, w) of the layer PERCEPTUAL

    @classmethod
    @torch.no_grad()
    def of(cls, net: VGG, real: Tensor) -> "VGGTarget":
        """The target for the real image ``real`` (1, C, H, W)."""
        activations = net(real)
        return cls(net, tuple(map(gram, activations)), activations[min(PERCEPTUAL, len(activations) - 1)])


def gram(features: Tensor) -> Tensor:
    """The Gram matrix (B, F, F) of ``features`` (B, F, h, w): products of channels, averaged over all positions."""
    flat = features.flatten(2).float()
    with torch.autocast(features.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / flat.shape[2]


def texture_distance(activations: Sequence[Tensor], grams: Sequence[Tensor]) -> Tensor:
    """The squared distance of the Gram matrices from ``grams``, relative to their squared norms; mean over layers."""
    pairs = zip(map(gram, activations), grams, strict=True)
    distances = [(ours - target).square().sum() / target.square().sum().clamp(min=1e-12) for ours, target in pairs]
    return torch.stack(distances).mean()


def perceptual_distance(activations: Sequence[Tensor], features: Tensor) -> Tensor:
    """The mean squared distance of the layer PERCEPTUAL from ``features``, relative to their mean square: a scalar."""
    ours = activations[min(PERCEPTUAL, len(activations) - 1)]
    return F.mse_loss(ours.float(), features.float()) / features.float().square().mean().clamp(min=1e-12)
