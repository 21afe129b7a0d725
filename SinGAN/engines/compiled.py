"""Compiled programs: a term of a loss with its derivatives, traced, compiled, and kept for its size of image."""

import functools
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from SinGAN.engines.recompute import needed
from SinGAN.engines.winograd import by_winograd
from SinGAN.losses.iteration import TrainConfig, eagerly
from SinGAN.models import NetConfig
from SinGAN.planning import Size

Program = Callable[..., list[Any]]
"""From tensors, those of nets first, the value of a term and its gradients (None where there is none)."""

NEEDED = "a C++ compiler (as g++) and the headers of Python"
COMPILING = 60.0  # seconds that the programs of a scale take to compile on two cores
SAVED = 2e-9  # seconds that they save in an iteration, at least, for each byte of its activations


def pays(config: NetConfig, size: Size, training: TrainConfig) -> bool:
    """Whether compiling the programs of a scale of ``size`` takes less time than they save.

    It goes by what is asked, not by a clock, so that one machine always decides alike.
    """
    steps = training.niter * (training.Gsteps + training.Dsteps) / 6
    return SAVED * needed(config, *size) * steps > COMPILING


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which may not serve yet."""
    return any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")))


@functools.cache
def compiles() -> bool:
    """Whether PyTorch can compile a program here: it needs what is ``NEEDED``."""
    if not has_compiler():
        return False
    try:
        built(lambda x: [x.sin()], [torch.zeros(16)], {})
    except (RuntimeError, OSError):  # all of Dynamo's and Inductor's; a cache that can't be written
        return False
    return True


class Compiled:
    """Differentiates by programs: a term's value and its gradients, traced into one and compiled.

    A program serves one size of image, so that a training that goes on runs the same programs as one
    that was never stopped. Tracing comes first because ``torch.compile`` itself can't look into second
    derivatives, which the gradient penalty needs.
    """

    def __init__(self, winograd: bool = False, optional: bool = False) -> None:
        self.winograd, self.optional = winograd, optional  # whether to go on without a program that can't be compiled
        self.programs = dict[Any, Program | None]()
        self.values = WeakKeyDictionary[nn.Module, Values]()

    def __call__(self, term: Callable[..., Tensor], *arguments: Any) -> Tensor:
        arguments = tuple(one.contiguous() if isinstance(one, Tensor) else one for one in arguments)
        known = [self.values_of(one) if isinstance(one, nn.Module) else one for one in arguments]
        nets = [one for one in known if isinstance(one, Values)]
        tensors = [one for one in known if isinstance(one, Tensor)]
        key = term, *map(kind, known)
        if key not in self.programs:
            self.programs[key] = self.program(term, arguments)
        program = self.programs[key]
        if program is None:
            return eagerly(term, *arguments)
        with torch.no_grad():
            made = program(*(value for net in nets for value in net.detached), *tensors)
        trained = [parameter for net in nets for parameter in net.trained()]
        for parameter, gradient in zip(trained, made[1:], strict=True):
            if gradient is not None:  # the penalty does not depend on the last bias
                gradient = gradient.contiguous()  # fused Adam takes for granted that it lies as the parameter does
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        value: Tensor = made[0]
        return value

    def program(self, term: Callable[..., Tensor], arguments: tuple[Any, ...]) -> Program | None:
        """The program of ``term``; None where it is ``optional`` and can't be compiled: of the first, a line tells."""
        try:
            with by_winograd(last=True) if self.winograd else nullcontext():
                return compiled(term, arguments)
        except (RuntimeError, OSError) as error:  # a full disk, a compiler that was killed
            why = (str(error).splitlines() or [type(error).__name__])[0]
            line = f"a program can't be compiled ({why})"
            if not self.optional:
                raise ValueError(f"{line}: --engine eager does without") from error
            if None not in self.programs.values():  # the first one
                print(f"{line}: going on without, more slowly", file=sys.stderr)
            return None

    def values_of(self, net: nn.Module) -> "Values":
        """What a program takes of ``net``: looked up once, for modules are slow to walk through."""
        if net not in self.values:
            self.values[net] = Values(net)
        return self.values[net]


class Values:
    """The parameters and buffers of a net, in its order; they may change, but stay in their memory."""

    def __init__(self, net: nn.Module) -> None:
        self.parameters = list(net.parameters())
        self.detached = [value.detach() for value in (*self.parameters, *net.buffers())]
        self.shapes = tuple((name, value.shape) for name, value in net.named_parameters())
        self.net = ref(net)

    def trained(self) -> list[nn.Parameter]:
        """The parameters that want a gradient now."""
        return [parameter for parameter in self.parameters if parameter.requires_grad]

    def kind(self) -> object:
        """What of the net a program is made for."""
        wanted, net = tuple(parameter.requires_grad for parameter in self.parameters), self.net()
        return self.shapes, wanted, getattr(net, "config", None), net is not None and net.training


def kind(argument: object) -> object:
    """What of an ``argument`` a program is made for."""
    if isinstance(argument, Values):
        return argument.kind()
    return (argument.shape, argument.dtype) if isinstance(argument, Tensor) else argument


def compiled(term: Callable[..., Tensor], arguments: tuple[Any, ...]) -> Program:
    """A program of the parameters and buffers of the nets among ``arguments``, and of the tensors among them.

    It gives the value of ``term`` and its gradients by all parameters that want one, and updates the
    buffers, as ``term(*arguments)`` and its backward pass do.
    """
    bound = Bound(term, arguments)
    names = [f"nets.{index}.{name}" for index, net in enumerate(bound.nets) for name, _ in named_values(net)]
    wanted = [name for name, value in bound.named_parameters() if value.requires_grad]

    def differentiated(*given: Tensor) -> list[Tensor | None]:
        state = {name: value.detach() for name, value in zip(names, given, strict=False)}
        leaves = [state[name].requires_grad_() for name in wanted]
        value = functional_call(bound, state, given[len(names) :])
        return [value.detach(), *torch.autograd.grad(value.sum(), leaves, allow_unused=True)]

    examples = [value.detach().clone() for net in bound.nets for _, value in named_values(net)]
    examples += [argument for argument in arguments if isinstance(argument, Tensor)]
    return built(differentiated, examples, {torch.ops.aten.native_batch_norm.default: normalised})


def built(function: Callable[..., Any], examples: list[Tensor], own: dict[Any, Any]) -> Program:
    """``function`` of tensors like ``examples``, in which ``own`` functions take the place of operators, compiled."""
    from torch._inductor import standalone_compile  # not above: it takes two seconds

    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # else it tells of a CUDA that it lacks
    traced = make_fx(function, own, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)
    with torch.no_grad():
        made: Program = standalone_compile(traced, list(examples), dynamic_shapes="from_example_inputs")
    return made


def named_values(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters and buffers of ``net`` by name."""
    yield from net.named_parameters()
    yield from net.named_buffers()


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
