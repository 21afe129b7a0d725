"""The places that scripts run in: notebooks, containers, services, odd terminals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import config
from SinGAN.native import build
from SinGAN.terminal import watchers
from tests.workspace import SMALL, Workspace

ROOT = Path(__file__).parent.parent.parent
TRAIN = [*SMALL, "--num_samples", "2", "--engine", "eager", "--winograd", "never"]


def start(
    flags: list[str], environment: dict[str, str | None] | None = None, python: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``main_train.py`` with ``flags`` in a changed ``environment``; variables that are None are left out."""
    changed = {**os.environ, "PYTHONPATH": "", **(environment or {})}
    kept = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, *python, str(ROOT / "main_train.py"), *flags]
    return subprocess.run(command, capture_output=True, env=kept, check=False)


@pytest.mark.slow
def test_a_notebooks_plots_do_not_matter(tmp_path: Path) -> None:
    """And its terminal shows ASCII only, while the picture's name has other letters; the user has no folder."""
    workspace = Workspace(tmp_path)
    workspace.draw("é日本\u202f.png")
    odd: dict[str, str | None] = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONIOENCODING": "ascii",
        "HOME": None,
        "MPLCONFIGDIR": str(tmp_path),
    }
    done = start([*workspace.flags("é日本\u202f.png"), *TRAIN], odd)
    assert done.returncode == 0, done.stderr
    assert (workspace.model("é日本\u202f") / "1" / "losses.png").exists()
    assert b"\\u65e5\\u672c" in done.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no -P")
def test_python_may_leave_out_the_scripts_folder() -> None:
    done = start(["-h"], python=("-P",))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"usage: main_train.py")


CLOSED = "import os, sys; os.close(1); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"


def test_closed_streams_do_not_change_the_status(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "main_train.py"), *Workspace(tmp_path).flags("none.png"), *TRAIN]
    assert subprocess.run([sys.executable, "-c", CLOSED, *words], check=False).returncode == 2


@pytest.mark.slow
def test_closed_streams_do_not_end_a_training(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    words = [sys.executable, str(ROOT / "main_train.py"), *workspace.flags(), *TRAIN]
    assert subprocess.run([sys.executable, "-c", CLOSED, *words], check=False).returncode == 0
    assert (workspace.out / "RandomSamples" / "x" / "gen_start_scale=0" / "grid.png").exists()


def test_where_torch_is_lacking_one_line_says_what_to_do(tmp_path: Path) -> None:
    program = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'torch' else find(name, *more)\n"
        "from SinGAN.terminal.script import quiet_interrupts; quiet_interrupts()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert f"{sys.executable} has no PyTorch: install what requirements.txt names" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_threads_that_wait_leave_their_cores_soon_unless_the_user_says_how(given: dict[str, str], spins: str) -> None:
    """Two trainings of two threads on two cores were ten times as slow as one."""
    program = (
        "import os; from SinGAN.terminal.script import quiet_interrupts; quiet_interrupts()\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env={**kept, **given}, check=True
    )
    assert done.stdout.strip() == str(spins)


def test_an_older_python_is_one_line() -> None:
    program = "import sys; sys.version_info = (3, 9, 1); import SinGAN"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("SinGAN needs Python 3.10 or newer, not ")
    assert len(done.stderr.splitlines()) == 1


def test_a_user_without_a_folder_compiles_into_a_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    for name in ("XDG_CACHE_HOME", "TORCH_EXTENSIONS_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert build.extensions().name == "torch_extensions"


def test_the_next_command_names_the_python_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watchers, "program", lambda: "main_train.py")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert watchers.command_line("sample", "random_samples.py") in (
        "python random_samples.py",
        f"{sys.executable} random_samples.py",  # where it is called python3 only
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(Path(sys.executable).parent.parent)
    monkeypatch.setattr(sys, "executable", str(Path.cwd() / "bin" / Path(sys.executable).name))
    assert watchers.command_line("sample", "random_samples.py") == f"bin/{Path(sys.executable).name} random_samples.py"
    monkeypatch.chdir(tmp_path)
    assert watchers.command_line("sample", "random_samples.py") == f"{sys.executable} random_samples.py"


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = config.parse(config.parser("test", ["train"]), ["--input_name=x.png", "--not_cuda", "--out=~/out"])
    assert asked.run.out == tmp_path / "out"
    with pytest.raises(SystemExit):
        config.parse(config.parser("test", ["train"]), ["--input_name=x.png", "--out=~nobody.at.all/out"])
