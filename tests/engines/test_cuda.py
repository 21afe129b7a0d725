"""What only a GPU shows; skipped where there is none."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

import main_train
import random_samples
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.engines.engine import EngineSettings
from SinGAN.losses.train_config import TrainConfig
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import train
from tests.conftest import TINY, TINY_NET
from tests.workspace import KNOBS, SIZES, Workspace, stripes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = torch.device("cuda")


@pytest.fixture
def repeatable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sums in the same order each time, by all engines."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def trained(engine: str, niter: int = 12) -> tuple[Pyramid[TrainedScale], list[torch.Tensor]]:
    """A tiny training on the GPU: the pyramid and all losses."""
    image, losses = stripes().to(CUDA), list[torch.Tensor]()
    plan = plan_scales(image.shape[-2], image.shape[-1], TINY)
    rng, config = torch.Generator(CUDA).manual_seed(3), TrainConfig(niter=niter)
    chosen = EngineSettings(engine, "fp32").choose(CUDA)

    def watch(scale: int, iteration: int, now: Mapping[str, torch.Tensor], state: object) -> None:
        losses.append(torch.stack(tuple(now.values())))

    *_, pyramid = train(image, plan, TINY_NET, config, rng, watch=watch, engine=chosen)
    return pyramid, losses


@pytest.mark.usefixtures("repeatable")
def test_a_cuda_graph_repeats_the_eager_iterations() -> None:
    """The random numbers are the same, in the iterations before the graph and in those that it repeats."""
    (eager, eager_losses), (captured, losses) = trained("eager"), trained("cudagraph")
    compared = WARM_UP + 4
    torch.testing.assert_close(
        torch.stack(losses[:compared]), torch.stack(eager_losses[:compared]), rtol=1e-3, atol=1e-3
    )
    assert all(torch.isfinite(loss).all() for loss in losses)
    assert [scale.size for scale in captured.scales] == [scale.size for scale in eager.scales]
    assert captured.scales[1].noise_amp == pytest.approx(eager.scales[1].noise_amp, rel=0.2)


def test_the_random_numbers_continue_in_a_graph() -> None:
    _, losses = trained("cudagraph", niter=40)
    rows = torch.stack(losses[:40])
    assert len(rows.unique(dim=0)) == 40


def test_train_and_sample_by_the_scripts(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    flags = ["--nfc", "4", "--min_nfc", "4", "--min_size", "12", "--max_size", "24", "--niter", "8"]
    main_train.main([*workspace.flags(), *flags, "--manualSeed", "1", "--num_samples", "2"])
    random_samples.main([*workspace.flags(), "--mode", "random_samples", "--num_samples", "3"])
    assert (workspace.out / "RandomSamples" / "x" / "gen_start_scale=0" / "2.png").exists()


@pytest.mark.parametrize("knob", KNOBS)
def test_every_option_of_the_studies_in_a_graph(tmp_path: Path, knob: str, vgg_file: Path) -> None:
    workspace = Workspace(tmp_path)
    flags = [str(vgg_file) if flag == "VGG" else flag for flag in KNOBS[knob]]
    main_train.main([*workspace.flags(), *SIZES, "--niter", "8", "--manualSeed", "1", "--num_samples", "2", *flags])
    random_samples.main([*workspace.flags(), "--mode", "random_samples", "--num_samples", "3"])
    assert '"engine": "cudagraph, tf32"' in (workspace.model() / "manifest.json").read_text()


@pytest.mark.parametrize("recipe", ["generation", "editing"])
def test_concurrent_training_in_a_graph(tmp_path: Path, recipe: str) -> None:
    workspace = Workspace(tmp_path)
    flags = ["--train_mode", "concurrent", "--recipe", recipe, "--nfc", "4", "--min_size", "12", "--max_size", "24"]
    main_train.main([*workspace.flags(), *flags, "--niter", "8", "--manualSeed", "1", "--num_samples", "2"])
    random_samples.main([*workspace.flags(), *flags[:4], "--mode", "random_samples", "--num_samples", "3"])
    (manifest,) = workspace.out.rglob("manifest.json")
    assert '"engine": "cudagraph, tf32"' in manifest.read_text()


def test_activations_are_recomputed_in_a_graph(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    flags = ["--niter", "8", "--manualSeed", "1", "--num_samples", "2", "--recompute", "always"]
    main_train.main([*workspace.flags(), *SIZES, *flags])
    assert '"engine": "cudagraph, tf32, recompute always"' in (workspace.model() / "manifest.json").read_text()
