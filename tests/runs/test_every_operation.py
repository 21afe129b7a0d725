"""Commands that are killed at every single file operation, one after the other: run again, they leave the same files.

``make test`` tries a few operations of each command, ``make test-all`` all of them.
"""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image

import animation
import editing
import main_train
import outpaint
import paint2image
import random_samples
import SR
import study
import tile
from SIFID import evaluate
from SIFID.inception import inception
from SinGAN import __main__ as singan
from SinGAN.runs.recorder import Recorder
from tests.cases import mostly_slow
from tests.workspace import MODEL, SIZES, Workspace

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1}
"""Events of Python that change a folder, and the number of paths that their arguments begin with."""
SAMPLE = 3  # operations of each command in the quick tests

Prepared = Callable[[str], tuple[Workspace, dict[str, str], int]]
Call = tuple[Callable[[list[str]], object], str]
TINY = f"--not_cuda {' '.join(SIZES)} --max_size 18 --niter 2 --checkpoint_every 0"
TRAIN: Call = main_train.main, f"USE {TINY} --num_samples 2 --manualSeed 1"
ANEW: Call = main_train.main, f"USE {TINY} --num_samples 2 --manualSeed 2 --overwrite"
PAINT: Call = (
    paint2image.main,
    "USE --not_cuda --manualSeed 3 --ref_dir IN --ref_name x.png --paint_start_scale 1 --quantization_flag "
    "--checkpoint_every 0",
)
SAMPLES: Call = (
    random_samples.main,
    "USE --not_cuda --manualSeed 4 --mode random_samples --gen_start_scale 1 --num_samples 2",
)
STUDY: Call = study.main, f"USE {TINY} --vary niter=2 --num_samples 2 --manualSeed 1 --weights IN/weights.pth"


def forget_tables(words: list[str]) -> None:
    """Remove a study's tables and figures, so that only they are made again."""
    for path in Path(words[0]).glob("Studies/*/*/*.*"):
        if path.is_file():
            path.unlink()


def interrupted(words: list[str]) -> None:
    """A training that Ctrl-C ends in its second scale."""
    watch, calls = Recorder.watch, [0]

    def until(self: Recorder, *call: object) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        watch(self, *call)  # type: ignore[arg-type]  # the arguments are passed on

    Recorder.watch = until  # type: ignore[method-assign,assignment]  # the test replaces a method
    main_train.main(words)


@dataclass(frozen=True)
class Case:
    """A command that is killed and run again, and those that were run before it."""

    command: Call
    before: tuple[Call, ...] = ()
    killed: Call | None = None  # what is killed, where it is another command

    @property
    def first(self) -> Call:
        """The command that is killed."""
        return self.killed or self.command


CASES = {
    "train": Case(TRAIN),
    "interrupted": Case(TRAIN, killed=(interrupted, TRAIN[1].replace("--checkpoint_every 0", "--checkpoint_every 99"))),
    "overwrite": Case(ANEW, (TRAIN,)),
    "SR": Case((SR.main, f"USE {TINY} --manualSeed 1 --sr_factor 1.3")),
    "animation": Case(
        (
            animation.main,
            f"USE {TINY} --manualSeed 1 --num_frames 2 --animation_start_scale 0 --alpha_animation 0.1 "
            "--beta_animation 0.9",
        )
    ),
    "paint": Case(PAINT, (TRAIN,)),
    "paint after a new base": Case(PAINT, (TRAIN, PAINT, ANEW)),
    "new base after paint": Case(ANEW, (TRAIN, PAINT)),
    "samples": Case(SAMPLES, (TRAIN,)),
    "samples anew": Case((SAMPLES[0], f"{SAMPLES[1]} --manualSeed 5 --overwrite"), (TRAIN, SAMPLES)),
    "samples without training": Case(
        (SAMPLES[0], "USE --not_cuda --manualSeed 1 --mode random_samples --num_samples 2 --method instant")
    ),
    "tile": Case((tile.main, "USE --not_cuda --manualSeed 1 --repeat 2")),
    "outpaint": Case((outpaint.main, "USE --not_cuda --manualSeed 1 --right 50% --top 4 --num_samples 2")),
    "edit": Case(
        (
            editing.main,
            "USE --not_cuda --manualSeed 1 --ref_dir IN --ref_name edit.png --editing_start_scale all",
        ),
        (TRAIN,),
    ),
    "evaluate": Case(
        (evaluate.main, "USE --not_cuda --manualSeed 1 --num_samples 2 --gen_start_scale 0 1 --weights IN/weights.pth"),
        (TRAIN,),
    ),
    "study": Case(STUDY, (STUDY, (forget_tables, "OUT"))),
    "export": Case((singan.main, f"export OUT/TrainedModels/x/{MODEL} --to torchscript"), (TRAIN,)),
}


def run(call: Call, workspace: Workspace) -> None:
    """Run ``call`` in this process, in the folders of ``workspace``."""
    command, text = call
    places = {"OUT": str(workspace.out), "IN": str(workspace.inputs)}
    words: list[str] = []
    for word in text.split():
        head, _, rest = word.partition("/")
        words += (
            workspace.flags() if word == "USE" else [f"{places[head]}/{rest}".rstrip("/") if head in places else word]
        )
    command(words)


def kill() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    """Act as Ctrl-C does."""
    raise KeyboardInterrupt


def in_child(call: Call, workspace: Workspace, at: int = 0, end: Callable[[], None] = kill) -> tuple[int, int]:
    """Run ``call`` in a child, and ``end`` it before the file operation ``at``; its exit code and its operations."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        count, status = [0], 1

        def hook(event: str, arguments: Sequence[object]) -> None:
            if changes(event, arguments, str(workspace.out)):
                count[0] += 1
                if count[0] == at:
                    end()

        sys.addaudithook(hook)
        try:
            run(call, workspace)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os.write(writer, str(count[0]).encode())
            os._exit(status)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    operations = int(os.read(reader, 100) or 0)
    os.close(reader)
    return os.waitstatus_to_exitcode(status), operations


def changes(event: str, arguments: Sequence[object], out: str) -> bool:
    """Whether an audit event is a change below ``out``; in a folder that is given by its descriptor it may be."""
    if event == "open":
        path, _, flags = arguments
        return str(path).startswith(out) and isinstance(flags, int) and bool(flags & WRITING)
    paths = CHANGES.get(event, 0)
    inside = any(str(path).startswith(out) for path in arguments[:paths])
    relative = any(isinstance(number, int) and number >= 0 for number in arguments[paths:])
    return bool(paths) and (inside or relative)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operations")


@pytest.fixture(scope="module")
def prepared(home: Path) -> Prepared:
    """By a case's name: the workspace before its command, the files after it, and the number of its operations."""

    @cache
    def prepare(name: str) -> tuple[Workspace, dict[str, str], int]:
        case = CASES[name]
        before = workspace_at(home / name / "before")
        for call in case.before:
            assert in_child(call, before)[0] == 0, call
        after = copied(before, home / name / "after")
        status, operations = in_child(case.command, after)
        assert status == 0
        if case.killed:
            status, operations = in_child(case.killed, copied(before, home / name / "killed"))
            assert status == 130
        return before, contents(after), operations

    return prepare


def workspace_at(place: Path) -> Workspace:
    workspace = Workspace(place)
    workspace.out.mkdir()
    workspace.draw("edit.png", mode="L")
    mask = Image.new("L", (28, 20))
    mask.paste(255, (8, 5, 18, 12))
    mask.save(workspace.inputs / "edit_mask.png")
    torch.manual_seed(0)
    torch.save(inception(64).state_dict(), workspace.inputs / "weights.pth")
    return workspace


def copied(workspace: Workspace, place: Path) -> Workspace:
    shutil.copytree(workspace.inputs.parent, place)
    return Workspace(place)


def contents(workspace: Workspace) -> dict[str, str]:
    """The hash of every file; where one names its own place, that does not count."""
    out = str(workspace.out.parent).encode()
    return {
        str(path.relative_to(workspace.out)): hashlib.sha256(path.read_bytes().replace(out, b"OUT")).hexdigest()
        for path in workspace.out.rglob("*")
        if path.is_file()
    }


def check(name: str, operation: int, prepared: Prepared, end: Callable[[], None] = kill) -> None:
    """End the command of the case ``name`` at one operation, run it again, and compare all files."""
    before, expected, _ = prepared(name)
    workspace = copied(before, before.inputs.parent.parent / str(operation))
    status, _ = in_child(CASES[name].first, workspace, operation, end)
    assert status in (-signal.SIGKILL, 130)
    status, _ = in_child(CASES[name].command, workspace)
    found = contents(workspace)
    different = sorted(file for file in found.keys() | expected.keys() if found.get(file) != expected.get(file))
    assert (status, different) == (0, []), f"{name}, ended at operation {operation}: {status}, {different}"
    shutil.rmtree(workspace.inputs.parent)


@pytest.mark.parametrize("name", mostly_slow(CASES, {"samples", "tile", "outpaint"}))
def test_killed_at_some_operations(name: str, prepared: Prepared) -> None:
    *_, operations = prepared(name)
    assert operations > SAMPLE
    for part in range(1, SAMPLE + 1):
        check(name, part * operations // SAMPLE, prepared)


@pytest.mark.slow
@pytest.mark.parametrize("end", [kill, interrupt])
@pytest.mark.parametrize("name", CASES)
def test_ended_at_every_operation(name: str, end: Callable[[], None], prepared: Prepared) -> None:
    *_, operations = prepared(name)
    failures = []
    for operation in range(1, operations + 1):
        try:
            check(name, operation, prepared, end)
        except AssertionError as error:
            failures.append(str(error).splitlines()[0])
    print(f"{name}, {end.__name__}: ended at each of {operations} operations, {len(failures)} failures")
    assert not failures
