"""The Inception-v3 features that SIFID compares: torchvision's network up to a layer, at every location."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import Inception3, Inception_V3_Weights

from SIFID.frechet import Moments, moments
from SinGAN.storage import pretrained as weights

# fmt: off
LAYERS = {
    64: ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"),
    192: ("maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    768: ("maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    2048: ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
}
"""The layers that each number of features adds to the previous ones: 64 end before the first pooling (the authors'
code), 192 before the second (the paper's text), 768 before the auxiliary head, 2048 before the average."""
# fmt: on

BATCH_VALUES = {"cpu": 2**22, "cuda": 2**26}  # activations of the largest layer in one batch
SMALLEST = {64: 7, 192: 19, 768: 43, 2048: 75}  # pixels of the shorter side, at least, for one location


def inception(dims: int = 64) -> nn.Sequential:
    """Inception-v3 (Szegedy et al. 2016) up to the layer of ``dims`` features, untrained, in evaluation mode.

    It maps (B, 3, H, W) in [-1, 1] to (B, dims, h, w); its state dict has torchvision's names.
    """
    whole = Inception3(aux_logits=False, transform_input=False, init_weights=False)
    names = [name for upto, layers in LAYERS.items() if upto <= dims for name in layers]
    return nn.Sequential(OrderedDict((name, getattr(whole, name)) for name in names)).eval().requires_grad_(False)


def trained_inception(dims: int = 64, file: Path | None = None) -> nn.Sequential:
    """``inception(dims)`` with the weights in ``file``, or torchvision's ``IMAGENET1K_V1``, downloaded once.

    Raises:
        FileNotFoundError: there is no such file, or the download failed.
        ValueError: a layer is missing or has another shape.
    """
    net = inception(dims)
    url = Inception_V3_Weights.IMAGENET1K_V1.url
    source = weights.fetch(url) if file is None else weights.check_exists(file, "weights")
    weights.fill(net, weights.read(source), source)
    return net


@torch.no_grad()
def features(net: nn.Module, images: Tensor) -> Tensor:
    """The features (B, locations, dims) of ``net`` at every location of ``images`` (B, 3, H, W) in [-1, 1], float32."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        maps: Tensor = net(images)
    return maps.flatten(2).transpose(1, 2)


def moments_of(net: nn.Module, images: Iterable[Tensor]) -> Iterator[Moments]:
    """The moments of the features of each of ``images`` (1, 3, H, W); consecutive images of one size are batched."""
    values = BATCH_VALUES[next(net.parameters()).device.type]
    for (height, width), group in itertools.groupby(images, key=lambda image: image.shape[-2:]):
        size = max(1, values // (16 * height * width))  # 64 channels at half the height and width
        while batch := list(itertools.islice(group, size)):
            yield from map(moments, features(net, torch.cat(batch)))


def check_size(height: int, width: int, dims: int) -> None:
    """Raise a ValueError if a picture is too small for ``dims`` features."""
    if min(height, width) < SMALLEST[dims]:
        raise ValueError(
            f"a picture of {height} x {width} is too small for `dims` {dims}, "
            f"which needs {SMALLEST[dims]} pixels on each side"
        )
