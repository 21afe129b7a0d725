"""What one waits for: seconds from a command to its help, and to its first picture or iteration, in turn, medians.

python benchmarks/start.py --times 3

The models are those that come with the project; the programs that PyTorch compiles are kept between runs.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import machine, parser
from SinGAN.terminal.watchers import REPORTS

ROOT = Path(__file__).parent.parent
DANDELIONS = "--input_name dandelions.png --manualSeed 1"
AT_ONCE = "--input_name mountains.png --manualSeed 1 --max_size 128"
COMMANDS = {  # the words of a command, and what comes first
    f"random_samples.py {DANDELIONS} --mode random_samples": "picture",
    f"harmonization.py {DANDELIONS} --ref_name dandelions_poppy.png --harmonization_start_scale 5": "picture",
    f"editing.py {DANDELIONS} --ref_name dandelions_edit.png --editing_start_scale 2": "picture",
    f"paint2image.py {DANDELIONS} --ref_name dandelions_paint.png --paint_start_scale 2": "picture",
    f"random_samples.py {AT_ONCE} --mode random_samples --method patches": "picture",
    f"random_samples.py {AT_ONCE} --mode random_samples --method denoise": "picture",
    "retarget.py --input_name brook.png --scale_h 1.5 --max_size 128 --manualSeed 1": "picture",
    "main_train.py --input_name mountains.png --max_size 128 --manualSeed 1": "iteration",
    "main_train.py --input_name mountains.png --max_size 128 --manualSeed 1 --train_mode concurrent": "iteration",
    "animation.py --input_name mountains.png --max_size 128 --manualSeed 1": "iteration",
    "SR.py --input_name coffee_LR.png --manualSeed 1": "iteration",
}


def until_iteration(command: list[str]) -> float:
    """The seconds until the command tells of its first iteration; then it is ended."""
    start = time.perf_counter()
    environment = {**os.environ, REPORTS: "benchmark", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    try:
        for line in process.stdout or ():
            lines.append(line)
            if '"event": "iteration"' in line:
                return time.perf_counter() - start
        raise SystemExit("".join(lines))
    finally:
        process.kill()
        process.wait()


def until_file(command: list[str], out: Path) -> float:
    """The seconds until there is a picture below ``out``, whole; then the command is ended."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        while not any(re.fullmatch(r"[^.].*\.png", file.name) for file in out.rglob("*.png")):
            if process.poll() not in (None, 0):
                raise SystemExit(process.stderr.read() if process.stderr else "")
            time.sleep(0.01)
        return time.perf_counter() - start
    finally:
        process.kill()
        process.wait()


def measure(words: str, first: str) -> tuple[float, float]:
    """The seconds to the help of a command, and to what comes first."""
    script = words.split()[0]
    start = time.perf_counter()
    subprocess.run([sys.executable, script, "-h"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    helped = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as out:
        command = [*words.split(), "--out", out]
        if first == "picture":
            return helped, until_file(command, Path(out))
        return helped, until_iteration(command)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--times", type=int, default=3, help="how often each is measured")
    args = flags.parse_args()
    print(f"{machine(args.device)}\n\n| command | `-h`, s | first | s |\n|---|---|---|---|")
    more = ["--device", str(args.device)]
    rows = [[measure(" ".join([words, *more]), first) for words, first in COMMANDS.items()] for _ in range(args.times)]
    for (words, first), times in zip(COMMANDS.items(), zip(*rows, strict=True), strict=True):
        helped, reached = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| `{words}` | {helped:.2f} | {first} | {reached:.1f} |")


if __name__ == "__main__":
    main()
