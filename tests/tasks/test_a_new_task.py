"""A task is declared once: flags, help, checks, folder, messages and the method follow from one file."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import SinGAN
from SinGAN import __main__ as singan
from SinGAN import tasks as registry
from SinGAN.library.instant import InstantModel
from SinGAN.library.model import Model
from SinGAN.library.pictures import FromPicture, add_methods
from SinGAN.options.option import get_options
from SinGAN.tasks import tasks
from tests.workspace import Capture, Workspace, refusal

ROOT = Path(__file__).parent.parent.parent
MIRROR = '''
"""Mirror a picture."""
from __future__ import annotations
from dataclasses import dataclass, replace
from SinGAN.options.applications import MethodOptions
from SinGAN.options.option import option
from SinGAN.tasks.task import Results, Task, make_generator, name_by_index

@dataclass(frozen=True, kw_only=True)
class Mirror(MethodOptions):
    """Mirror random samples of a picture."""
    upside_down: bool = option(False, "top to bottom, not left to right", group="mirror")
    num_samples: int = option(2, "number of pictures", group="mirror", least=1)

def mirror(model, count=1, *, upside_down=False, seed=None):
    """Mirrored random samples."""
    samples = model.sample(make_generator(model, seed), count)
    pictures = (sample.flip(-2 if upside_down else -1) for sample in samples)
    return Results(name_by_index(pictures), {"original": model.real}, count=count)

def run(call):
    options = call.options
    results = mirror(call.model, options.num_samples, upside_down=options.upside_down, seed=call.run.seed)
    yield replace(results, title=f"upside_down={options.upside_down}")

TASK = Task(
    name="mirror", row="mirror random samples", options=Mirror, modes=("mirror",), run=run, method=mirror,
    folders=("Mirror",), results="mirrored pictures",
)
'''


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file among the tasks."""
    place = tmp_path / "tasks"
    place.mkdir()
    (place / "mirror.py").write_text(MIRROR)
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(place)])
    importlib.invalidate_caches()
    tasks.cache_clear()
    for kind, models in ((Model, "trained"), (InstantModel, "patches")):
        monkeypatch.setattr(kind, "mirror", None, raising=False)  # undone when the test ends
        delattr(kind, "mirror")
        add_methods(kind, models)
    yield
    sys.modules.pop("SinGAN.tasks.mirror", None)
    tasks.cache_clear()


@pytest.mark.usefixtures("mirror")
def test_a_file_is_enough(workspace: Workspace, capsys: Capture) -> None:
    assert "  mirror         mirror random samples" in singan.usage()
    with pytest.raises(SystemExit) as stop:
        singan.main(["mirror", "-h"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: singan mirror ")
    assert "Mirror random samples of a picture." in told
    assert told.index("--upside_down") < told.index("--input_name")
    assert "number of pictures [2]" in " ".join(told.split())
    line = refusal(capsys, lambda: singan.main(["mirror", *workspace.flags(), "--num_samples", "0"]))
    assert "singan mirror: error: argument --num_samples: must be at least 1, not 0" in line
    workspace.train()
    singan.main(["mirror", *workspace.flags(), "--not_cuda", "--manualSeed", "4", "--upside_down"])
    folder = workspace.out / "Mirror" / "x" / "upside_down=True"
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "grid.png"]
    assert f"random seed: 4\nmirrored pictures: {folder}" in capsys.readouterr().out
    model = SinGAN.load(workspace.model(), device="cpu")
    pictures = model.mirror(2, upside_down=True, seed=4)  # type: ignore[attr-defined]  # an attribute that types do not know
    assert np.array_equal(pictures[0], np.asarray(Image.open(folder / "0.png")))
    assert np.array_equal(pictures[:, ::-1], model.sample(2, seed=4))
    assert list(inspect.signature(Model.mirror).parameters)[1:] == ["count", "upside_down", "seed"]  # type: ignore[attr-defined]  # an attribute that types do not know


@pytest.mark.usefixtures("mirror")
def test_it_serves_every_model_and_its_folder_is_no_way_out(workspace: Workspace, capsys: Capture) -> None:
    flags = ["mirror", *workspace.flags(), "--not_cuda", "--manualSeed", "1", "--num_samples", "1"]
    singan.main([*flags, "--method", "patches"])
    assert (workspace.out / "Mirror" / "x" / "method=patches" / "upside_down=False" / "0.png").exists()
    assert "`count` must be" not in str(SinGAN.instant(workspace.inputs / "x.png", "patches", device="cpu"))
    elsewhere = workspace.inputs.parent / "elsewhere"
    elsewhere.mkdir()
    other = workspace.inputs.parent / "out2"
    other.mkdir()
    (other / "Mirror").symlink_to(elsewhere)
    line = refusal(capsys, lambda: singan.main([*flags, "--method", "patches", "--out", str(other)]))
    assert "leads out of" in line
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", [name for name, task in tasks().items() if task.method is not None])
def test_every_task_has_its_method_where_its_models_are(name: str) -> None:
    task = tasks()[name]
    assert task.method is not None
    assert task.options is not None
    assert task.description.endswith(".")
    method = task.method.__name__
    for kind, models in ((Model, "trained"), (InstantModel, "patches")):
        assert hasattr(kind, method) is (models in task.models)
    owner = FromPicture if len(task.models) == 2 else Model if task.models == ("trained",) else InstantModel
    assert method in vars(owner), "type checkers know the methods that are written in the class"
    signature = inspect.signature(getattr(owner, method))
    assert "seed" in signature.parameters
    assert getattr(owner, method).__doc__
    assert {"seed", "count"} & set(signature.parameters)
    assert get_options(task.options)


def test_every_script_is_the_command_of_its_task() -> None:
    named = {
        line.split('"')[1]
        for script in ROOT.glob("*.py")
        if not script.name.startswith("translate_")  # commands of Pix2Pix
        for line in script.read_text().splitlines()
        if line.startswith("main = command(")
    }
    assert {name for name, task in tasks().items() if not task.module} <= named <= set(tasks())


def test_the_tasks_import_nothing_slow() -> None:
    program = "import sys; from SinGAN.tasks import tasks; tasks(); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "scipy", "PIL", "tqdm"} & set(done.stdout.split())
