"""What only a GPU shows of translation; skipped where there is none."""

from pathlib import Path

import pytest
import torch

import translate_test
import translate_train
from Pix2Pix.losses.step import LossConfig, Nets, train_step
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, initialise, set_generator
from SinGAN.engines.engine import EngineSettings
from tests.translation.tiny import TINY, data_set

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
STEPS = 12


def losses(engine: str, stochastic: str = "dropout") -> torch.Tensor:
    """The losses (STEPS, n) of a tiny training on the GPU, whose rate falls."""
    device = torch.device("cuda")
    rng = torch.Generator(device).manual_seed(3)
    generator = GeneratorConfig("unet_64", 3, 3, 4, Layers("batch", stochastic, 0.5)).build().to(device)
    critic = CriticConfig("patch", (3, 3), 4, 2).build().to(device)
    for net in (generator, critic):
        initialise(net, "normal", 0.02, rng)
    set_generator(generator, rng)
    nets, a = Nets.of(generator, critic), torch.rand(2, 3, 64, 64, generator=rng, device=device) * 2 - 1
    chosen = EngineSettings(engine, "fp32", "never", "never").choose(device)
    run = chosen.run(lambda: train_step(nets, a, a.flip(3), LossConfig(), rng), [generator, critic], rng, 1)
    rows = []
    for step in range(STEPS):
        nets.set_rate(0.0002 if step < 8 else 0.0)
        rows.append(torch.stack(list(run().values())).clone())
    return torch.stack(rows).cpu()


@pytest.mark.parametrize("stochastic", ["dropout", "weights", "none"])
def test_a_graph_repeats_the_eager_steps(stochastic: str) -> None:
    torch.testing.assert_close(losses("cudagraph", stochastic), losses("eager", stochastic), rtol=1e-2, atol=1e-2)


def test_a_graph_reads_the_rate_again() -> None:
    rows = losses("cudagraph", "none")
    assert not torch.allclose(rows[6, 1], rows[7, 1], rtol=1e-4)
    torch.testing.assert_close(rows[9:, 1], rows[9:, 1].mean().expand(STEPS - 9), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ["eager", "cudagraph"])
def test_the_scripts(tmp_path: Path, engine: str) -> None:
    flags = ["--dataroot", str(data_set(tmp_path / "squares")), "--out", str(tmp_path / "out")]
    tiny = [flag for flag in TINY if flag != "--not_cuda"]
    translate_train.main([*flags, *tiny, "--batch_size", "4", "--engine", engine])
    translate_test.main(flags)
    assert (tmp_path / "out" / "results" / "squares" / "test_latest" / "index.html").exists()
