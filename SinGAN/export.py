"""Write a trained model as one file that makes images from noise of any size, without this project.

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
from SinGAN.models import Conv2d, Generator
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.files import whole_file


class Exported(nn.Module):
    """A pyramid as one net whose ``forward`` computes what ``Pyramid.generate`` computes."""

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

        A map is as large as its scale's image; for models of animation it has the margin on each side, too.
        The coarsest map has 1 channel, the others have C.
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


def plain_layers(generator: Generator) -> list[nn.Module]:
    """The layers of a folded ``generator``, in the order of the computation, as PyTorch's own modules."""
    layers = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d | nn.LeakyReLU | nn.Tanh)]
    return [without_backend(layer) if isinstance(layer, Conv2d) else layer for layer in layers]


def without_backend(layer: Conv2d) -> nn.Conv2d:
    """A convolution of PyTorch's own class with the weights of ``layer``: it needs none of this project's code."""
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size[0], device=layer.weight.device)
    plain.load_state_dict(layer.state_dict())
    return plain.requires_grad_(False)


def enlarge_and_fit(image: Tensor, z: Tensor, factor: float, margin: int) -> Tensor:
    """``image`` (B, C, h, w) enlarged by 1 / ``factor``, cropped, padded, and stretched where it is smaller than ``z``.

    The same as ``Pyramid.enlarge`` and ``Pyramid.fit``, but without a branch on sizes: the file has to serve all.
    """
    height, width = z.shape[2] - 2 * margin, z.shape[3] - 2 * margin
    levels = to_levels(image).double()
    rows, row_exists = enlarging_matrix(image.shape[2], height, factor, image)
    columns, column_exists = enlarging_matrix(image.shape[3], width, factor, image)
    inner = from_levels(rows @ levels @ columns.transpose(0, 1))
    inner = inner * (row_exists[:, None] * column_exists[None, :]).float()
    padded = F.pad(inner, [margin, margin, margin, margin])
    down, along = stretching_matrix(row_exists, margin), stretching_matrix(column_exists, margin)
    return down @ padded @ along.transpose(0, 1)


def enlarging_matrix(length: int, out_length: int, factor: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix (out_length, length) that enlarges one axis, and 1 for each row that ``imresize`` has, else 0."""
    centres = (torch.arange(out_length, dtype=torch.float64, device=like.device) + 0.5) * factor - 0.5
    pixels = torch.arange(length, dtype=torch.float64, device=like.device)
    weights = cubic(centres[:, None] - pixels) + cubic(centres[:, None] - (2 * length - 1 - pixels))
    end = torch.ceil((pixels[-1:] + 1) / factor)
    row_exists = (torch.arange(out_length, dtype=torch.float64, device=like.device) < end).double()
    return weights / weights.sum(dim=1, keepdim=True), row_exists


def stretching_matrix(row_exists: Tensor, margin: int) -> Tensor:
    """The matrix that stretches the rows that exist (1, not 0), with their margins, bilinearly over all rows."""
    rows = torch.arange(row_exists.shape[0] + 2 * margin, dtype=torch.float64, device=row_exists.device)
    positions = rows * ((row_exists.sum() + 2 * margin - 1) / rows[-1])
    return (1 - (positions[:, None] - rows).abs()).clamp(min=0).float()


def shapes(pyramid: Pyramid[TrainedScale], count: int = 1) -> list[list[int]]:
    """The shapes of the noise maps of ``count`` images of the training image's size, coarse to fine."""
    extra = 2 * pyramid.margin if pyramid.noise_border else 0
    return [
        [count, scale.real.shape[1] if index else 1, scale.size[0] + extra, scale.size[1] + extra]
        for index, scale in enumerate(pyramid.scales)
    ]


def write_torchscript(pyramid: Pyramid[TrainedScale], file: Path) -> None:
    """Write ``pyramid`` as TorchScript, to be called as ``torch.jit.load(file)(noise)``."""
    content = io.BytesIO()  # in memory first: where the disk is full, torch ends the process
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # it is what was asked for
        script = torch.jit.script(Exported(pyramid).eval())
        torch.jit.save(script, content, _extra_files={"noise_shapes.json": json.dumps(shapes(pyramid))})
    with whole_file(file) as draft:
        draft.write_bytes(content.getvalue())


def write_onnx(pyramid: Pyramid[TrainedScale], file: Path) -> None:
    """Write ``pyramid`` as an ONNX model with inputs ``noise_0``, ``noise_1``, .. and the output ``image``.

    Raises:
        ValueError: the package onnxscript is lacking.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("`to` onnx needs the package onnxscript: pip install onnxscript")
    dynamic = torch.export.Dim.DYNAMIC
    noise = [torch.randn(shape) for shape in shapes(pyramid, count=2)]
    program = torch.onnx.export(
        Exported(pyramid).eval(),
        (noise,),
        input_names=[f"noise_{index}" for index in range(len(noise))],
        output_names=["image"],
        dynamic_shapes={"noise": [{0: dynamic, 2: dynamic, 3: dynamic} for _ in noise]},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props["noise_shapes"] = json.dumps(shapes(pyramid))
    content = program.model_proto.SerializeToString()
    with whole_file(file) as draft:
        draft.write_bytes(content)


def check(pyramid: Pyramid[TrainedScale]) -> None:
    """Raise a ValueError where ``pyramid`` is a model that can't be exported."""
    config = pyramid.scales[0].generator.config
    if not config.adds_noise:
        kind = "dropout" if config.dropout else "weights"
        raise ValueError(f"a model of `stochastic` {kind} can't be exported: only of noise")


WRITERS = {"torchscript": write_torchscript, "onnx": write_onnx}
