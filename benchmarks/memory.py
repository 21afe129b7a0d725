"""The peak memory of a training by picture size: one iteration of the finest scale, each size in its own process.

    python benchmarks/memory.py --sizes 250 512 1024
    python benchmarks/memory.py --sizes 250 512 --train_mode concurrent

On the CPU it is the memory of the process, with PyTorch's own 0.4 GB; on CUDA that of the tensors. "estimated" is the
engine's estimate, by which it decides whether to recompute activations.
"""

import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import Setting, choose_engine, machine, parser, seconds, settings, stages
from SinGAN.losses.train_config import TrainConfig
from SinGAN.options.growing import SEQUENTIAL, TRAIN_MODES
from SinGAN.runs.progress import peak_memory

BASELINE = "baseline"
KINDS = {"training": "never", "with --recompute always": "always", BASELINE: None}


@dataclass(frozen=True)
class Measured:
    """The finest scale of a training: its size, peak memory and estimated one in bytes, seconds of an iteration."""

    size: str
    peak: int
    estimated: int
    seconds: float


def measure(size: int, device: torch.device, train_mode: str, recompute: str | None) -> Measured:
    """The first iteration of the finest scale; ``recompute`` None is the baseline."""
    config = TrainConfig(Gsteps=1)  # the other two would need the same again
    *_, finest = settings(size, device, config) if train_mode == SEQUENTIAL else stages(size, device, config)
    engine = choose_engine("eager", "auto", device, recompute or "never")
    step = finest.baseline().iteration if isinstance(finest, Setting) and recompute is None else finest.step(engine)
    duration = seconds(step, device)
    return Measured(finest.size, peak_memory(device), engine.bytes_needed(finest.scale_setting), duration)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[250, 512, 1024], help="longer sides, in pixels")
    flags.add_argument("--baseline", action="store_true", help="the plain iteration, too")
    flags.add_argument("--train_mode", choices=TRAIN_MODES, default=SEQUENTIAL, help="[%(default)s]")
    args = flags.parse_args()
    if args.baseline and args.train_mode != SEQUENTIAL:
        flags.error("--baseline is sequential: leave out --train_mode")
    kinds = [kind for kind in KINDS if args.baseline or kind != BASELINE]
    print(f"{machine(args.device)}, {args.train_mode}\n")
    print(f"| picture | estimated | {' | '.join(f'peak, {kind} | s' for kind in kinds)} |")
    print("|---" * (2 + 2 * len(kinds)) + "|")
    for size in args.sizes:
        cells = []
        for kind in kinds:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (size, args.device, args.train_mode, KINDS[kind]))
            cells.append(f" {found.peak / 2**30:.2f} GB | {found.seconds:.1f} |")
        print(f"| {found.size} | {found.estimated / 2**30:.2f} GB |{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
