"""Command lines made at random from the help of every command: an exit status of 0, 2 or 130, and never a traceback.

Only a queue, as two words after --input_name make one, ends with 1: its table says what failed.

``make test`` tries some, ``make test-all`` 2,000.
"""

import contextlib
import io
import os
import random
import re
import shutil
import signal
import sys
from functools import cache
from pathlib import Path

import pytest

from SinGAN import __main__ as singan
from tests.workspace import MODEL, SIZES, Workspace

SECONDS = 10  # then Ctrl-C ends a command
REFERENCE = "--ref_dir IN --ref_name x.png"
TINY = f"USE --not_cuda {' '.join(SIZES)} --max_size 18 --niter 1 --manualSeed 1"
USUAL = {
    "train": f"{TINY} --num_samples 1",
    "sample": "USE --not_cuda --mode random_samples --num_samples 1 --gen_start_scale 1",
    "harmonize": f"USE --not_cuda {REFERENCE} --harmonization_start_scale 1",
    "edit": f"USE --not_cuda {REFERENCE} --editing_start_scale 1",
    "paint": f"USE --not_cuda {REFERENCE} --paint_start_scale 1",
    "super-resolve": f"{TINY} --sr_factor 1.3",
    "animate": f"{TINY} --num_frames 2 --animation_start_scale 0 --alpha_animation 0.1 --beta_animation 0.9",
    "evaluate": "USE --not_cuda --num_samples 2",
    "sifid": "--path2real IN --path2fake IN",
    "study": f"{TINY} --vary niter=1 --dry_run",
    "export": f"OUT/TrainedModels/x/{MODEL} --to torchscript",
}
"""Flags that each command works with; USE, IN and OUT stand for folders."""
LEFT_OUT = {"--ray", "--help"}  # a cluster takes half a minute to start
VALUES = [
    "", " ", "0", "1", "2", "3", "1", "2", "3", "-1", "0.5", "1.5", "-0.1", "1e-9", "1e9", "1e400", "nan", "inf",
    "10" * 40, "0x10", "True", "all", "--", "-", "x.png", "y.png", "mask.png", "nothing.png", "IN", "OUT", "/", "..",
    "../x.png", ".", "é.png", "*.png", "[", "a\nb", "%s", "cpu", "cuda", "cuda:99", "auto", "IN/x.png", "IN/text.txt",
    "alpha=1,10", "niter=", "=", "netD=patch",
]  # fmt: skip


@cache
def flags_of(command: str) -> dict[str, list[str]]:
    """The flags of ``command``, with the choices that its help names."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        singan.main([command, "-h"])
    found = re.findall(r"^  (?:-\w[^\n]*?, )?(--\w+)(?: \{([^}\n]*)\})?", text.getvalue(), re.MULTILINE)
    flags = {flag: choices.split(",") if choices else [] for flag, choices in found if flag not in LEFT_OUT}
    assert len(flags) > 1
    return flags


def command_line(dice: random.Random, workspace: Workspace) -> list[str]:
    """A command with its usual flags, most of the time, and up to three others with odd values."""
    command = dice.choice(sorted(USUAL))
    words = USUAL[command].split() if dice.random() < 0.9 else []
    flags = flags_of(command)
    for _ in range(dice.randint(0, 3)):
        flag = dice.choice(sorted(flags))
        values = dice.choices([*VALUES, *flags[flag] * 20], k=dice.choice([0, 1, 1, 1, 1, 2]))
        if values and dice.random() < 0.3:
            flag, values = f"{flag}={values[0]}", values[1:]
        position = dice.choice([0, len(words)])
        words[position:position] = [flag, *values]
    places = {"IN": str(workspace.inputs), "OUT": str(workspace.out)}
    line = [command]
    for word in words:
        head, _, rest = word.partition("/")
        place = "/".join(filter(None, (places[head], rest))) if head in places else word
        line += workspace.flags() if word == "USE" else [place]
    return line


def outcome(line: list[str], home: Path) -> tuple[int, str]:
    """The exit status of a command in a child, with ``home`` as its folder, and what it wrote to stderr."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.chdir(home)
            sys.stdout, sys.stderr = ((home / name).open("w", buffering=1) for name in ("stdout", "stderr"))
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stderr.fileno(), 2)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.alarm(SECONDS)
            singan.main(line)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        except Exception as error:
            sys.stderr.write(f"Traceback: {error!r}")
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), (home / "stderr").read_text(errors="replace")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("random")
    workspace = Workspace(home)
    workspace.train()
    workspace.draw("y.png", 24, 20)
    workspace.draw("x_mask.png", mode="L")
    (workspace.inputs / "text.txt").write_text("text")
    return home


def try_lines(count: int, seed: int, home: Path, tmp_path: Path) -> dict[int, int]:
    """Try ``count`` command lines; returns how often each exit status came."""
    dice, seen, failures = random.Random(seed), dict[int, int](), list[str]()
    before = {path.relative_to(home) for path in home.rglob("*")}
    for index in range(count):
        place = tmp_path / "copy"
        shutil.copytree(home, place)
        line = command_line(dice, Workspace(place))
        status, errors = outcome(line, place)
        seen[status] = seen.get(status, 0) + 1
        left = {path.relative_to(place) for path in place.rglob("*")} - before - {Path("stdout"), Path("stderr")}
        table = status == 1 and re.search(
            r"^\S+ +failed ", (place / "stdout").read_text(errors="replace"), re.MULTILINE
        )
        told = "Traceback" not in errors and (status != 2 or len(errors.splitlines()) == 1)
        diverged = "the training diverged" in errors  # an amplitude of 1e79: what was trained before is kept
        if not (table or status in (0, 2, 130)) or not told or (status == 2 and left and not diverged):
            failures.append(f"{index}: {line} gave {status}, left {sorted(left)[:3]}: {errors[-500:]}")
        shutil.rmtree(place)
    assert not failures, "\n".join(failures)
    return seen


def test_some_random_command_lines(home: Path, tmp_path: Path) -> None:
    seen = try_lines(20, 1, home, tmp_path)
    assert seen[2] > 3, "hardly any line was refused"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_many_random_command_lines(seed: int, home: Path, tmp_path: Path) -> None:
    print(f"seed {seed}: {try_lines(100, seed, home, tmp_path)}")
