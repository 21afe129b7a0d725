"""Write a trained model as one file that makes images from noise of any size, without this project.

python -m SinGAN.export Output/TrainedModels/rocket/scale_factor=0.750000,alpha=10 --to onnx
"""

import importlib.util
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import config
from SinGAN.imresize import cubic, from_levels, to_levels
from SinGAN.models import Generator
from SinGAN.pyramid import Pyramid
from SinGAN.saved_models.manifest import Manifest, load
from SinGAN.storage.files import whole_file
from SinGAN.terminal.script import script

SUFFIXES = {"torchscript": ".pt", "onnx": ".onnx"}


class Exported(nn.Module):
    """A pyramid as one net: ``forward`` does what ``Pyramid.generate`` does."""

    def __init__(self, pyramid: Pyramid) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nn.Sequential(*layers(scale.folded)) for scale in pyramid.scales)
        self.amps = [float(scale.noise_amp) for scale in pyramid.scales]
        self.factor = pyramid.factor
        self.margin = pyramid.margin
        self.border = 0 if pyramid.noise_border else pyramid.margin  # what the noise maps lack of it
        self.residual = pyramid.scales[0].generator.config.residual
        self.channels = pyramid.scales[0].generator.config.channels

    def forward(self, noise: list[Tensor]) -> Tensor:
        """The image (B, C, H, W) in [-1, 1] that ``noise`` makes, one map for each scale, coarse to fine.

        Maps are as large as the images made of them (those of animation's models: with the margin on
        each side); the coarsest one has 1 channel, the others have C.
        """
        image = noise[0]
        for index, net in enumerate(self.nets):
            z = F.pad(noise[index], [self.border, self.border, self.border, self.border])
            if index == 0:
                z = z.repeat(1, self.channels, 1, 1)
                image = net(self.amps[index] * z)
            else:
                previous = fitted(image, z, self.factor, self.margin)
                detail = net(self.amps[index] * z + previous)
                shown = previous[:, :, self.margin :, self.margin :][:, :, : detail.shape[2], : detail.shape[3]]
                image = detail + shown if self.residual else detail
        return image


def layers(generator: Generator) -> list[nn.Module]:
    """What a folded ``generator`` applies to its input, one after the other."""
    return [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d | nn.LeakyReLU | nn.Tanh)]


def fitted(image: Tensor, z: Tensor, factor: float, margin: int) -> Tensor:
    """``image`` enlarged by 1 / ``factor``, cropped, padded, and stretched where it is then smaller than ``z``.

    What ``Pyramid.enlarge`` and ``Pyramid.fit`` do, without a decision on sizes, which a file has to take later.
    """
    height, width = z.shape[2] - 2 * margin, z.shape[3] - 2 * margin
    levels = to_levels(image).double()
    rows, there = enlarging(image.shape[2], height, factor, image)
    columns, across = enlarging(image.shape[3], width, factor, image)
    inner = from_levels(rows @ levels @ columns.transpose(0, 1))
    inner = inner * (there[:, None] * across[None, :]).float()
    padded = F.pad(inner, [margin, margin, margin, margin])
    down, along = stretching(there, margin), stretching(across, margin)
    return down @ padded @ along.transpose(0, 1)


def enlarging(length: int, out_length: int, factor: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix (out_length, length) that enlarges one axis, and which rows ``imresize`` would have: 1 or 0."""
    centres = (torch.arange(out_length, dtype=torch.float64, device=like.device) + 0.5) * factor - 0.5
    pixels = torch.arange(length, dtype=torch.float64, device=like.device)
    weights = cubic(centres[:, None] - pixels) + cubic(centres[:, None] - (2 * length - 1 - pixels))
    end = torch.ceil((pixels[-1:] + 1) / factor)
    there = (torch.arange(out_length, dtype=torch.float64, device=like.device) < end).double()
    return weights / weights.sum(dim=1, keepdim=True), there


def stretching(there: Tensor, margin: int) -> Tensor:
    """The matrix that stretches the entries that are ``there``, with their margins, bilinearly over all places."""
    places = torch.arange(there.shape[0] + 2 * margin, dtype=torch.float64, device=there.device)
    position = places * ((there.sum() + 2 * margin - 1) / places[-1])
    return (1 - (position[:, None] - places).abs()).clamp(min=0).float()


def shapes(pyramid: Pyramid, count: int = 1) -> list[list[int]]:
    """The shapes of the noise maps that make an image of the training image's size."""
    extra = 2 * pyramid.margin if pyramid.noise_border else 0
    return [
        [count, scale.real.shape[1] if index else 1, scale.size[0] + extra, scale.size[1] + extra]
        for index, scale in enumerate(pyramid.scales)
    ]


def write_torchscript(pyramid: Pyramid, file: Path) -> None:
    """Write ``pyramid`` as TorchScript: ``torch.jit.load(file)(noise)``."""
    with warnings.catch_warnings(), whole_file(file) as draft:
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # it is what was asked for
        torch.jit.script(Exported(pyramid).eval()).save(
            str(draft), _extra_files={"noise_shapes.json": json.dumps(shapes(pyramid))}
        )


def write_onnx(pyramid: Pyramid, file: Path) -> None:
    """Write ``pyramid`` as an ONNX model of inputs ``noise_0``, ``noise_1``, .. and the output ``image``.

    Raises:
        ValueError: the package onnxscript is lacking.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("--to onnx needs the package onnxscript: pip install onnxscript")
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
    with whole_file(file) as draft:
        program.save(str(draft))


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.Parser(prog="python -m SinGAN.export", description=__doc__, allow_abbrev=False)
    parser.add_argument("model", type=Path, help="folder of a trained model")
    parser.add_argument("--to", choices=SUFFIXES, required=True, help="kind of file")
    parser.add_argument("--file", type=Path, help="where to write it [model.pt or model.onnx in the model's folder]")
    args = parser.parse_args(argv)
    if not args.model.is_dir():
        raise FileNotFoundError(f"no folder {args.model}: name that of a trained model, below Output/TrainedModels")
    manifest, pyramid = load(args.model, torch.device("cpu"), Manifest.read(args.model).task)
    if not pyramid.scales[0].generator.config.adds_noise:
        raise ValueError(f"a model of --stochastic {manifest.options['stochastic']} can't be exported: only of noise")
    file = args.file or args.model / f"model{SUFFIXES[args.to]}"
    {"torchscript": write_torchscript, "onnx": write_onnx}[args.to](pyramid, file)
    print(
        f"{file}: noise maps of shapes {shapes(pyramid)} make an image of the training picture's size; "
        "others, enlarged alike, make others"
    )


if __name__ == "__main__":
    main()
