"""Tensor files: written atomically, read without running code, and checked."""

import io
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.storage.files import check_regular, write_whole

DEEPEST = 20  # limit of the nesting
EXPANDED = 64  # limit of a tensor's size, as a multiple of the file's: tensors may be expanded


def save(path: Path, value: object) -> None:
    """Write ``value``, made of tensors and plain values, to ``path``, atomically."""
    write_whole(path, as_bytes(value))


def as_bytes(value: object) -> bytes:
    """Serialize ``value``, in memory because torch reports a full disk as a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def load(path: Path, device: torch.device, content: bytes | None = None) -> Any:
    """The tensors and plain values in ``path``, on ``device``; loading can't run code.

    ``content`` is that of the file, where it was read before.

    Raises:
        ValueError: ``path`` is not a regular file, is damaged, or has other content.
    """
    content = check_regular(path).read_bytes() if content is None else content
    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual kinds of tensors, which _check refuses
        _check_archive(content)
        value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        _check(value, len(content))
        return value if device.type == "cpu" else _move(value, device)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors in the block, which reads the content of ``path``, into a ValueError that names it."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make torch raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged or not a checkpoint ({reason:.300})") from error


def _check_archive(content: bytes) -> None:
    """Check the checksums of ``content`` if it is a zip file, as torch writes since 1.6; torch does not check them."""
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("it claims to hold more than it does")
        if (name := archive.testzip()) is not None:
            raise ValueError(f"its part {name} has another checksum")


def _check(value: object, size: int, depth: int = 0) -> None:
    """Raise a ValueError if a tensor in ``value``, read from a file of ``size`` bytes, is not a plain dense one."""
    if isinstance(value, dict | list | tuple):
        if depth > DEEPEST:
            raise ValueError("its parts are nested too deep")
        for part in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
            _check(part, size, depth + 1)
    elif isinstance(value, Tensor):
        plain = type(value) in (Tensor, nn.Parameter) and value.layout is torch.strided and not value.is_nested
        if not plain or value.device.type != "cpu" or value.is_quantized:
            raise ValueError("it holds a tensor of an unusual kind")
        if value.numel() * value.element_size() > EXPANDED * size:
            raise ValueError(f"it holds a tensor of {tuple(value.shape)}, more than fits into it")


def _move(value: Any, device: torch.device) -> Any:
    """Move the tensors in ``value`` to ``device``."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return type(value)((key, _move(part, device)) for key, part in value.items())
    return type(value)(_move(part, device) for part in value) if isinstance(value, list | tuple) else value


def load_list(path: Path, device: torch.device, dims: int) -> list[Tensor]:
    """The list of float tensors of ``dims`` dimensions in ``path``; plain numbers count as 0-dimensional tensors.

    Raises:
        ValueError: ``path`` has other content.
    """
    entries = load(path, device)
    tensors = []
    for entry in entries if isinstance(entries, list | tuple) else [None]:
        with reading(path):
            tensor = torch.tensor(float(entry)) if isinstance(entry, int | float) else entry
        if not isinstance(tensor, Tensor) or tensor.ndim != dims or not tensor.is_floating_point():
            raise ValueError(f"{path} does not hold a list of tensors of {dims} dimensions")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{path} holds numbers that are not finite")
        tensors.append(tensor.float().to(device))
    return tensors


def check_fit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise a ValueError unless ``state`` has the names and shapes of ``wanted``, and floats where that has floats."""
    if differing := sorted(wanted.keys() ^ state.keys()):
        raise ValueError(f"only one of the weights and the net has {differing[0]}")
    for name, value in wanted.items():
        if value.shape != state[name].shape:
            raise ValueError(f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}")
        if value.is_floating_point() != state[name].is_floating_point():
            raise ValueError(f"{name} holds {state[name].dtype}")


def load_weights(path: Path, content: bytes | None = None) -> dict[str, Tensor]:
    """The state dict in ``path``, whose ``content`` may have been read before, on the CPU.

    Raises:
        ValueError: ``path`` has other content.
    """
    state = load(path, torch.device("cpu"), content)
    named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} does not hold the weights of a net")
    return dict(state)
