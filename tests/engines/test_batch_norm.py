"""BatchNorm and the addition of gradients as a GPU runs them: PyTorch's values, by fewer kernels."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.setting import settings, stages
from benchmarks.speed import launches
from SinGAN.engines import convolution
from SinGAN.engines import engine as engines
from SinGAN.engines.batch_norm import BatchNorm, normalising
from SinGAN.engines.engine import EAGER, Engine, accumulate_gradients
from SinGAN.losses.iteration import differentiate_eagerly
from SinGAN.models import Discriminator, NetConfig, initialise

CPU = torch.device("cpu")


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(sum(shape)))


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    output: Tensor = BatchNorm.apply(x, weight, bias, torch.zeros(3).double(), torch.ones(3).double(), 0.1, 0.01)
    return output


def test_the_derivatives_are_pytorchs() -> None:
    """Of first order, and those of a penalty on the slope, by input, weight and bias."""
    inputs = [double(2, 3, 5, 4).mul_(2).add_(1), double(3), double(3)]
    inputs = [value.requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(batch_norm, inputs)

    def penalty(norm: object) -> tuple[Tensor, ...]:
        assert callable(norm)
        (slope,) = torch.autograd.grad(norm(*inputs).pow(3).sum(), inputs[0], create_graph=True)
        return torch.autograd.grad((slope.norm(2, dim=1) - 1).square().sum(), inputs)

    def plain(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=0.01)

    for ours, theirs in zip(penalty(batch_norm), penalty(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_only_the_slope_is_differentiated_again() -> None:
    inputs = [value.requires_grad_() for value in (double(2, 3, 5, 4), double(3), double(3))]
    by_weight = torch.autograd.grad(batch_norm(*inputs).pow(3).sum(), inputs[1], create_graph=True)[0]
    with pytest.raises(RuntimeError, match="only the gradient by a BatchNorm's input"):
        by_weight.sum().backward()


@pytest.mark.parametrize("training", [True, False])
def test_a_norm_keeps_its_statistics_and_counts_its_batches(training: bool) -> None:
    images = [torch.randn(1, 3, 8, 9, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    ours, theirs = (nn.BatchNorm2d(3).train(training) for _ in range(2))
    with normalising([nn.Sequential(ours)]):
        made = [ours(image) for image in images]
    for image, one in zip(images, made, strict=True):
        assert torch.equal(one, theirs(image))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)
    assert "forward" not in vars(ours)


def test_bf16_gives_gradients_in_the_precision_of_each() -> None:
    norm, x = nn.BatchNorm2d(3), torch.randn(1, 3, 8, 9).bfloat16().requires_grad_()
    with normalising([norm]):
        output = norm(x)
    (slope,) = torch.autograd.grad(output.float().pow(3).sum(), x, create_graph=True)
    by_x, by_weight = torch.autograd.grad(slope.float().square().sum(), (x, norm.weight))
    assert (output.dtype, slope.dtype, by_x.dtype, by_weight.dtype) == (*[torch.bfloat16] * 3, torch.float32)


def test_gradients_that_are_added_together_have_the_same_bits() -> None:
    critic, image = Discriminator(NetConfig(filters=8, min_filters=8)), torch.rand(1, 3, 20, 20)
    initialise(critic, torch.Generator().manual_seed(1))
    critic.head.requires_grad_(False)

    def loss(critic: Discriminator, image: Tensor, several: bool) -> Tensor:
        scores = critic(image)
        return torch.stack([scores.mean(), scores.square().mean()]) if several else scores.mean()

    found = []
    for differentiate in (differentiate_eagerly, accumulate_gradients):
        critic.zero_grad()
        values = [
            differentiate(partial(loss, critic=critic, image=image, several=several)) for several in (False, True)
        ]
        found.append([*values, *(weight.grad for weight in critic.parameters() if weight.grad is not None)])
    assert len(found[0]) == 2 + 14  # all but the head's four
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(("concurrent", "most", "before"), [(False, 1300, 2100), (True, 600, 650)])
def test_how_much_an_iteration_launches_on_a_gpu(
    concurrent: bool, most: int, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, setting = stages(60, CPU) if concurrent else settings(60, CPU)
    assert launches(setting.step(EAGER)) > before
    monkeypatch.setattr(engines, "differentiate_eagerly", accumulate_gradients)
    assert launches(setting.step(Engine(convolve=convolution.conv2d))) <= most
