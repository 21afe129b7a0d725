"""The compiled code of our convolutions: when it is made, made again, or done without."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from SinGAN.engines.engine import EngineSettings
from SinGAN.engines.winograd import library
from SinGAN.native import build
from SinGAN.storage.hashes import sha256

CPU = torch.device("cpu")
Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.skipif(library() is None, reason="needs g++")


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: Patch) -> Iterator[Path]:
    """A folder for compiled code that is empty."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    forget()
    yield tmp_path / "extensions"
    forget()


def forget() -> None:
    """Load the code again at its next use."""
    library.cache_clear()
    build.Library.load.cache_clear()


def test_it_is_compiled_once(fresh: Path) -> None:
    assert library() is not None
    (file,) = fresh.iterdir()
    assert file.suffix == ".so"
    changed = file.stat().st_mtime_ns
    forget()
    assert library() is not None
    assert [one.stat().st_mtime_ns for one in fresh.iterdir()] == [changed]


@pytest.mark.slow
def test_other_code_is_compiled_again(fresh: Path, tmp_path: Path, monkeypatch: Patch) -> None:
    assert library() is not None
    copies = [Path(shutil.copy(source, tmp_path)) for source in build.WINOGRAD.files()]
    copies[-1].write_text(copies[-1].read_text() + "\n")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    forget()
    assert library() is not None
    assert len(list(fresh.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:5000],
        pytest.param(lambda content: b"", marks=pytest.mark.slow),
        pytest.param(lambda content: content[::-1], marks=pytest.mark.slow),
    ],
    ids=["cut off", "empty", "other bytes"],
)
def test_damaged_code_is_compiled_again(fresh: Path, damage: Callable[[bytes], bytes]) -> None:
    assert library() is not None
    (file,) = fresh.iterdir()
    whole = file.read_bytes()
    file.unlink()  # the file that is loaded must not change
    file.write_bytes(damage(whole))
    forget()
    assert library() is not None
    (again,) = fresh.iterdir()
    assert again.stem.endswith(sha256(again.read_bytes())[:16])
    assert EngineSettings(winograd="always").choose(CPU).winograd


@pytest.mark.parametrize("kind", ["missing", "broken", "folder"])
def test_without_a_compiler_pytorch_does_it(fresh: Path, tmp_path: Path, monkeypatch: Patch, kind: str) -> None:
    if kind == "folder":
        fresh.write_text("in the way")
    else:
        broken = tmp_path / "c++"
        broken.write_text(
            "#!/bin/sh\n[ $1 = --version ] && exit\nprintf 'warning\nc++: error: no\nstopped\n' >&2\nexit 1\n"
        )
        broken.chmod(0o755)
        monkeypatch.setenv("CXX", str(broken if kind == "broken" else tmp_path / "none"))
    assert EngineSettings("eager").choose(CPU).describe() == "eager, fp32"
    assert not fresh.is_dir() or not any(fresh.iterdir())
    cause = {
        "missing": "a C++ compiler with OpenMP, as g++: install it, or leave it out",
        "broken": f"a C++ compiler that works: {tmp_path / 'c++'} failed: c++: error: no, or leave it out",
        "folder": f"its compiled code, in {fresh}: that fails",
    }[kind]
    with pytest.raises(ValueError, match=re.escape(f"`winograd` always needs {cause}")):
        EngineSettings(winograd="always").choose(CPU)


def test_the_compiler_is_that_of_cxx(monkeypatch: Patch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    assert build.compiler() == shutil.which("g++")
    monkeypatch.setenv("CXX", "sh")
    assert build.compiler() == shutil.which("sh")
