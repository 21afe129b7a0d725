"""Compilation of C++ code at its first use; the result is cached, and compiled again if the cached file is damaged."""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from SinGAN.storage.files import list_entries, whole_file
from SinGAN.storage.hashes import sha256

FOLDER = Path(__file__).parent
VECTORS = {
    "AVX512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"],
    "AVX2": ["-mavx2", "-mfma"],
}
"""Compiler flags by PyTorch's name of the CPU's vector instructions."""
SEPARATOR = b"\0"
HASH = 16  # digits of a SHA-256 in file names


class BuildError(Exception):
    """Compiled code is not available; the message says what it needs."""


@dataclass(frozen=True)
class Library:
    """C++ sources of one shared library."""

    name: str
    sources: tuple[str, ...]  # files in this folder; the first includes the others
    flags: tuple[str, ...] = ()  # of the compiler, besides those for vector instructions
    needs: str = "a C++ compiler, as g++: install it"

    @functools.cache  # noqa: B019 (the few libraries are module constants)
    def load(self) -> "ctypes.CDLL | str":
        """Return the library, or a message that says what it needs if it is not available."""
        try:
            return load(self)
        except BuildError as error:
            return str(error)

    def files(self) -> list[Path]:
        """The source files."""
        return [FOLDER / name for name in self.sources]


WINOGRAD = Library(
    "winograd",
    ("winograd.cpp", "winograd.h", "few_channels.h", "vectors.h"),
    ("-fopenmp",),
    "a C++ compiler with OpenMP, as g++: install it",
)
SEARCH = Library("search", ("search.cpp",), ("-pthread",))


def compiler() -> str | None:
    """The path of the C++ compiler: CXX, by default g++; None if it is missing."""
    return shutil.which(os.environ.get("CXX", "g++"))


def load(library: Library) -> ctypes.CDLL:
    """Load ``library`` from torch's folder of extensions; compile it if the folder has no intact file of it.

    The name of a cached file contains a hash of compiler, sources and flags, and ends with the hash of its content.

    Raises:
        BuildError: there is no compiler, it fails, or its output can't be written or loaded.
    """
    cxx, flags = compiler(), [*VECTORS.get(torch.backends.cpu.get_cpu_capability(), []), "-O3", *library.flags]
    if cxx is None:
        raise BuildError(library.needs)
    try:
        version = subprocess.run([cxx, "--version"], capture_output=True, check=True).stdout
        parts = [version, *(source.read_bytes() for source in library.files()), *map(str.encode, flags)]
        start = f"singan_{library.name}_{sha256(SEPARATOR.join(parts))[:HASH]}_"
        file = find_cached(start)
        if file is None:
            content = compile_library(cxx, library.files()[0], flags)
            file = extensions() / f"{start}{sha256(content)[:HASH]}.so"
            with whole_file(file) as draft:
                draft.write_bytes(content)
        return ctypes.CDLL(str(file))
    except subprocess.CalledProcessError as error:
        said = error_line((error.stderr or b"").decode(errors="replace"))
        raise BuildError(f"a C++ compiler that works: {cxx} failed{f': {said:.200}' if said else ''}") from error
    except OSError as error:
        raise BuildError(
            f"its compiled code, in {extensions()}: that fails ({error}), name another folder with TORCH_EXTENSIONS_DIR"
        ) from error


def find_cached(start: str) -> Path | None:
    """The intact file whose name begins with ``start``, or None; damaged files are deleted."""
    for file in list_entries(extensions()):
        if file.name.startswith(start) and file.suffix == ".so":
            if file.stem == start + sha256(file.read_bytes())[:HASH]:
                return file
            file.unlink(missing_ok=True)
    return None


def compile_library(cxx: str, source: Path, flags: Sequence[str]) -> bytes:
    """Compile ``source`` with the compiler ``cxx``; return the content of the shared library."""
    with tempfile.TemporaryDirectory() as folder:
        half, whole = Path(folder) / "code.o", Path(folder) / "code.so"
        command = [cxx, "-std=c++17", "-fPIC", *flags, "-c", str(source), "-o", str(half)]
        subprocess.run(command, capture_output=True, check=True)
        # not linked with OpenMP, so that it uses PyTorch's copy and its threads
        subprocess.run([cxx, "-shared", str(half), "-o", str(whole)], capture_output=True, check=True)
        return whole.read_bytes()


def extensions() -> Path:
    """The folder of compiled extensions: torch's, or a temporary one for users without a home folder."""
    if named := os.environ.get("TORCH_EXTENSIONS_DIR"):
        return Path(named)
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        cache = Path(tempfile.gettempdir()) / f"cache_{os.getuid()}"
    return cache / "torch_extensions"


def error_line(output: str) -> str:
    """The last line of a compiler's ``output`` that speaks of an error, else its last one; "" if it is empty."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")
