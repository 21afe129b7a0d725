"""Export of a trained model as one file that turns noise of any size into images, without this project.

python -m SinGAN.export Output/TrainedModels/rocket/scale_factor=0.750000,alpha=10 --to onnx
"""

import importlib.util
import io
import json
import sys
import warnings
from pathlib import Path

if __name__ == "__main__":  # before the imports that take seconds
    from SinGAN.__main__ import main

    main(["export", *sys.argv[1:]])
    sys.exit()

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.imresize import cubic, from_levels, to_levels
from SinGAN.models import Conv2d
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.files import write_whole
from SinGAN.variants.growing import GrowingGenerator


class Exported(nn.Module):
    """A pyramid as one net, whose ``forward`` computes the same as ``Pyramid.generate``."""

    def __init__(self, pyramid: Pyramid[TrainedScale]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nn.Sequential(*plain_layers(scale.folded)) for scale in pyramid.scales)
        self.amps = [float(scale.noise_amp) for scale in pyramid.scales]
        self.factor = pyramid.factor
        self.margin = pyramid.margin
        self.border = 0 if pyramid.noise_border else pyramid.margin  # zeros to add around each noise map
        self.residual = pyramid.scales[0].generator.config.residual
        self.channels = pyramid.scales[0].generator.config.channels

    def forward(self, noise: list[Tensor]) -> Tensor:
        """The image (B, C, H, W) in [-1, 1] from ``noise``: one map for each scale, coarse to fine.

        A map is as large as the image of its scale, plus, in models for animation, the margin on each side. The
        coarsest map has 1 channel, the others have C.
        """
        image = noise[0]
        for index, net in enumerate(self.nets):
            z = F.pad(noise[index], [self.border, self.border, self.border, self.border])
            if index == 0:
                z = z.repeat(1, self.channels, 1, 1)
                image = net(self.amps[index] * z)
            else:
                previous = enlarge_and_fit(image, z, self.factor, self.margin)
                detail = net(self.amps[index] * z + previous)
                inside = previous[:, :, self.margin :, self.margin :][:, :, : detail.shape[2], : detail.shape[3]]
                image = detail + inside if self.residual else detail
        return image


class ExportedGrowing(nn.Module):
    """A growing generator with its noise amplitudes; ``forward`` computes the same as ``GrownPyramid.generate``."""

    def __init__(self, pyramid: Pyramid[TrainedScale], generator: GrowingGenerator) -> None:
        super().__init__()
        self.head, self.tail = (nn.Sequential(*plain_layers(part)) for part in (generator.head, generator.tail))
        self.blocks = nn.ModuleList(nn.Sequential(*plain_layers(block)) for block in generator.body)
        self.amps = [float(scale.noise_amp) for scale in pyramid.scales]
        self.noisy_margins = generator.config.noisy_margins
        self.reach, self.margin = generator.reach, generator.margin

    def forward(self, noise: list[Tensor]) -> Tensor:
        """The image (B, C, H, W) in [-1, 1] from ``noise``: one map for each stage, coarse to fine.

        The coarsest map has the channels and size of the image, the others those of the features, plus, in models of
        the recipe generation, a margin on each side.
        """
        features = noise[0]
        for index, block in enumerate(self.blocks):
            z = self.amps[index] * noise[index]
            if index == 0:
                features = self.head(F.pad(z, [self.reach, self.reach, self.reach, self.reach]))
                edge = self.margin
                if self.noisy_margins:
                    height, width = features.shape[2] + 2 * self.reach, features.shape[3] + 2 * self.reach
                    features = F.interpolate(features, [height, width], mode="bicubic", align_corners=True)
                    edge = self.margin - self.reach
                features = block(F.pad(features, [edge, edge, edge, edge]))
            elif self.noisy_margins:
                height, width = z.shape[2], z.shape[3]
                inner = [height - 2 * self.margin, width - 2 * self.margin]
                wide = F.interpolate(features, [height, width], mode="bicubic", align_corners=True)
                features = block(wide + z) + F.interpolate(features, inner, mode="bicubic", align_corners=True)
            else:
                before = F.interpolate(features, [z.shape[2], z.shape[3]], mode="bicubic", align_corners=True)
                features = block(F.pad(before + z, [self.margin, self.margin, self.margin, self.margin])) + before
        image: Tensor = self.tail(F.pad(features, [self.reach, self.reach, self.reach, self.reach]))
        return image


def to_module(pyramid: Pyramid[TrainedScale]) -> nn.Module:
    """Return ``pyramid`` as one net."""
    finest = pyramid.scales[-1].folded
    if isinstance(finest, GrowingGenerator):
        return ExportedGrowing(pyramid, finest).eval()
    return Exported(pyramid).eval()


def plain_layers(generator: nn.Module) -> list[nn.Module]:
    """The layers of a folded ``generator``, or of a part, in order of computation, as PyTorch modules."""
    layers = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d | nn.LeakyReLU | nn.Tanh)]
    return [to_plain_convolution(layer) if isinstance(layer, Conv2d) else layer for layer in layers]


def to_plain_convolution(layer: Conv2d) -> nn.Conv2d:
    """A plain PyTorch convolution with the weights of ``layer``, which needs none of this project's code."""
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size[0], device=layer.weight.device)
    plain.load_state_dict(layer.state_dict())
    return plain.requires_grad_(False)


def enlarge_and_fit(image: Tensor, z: Tensor, factor: float, margin: int) -> Tensor:
    """Enlarge ``image`` (B, C, h, w) by 1 / ``factor``, crop and pad it, and stretch it if it is smaller than ``z``.

    The same as ``Pyramid.enlarge`` and ``Pyramid.fit``, but without a branch on sizes, because the file must support
    all.
    """
    height, width = z.shape[2] - 2 * margin, z.shape[3] - 2 * margin
    levels = to_levels(image).double()
    rows, row_exists = enlarge_matrix(image.shape[2], height, factor, image)
    columns, column_exists = enlarge_matrix(image.shape[3], width, factor, image)
    inner = from_levels(rows @ levels @ columns.transpose(0, 1))
    inner = inner * (row_exists[:, None] * column_exists[None, :]).float()
    padded = F.pad(inner, [margin, margin, margin, margin])
    down, along = stretch_matrix(row_exists, margin), stretch_matrix(column_exists, margin)
    return down @ padded @ along.transpose(0, 1)


def enlarge_matrix(length: int, out_length: int, factor: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix (out_length, length) that enlarges one axis, and 1 for each row that ``imresize`` computes, else 0."""
    centres = (torch.arange(out_length, dtype=torch.float64, device=like.device) + 0.5) * factor - 0.5
    pixels = torch.arange(length, dtype=torch.float64, device=like.device)
    weights = cubic(centres[:, None] - pixels) + cubic(centres[:, None] - (2 * length - 1 - pixels))
    end = torch.ceil((pixels[-1:] + 1) / factor)
    row_exists = (torch.arange(out_length, dtype=torch.float64, device=like.device) < end).double()
    return weights / weights.sum(dim=1, keepdim=True), row_exists


def stretch_matrix(row_exists: Tensor, margin: int) -> Tensor:
    """The matrix that stretches the existing rows (1, not 0), with their margins, over all rows, bilinearly."""
    rows = torch.arange(row_exists.shape[0] + 2 * margin, dtype=torch.float64, device=row_exists.device)
    positions = rows * ((row_exists.sum() + 2 * margin - 1) / rows[-1])
    return (1 - (positions[:, None] - rows).abs()).clamp(min=0).float()


def noise_shapes(pyramid: Pyramid[TrainedScale], count: int = 1) -> list[list[int]]:
    """The shapes of the noise maps of ``count`` images of the training image's size, coarse to fine."""
    if isinstance(pyramid.scales[-1].folded, GrowingGenerator):
        return [[count, *scale.z_rec.shape[1:]] for scale in pyramid.scales]
    extra = 2 * pyramid.margin if pyramid.noise_border else 0
    return [
        [count, scale.real.shape[1] if index else 1, scale.size[0] + extra, scale.size[1] + extra]
        for index, scale in enumerate(pyramid.scales)
    ]


def write_torchscript(pyramid: Pyramid[TrainedScale], file: Path) -> None:
    """Write ``pyramid`` as TorchScript, to be called as ``torch.jit.load(file)(noise)``."""
    content = io.BytesIO()  # in memory first: torch aborts the process if the disk is full
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", Warning)  # deprecated, but requested
        script = torch.jit.script(to_module(pyramid))
        torch.jit.save(script, content, _extra_files={"noise_shapes.json": json.dumps(noise_shapes(pyramid))})
    write_whole(file, content.getvalue())


def write_onnx(pyramid: Pyramid[TrainedScale], file: Path) -> None:
    """Write ``pyramid`` as an ONNX model with inputs ``noise_0``, ``noise_1``, .. and the output ``image``.

    Raises:
        ValueError: the package onnxscript is missing.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("`to` onnx needs the package onnxscript: pip install onnxscript")
    dynamic = torch.export.Dim.DYNAMIC
    noise = [torch.randn(shape) for shape in noise_shapes(pyramid, count=2)]
    program = torch.onnx.export(
        to_module(pyramid),
        (noise,),
        input_names=[f"noise_{index}" for index in range(len(noise))],
        output_names=["image"],
        dynamic_shapes={"noise": [{0: dynamic, 2: dynamic, 3: dynamic} for _ in noise]},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props["noise_shapes"] = json.dumps(noise_shapes(pyramid))
    content = program.model_proto.SerializeToString()
    write_whole(file, content)


def check(pyramid: Pyramid[TrainedScale]) -> None:
    """Raise a ValueError if ``pyramid`` is a model that can't be exported."""
    config = pyramid.scales[0].generator.config
    if not config.adds_noise:
        kind = "dropout" if config.dropout else "weights"
        raise ValueError(f"a model of `stochastic` {kind} can't be exported: only of noise")


WRITERS = {"torchscript": write_torchscript, "onnx": write_onnx}
