"""The command `singan`: a table of commands, each the code of its script."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import SinGAN
from SinGAN import __main__ as singan
from SinGAN.tasks import tasks
from tests.workspace import SMALL, Capture, Workspace, refusal

ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / "SinGAN" / "__main__.py"


def test_help_is_a_table_and_needs_no_torch() -> None:
    program = "import sys; from SinGAN.__main__ import main; main(['--help']); assert 'torch' not in sys.modules"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert all(f"  {name} " in ran.stdout for name in tasks())


@pytest.mark.parametrize("name", tasks())
def test_every_command_is_there_and_tells_its_flags(name: str, capsys: Capture) -> None:
    task = tasks()[name]
    assert callable(task.run or task.method or importlib.import_module(task.module).main)
    with pytest.raises(SystemExit) as stop:
        singan.main([name, "-h"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: singan {name} ")


def test_an_unknown_command_is_one_line(capsys: Capture) -> None:
    assert "singan: error: no command tarin: do you mean train?" in refusal(capsys, lambda: singan.main(["tarin"]))
    assert "no command fly: there are train, sample" in refusal(capsys, lambda: singan.main(["fly"]))
    assert "singan train: error: " in refusal(capsys, lambda: singan.main(["train", "--niter", "0"]))


def test_a_command_is_its_script(tmp_path: Path, capsys: Capture) -> None:
    script, command = Workspace(tmp_path / "script"), Workspace(tmp_path / "command")
    script.train()
    singan.main(["train", *command.flags(), *SMALL, "--num_samples", "2"])
    assert command.results() == script.results()
    singan.main(["sample", *command.flags(), "--mode", "random_samples", "--not_cuda", "--gen_start_scale", "1"])
    assert "random seed" in capsys.readouterr().out


def test_it_runs_by_its_path_in_any_folder(tmp_path: Path) -> None:
    """As the processes of --jobs do: neither the caller's folder nor the package's own hides a module."""
    for name in ("numpy.py", "config.py", "training.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(PROGRAM), "sample", "-h"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("usage: singan sample ")


def test_the_package_is_described_once() -> None:
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "SinGAN.__version__"
    assert SinGAN.__version__.count(".") == 2
    optional = project["project"]["optional-dependencies"]
    extras = {line for name, lines in optional.items() if name != "dev" for line in lines}
    listed = (ROOT / "requirements-optional.txt").read_text().splitlines()
    assert extras == {line.split("#")[0].strip() for line in listed if not line.startswith("#")}
    data = project["tool"]["setuptools"]["package-data"]["SinGAN"]
    shipped = {path.name for pattern in data for path in (ROOT / "SinGAN").glob(pattern)}
    code = {path.name for path in (ROOT / "SinGAN").rglob("*.*") if path.suffix not in (".py", ".pyc", ".pyi")}
    assert code == shipped
