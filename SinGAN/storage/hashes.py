"""SHA-256 hashes, which reveal damaged files and files of another training."""

import hashlib
from typing import Any

import torch
from torch import Tensor


def sha256(content: bytes) -> str:
    """The SHA-256 of ``content``, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest(value: object) -> str:
    """The SHA-256 of ``value``, made of dicts, lists, tensors and plain values, whatever device its tensors are on."""
    running = hashlib.sha256()
    _add(running, value)
    return running.hexdigest()


def _add(running: Any, value: object) -> None:
    if isinstance(value, Tensor):
        running.update(f"tensor {value.dtype} {tuple(value.shape)}:".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        running.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    elif isinstance(value, dict):
        running.update(f"dict {len(value)}:".encode())
        for key, part in value.items():
            _add(running, key)
            _add(running, part)
    elif isinstance(value, list | tuple):
        running.update(f"list {len(value)}:".encode())
        for part in value:
            _add(running, part)
    else:
        text = f"{type(value).__name__} {value!r}"
        running.update(f"{len(text)} {text}:".encode())
