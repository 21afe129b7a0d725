"""SIGTERM, as schedulers send it, and SIGHUP, of a terminal that is closed: they leave what Ctrl-C leaves."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

import main_train
from Pix2Pix import commands as translation
from SinGAN.terminal.script import quiet_interrupts, script
from tests.cuts import FLAGS, bits
from tests.runs.test_every_operation import TINY, in_child
from tests.translation.tiny import TINY as TINY_NETS
from tests.translation.tiny import data_set
from tests.workspace import SIZES, Workspace

ROOT = Path(__file__).parents[2]
NUMBERS = [signal.SIGTERM, signal.SIGHUP]
FIRST = f"USE {TINY.replace('--checkpoint_every 0', '--checkpoint_every 99')} --num_samples 2 --manualSeed 1"
LONG = ["--niter", "3000", "--manualSeed", "1", "--not_cuda", "--num_samples", "2", *SIZES]


def send(number: signal.Signals) -> None:
    """Send the signal to this process."""
    os.kill(os.getpid(), number)


def as_script(main: Callable[[Sequence[str]], object], words: list[str]) -> None:
    """Run ``main`` as a script of its own does."""
    quiet_interrupts()
    main(words)


def everything(workspace: Workspace) -> list[str]:
    """All files and folders in the output folder."""
    return sorted(str(path.relative_to(workspace.out)) for path in workspace.out.rglob("*"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_before_the_first_scale_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """Before each of the first file operations: the folders, the lock, the manifest, the first scale's files."""
    command = partial(as_script, main_train.main), FIRST
    for operation in range(1, 12):
        workspace = Workspace(tmp_path / str(operation))
        status, _ = in_child(command, workspace, operation, partial(send, number))
        assert status == 128 + number
        assert everything(workspace) == [], operation


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_signal_keeps_whole_scales_and_the_same_bits(
    number: signal.Signals, workspace: Workspace, unbroken: Workspace
) -> None:
    words = f"USE {' '.join(FLAGS)} --num_samples 2"
    operations = in_child((main_train.main, words), Workspace(workspace.out.parent / "counted"))[1]
    for part in (1, 2, 3):
        status, _ = in_child(
            (partial(as_script, main_train.main), words), workspace, part * operations // 6, partial(send, number)
        )
        assert status == 128 + number
        assert not [name for name in everything(workspace) if "/." in name]  # no lock, no draft
    assert in_child((main_train.main, words), workspace)[0] == 0
    assert bits(workspace) == bits(unbroken)


def test_a_signal_before_the_first_epoch_of_a_translation_leaves_nothing(tmp_path: Path) -> None:
    pairs = data_set(tmp_path / "pairs")
    words = f"--dataroot {pairs} --name m --out OUT --checkpoint_every 99 {' '.join(TINY_NETS)}"
    for operation in range(1, 6):
        workspace = Workspace(tmp_path / str(operation))
        status, _ = in_child(
            (partial(as_script, translation.main_train), words), workspace, operation, partial(send, signal.SIGTERM)
        )
        assert (status, everything(workspace)) == (128 + signal.SIGTERM, []), operation


def test_a_second_signal_does_not_interrupt_the_tidying(capsys: pytest.CaptureFixture[str]) -> None:
    tidied = []

    @script
    def main(argv: object = None) -> None:
        try:
            send(signal.SIGTERM)
            time.sleep(9)
        finally:
            send(signal.SIGHUP)
            send(signal.SIGTERM)
            tidied.append(True)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *NUMBERS)}
    try:
        quiet_interrupts()
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (stop.value.code, tidied) == (143, [True])
    assert capsys.readouterr().err.endswith(": interrupted by SIGTERM\n")


@contextlib.contextmanager
def on_terminal(workspace: Workspace, ignores_hangups: bool = False) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A long training that shows its bar on a terminal, and the descriptor that holds this terminal."""
    holder, terminal = pty.openpty()
    fcntl.ioctl(holder, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))  # a bar needs columns

    def prepare() -> None:
        os.close(os.open(os.ttyname(0), os.O_RDWR))  # it becomes the terminal of the session
        if ignores_hangups:  # as nohup does
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    command = [sys.executable, str(ROOT / "main_train.py"), *workspace.flags(), *LONG]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, preexec_fn=prepare
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while b"/3000" not in shown:
                assert select.select([holder], [], [], 60)[0], shown
                shown += os.read(holder, 4096)
            yield process, holder
        finally:
            process.kill()


@pytest.mark.slow
def test_a_closed_terminal_ends_a_training_that_leaves_nothing(workspace: Workspace) -> None:
    with on_terminal(workspace) as (process, holder):
        assert any(name.endswith("manifest.json") for name in everything(workspace))
        os.close(holder)
        assert process.wait(60) == 128 + signal.SIGHUP
    assert everything(workspace) == []


@pytest.mark.slow
def test_what_nohup_starts_outlives_its_terminal(workspace: Workspace) -> None:
    with on_terminal(workspace, ignores_hangups=True) as (process, holder):
        os.kill(process.pid, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        os.close(holder)
    assert everything(workspace) == []
