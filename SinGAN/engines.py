"""Who runs the iterations of a training: PyTorch as it is, compiled programs, or a CUDA graph.

All three run the code of ``SinGAN.adversarial``. Eager execution differentiates a term as it stands;
compiled execution traces the same term, its derivatives included, into one program; a CUDA graph
records a whole eager iteration and repeats it. On the CPU, Winograd's convolutions serve the first two.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from SinGAN.adversarial import Differentiate, eagerly
from SinGAN.frugal import SHARE, frugally, memory_of, needed
from SinGAN.graphs import Captured, Step
from SinGAN.models import NetConfig
from SinGAN.planning import Size
from SinGAN.winograd import by_winograd, library

ENGINES = ("auto", "eager", "compiled", "cudagraph")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
RECOMPUTE = WINOGRAD = ("auto", "always", "never")
MOST_SCALES = 100  # of a model whose training is captured: a graph needs all matrices of the resize in its cache


def as_it_is(step: Step, rng: torch.Generator) -> Step:
    """Run ``step`` each time anew."""
    return step


@dataclass(frozen=True, eq=False)
class Engine:
    """How iterations are run, and in which precision."""

    name: str = "eager"
    precision: str = "fp32"
    differentiate: Differentiate = eagerly
    prepare: Callable[[Step, torch.Generator], Step] = as_it_is
    recompute: str = "auto"  # of RECOMPUTE: whether activations are made anew, not kept
    winograd: bool = False  # whether convolutions are Winograd's

    def described(self) -> str:
        """The engine in words."""
        recomputing = "" if self.recompute == "auto" else f", recompute {self.recompute}"
        return f"{self.name}, {self.precision}{', winograd' if self.winograd else ''}{recomputing}"

    def needs(self, config: NetConfig, size: Size, uses_vgg: bool = False) -> int:
        """About how many bytes of activations an iteration of nets of ``config`` keeps, at a scale of ``size``."""
        return needed(config, *size, uses_vgg) // (2 if self.precision == "bf16" else 1)

    def recomputes(self, config: NetConfig, size: Size, device: torch.device, uses_vgg: bool = False) -> bool:
        """Whether activations are made anew: where ``device`` has no room for them, or as asked."""
        room, needs = SHARE * memory_of(device), self.needs(config, size, uses_vgg)
        return self.recompute == "always" or (self.recompute == "auto" and 0 < room < needs)

    def differentiating(
        self, config: NetConfig, size: Size, device: torch.device, uses_vgg: bool = False
    ) -> Differentiate:
        """What differentiates the terms of a scale of ``size``."""
        return frugally if self.recomputes(config, size, device, uses_vgg) else self.differentiate

    def run(self, step: Step, rng: torch.Generator, scales: int) -> Step:
        """``step``, which trains the last of ``scales`` scales with random numbers of ``rng``, made ready to repeat."""
        half, prepare = self.precision == "bf16", self.prepare if scales <= MOST_SCALES else as_it_is

        def within_precision() -> Tensor:
            # no cache of casts: it would outlive the steps of the optimizers
            cast = torch.autocast(rng.device.type, torch.bfloat16, enabled=half, cache_enabled=False)
            with cast, by_winograd() if self.winograd else nullcontext():
                return step()

        return prepare(within_precision, rng)


EAGER = Engine()


def choose(name: str, precision: str, device: torch.device, recompute: str = "auto", winograd: str = "auto") -> Engine:
    """The engine called ``name`` (of ``ENGINES``) for ``device``, in ``precision`` (of ``PRECISIONS``).

    It also lets cuDNN use TF32, or not, in this whole process. ``auto`` on the CPU is eager: programs
    take a minute a scale to compile, and a compiler that does; they are for long runs.

    Raises:
        ValueError: the device can't serve it, or no compiler is there.
    """
    on_gpu = device.type == "cuda"
    if name == "auto":
        name = "cudagraph" if on_gpu else "eager"
    if precision == "auto":
        precision = "tf32" if on_gpu else "fp32"
    if not on_gpu and name == "cudagraph":
        raise ValueError(f"--engine cudagraph needs a CUDA device, not {device}: leave it out")
    if not on_gpu and precision == "tf32":
        raise ValueError(f"--precision tf32 needs a CUDA device, not {device}: leave it out")
    if name == "compiled" and recompute == "always":
        raise ValueError("--engine compiled and --recompute always contradict each other: leave one out")
    if name == "compiled" and precision == "bf16":  # what is generated for the CPU does not compile
        raise ValueError("--engine compiled can't be had in bf16: leave one out")
    if name == "compiled" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++", "cl"))):
        raise ValueError("--engine compiled needs a C++ compiler, as g++ or clang++: install one, or leave it out")
    if winograd == "always" and (on_gpu or precision != "fp32"):
        raise ValueError(f"--winograd always is for fp32 on the CPU, not for {precision} on {device}: leave it out")
    fast = winograd != "never" and not on_gpu and precision == "fp32" and library() is not None
    if winograd == "always" and not fast:
        raise ValueError("--winograd always needs a C++ compiler with OpenMP, as g++: install it, or leave it out")
    if on_gpu:
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
    differentiate = Compiled(fast) if name == "compiled" else eagerly
    return Engine(name, precision, differentiate, Captured if name == "cudagraph" else as_it_is, recompute, fast)


def choose_device(asked: torch.device | None, not_cuda: bool) -> torch.device:
    """The device to run on: the one ``asked`` for, else CUDA where there is one; a ValueError where it is lacking."""
    if not_cuda and asked is not None and asked.type == "cuda":
        raise ValueError(f"--not_cuda and --device {asked} contradict each other: leave one out")
    if asked is not None and asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"no {asked}: this machine has {torch.cuda.device_count()} CUDA devices; leave --device out")
    if asked is not None:
        return asked
    if not_cuda or not torch.cuda.is_available():
        print("running on the CPU" if not_cuda else "no CUDA device found: running on the CPU")
        return torch.device("cpu")
    return torch.device("cuda")


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
