"""Compiled programs: a loss and its derivatives are traced, compiled, and kept for each size of image."""

import functools
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from SinGAN.engines.arguments import flatten, map_parts
from SinGAN.engines.convolution import convolving
from SinGAN.engines.winograd import conv2d
from SinGAN.losses.iteration import BoundLoss, differentiate_eagerly
from SinGAN.native.build import error_line
from SinGAN.storage.locks import holding, is_abandoned

Program = Callable[..., list[Any]]
"""From tensors, those of nets first, to the value of a loss and its gradients (None if there is none)."""

LOG = logging.getLogger(__name__)
MARKER = ".singan_compiling"  # ending of a file in PyTorch's cache that a process holds while it compiles
OUTPUT = "\nOutput:\n"  # precedes the compiler's lines in an error of Inductor
NEEDED = "a C++ compiler (as g++) and the headers of Python"
FAILURES = RuntimeError, OSError, ImportError, AttributeError, TypeError, KeyError
"""Errors of compilation: of Dynamo and Inductor, a full disk, a user without a name, a changed private function."""


def has_compiler() -> bool:
    """Whether a C++ compiler is installed; it may still fail."""
    return any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")))


@functools.cache
def missing_requirement() -> str:
    """The requirement for compiling programs that this machine does not meet; "" if it meets all."""
    if not has_compiler():
        return f"{NEEDED}: install them"
    try:
        compile_graph(lambda x: [x.sin()], [torch.zeros(16)], {})
    except FAILURES as error:
        return f"{NEEDED} that work; a test failed: {describe_failure(error)}"
    return ""


def can_compile() -> bool:
    """Whether PyTorch can compile a program on this machine."""
    return not missing_requirement()


def describe_failure(error: BaseException) -> str:
    """Why a compilation failed with ``error``, in one line: the compiler's own, where it ran."""
    text = str(error)
    said = error_line(text.partition(OUTPUT)[2])
    line = said or (text.splitlines() or [type(error).__name__])[0]
    space = f" (the folder for temporary files has a space in its name: set another TMPDIR than {gettempdir()})"
    return f"{line:.300}{space if said and ' ' in gettempdir() else ''}"


class Compiled:
    """Computes the gradients of losses by compiled programs.

    A program serves one size of image, so that a resumed training runs the same programs as one that was not
    interrupted. Losses are traced with their gradients first, because ``torch.compile`` does not support second
    derivatives, which the gradient penalty needs.

    Arguments:
        winograd: whether convolutions use Winograd's method.
        optional: whether to differentiate eagerly if a program can't be compiled; else that is an error.
    """

    def __init__(self, winograd: bool = False, optional: bool = False) -> None:
        self.winograd, self.optional = winograd, optional
        self.programs = dict[Any, Program | None]()
        self.net_tensors = WeakKeyDictionary[nn.Module, NetTensors]()

    def __call__(self, bound: BoundLoss) -> Tensor:
        # 1. Flatten the arguments; programs assume contiguous tensors.
        bound = functools.partial(bound.func, **map_parts(bound.keywords, contiguous))
        arguments = list(flatten(bound.keywords))
        nets = [self.tensors_of(part) for part in arguments if isinstance(part, nn.Module)]
        tensors = [part for part in arguments if isinstance(part, Tensor)]
        # 2. Look up the program for these kinds of arguments, or compile it.
        key = bound.func, *map(self.cache_key, arguments)
        if key not in self.programs:
            self.programs[key] = self.program(bound)
        program = self.programs[key]
        if program is None:
            return differentiate_eagerly(bound)
        # 3. Run it: it returns the loss and its gradients, and updates running statistics in place.
        with torch.no_grad():
            value, *gradients = program(*(value for net in nets for value in net.detached), *tensors)
        add_gradients([parameter for net in nets for parameter in net.trained()], gradients)
        return torch.as_tensor(value)

    def program(self, bound: BoundLoss) -> Program | None:
        """Compile the program of a loss; None if that fails and is ``optional``, with a warning the first time."""
        nets = [part for part in flatten(bound.keywords) if isinstance(part, nn.Module)]
        backend = functools.partial(conv2d, last=True)
        try:
            with convolving(nets, backend) if self.winograd else nullcontext():
                return compile_loss(bound)
        except FAILURES as error:
            line = f"a program can't be compiled ({describe_failure(error)})"
            if not self.optional:
                raise ValueError(f"{line}: `engine` eager needs none") from error
            if None not in self.programs.values():  # the first one
                LOG.warning(f"{line}: continuing without it, more slowly")
            return None

    def tensors_of(self, net: nn.Module) -> "NetTensors":
        """The tensors of ``net``, which are looked up once because walking through modules is slow."""
        if net not in self.net_tensors:
            self.net_tensors[net] = NetTensors(net)
        return self.net_tensors[net]

    def cache_key(self, part: object) -> object:
        """The properties of one part of the arguments that a program depends on."""
        if isinstance(part, nn.Module):
            return self.tensors_of(part).cache_key()
        return (part.shape, part.dtype) if isinstance(part, Tensor) else part


def contiguous(part: Any) -> Any:
    """Make ``part`` contiguous if it is a tensor."""
    return part.contiguous() if isinstance(part, Tensor) else part


def add_gradients(parameters: list[nn.Parameter], gradients: list[Tensor | None]) -> None:
    """Add ``gradients`` (None if there is none) to those of ``parameters``."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:  # the penalty does not depend on the bias of the last layer
            gradient = gradient.contiguous()  # fused Adam assumes the memory layout of the parameter
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


class NetTensors:
    """The parameters and buffers of a net, in its order; their values may change, not their memory."""

    def __init__(self, net: nn.Module) -> None:
        self.parameters = list(net.parameters())
        self.detached = [value.detach() for value in (*self.parameters, *net.buffers())]
        self.shapes = tuple((name, value.shape) for name, value in net.named_parameters())
        self.net = ref(net)

    def trained(self) -> list[nn.Parameter]:
        """The parameters that currently require a gradient."""
        return [parameter for parameter in self.parameters if parameter.requires_grad]

    def cache_key(self) -> object:
        """The properties of the net that a program depends on."""
        wanted, net = tuple(parameter.requires_grad for parameter in self.parameters), self.net()
        return self.shapes, wanted, getattr(net, "config", None), net is not None and net.training


def compile_loss(bound: BoundLoss) -> Program:
    """Compile a loss into a program of its tensors: those of its nets first, then its tensor arguments.

    The program returns the value of the loss and its gradients by all parameters that require one, and updates buffers,
    as ``bound()`` and its backward pass do.
    """
    # 1. Make the loss a function of a flat list of tensors.
    module = TermModule(bound)
    names = [f"nets.{index}.{name}" for index, net in enumerate(module.nets) for name, _ in named_tensors(net)]
    wanted = [name for name, value in module.named_parameters() if value.requires_grad]

    # 2. Extend it by its gradients, so that tracing sees one function without autograd.
    def differentiate(*inputs: Tensor) -> list[Tensor | None]:
        state = {name: value.detach() for name, value in zip(names, inputs, strict=False)}
        leaves = [state[name].requires_grad_() for name in wanted]
        value = functional_call(module, state, inputs[len(names) :])
        return [value.detach(), *torch.autograd.grad(value.sum(), leaves, allow_unused=True)]

    # 3. Trace and compile it with example tensors of the same shapes.
    examples = [value.detach().clone() for net in module.nets for _, value in named_tensors(net)]
    examples += [part for part in flatten(bound.keywords) if isinstance(part, Tensor)]
    return compile_graph(differentiate, examples, {torch.ops.aten.native_batch_norm.default: batch_norm})


@functools.cache
def _clear_after_crash(folder: Path) -> None:
    """Clear PyTorch's cache if a process died while it compiled: loading a cut-off library can end this one, too."""
    markers = list(folder.glob(f"*{MARKER}"))
    if markers and all(map(is_abandoned, markers)):  # not while another process compiles
        _clear(folder, "a process died while it compiled")


def _clear(folder: Path, why: str) -> None:
    LOG.warning(f"a compiled program may be damaged ({why:.200}): it is compiled again")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _marking(folder: Path) -> Iterator[None]:
    """Keep a marker in PyTorch's cache during the block; it stays there, held by nobody, if the process is killed."""
    marker = folder / f"{secrets.token_hex(8)}{MARKER}"
    try:
        marker.touch()
        with holding(marker):
            yield
    finally:
        marker.unlink(missing_ok=True)


def compile_graph(function: Callable[..., Any], examples: list[Tensor], replacements: dict[Any, Any]) -> Program:
    """Compile ``function`` for tensors like ``examples``; ``replacements`` are functions that replace operators."""
    from torch._inductor import standalone_compile  # a slow import: two seconds
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    folder = Path(cache_dir())
    _clear_after_crash(folder)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns of a missing CUDA
    traced = make_fx(function, replacements, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)

    def compile_traced() -> Program:
        with _marking(folder), torch.no_grad():
            program: Program = standalone_compile(traced, list(examples), dynamic_shapes="from_example_inputs")
            return program

    try:
        return compile_traced()
    except FAILURES as error:
        if str(folder) not in str(error) or ".so: " not in str(error):  # not a library that can't be loaded
            raise
        _clear(folder, str(error).splitlines()[0])
    return compile_traced()


def named_tensors(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters and buffers of ``net`` by name."""
    yield from net.named_parameters()
    yield from net.named_buffers()


def batch_norm(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """BatchNorm of ``image`` (B, F, H, W), with the mean and the reciprocal of the standard deviation.

    Programs use it because PyTorch's decomposition is 40 times less exact if the mean is large.
    """
    if not training:
        mean, var = running_mean[:, None, None], running_var[:, None, None]
    else:
        mean = channel_mean(image)
        var = channel_mean((image - mean).square())
        count = image.numel() // image.shape[1]
        running_mean.mul_(1 - momentum).add_(momentum * mean.flatten())
        running_var.mul_(1 - momentum).add_(momentum * count / (count - 1) * var.flatten())
    rate = (var + eps).rsqrt()
    normalized = (image - mean) * (rate * weight[:, None, None]) + bias[:, None, None]
    if not training:
        return normalized, image.new_zeros(0), image.new_zeros(0)
    return normalized, mean.flatten(), rate.flatten()


def channel_mean(image: Tensor) -> Tensor:
    """The mean (1, F, 1, 1) of each channel of ``image`` (B, F, H, W), by rows first: short sums are more exact."""
    return image.mean(3, keepdim=True).mean((0, 2), keepdim=True)


class TermModule(nn.Module):
    """A loss as a module: its nets are submodules, its tensors are the arguments of ``forward``."""

    def __init__(self, bound: BoundLoss) -> None:
        super().__init__()
        self.nets = nn.ModuleList(part for part in flatten(bound.keywords) if isinstance(part, nn.Module))
        self.bound = bound

    def forward(self, *tensors: Tensor) -> Tensor:
        fresh = iter(tensors)
        arguments = map_parts(self.bound.keywords, lambda part: next(fresh) if isinstance(part, Tensor) else part)
        value: Tensor = self.bound.func(**arguments)
        return value
