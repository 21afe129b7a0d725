"""A pretended device for tests of what only a GPU would show: tensors there refuse to be mixed with those of the CPU.

Its tensors say that they lie on ``ELSEWHERE`` and hold ones of the CPU, which do the work. As on CUDA, an operation on
tensors of two devices, random numbers from the other device's generator, and NumPy arrays of its tensors are errors; a
single number of the CPU may take part, and indices may lie there.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

import SIFID.inception
from SinGAN import manipulate
from SinGAN.engines import estimates
from SinGAN.engines.engine import EAGER, EngineSettings
from SinGAN.patches import denoise, neighbours, windows

ELSEWHERE = torch.device("meta")
BY_DEVICE: tuple[tuple[dict[str, Any], float], ...] = (
    (estimates.OVERHEAD, 1e9),
    (manipulate.BATCH_VALUES, 2**22),
    (SIFID.inception.BATCH_VALUES, 2**22),
    (neighbours.LISTS_FROM, 64),  # small, so that lists are looked into
    (denoise.LISTS_FROM, 64),
    (windows.BLOCK, 2**21),
)
"""What the package knows of each device, and its value here."""
CHOOSERS = (
    "SinGAN.terminal.parse",
    "SinGAN.library.train",
    "SinGAN.library.instant",
    "SIFID.sifid_score",
    "Pix2Pix.commands",
    "Pix2Pix.study",
)
COPIES = ("_to_copy", "copy_")  # operations that take tensors from one device to another
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")
Real = torch.Generator


class Elsewhere(Tensor):
    """A tensor of the pretended device; ``held`` lies on the CPU."""

    held: Tensor
    made = 0  # so far
    is_meta = False  # else modules would warn that what they load is lost
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as in PyTorch

    @staticmethod
    def __new__(cls: Any, held: Tensor) -> "Elsewhere":
        Elsewhere.made += 1
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls, held.size(), held.stride(), held.storage_offset(), dtype=held.dtype, device=ELSEWHERE
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # the base class takes other arguments
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return dispatched(function, args, kwargs or {})

    def tolist(self) -> Any:
        return self.held.tolist()

    def new_tensor(self, data: Any, **options: Any) -> Tensor:  # type: ignore[override]  # the base class takes other arguments
        return Elsewhere(self.held.new_tensor(data, **options))


def is_elsewhere(device: Any) -> bool:
    return device is not None and torch.device(device).type == ELSEWHERE.type


def dispatched(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation gives, on the device that it belongs to; a RuntimeError where its tensors lie on two."""
    name = function.overloadpacket.__name__
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, Elsewhere) for tensor in tensors)
    here = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.dim() > 0]
    if name in INDEXING:
        here = [tensor for tensor in here if tensor.dtype not in (torch.long, torch.bool)]
    if there and here and name not in COPIES:
        raise RuntimeError(f"{function}: {[tuple(tensor.shape) for tensor in here]} lies on the CPU, others elsewhere")
    result_there = is_elsewhere(kwargs["device"]) if kwargs.get("device") is not None else there
    if is_elsewhere(kwargs.get("device")):
        kwargs = {**kwargs, "device": torch.device("cpu")}
    held, held_by_name = unwrapped((args, kwargs))
    result = function(*held, **held_by_name)
    if name == "copy_":
        return args[0]
    if not result_there:
        return result
    result = tree_map(lambda leaf: Elsewhere(leaf) if isinstance(leaf, Tensor) else leaf, result)
    return return_and_correct_aliasing(function, args, kwargs, result) if there else result


class Operations(TorchDispatchMode):
    """Operations that make tensors, too."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(function, args, kwargs or {})


class Generator(Real):
    """A generator of random numbers that knows a pretended device."""

    def __new__(cls, device: Any = "cpu") -> "Generator":
        made = super().__new__(cls, "cpu")  # type: ignore[call-arg]  # Tensor takes more arguments than its types say
        made.place = torch.device(device)
        return made

    def __init__(self, device: Any = "cpu") -> None:
        self.place = torch.device(device)

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # the base class takes other arguments
        return self.place


class Draws(TorchFunctionMode):
    """Random numbers: a RuntimeError where the generator is of another device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [*args, *(kwargs or {}).values()]
        places = {generator.device.type for generator in given if isinstance(generator, Real)}
        asked = (kwargs or {}).get("device")
        tensor = next((leaf.device for leaf in args if isinstance(leaf, Tensor)), torch.device("cpu"))
        if places - {torch.device(asked if asked is not None else tensor).type} and "seed" not in str(function):
            raise RuntimeError(f"{function}: the generator lies on {places}")
        return function(*args, **(kwargs or {}))


def unwrapped(value: Any) -> Any:
    """``value`` with the tensors that are held."""
    return tree_map(lambda leaf: leaf.held if isinstance(leaf, Elsewhere) else leaf, value)


@contextlib.contextmanager
def pretending(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The pretended device, which all scripts and functions choose in the block; the engine is eager."""
    save, autocast, adam = torch.save, torch.autocast, torch.optim.Adam
    for values, value in BY_DEVICE:
        monkeypatch.setitem(values, ELSEWHERE.type, value)
    for module in CHOOSERS:
        monkeypatch.setattr(f"{module}.choose_device", lambda *_, **__: ELSEWHERE)
    monkeypatch.setattr(EngineSettings, "choose", lambda settings, device: EAGER)
    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(torch, "save", lambda value, *rest: save(unwrapped(value), *rest))
    monkeypatch.setattr(torch.optim, "Adam", lambda *rest, fused=False, **options: adam(*rest, **options))

    def casting(device: str, *rest: Any, **options: Any) -> Any:
        return contextlib.nullcontext() if is_elsewhere(device) else autocast(device, *rest, **options)

    monkeypatch.setattr(torch, "autocast", casting)
    with Operations(), Draws():  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        before = Elsewhere.made
        yield ELSEWHERE
        assert Elsewhere.made > before, "nothing ran elsewhere"
