"""How a script ends: one line, and the exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from SinGAN.options.run import LIFELINE
from SinGAN.terminal.script import script
from tests.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("bad\nvalue"), 2, "bad value"),
        (OSError(28, "No space left on device", "a.png"), 2, "a.png can't be written: No space left on device: "),
        (OSError(28, "No space left on device"), 2, "No space left on device: the output or a temporary file"),
        (FileNotFoundError("no model"), 2, "no model"),
        (torch.OutOfMemoryError("CUDA out of memory."), 2, "train with --recompute always"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2, "lower --max_size"),
        (RuntimeError("std::bad_alloc"), 2, "or --nfc"),
    ],
)
def test_errors_become_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, words: str
) -> None:
    @script
    def main(argv: object = None) -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == status
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_bugs_keep_their_traceback() -> None:
    @script
    def main(argv: object = None) -> None:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError):
        main()


SILENT = "from SinGAN.terminal.script import quiet_interrupts; quiet_interrupts(); import time; time.sleep(100)"


@pytest.mark.skipif(os.name != "posix", reason="the exit status is that of a signal")
def test_a_silent_job_ends_with_its_parent() -> None:
    words = [sys.executable, "-c", SILENT]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        words, cwd=root, env={**os.environ, LIFELINE: "1"}, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as job:
        assert job.stdin is not None
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(2)
        job.stdin.close()  # as the end of its parent does
        assert job.wait(30) == 128 + 15
    with subprocess.Popen(words, cwd=root, stdin=subprocess.DEVNULL) as alone, pytest.raises(subprocess.TimeoutExpired):
        try:
            alone.wait(2)  # what is no job does not care
        finally:
            alone.kill()


def test_a_reader_that_ends_ends_no_work(tmp_path: Path) -> None:
    """As in ``random_samples.py .. | head -1``: the samples are drawn, and nothing is printed about the pipe."""
    Workspace(tmp_path).draw("x.png")
    words = "--input_name x.png --mode random_samples --method instant --num_samples 1 --not_cuda"
    reader, writer = os.pipe()
    os.close(reader)
    flags = [*words.split(), "--input_dir", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    process = subprocess.run(
        [sys.executable, str(ROOT / "random_samples.py"), *flags], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")
    assert len([*(tmp_path / "out").rglob("0.png")]) == 1
