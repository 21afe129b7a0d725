"""Tensors in files: written whole, read without running code, and checked before they are used."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from SinGAN.storage.files import regular, whole_file


def save(path: Path, value: object) -> None:
    """Write ``value``, made of tensors and plain values, to ``path``: whole or not at all."""
    content = as_bytes(value)
    with whole_file(path) as draft:
        draft.write_bytes(content)


def as_bytes(value: object) -> bytes:
    """``value`` as the content of a file: in memory first, since torch reports a full disk as a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def load(path: Path, device: torch.device) -> Any:
    """The tensors and plain values in ``path``, on ``device``; loading can't run code.

    Raises:
        ValueError: ``path`` is no regular file, is damaged, or holds something else.
    """
    content = io.BytesIO(regular(path).read_bytes())
    try:
        return torch.load(content, map_location=device, weights_only=True)
    except Exception as error:  # damaged bytes make torch raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged or no checkpoint ({reason})") from error


def load_list(path: Path, device: torch.device, dims: int) -> list[Tensor]:
    """The list of float tensors of ``dims`` dimensions in ``path``; plain numbers count as tensors without dimensions.

    Raises:
        ValueError: ``path`` holds something else.
    """
    entries = load(path, device)
    tensors = []
    for entry in entries if isinstance(entries, list | tuple) else [None]:
        tensor = torch.tensor(float(entry)) if isinstance(entry, int | float) else entry
        if not isinstance(tensor, Tensor) or tensor.ndim != dims or not tensor.is_floating_point():
            raise ValueError(f"{path} does not hold a list of tensors of {dims} dimensions")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{path} holds numbers that are not finite")
        tensors.append(tensor.float().to(device))
    return tensors


def load_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in ``path``, on the CPU.

    Raises:
        ValueError: ``path`` holds something else.
    """
    state = load(path, torch.device("cpu"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} does not hold the weights of a net")
    return dict(state)
