"""A queue of many small pictures, beside runs of one picture each: seconds, memory, and what a failure costs.

    python benchmarks/many.py --pictures 100 --jobs 2
    python benchmarks/many.py --pictures 100 --jobs 2 --ray    # two nodes of a Ray cluster, both on this machine

One of the pictures is a broken file, and the process of another is killed in the midst: the table says which failed,
and what the same command, given again, had left to do. On Ray a worker is killed; its picture begins again elsewhere.
Memory is that of all processes, shared pages counted once (Linux only).
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import machine, parser
from SinGAN.runs.progress import duration

SCRIPT = Path(__file__).parent.parent / "main_train.py"
BROKEN, KILLED = "p001.png", "p002.png"
WORKER = "ray::run_on_worker"  # what Ray calls a process that trains
WAIT = 10  # looks at a process, of two in a second, before it is killed


def arguments() -> argparse.Namespace:
    """The flags of the process."""
    flags = parser(__doc__)
    flags.add_argument("--pictures", type=int, default=100)
    flags.add_argument("--jobs", type=int, default=2, help="at once")
    flags.add_argument("--ray", action="store_true", help="on two nodes of a Ray cluster instead")
    flags.add_argument("--max_size", type=int, default=40)
    flags.add_argument("--niter", type=int, default=20)
    flags.add_argument("--single", type=int, default=4, help="runs of one picture, timed before and after the queue")
    args = flags.parse_args()
    if args.pictures < 3 + args.single:
        flags.error(
            f"--pictures {args.pictures}: at least {3 + args.single}, for --single {args.single} and two that fail"
        )
    return args


def make_pictures(folder: Path, count: int) -> None:
    """Make ``count`` pictures of soft noise in ``folder``, of which the second is a broken file."""
    rng = np.random.default_rng(1)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"p{index:03}.png")
    (folder / BROKEN).write_bytes(b"no picture")


def descendants(root: int) -> list[int]:
    """The processes that ``root`` has started, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int(re.sub(r"^.*\) ", "", (entry / "stat").read_text(), flags=re.S).split()[1])
        except OSError:
            continue  # it has ended
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def memory(process: int) -> int:
    """The bytes of ``process``, its share of pages that others have, too; 0 where it has ended."""
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), flags=re.M)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


@dataclass
class Watch:
    """Looks at this process's descendants twice a second: the most memory so far; kills the one called ``victim``."""

    victim: str = ""  # what a word of its command contains
    peak: int = 0
    seen: int = 0  # how often the victim was there
    killed: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until it is over."""
        while not self.over.wait(0.5):
            family = descendants(os.getpid())[1:]
            self.peak = max(self.peak, sum(map(memory, family)))
            for process in family if self.victim and not self.killed else ():
                self.kill(process)

    def kill(self, process: int) -> None:
        """Kill ``process`` if it is the victim, which has been there for a while."""
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return
        if any(self.victim.encode() in word for word in words):
            self.seen += 1
            if self.seen > WAIT:
                os.kill(process, signal.SIGKILL)
                self.killed = True


@contextmanager
def watching(victim: str = "") -> Iterator[Watch]:
    """A watch over what is started meanwhile."""
    watch = Watch(victim)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join()


def train(names: list[str], folder: Path, args: argparse.Namespace, *more: str) -> tuple[float, dict[str, str]]:
    """Train the pictures called ``names`` by one command; its seconds, and each picture's state by the last table."""
    flags = ["--input_dir", str(folder), "--out", str(folder / "out"), "--max_size", str(args.max_size)]
    work = ["--niter", str(args.niter), "--num_samples", "1", "--device", str(args.device), *more]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--input_name", *names, *flags, *work], capture_output=True, text=True
    )
    took = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return took, dict(re.findall(r"^(p\d+\.png) +(\w+)", done.stdout, flags=re.M))


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a cluster of this machine: two nodes, each with room for one run."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


def main() -> None:
    args = arguments()
    work = f"{args.pictures} pictures of {args.max_size} pixels, {args.niter} iterations a scale"
    print(f"{machine(args.device)}, {work}\n")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_pictures(folder, args.pictures)
        singles = [f"p{index:03}.png" for index in range(3, 3 + args.single)]
        alone = Path(place) / "alone"
        alone.mkdir()
        make_pictures(alone, args.pictures)
        half = len(singles) // 2
        with watching() as watch:
            each = [train([name], alone, args)[0] for name in singles[:half]]
        if args.ray:
            with two_nodes() as address:
                rows = queue(folder, args, WORKER, f"{args.jobs} nodes of Ray", "--ray", address)
        else:
            rows = queue(folder, args, KILLED, f"--jobs {args.jobs}")
        each += [train([name], alone, args)[0] for name in singles[half:]]
    every = statistics.median(each) * (args.pictures - 1)
    print("| | seconds | peak memory | done | not done |")
    print("|---|---|---|---|---|")
    print(f"| runs of one picture, {len(each)} timed | {duration(every)} in all | {watch.peak / 2**30:.1f} GB | | |")
    for row in rows:
        print(row)


def queue(folder: Path, args: argparse.Namespace, killed: str, title: str, *flags: str) -> list[str]:
    """Rows of the table: the queue, with the process called ``killed`` killed, and the same command again."""
    rows = []
    for words, victim in ((title, killed), ("the same again", "")):
        with watching(victim) as watch:
            took, states = train(["*.png"], folder, args, "--jobs", str(args.jobs), *flags)
        failed = [name for name, state in states.items() if state != "done"]
        done, left = len(states) - len(failed), ", ".join(failed) or "none"
        rows.append(f"| {words} | {duration(took)} | {watch.peak / 2**30:.1f} GB | {done} | {left} |")
        if victim and not watch.killed:
            rows.append(f"| (no process called {victim} was found to kill) | | | | |")
    return rows


if __name__ == "__main__":
    main()
