"""One user's folders, and the scripts run in them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import main_train
import random_samples
from SinGAN.imresize import imresize
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder

SIZES = ["--nfc", "4", "--min_nfc", "4", "--min_size", "12", "--max_size", "24"]
SMALL = ["--not_cuda", *SIZES, "--niter", "2", "--manualSeed", "1"]
MODEL = "scale_factor=0.750000,alpha=10"
KNOBS = {
    "depth": ["--num_layer", "4"],
    "gan_mode": ["--gan_mode", "hinge"],
    "no_residual": ["--no_residual"],
    "looks": ["--texture_weight", "1", "--perceptual_weight", "2", "--vgg_weights", "VGG"],
    "features": ["--feature_weight", "2"],
    "one_sided": ["--penalty", "one_sided"],
    "r1": ["--penalty", "r1", "--gan_mode", "hinge", "--lambda_grad", "0.5"],
    "multiscale": ["--netD", "multiscale", "--num_layer", "2", "--max_size", "28"],  # the finest has two critics
    "sesame": ["--netD", "sesame"],
    "dropout": ["--stochastic", "dropout", "--dropout", "0.3"],
    "weights": ["--stochastic", "weights"],
    "sketch": ["--sketch_scales", "1"],
}
"""Flags of each option of the studies; VGG stands for a file of weights."""
Capture = pytest.CaptureFixture[str]


def stripes(height: int = 24, width: int = 32) -> torch.Tensor:
    """A small image (1, 3, height, width) in [-1, 1]: soft coloured stripes."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([torch.sin(9 * x), torch.cos(7 * y), torch.sin(5 * (x + y))])[None] * 0.8


def load_model(
    folder: Path, device: torch.device = torch.device("cpu"), task: Task | None = TRAIN
) -> tuple[Manifest, Pyramid[TrainedScale]]:
    """The whole model in ``folder``, and its manifest."""
    model = ModelFolder.open(folder)
    return model.manifest, model.load(device, task)


def whole_scales(folder: Path) -> int:
    """The number of whole scales in ``folder``."""
    model = ModelFolder.find(folder)
    return 0 if model is None else model.scales


class Workspace:
    """Folders of one user: pictures in, results out."""

    def __init__(self, home: Path) -> None:
        self.inputs, self.out = home / "in", home / "out"
        if not self.inputs.exists():
            self.inputs.mkdir(parents=True)
            self.draw("x.png")

    def draw(self, name: str, height: int = 20, width: int = 28, mode: str = "RGB") -> None:
        levels = images.to_levels(imresize(stripes(48, 64), 1.0))
        picture = Image.fromarray(levels).resize((width, height)).convert(mode)
        if mode.endswith("A"):
            picture.putalpha(Image.linear_gradient("L").resize((width, height)))
        picture.save(self.inputs / name)

    def flags(self, name: str = "x.png") -> list[str]:
        return ["--input_name", name, "--input_dir", str(self.inputs), "--out", str(self.out)]

    def train(self, *more: str, name: str = "x.png") -> None:
        main_train.main([*self.flags(name), *SMALL, "--num_samples", "2", *more])

    def sample(self, *more: str, name: str = "x.png", mode: str = "random_samples") -> None:
        random_samples.main([*self.flags(name), "--not_cuda", "--mode", mode, "--num_samples", "3", *more])

    def model(self, name: str = "x") -> Path:
        return self.out / "TrainedModels" / name / MODEL

    def changed_manifest(self, **values: object) -> Path:
        """Turn the model into one of version 0.2, which has no hashes, with other ``values`` in its manifest."""
        path = self.model() / "manifest.json"
        content = json.loads(path.read_text())
        content = {**content, "versions": {**content["versions"], "SinGAN": "0.2.0"}, **values}
        del content["checksum"]
        path.write_text(json.dumps(content))
        return path

    def results(self) -> dict[str, str]:
        """Every file under the output folder, with what is in it."""
        files = [path for path in self.out.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refusal(capsys: Capture, call: Callable[[], object]) -> str:
    """The one line on stderr of a call that must exit with status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        call()
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err
