"""Engines, which run the iterations of a training: eager PyTorch, compiled programs, or a CUDA graph.

All three run the code of ``SinGAN.losses.iteration``. The eager engine differentiates a loss as it is; the compiled one
traces the loss with its derivatives into one program (``SinGAN.engines.compiled``); a CUDA graph captures a whole eager
iteration and replays it (``SinGAN.engines.cuda_graph``). On the CPU, the first two use Winograd's convolutions.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SinGAN.engines import ENGINES, PRECISIONS, RECOMPUTE, WINOGRAD, convolution, winograd
from SinGAN.engines.arguments import flatten
from SinGAN.engines.batch_norm import normalising
from SinGAN.engines.compiled import Compiled, can_compile, has_compiler, missing_requirement
from SinGAN.engines.convolution import convolving
from SinGAN.engines.cuda_graph import Captured, Work
from SinGAN.engines.estimates import (
    SHARE,
    ScaleSetting,
    available_memory,
    bytes_needed,
    choose_threads,
    pays_to_compile,
    scale_cost,
)
from SinGAN.engines.recompute import differentiate_with_recomputation
from SinGAN.losses.iteration import BoundLoss, Differentiate, differentiate_eagerly
from SinGAN.models import Convolve

BF16_FROM = 8  # compute capability, major
MOST_SCALES = 100  # of a captured training: a graph needs all matrices of the resize in their cache

Step = Callable[[], dict[str, Tensor]]
"""One iteration on the nets that it is bound to; it returns its losses, scalars by name."""


def no_capture(work: Work, rng: torch.Generator) -> Work:
    """Return ``work`` itself, to run it eagerly each time."""
    return work


@dataclass(frozen=True, eq=False)
class Engine:
    """A way to run iterations, in a precision."""

    name: str = "eager"
    precision: str = "fp32"
    prepare: Callable[[Work, torch.Generator], Work] = no_capture
    recompute: str = "auto"  # of RECOMPUTE: whether to recompute activations in the backward pass
    convolve: Convolve = F.conv2d  # for the nets in training and for samples of the coarser scales
    programs: Compiled | None = None  # compiled programs; the eager engine uses them at scales where they save time

    def describe(self) -> str:
        """A description of the engine."""
        name = "eager, compiled where that pays" if self.name == "eager" and self.programs else self.name
        recomputing = "" if self.recompute == "auto" else f", recompute {self.recompute}"
        return f"{name}, {self.precision}{', winograd' if self.winograd else ''}{recomputing}"

    @property
    def winograd(self) -> bool:
        """Whether it uses Winograd's convolutions."""
        return self.convolve is winograd.conv2d

    def bytes_needed(self, setting: ScaleSetting) -> int:
        """An estimate of the bytes of activations that an iteration of a scale keeps."""
        full = bytes_needed(setting.net, setting.size, setting.training.uses_vgg)
        return full // (2 if self.precision == "bf16" else 1)

    def recomputes(self, setting: ScaleSetting) -> bool:
        """Whether to recompute activations: if the device has too little memory for them, or as requested."""
        room = SHARE * available_memory(setting.device)
        return self.recompute == "always" or (self.recompute == "auto" and 0 < room < self.bytes_needed(setting))

    def wants_programs(self, setting: ScaleSetting) -> bool:
        """Whether to differentiate the losses of a scale by programs, if they can be compiled."""
        if self.programs is None or self.recomputes(setting):
            return False
        return self.name == "compiled" or pays_to_compile(setting)

    def differentiation(self, setting: ScaleSetting) -> Differentiate:
        """The function that differentiates the losses of a scale."""
        if self.recomputes(setting):
            return differentiate_with_recomputation
        if self.programs is not None and self.wants_programs(setting) and can_compile():
            return self.programs
        return accumulate_gradients if setting.device.type == "cuda" else differentiate_eagerly

    @contextmanager
    def threads(self, setting: ScaleSetting) -> Iterator[None]:
        """Set the number of CPU threads for the iterations of a scale during the block.

        Small nets on small images are slower with many threads.
        """
        before = count = torch.get_num_threads()
        if setting.device.type == "cpu" and not setting.training.uses_vgg:  # a VGG can use all threads
            count = choose_threads(scale_cost(setting.net, setting.size, self.winograd))
        if count == before:  # setting the same number again would change how MKL distributes its work
            yield
            return
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def run(self, step: Step, nets: Sequence[nn.Module], rng: torch.Generator, scales: int) -> Step:
        """Prepare ``step``, an iteration of the last of ``scales`` scales, for repetition.

        The ``nets`` that it trains or differentiates use the engine's convolution while it runs.
        """
        prepare, names = self.prepare if scales <= MOST_SCALES else no_capture, list[str]()

        def stacked() -> Tensor:
            with self._running(nets, rng.device):
                losses = step()
            names[:] = losses
            return torch.stack(tuple(losses.values()))

        repeat = prepare(stacked, rng)

        def named() -> dict[str, Tensor]:
            values = repeat().unbind()
            return dict(zip(names, values, strict=True))

        return named

    @contextmanager
    def _running(self, nets: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
        """Use the engine's precision, convolution and, on a GPU, BatchNorm for ``nets`` during the block."""
        # without a cache of casts, which would outlive the steps of the optimizers
        cast = torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False)
        own = nullcontext() if self.convolve is F.conv2d else convolving(nets, self.convolve)
        norms = normalising(nets) if self.convolve is convolution.conv2d else nullcontext()
        with use_precision(self, device), cast, own, norms:
            yield


EAGER = Engine()


def accumulate_gradients(bound: BoundLoss) -> Tensor:
    """Differentiate a loss with the bits of ``differentiate_eagerly``, but add the gradients by few kernels."""
    nets = (part for part in flatten(bound.keywords) if isinstance(part, nn.Module))
    parameters = [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]
    value = bound()
    total = value.sum() if value.ndim else value
    found = zip(parameters, torch.autograd.grad(total, parameters, allow_unused=True), strict=True)
    pairs = [(parameter, gradient) for parameter, gradient in found if gradient is not None]
    earlier = [(parameter.grad, gradient) for parameter, gradient in pairs if parameter.grad is not None]
    if earlier:
        torch._foreach_add_([grad for grad, _ in earlier], [gradient for _, gradient in earlier])
    for parameter, gradient in pairs:
        if parameter.grad is None:
            parameter.grad = gradient
    return value.detach()


@contextmanager
def use_precision(engine: Engine | str, device: torch.device) -> Iterator[None]:
    """Use the precision of ``engine``, or that name of a precision, and deterministic cuDNN kernels during the block.

    It has no effect on other devices than CUDA.
    """
    if device.type != "cuda":
        yield
        return
    precision = engine if isinstance(engine, str) else engine.precision
    cudnn, with_tf32 = torch.backends.cudnn, precision in ("auto", "tf32")
    settings = [(cudnn, "deterministic", True), tf32(cudnn, "conv", with_tf32)]
    if not with_tf32:
        settings.append(tf32(torch.backends.cuda, "matmul", allowed=False))
    before = [(place, name, getattr(place, name)) for place, name, _ in settings]
    try:
        for place, name, value in settings:
            setattr(place, name, value)
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


def tf32(backend: Any, operation: str, allowed: bool) -> tuple[Any, str, Any]:
    """The object, name and value of the attribute that allows TF32 for an ``operation`` of ``backend``.

    PyTorch 2.9 and newer have a new attribute. Once it is set, reading the old one is an error.
    """
    place = getattr(backend, operation, backend)
    if hasattr(place, "fp32_precision"):
        return place, "fp32_precision", "tf32" if allowed else "ieee"
    return place, "allow_tf32", allowed


@dataclass(frozen=True)
class EngineSettings:
    """The choice of an engine; ``auto`` depends on the device."""

    engine: str = "auto"  # of engines.ENGINES
    precision: str = "auto"  # of PRECISIONS
    recompute: str = "auto"  # of RECOMPUTE
    winograd: str = "auto"  # of WINOGRAD

    def __post_init__(self) -> None:
        """Raise a ValueError if a setting is not one of its choices."""
        choices = {"engine": ENGINES, "precision": PRECISIONS, "recompute": RECOMPUTE, "winograd": WINOGRAD}
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}, not {value}")

    def check(self, device: torch.device) -> None:
        """Raise a ValueError if the settings contradict each other or ``device``, without compiling anything."""
        on_gpu, precision = device.type == "cuda", self.precision_on(device)
        if not on_gpu and self.engine == "cudagraph":
            raise ValueError(f"`engine` cudagraph needs a CUDA device, not {device}: leave it out")
        if on_gpu and precision == "bf16" and torch.cuda.is_available():
            major, minor = torch.cuda.get_device_capability(device)
            if major < BF16_FROM:
                needed = f"`precision` bf16 needs compute capability {BF16_FROM}.0"
                raise ValueError(f"{needed}, and {device} has {major}.{minor}: use fp32")
        if not on_gpu and precision == "tf32":
            raise ValueError(f"`precision` tf32 needs a CUDA device, not {device}: leave it out")
        if self.engine == "compiled" and self.recompute == "always":
            raise ValueError("`engine` compiled and `recompute` always contradict each other: leave one out")
        if self.engine == "compiled" and precision == "bf16":  # the code generated for the CPU does not compile
            raise ValueError("`engine` compiled does not support bf16: leave one out")
        if self.winograd == "always" and (on_gpu or precision != "fp32"):
            raise ValueError(f"`winograd` always is for fp32 on the CPU, not for {precision} on {device}: leave it out")

    def precision_on(self, device: torch.device) -> str:
        """The precision on ``device``: as requested; by default TF32 on a GPU, else fp32."""
        if self.precision != "auto":
            return self.precision
        return "tf32" if device.type == "cuda" else "fp32"

    def choose(self, device: torch.device) -> Engine:
        """Return the engine for ``device``. The first call on a machine compiles Winograd's convolutions.

        On the CPU, ``auto`` is eager, and compiled at the scales where programs save more time than their compilation
        takes: large ones, in long runs.

        Raises:
            ValueError: the device does not support it, or a compiler is missing.
        """
        self.check(device)
        on_gpu, precision = device.type == "cuda", self.precision_on(device)
        on_cpu_in_fp32 = not on_gpu and precision == "fp32"
        if self.engine == "compiled" and not can_compile():
            raise ValueError(f"`engine` compiled needs {missing_requirement()}; or leave it out")
        fast = self.winograd != "never" and on_cpu_in_fp32 and winograd.library() is not None
        if self.winograd == "always" and not fast:
            raise ValueError(f"`winograd` always needs {winograd.missing_requirement()}, or leave it out")
        where_it_pays = self.engine == "auto" and on_cpu_in_fp32 and self.recompute != "always" and has_compiler()
        programs = Compiled(fast, optional=where_it_pays) if self.engine == "compiled" or where_it_pays else None
        name = ("cudagraph" if on_gpu else "eager") if self.engine == "auto" else self.engine
        prepare = Captured if on_gpu and name != "eager" else no_capture  # also of compiled programs
        convolve = winograd.conv2d if fast else convolution.conv2d if on_gpu else F.conv2d
        return Engine(name, precision, prepare, self.recompute, convolve, programs)


def choose_device(asked: torch.device | str | None, not_cuda: bool = False) -> torch.device:
    """Return the device ``asked`` for; by default a CUDA device that PyTorch supports, else the CPU.

    Raises:
        ValueError: ``asked`` is no CPU or CUDA device, does not exist, or PyTorch has no kernels for it.
    """
    device = None if asked is None else parse_device(asked)
    if device is not None and device.type == "cuda":
        if not_cuda:
            raise ValueError(f"`not_cuda` and `device` {device} contradict each other: leave one out")
        if (device.index or 0) >= torch.cuda.device_count():
            raise ValueError(
                f"no {device}: this machine has {torch.cuda.device_count()} CUDA devices; leave `device` out"
            )
        if (unserved := describe_unsupported(device)) is not None:
            raise ValueError(f"{unserved}: install another PyTorch, or use `device` cpu")
    if device is not None:
        return device
    note = "running on the CPU" if not_cuda else "no CUDA device found: running on the CPU"
    if not not_cuda and torch.cuda.is_available():
        if (unserved := describe_unsupported(torch.device("cuda"))) is None:
            return torch.device("cuda")
        note = f"{unserved}: running on the CPU"
    logging.getLogger(__name__).info(note)
    return torch.device("cpu")


def parse_device(name: torch.device | str) -> torch.device:
    """Return the device ``name``; raise a ValueError if it is neither a CPU nor a CUDA device."""
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"`device` must be cpu, cuda or cuda:<n>, not {name}")
    return device


def describe_unsupported(device: torch.device) -> str | None:
    """An error message if the installed PyTorch has no kernels for a CUDA ``device``, else None.

    Binary kernels run on devices with their major compute capability and at least their minor one, PTX on all later
    ones.
    """
    major, minor = torch.cuda.get_device_capability(device)
    names = [name for name in torch.cuda.get_arch_list() if name.startswith(("sm_", "compute_"))]
    if not names:  # a build for GPUs of another vendor
        return None
    for name in names:
        kind, _, number = name.partition("_")
        digits = "".join(letter for letter in number if letter.isdigit())
        their_major, their_minor = int(digits[:-1]), int(digits[-1])
        if kind == "compute" and (their_major, their_minor) <= (major, minor):
            return None
        if kind == "sm" and their_major == major and their_minor <= minor:
            return None
    return (
        f"PyTorch {torch.__version__} has no kernels for {torch.cuda.get_device_name(device)}, of compute capability "
        f"{major}.{minor}"
    )
