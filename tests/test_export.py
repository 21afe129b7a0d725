"""Models as one file: what it makes is what the pyramid makes, at every size."""

import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from SinGAN import export
from SinGAN.concurrent.planning import plan_stages
from SinGAN.concurrent.training import train_stages
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig, plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.terminal.export import main
from SinGAN.training import train
from tests.conftest import TINY
from tests.workspace import Capture, Workspace, refusal, stripes

Trained = Pyramid[TrainedScale]
Generate = Callable[[list[Tensor]], Tensor]
SIZES = [(1.0, 1.0), (1.5, 2.0), (0.9, 1.3)]


def torchscript(pyramid: Trained, folder: Path) -> Generate:
    export.write_torchscript(pyramid, folder / "m.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        loaded: Generate = torch.jit.load(str(folder / "m.pt"))
    return loaded


def onnx(pyramid: Trained, folder: Path) -> Generate:
    runtime = pytest.importorskip("onnxruntime")
    export.write_onnx(pyramid, folder / "m.onnx")
    session = runtime.InferenceSession(str(folder / "m.onnx"))

    def generate(noise: list[Tensor]) -> Tensor:
        named = {f"noise_{index}": maps.numpy() for index, maps in enumerate(noise)}
        return torch.from_numpy(session.run(["image"], named)[0])

    return generate


def compare(pyramid: Trained, generate: Generate, rng: torch.Generator, size: tuple[float, float], count: int) -> None:
    """Whether the file's images are the pyramid's but for single levels."""
    maps = pyramid.draw(rng, count, 0, size)
    margin = 0 if pyramid.noise_border else pyramid.margin
    inner = [z[..., margin : z.shape[-2] - margin, margin : z.shape[-1] - margin] for z in maps]
    with torch.no_grad():
        made = generate([inner[0][:, :1], *inner[1:]])
    wanted = pyramid.generate(maps)
    assert made.shape == wanted.shape
    assert float((made - wanted).abs().max()) * 127.5 < 1.5
    assert float((made - wanted).abs().mean()) * 127.5 < 0.02


def small(channels: int, noise_border: bool, residual: bool) -> Trained:
    image = torch.cat([stripes(), -stripes()], dim=1)[:, :channels]
    plan = plan_scales(24, 32, TINY)
    net, config = NetConfig(channels, 4, 4, residual=residual), TrainConfig(niter=3, noise_border=noise_border)
    *_, pyramid = train(image, plan, net, config, torch.Generator().manual_seed(1))
    return pyramid


@pytest.mark.parametrize(
    ("channels", "noise_border", "residual"),
    [
        (1, False, True),
        (3, True, True),
        pytest.param(3, False, True, marks=pytest.mark.slow),
        pytest.param(3, False, False, marks=pytest.mark.slow),
    ],
)
def test_torchscript_makes_the_pyramids_images(
    tmp_path: Path, rng: torch.Generator, channels: int, noise_border: bool, residual: bool
) -> None:
    pyramid = small(channels, noise_border, residual)
    generate = torchscript(pyramid, tmp_path)
    for size in SIZES:
        compare(pyramid, generate, rng, size, count=1)
    compare(pyramid, generate, rng, (1.2, 1.0), count=3)


@pytest.mark.filterwarnings("default")  # the exporter's own
@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "noise_border", "residual", "count"),
    [
        *[(3, False, True, 3), (1, False, True, 1), (4, False, True, 2), (6, False, True, 2)],
        *[(3, True, True, 2), (1, True, True, 2), (3, False, False, 2), (3, True, False, 2)],
    ],
)
def test_onnx_makes_the_pyramids_images(
    tmp_path: Path, rng: torch.Generator, channels: int, noise_border: bool, residual: bool, count: int
) -> None:
    pyramid = small(channels, noise_border, residual).below(count)  # the exporter takes seconds a scale
    generate = onnx(pyramid, tmp_path)
    for size in [*SIZES, (0.6, 0.7), (3.0, 4.0)]:
        compare(pyramid, generate, rng, size, count=1)
    compare(pyramid, generate, rng, (1.2, 1.0), count=3)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_command(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.train()
    capsys.readouterr()
    main([str(workspace.model()), "--to", "torchscript"])
    file = workspace.model() / "model.pt"
    said, *_, done = capsys.readouterr().out.splitlines()
    assert said == f"writing {file}: a large model takes a minute or two"  # a long one shows that it lives
    assert done.startswith(str(file))
    shapes: dict[str, Any] = {"noise_shapes.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = torch.jit.load(str(file), _extra_files=shapes)
    noise = [torch.randn(shape) for shape in json.loads(shapes["noise_shapes.json"])]
    with torch.no_grad():
        assert made(noise).shape[2:] == noise[-1].shape[2:]
    other = tmp_path / "elsewhere.pt"
    main([str(workspace.model()), "--to", "torchscript", "--file", str(other)])
    assert other.exists()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """In a child: no file can be larger than 2,000 bytes there."""
    workspace, told = Workspace(tmp_path), tmp_path / "told"
    workspace.train()
    before = workspace.results()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with told.open("w", buffering=1) as sys.stderr:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
                main([str(workspace.model()), "--to", "torchscript"])
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert "can't be written: File too large: it needs" in told.read_text()
    assert told.read_text().count("\n") == 1
    assert workspace.results() == before


def test_a_folder_without_a_model_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    line = refusal(capsys, lambda: main([str(tmp_path / "none"), "--to", "onnx"]))
    assert "name that of a trained model" in line
    (tmp_path / "empty").mkdir()
    refusal(capsys, lambda: main([str(tmp_path / "empty"), "--to", "onnx"]))
    assert "--to" in refusal(capsys, lambda: main([str(tmp_path), "--to", "pdf"]))
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("noisy_margins", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("written", [torchscript, pytest.param(onnx, marks=pytest.mark.slow)])
def test_a_generator_that_has_grown_as_a_file(
    tmp_path: Path,
    rng: torch.Generator,
    noisy_margins: bool,
    batch_norm: bool,
    written: Callable[[Trained, Path], Generate],
) -> None:
    net = NetConfig(3, 4, 4, stages=1, noisy_margins=noisy_margins, batch_norm=batch_norm)
    plan = plan_stages(24, 32, PyramidConfig(min_size=12), 3)
    *_, pyramid = train_stages(stripes(), plan, net, TrainConfig(niter=3), rng)
    generate = written(pyramid, tmp_path)
    for size in SIZES:
        maps = pyramid.draw(rng, 2, 0, size)
        with torch.no_grad():
            made = generate(maps)
        wanted = pyramid.generate(maps)
        torch.testing.assert_close(made, wanted, atol=1e-4, rtol=0)
    assert export.noise_shapes(pyramid, 2) == [list(z.shape) for z in pyramid.draw(rng, 2)]
