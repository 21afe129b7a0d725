"""Who runs the iterations of a training: PyTorch as it is, compiled programs, or a CUDA graph.

All three run the code of ``SinGAN.losses.iteration``. Eager execution differentiates a term as it stands;
compiled execution traces the same term, its derivatives included, into one program (``SinGAN.engines.compiled``);
a CUDA graph records a whole eager iteration and repeats it (``SinGAN.engines.cuda_graph``). On the CPU, Winograd's
convolutions serve the first two.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from SinGAN.engines.compiled import NEEDED, Compiled, compiles, has_compiler, pays
from SinGAN.engines.cuda_graph import Captured, Step
from SinGAN.engines.recompute import SHARE, frugally, memory_of, needed
from SinGAN.engines.winograd import by_winograd, library
from SinGAN.losses.iteration import Differentiate, TrainConfig, eagerly
from SinGAN.models import NetConfig
from SinGAN.planning import Size

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
    prepare: Callable[[Step, torch.Generator], Step] = as_it_is
    recompute: str = "auto"  # of RECOMPUTE: whether activations are made anew, not kept
    winograd: bool = False  # whether convolutions are Winograd's
    programs: Compiled | None = None  # differentiate at each scale; of the eager engine, where compiling them pays

    def described(self) -> str:
        """The engine in words."""
        name = "eager, compiled where that pays" if self.name == "eager" and self.programs else self.name
        recomputing = "" if self.recompute == "auto" else f", recompute {self.recompute}"
        return f"{name}, {self.precision}{', winograd' if self.winograd else ''}{recomputing}"

    def needs(self, net: NetConfig, size: Size, training: TrainConfig) -> int:
        """About how many bytes of activations an iteration keeps at a scale of ``size``."""
        return needed(net, *size, training.uses_vgg) // (2 if self.precision == "bf16" else 1)

    def recomputes(self, net: NetConfig, size: Size, device: torch.device, training: TrainConfig) -> bool:
        """Whether activations are made anew: where ``device`` has no room for them, or as asked."""
        room, needs = SHARE * memory_of(device), self.needs(net, size, training)
        return self.recompute == "always" or (self.recompute == "auto" and 0 < room < needs)

    def wants_programs(self, net: NetConfig, size: Size, device: torch.device, training: TrainConfig) -> bool:
        """Whether programs shall differentiate the terms of a scale of ``size``, where they can be compiled."""
        if self.programs is None or self.recomputes(net, size, device, training):
            return False
        return self.name == "compiled" or pays(net, size, training)

    def differentiating(self, net: NetConfig, size: Size, device: torch.device, training: TrainConfig) -> Differentiate:
        """What differentiates the terms of a scale of ``size``."""
        if self.recomputes(net, size, device, training):
            return frugally
        if self.programs is not None and self.wants_programs(net, size, device, training) and compiles():
            return self.programs
        return eagerly

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

    It also lets cuDNN use TF32, or not, in this whole process. ``auto`` on the CPU is eager, and compiled
    at the scales where programs save more time than their compiler takes: large ones, in long runs.

    Raises:
        ValueError: the device can't serve it, or no compiler is there.
    """
    on_gpu = device.type == "cuda"
    if precision == "auto":
        precision = "tf32" if on_gpu else "fp32"
    where_it_pays = name == "auto" and not on_gpu and precision == "fp32" and recompute != "always" and has_compiler()
    if name == "auto":
        name = "cudagraph" if on_gpu else "eager"
    if not on_gpu and name == "cudagraph":
        raise ValueError(f"--engine cudagraph needs a CUDA device, not {device}: leave it out")
    if not on_gpu and precision == "tf32":
        raise ValueError(f"--precision tf32 needs a CUDA device, not {device}: leave it out")
    if name == "compiled" and recompute == "always":
        raise ValueError("--engine compiled and --recompute always contradict each other: leave one out")
    if name == "compiled" and precision == "bf16":  # what is generated for the CPU does not compile
        raise ValueError("--engine compiled can't be had in bf16: leave one out")
    if name == "compiled" and not compiles():
        raise ValueError(f"--engine compiled needs {NEEDED}: install them, or leave it out")
    if winograd == "always" and (on_gpu or precision != "fp32"):
        raise ValueError(f"--winograd always is for fp32 on the CPU, not for {precision} on {device}: leave it out")
    fast = winograd != "never" and not on_gpu and precision == "fp32" and library() is not None
    if winograd == "always" and not fast:
        raise ValueError("--winograd always needs a C++ compiler with OpenMP, as g++: install it, or leave it out")
    if on_gpu:
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
    programs = Compiled(fast, optional=where_it_pays) if name == "compiled" or where_it_pays else None
    return Engine(name, precision, Captured if name == "cudagraph" else as_it_is, recompute, fast, programs)


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
