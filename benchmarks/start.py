"""What one waits for: seconds from a command to its help, and to its first picture or iteration, in turn, medians.

python benchmarks/start.py --times 3

The models are those that come with the project, and one of translation that is trained for two steps; the programs that
PyTorch compiles are kept between runs.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image, ImageOps

from benchmarks.setting import machine, parser
from SinGAN.terminal.watchers import REPORTS

ROOT = Path(__file__).parent.parent
DANDELIONS = "--input_name dandelions.png --manualSeed 1"
UNTRAINED = "--mode random_samples --method instant --manualSeed 1"
TINY = "--netG unet_64 --ngf 16 --ndf 16 --load_size 72 --crop_size 64 --n_epochs 1 --n_epochs_decay 0"
PICTURE, ITERATION, MODEL = "picture", "iteration", "model of one step"
FILES = {PICTURE: r"[^.].*\.png", MODEL: "latest_net_G.pth"}
COMMANDS = {  # the words of a command, and what comes first; {pairs}: see `prepared`
    f"random_samples.py {DANDELIONS} --mode random_samples": PICTURE,
    f"harmonization.py {DANDELIONS} --ref_name dandelions_poppy.png --harmonization_start_scale 5": PICTURE,
    f"editing.py {DANDELIONS} --ref_name dandelions_edit.png --editing_start_scale 2": PICTURE,
    f"paint2image.py {DANDELIONS} --ref_name dandelions_paint.png --paint_start_scale 2": PICTURE,
    f"random_samples.py --input_name mountains.png --num_samples 1 {UNTRAINED}": PICTURE,
    f"random_samples.py --input_name peaks.jpg --num_samples 1 {UNTRAINED}": PICTURE,
    "retarget.py --input_name larches.jpg --manualSeed 1": PICTURE,
    "main_train.py --input_name mountains.png --max_size 128 --manualSeed 1": ITERATION,
    "main_train.py --input_name mountains.png --max_size 128 --manualSeed 1 --train_mode concurrent": ITERATION,
    "animation.py --input_name mountains.png --max_size 128 --manualSeed 1": ITERATION,
    "SR.py --input_name coffee_LR.png --manualSeed 1": ITERATION,
    f"translate_train.py --dataroot {{pairs}} --name one {TINY} --max_dataset_size 1": MODEL,
    "translate_test.py --dataroot {pairs}": PICTURE,
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


def prepared(folder: Path) -> tuple[Path, Path]:
    """A data set of pairs in ``folder``, of photos and their greys, and an output folder with a model of it."""
    pairs, models = folder / "greys", folder / "Output"
    for phase, names in {"train": ("brook", "mountains"), "test": ("autumn",)}.items():
        (pairs / phase).mkdir(parents=True)
        for name in names:
            photo = Image.open(ROOT / "Input" / "Images" / f"{name}.png").convert("RGB").resize((96, 96))
            both = Image.new("RGB", (192, 96))
            both.paste(ImageOps.grayscale(photo), (0, 0))
            both.paste(photo, (96, 0))
            both.save(pairs / phase / f"{name}.png")
    train = ["translate_train.py", "--dataroot", str(pairs), *TINY.split()]
    subprocess.run([sys.executable, *train, "--out", str(models)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return pairs, models


def until_file(command: list[str], out: Path, pattern: str) -> float:
    """The seconds until there is a file called ``pattern`` below ``out``, whole; then the command is ended."""
    there = set(out.rglob("*"))
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        while not any(re.fullmatch(pattern, file.name) for file in set(out.rglob("*")) - there):
            if process.poll() is not None and (process.returncode or time.perf_counter() - start > 60):
                raise SystemExit(process.stderr.read() if process.stderr else "")
            time.sleep(0.01)
        return time.perf_counter() - start
    finally:
        process.kill()
        process.wait()


def measure(words: str, first: str, models: Path) -> tuple[float, float]:
    """The seconds to the help of a command, and to what comes first, where the output folder holds ``models``."""
    script = words.split()[0]
    start = time.perf_counter()
    subprocess.run([sys.executable, script, "-h"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    helped = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as out:
        shutil.copytree(models, out, dirs_exist_ok=True)
        command = [*words.split(), "--out", out]
        if first == ITERATION:
            return helped, until_iteration(command)
        return helped, until_file(command, Path(out), FILES[first])


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--times", type=int, default=3, help="how often each is measured")
    args = flags.parse_args()
    print(f"{machine(args.device)}\n\n| command | `-h`, s | first | s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        pairs, models = prepared(Path(folder))
        commands = [(f"{words} --device {args.device}".format(pairs=pairs), first) for words, first in COMMANDS.items()]
        rows = [[measure(words, first, models) for words, first in commands] for _ in range(args.times)]
    for (words, first), times in zip(COMMANDS.items(), zip(*rows, strict=True), strict=True):
        helped, reached = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| `{words}` | {helped:.2f} | {first} | {reached:.1f} |")


if __name__ == "__main__":
    main()
