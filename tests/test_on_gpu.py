"""The script that settles what only a GPU shows, tried on the CPU with tiny sizes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "on_gpu.sh"
TINY = {
    "DEVICE": "cpu", "ENGINES": "eager", "SIZE": "72", "SMALL": "48", "LARGE": "80", "LAST": "1", "NITER": "4",
    "WHOLE": "4", "NET": "--nfc 8 --min_nfc 8", "PYTHON": sys.executable,
}  # fmt: skip
OWN_TESTS = {"golden", "golden_compiled", "scripts"}  # parts that only run tests of this suite


def run(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **TINY, **settings}
    return subprocess.run([SCRIPT, folder], env=environment, capture_output=True, text=True, check=False)


def parts() -> list[str]:
    text = SCRIPT.read_text().replace("\\\n", "")
    return next(line for line in text.splitlines() if line.startswith("ALL=")).split('"')[1].split()


@pytest.mark.slow
def test_every_part_runs_and_the_archive_tells_which_are_done(tmp_path: Path, stem_file: Path) -> None:
    chosen = [name for name in parts() if name not in OWN_TESTS]
    done = run(tmp_path / "first" / "results", PARTS=" ".join(chosen), WEIGHTS=str(stem_file))
    assert done.returncode == 0, done.stdout[-5000:]
    summary = (tmp_path / "first" / "results" / "summary.txt").read_text()
    assert [name for name in chosen if f"\n{name}: done in " not in f"\n{summary}"] == []
    assert "the same bits" in summary
    assert "SIFID" in (tmp_path / "first" / "results" / "sequential.txt").read_text()
    (tmp_path / "second").mkdir()
    (tmp_path / "first" / "results.tar.gz").rename(tmp_path / "second" / "results.tar.gz")
    again = run(tmp_path / "second" / "results", PARTS=" ".join(chosen))
    assert again.returncode == 0
    assert "==" not in again.stdout  # nothing is left to do


def test_wrong_parts_and_a_missing_device_are_one_line(tmp_path: Path) -> None:
    wrong = run(tmp_path / "results", PARTS="speeed")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("on_gpu.sh: PARTS has no part speeed: take of machine tests speed")
    if not torch.cuda.is_available():
        missing = run(tmp_path / "results", DEVICE="cuda")
        assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "results").exists()


def test_a_call_without_time_begins_nothing(tmp_path: Path) -> None:
    late = run(tmp_path / "results", LIMIT="0", PARTS="machine speed")
    assert late.returncode == 1
    assert "machine: no time is left: call again" in late.stdout
