"""Compiled programs: a term of a loss with its derivatives, traced, compiled, and kept for its size of image."""

import functools
import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from SinGAN.adversarial import TrainConfig
from SinGAN.frugal import needed
from SinGAN.models import NetConfig
from SinGAN.planning import Size
from SinGAN.winograd import by_winograd

COMPILING = 60.0  # seconds that the programs of a scale take to compile on two cores
SAVED = 2e-9  # seconds that they save in an iteration, at least, for each byte of its activations


def pays(config: NetConfig, size: Size, training: TrainConfig) -> bool:
    """Whether compiling the programs of a scale of ``size`` takes less time than they save.

    It goes by what is asked, not by a clock, so that one machine always decides alike.
    """
    steps = training.niter * (training.Gsteps + training.Dsteps) / 6
    return SAVED * needed(config, *size) * steps > COMPILING


@functools.cache
def compiles() -> bool:
    """Whether PyTorch can compile a program here: it needs a C++ compiler and the headers of Python."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # else it tells of a CUDA that it lacks
    try:
        torch.compile(torch.sin)(torch.zeros(16))
    except (RuntimeError, OSError):  # all of Dynamo's and Inductor's; a cache that can't be written
        return False
    return True


class Compiled:
    """Differentiates by programs: a term's value and its gradients, traced into one and compiled.

    A program serves one size of image, so that a training that goes on runs the same programs as one
    that was never stopped. Tracing comes first because ``torch.compile`` itself can't look into second
    derivatives, which the gradient penalty needs.
    """

    def __init__(self, winograd: bool = False) -> None:
        self.winograd, self.programs = winograd, dict[Any, Callable[..., list[Any]]]()

    def __call__(self, term: Callable[..., Tensor], *arguments: Any) -> Tensor:
        key = (term, *map(_shape, arguments))
        if key not in self.programs:
            with by_winograd(last=True) if self.winograd else nullcontext():
                self.programs[key] = compiled(term, arguments)
        nets = [argument for argument in arguments if isinstance(argument, nn.Module)]
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        with torch.no_grad():
            made: list[Any] = self.programs[key]([_detached(net) for net in nets], tensors)
        value: Tensor = made[0]
        for parameter, gradient in zip(_trained(nets), made[1:], strict=True):
            if gradient is not None:  # the penalty does not depend on the last bias
                gradient = gradient.contiguous()  # fused Adam takes for granted that it lies as the parameter does
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return value


def _shape(argument: object) -> object:
    """What of ``argument`` a program is made for."""
    if isinstance(argument, nn.Module):
        return tuple((name, value.shape, value.requires_grad) for name, value in argument.named_parameters())
    return argument.shape if isinstance(argument, Tensor) else argument


def _trained(nets: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]


def compiled(term: Callable[..., Tensor], arguments: tuple[Any, ...]) -> Callable[..., list[Any]]:
    """A program of the parameters and buffers of the nets among ``arguments``, and of the tensors among them.

    It gives the value of ``term`` and its gradients by all parameters that want one, and updates the
    buffers, as ``term(*arguments)`` and its backward pass do.
    """
    bound = Bound(term, arguments)
    wanted = [name for name, value in bound.named_parameters() if value.requires_grad]

    def differentiated(states: list[dict[str, Tensor]], tensors: list[Tensor]) -> list[Tensor | None]:
        state = {
            f"nets.{index}.{name}": value.detach() for index, own in enumerate(states) for name, value in own.items()
        }
        leaves = [state[name].requires_grad_() for name in wanted]
        value = functional_call(bound, state, tuple(tensors))
        return [value.detach(), *torch.autograd.grad(value.sum(), leaves, allow_unused=True)]

    examples = [{name: value.clone() for name, value in _detached(net).items()} for net in bound.nets]
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
    own = {torch.ops.aten.native_batch_norm.default: normalised}
    traced = make_fx(differentiated, own, tracing_mode="fake", _allow_non_fake_inputs=True)(examples, tensors)
    return torch.compile(traced, dynamic=False, fullgraph=True)


def normalised(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """BatchNorm of ``image`` (B, F, H, W) as PyTorch runs it, with the mean and 1 / deviation that it took.

    For programs: what PyTorch compiles in its place is 40 times less exact where the mean is large.
    """
    if not training:
        mean, var = running_mean[:, None, None], running_var[:, None, None]
    else:
        mean = mean_of(image)
        var = mean_of((image - mean).square())
        count = image.numel() // image.shape[1]
        running_mean.mul_(1 - momentum).add_(momentum * mean.flatten())
        running_var.mul_(1 - momentum).add_(momentum * count / (count - 1) * var.flatten())
    rate = (var + eps).rsqrt()
    made = (image - mean) * (rate * weight[:, None, None]) + bias[:, None, None]
    return (made, mean.flatten(), rate.flatten()) if training else (made, image.new_zeros(0), image.new_zeros(0))


def mean_of(image: Tensor) -> Tensor:
    """The mean (1, F, 1, 1) of each channel of ``image`` (B, F, H, W): of each row first, so that sums stay short."""
    return image.mean(3, keepdim=True).mean((0, 2), keepdim=True)


class Bound(nn.Module):
    """A term with its arguments, of which the nets are submodules and the tensors are given anew."""

    def __init__(self, term: Callable[..., Tensor], arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(argument for argument in arguments if isinstance(argument, nn.Module))
        self.term, self.arguments = term, arguments

    def forward(self, *tensors: Tensor) -> Tensor:
        given = iter(tensors)
        return self.term(*(next(given) if isinstance(argument, Tensor) else argument for argument in self.arguments))


def _detached(net: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of ``net`` by name: the same memory, without graph."""
    return {name: value.detach() for name, value in (*net.named_parameters(), *net.named_buffers())}
