"""The compiled code of ``winograd.cpp``: made when it is first needed, kept, and made again where it is damaged."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from SinGAN.storage.files import entries, whole_file
from SinGAN.storage.hashes import sha256

NATIVE = Path(__file__).parent / "native"
SOURCES = [NATIVE / name for name in ("winograd.cpp", "winograd.h", "few_channels.h", "vectors.h")]
VECTORS = {
    "AVX512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"],
    "AVX2": ["-mavx2", "-mfma"],
}
NEEDED = "a C++ compiler with OpenMP, as g++: install it"
SEPARATOR = b"\0"
HASH = 16  # digits of a SHA-256 that names hold


class LackingError(Exception):
    """The compiled code can't be had; the text says what is needed."""


def compiler() -> str | None:
    """The C++ compiler: the one named by CXX, else g++."""
    return shutil.which(os.environ.get("CXX", "g++"))


def load() -> ctypes.CDLL:
    """The compiled code, from torch's folder of extensions where it is there and whole, else compiled into it.

    A file's name ends with the hash of its content.

    Raises:
        LackingError: there is no compiler, it fails, or its product can't be kept or loaded.
    """
    cxx, options = compiler(), [*VECTORS.get(torch.backends.cpu.get_cpu_capability(), []), "-O3", "-fopenmp"]
    if cxx is None:
        raise LackingError(NEEDED)
    try:
        version = subprocess.run([cxx, "--version"], capture_output=True, check=True).stdout
        parts = [version, *(source.read_bytes() for source in SOURCES), *map(str.encode, options)]
        start = f"singan_winograd_{sha256(SEPARATOR.join(parts))[:HASH]}_"
        file = kept(start)
        if file is None:
            content = compiled(cxx, options)
            file = extensions() / f"{start}{sha256(content)[:HASH]}.so"
            with whole_file(file) as draft:
                draft.write_bytes(content)
        return ctypes.CDLL(str(file))
    except subprocess.CalledProcessError as error:
        raise LackingError(f"{NEEDED} ({cxx} failed{_first_line(error.stderr)})") from error
    except OSError as error:
        raise LackingError(
            f"its compiled code, in {extensions()}: that fails ({error}), name another folder with TORCH_EXTENSIONS_DIR"
        ) from error


def kept(start: str) -> Path | None:
    """The whole file of compiled code whose name begins with ``start``; None without one. Damaged ones go."""
    for file in entries(extensions()):
        if file.name.startswith(start) and file.suffix == ".so":
            if file.stem == start + sha256(file.read_bytes())[:HASH]:
                return file
            file.unlink(missing_ok=True)
    return None


def compiled(cxx: str, options: Sequence[str]) -> bytes:
    """The shared library that the compiler ``cxx`` makes of the sources."""
    with tempfile.TemporaryDirectory() as folder:
        half, whole = Path(folder) / "winograd.o", Path(folder) / "winograd.so"
        command = [cxx, "-std=c++17", "-fPIC", *options, "-c", str(SOURCES[0]), "-o", str(half)]
        subprocess.run(command, capture_output=True, check=True)
        # not linked with OpenMP: it shall share the threads of PyTorch's
        subprocess.run([cxx, "-shared", str(half), "-o", str(whole)], capture_output=True, check=True)
        return whole.read_bytes()


def extensions() -> Path:
    """The folder of compiled extensions: torch's; a temporary one where the user has no folder, as in containers."""
    if named := os.environ.get("TORCH_EXTENSIONS_DIR"):
        return Path(named)
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        cache = Path(tempfile.gettempdir()) / f"cache_{os.getuid()}"
    return cache / "torch_extensions"


def _first_line(output: bytes | None) -> str:
    lines = (output or b"").decode(errors="replace").split("\n")
    told = [line.strip() for line in lines if line.strip()]
    return f": {told[0]:.200}" if told else ""
