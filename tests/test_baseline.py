"""The plain iteration that speed is compared with does the same mathematics."""

import torch

from benchmarks.baseline import Baseline, host_resize
from SinGAN.imresize import imresize
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import Draw, iteration
from SinGAN.losses.train_config import TrainConfig
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import first_z_rec, make_target, start_nets
from tests.workspace import stripes


def test_its_resize_is_ours() -> None:
    for scale in (1 / 0.75, 1.2537, 1.9):
        assert torch.equal(host_resize(stripes(19, 26), scale), imresize(stripes(19, 26), scale))


def test_its_iteration_is_ours(pyramid: Pyramid[TrainedScale]) -> None:
    """One step of each net, on the same draws, gives the same losses and weights."""
    below, real = pyramid.below(1), pyramid.scales[1].real
    config, rng = TrainConfig(Dsteps=1, Gsteps=1), torch.Generator().manual_seed(4)
    z_rec = first_z_rec(below, real, rng)
    target = make_target(below, real, z_rec, config)
    ours, plain = (start_nets(below, pyramid.scales[1].generator.config, rng) for _ in range(2))
    baseline = Baseline(below, target, z_rec, *plain, config, rng)
    state = rng.get_state()
    critic_loss, generator_loss = baseline.iteration()
    rng.set_state(state)  # and now in the same order
    noise = below.draw_map(rng, real, (real.shape[2], real.shape[3]), coarsest=False)
    previous, mix = baseline.draw_coarser(), torch.rand(1, generator=rng)
    nets = Adversaries.of(*ours, config)
    losses = iteration(nets, target, Draw(noise, previous, mix, z_rec), config)
    torch.testing.assert_close(
        torch.stack([losses["D_total"], losses["G_total"]]), torch.tensor([critic_loss, generator_loss])
    )
    for net, rival in zip(ours, plain, strict=True):
        for name, value in net.state_dict().items():
            if name.endswith("conv.bias"):
                continue  # before a BatchNorm: its gradient is rounding, of which Adam takes the sign
            torch.testing.assert_close(value, rival.state_dict()[name], msg=name)
