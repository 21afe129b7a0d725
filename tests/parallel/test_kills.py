"""Commands that start others, killed: the children, their parent, or both, by each signal, at several moments.

No process outlives its parent by more than 15 s, and the same command ends with the bits of one that was left alone.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from tests.cuts import bits
from tests.runs.test_deaths import rest
from tests.runs.test_every_operation import copied, workspace_at
from tests.translation.tiny import TINY, data_set
from tests.workspace import SIZES, Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
ROOT = Path(__file__).parents[2]
MARK = "SINGAN_TEST_OF_KILLS"  # environment variable of all processes of a command
PATIENCE, CLOSING, LONGEST = 15.0, 60.0, 300.0  # seconds for orphans, for a command that is killed, and for a whole one
SMALL = f"--not_cuda --engine eager --winograd never --manualSeed 1 --checkpoint_every 0.1 {' '.join(SIZES)}"
TWO = f"main_train.py --input_name x.png y.png --input_dir IN --out OUT {SMALL} --niter 60 --num_samples 2"
COMMANDS = {
    "jobs": f"{TWO} --jobs 2",
    "study": "study.py --input_name x.png --input_dir IN --out OUT --weights IN/weights.pth --num_samples 2 --jobs 2 "
    f"--vary alpha=1,10 {SMALL} --niter 60",
    "translate study": "translate_study.py --dataroot IN/pairs --out OUT --vary lambda_L1=10,100 --jobs 2 "
    f"--checkpoint_every 0.1 --save_epoch_freq 3 {' '.join(TINY)} --n_epochs 12",
    "ray": f"{TWO} --ray",
}
MOMENTS: dict[str, Callable[[Workspace, list[int]], bool]] = {
    "a child has begun": lambda workspace, processes: len(processes) > 1,
    "a checkpoint is there": lambda workspace, _: any(workspace.out.rglob("checkpoint*")),
    "a net is there": lambda workspace, _: (
        any(workspace.out.rglob("*netG.pth")) or any(workspace.out.rglob("*net_G.pth"))
    ),
}
"""When a command is killed: the first moment at which this is true."""


def marked(mark: str) -> list[int]:
    """The processes that have ``mark`` in their environment, the oldest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_running = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if is_running and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


def children(mark: str, parent: int) -> list[int]:
    """Those of the marked processes that are jobs."""
    jobs = []
    for process in marked(mark):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if process != parent and (b"__main__.py" in words or b"ray::run_on_worker" in words):
            jobs.append(process)
    return jobs


def start(command: str, workspace: Workspace, mark: str) -> "subprocess.Popen[bytes]":
    """Start ``command`` in the folders of ``workspace``."""
    places = {"IN": str(workspace.inputs), "OUT": str(workspace.out)}
    script, *words = COMMANDS[command].split()
    words = ["/".join([places.get(part, part) for part in word.split("/")]) for word in words]
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", MARK: mark},
        start_new_session=True,
    )


def wait_until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Wait until ``is_true()``, at most so many ``seconds``; returns whether it became true."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Workspace, dict[str, str]]]:
    """By a command's name: its workspace before it, and the files that it leaves when it is left alone."""
    home = tmp_path_factory.mktemp("kills")

    @cache
    def prepare(command: str) -> tuple[Workspace, dict[str, str]]:
        before = workspace_at(home / command / "before")
        before.draw("y.png", height=22)
        data_set(before.inputs / "pairs")
        after = copied(before, home / command / "after")
        process = start(command, after, uuid.uuid4().hex)
        _, err = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, err
        return before, bits(after)

    return prepare


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name
)
@pytest.mark.parametrize("target", ["parent", "child", "both"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_orphan_stays_and_the_same_command_ends_with_the_same_bits(
    command: str,
    target: str,
    number: signal.Signals,
    prepared: Callable[[str], tuple[Workspace, dict[str, str]]],
    tmp_path: Path,
) -> None:
    if command == "ray":
        pytest.importorskip("ray")
    before, expected = prepared(command)
    workspace, kills = copied(before, tmp_path / "work"), 0
    for moment, is_now in MOMENTS.items():
        mark = uuid.uuid4().hex
        process = start(command, workspace, mark)

        def has_come() -> bool:
            has_job = target == "parent" or bool(children(mark, process.pid))  # noqa: B023  # called within the same loop
            return process.poll() is not None or (has_job and is_now(workspace, marked(mark)))  # noqa: B023  # called within the same loop

        assert wait_until(has_come, LONGEST), moment
        victims = ([process.pid] if target != "child" else []) + (
            children(mark, process.pid)[:1] if target != "parent" else []
        )
        if process.poll() is None:
            for victim in victims:
                with suppress(ProcessLookupError):  # the parent's end has ended it
                    os.kill(victim, number)
                    kills += 1
        _, err = process.communicate(timeout=CLOSING if target != "child" else LONGEST)
        assert b"Traceback" not in err, (moment, err)
        assert wait_until(lambda: not marked(mark), PATIENCE), (moment, marked(mark))  # noqa: B023  # called within the same loop
    assert kills >= 2
    mark = uuid.uuid4().hex
    process = start(command, workspace, mark)
    _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, err
    assert bits(workspace) == expected
    assert not rest(workspace)
    assert not marked(mark)
