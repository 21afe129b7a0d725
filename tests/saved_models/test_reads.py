"""A command opens a model once, and reads each of its files once."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import editing
from SinGAN.saved_models.model_folder import ModelFolder
from tests.workspace import Workspace

OPENED: list[Counter[str]] = []  # the counts that openings of files are added to


def count_opening(event: str, arguments: tuple[object, ...]) -> None:
    """Add the opening of a file for reading to the counts."""
    if event == "open" and OPENED and isinstance(arguments[0], str):
        for counts in OPENED:
            counts[arguments[0]] += 1


sys.addaudithook(count_opening)


@contextmanager
def openings(folder: Path) -> Iterator[dict[str, int]]:
    """How often each file in ``folder`` is opened in the block, by its path there."""
    result: dict[str, int] = {}
    OPENED.append(Counter())
    try:
        yield result
    finally:
        counts = OPENED.pop()
        found = {path: count for path, count in counts.items() if folder in Path(path).parents and Path(path).is_file()}
        result.update({str(Path(path).relative_to(folder)): count for path, count in found.items()})


def sample(workspace: Workspace) -> None:
    workspace.sample("--gen_start_scale", "0", "1")


def edit(workspace: Workspace) -> None:
    mask = np.zeros((20, 28), np.uint8)
    mask[6:12, 4:10] = 255
    Image.fromarray(mask).save(workspace.inputs / "x_mask.png")
    flags = ["--not_cuda", "--ref_dir", str(workspace.inputs), "--ref_name", "x.png", "--editing_start_scale", "1"]
    editing.main([*workspace.flags(), *flags])


@pytest.mark.parametrize("command", [sample, edit])
def test_a_command_opens_a_model_and_each_of_its_files_once(
    command: Callable[[Workspace], None], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.train()
    folder, finds, find = workspace.model(), list[Path](), ModelFolder.find

    def counted(place: Path) -> ModelFolder | None:
        finds.append(place)
        return find(place)

    monkeypatch.setattr(ModelFolder, "find", counted)
    with openings(folder) as opened:
        command(workspace)
    scale = ("netG.pth", "netD.pth", "z_opt.pth", "hashes.json")
    files = {"manifest.json", "Zs.pth", "reals.pth", "NoiseAmp.pth"}
    assert finds == [folder]
    assert opened == dict.fromkeys([*files, *(f"{index}/{name}" for index in range(3) for name in scale)], 1)
