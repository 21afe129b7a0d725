"""The peak memory of a training by picture size: one iteration of the finest scale, each size in its own process.

    python benchmarks/memory.py --sizes 250 512 1024

On the CPU it is that of the process, PyTorch's own 0.4 GB included; on CUDA that of the tensors.
"""

import multiprocessing
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import choose_engine, machine, parser, seconds, settings
from SinGAN.losses.train_config import TrainConfig
from SinGAN.runs.progress import peak_memory

KINDS = {"training": "never", "with --recompute always": "always", "baseline": None}


def measure(size: int, device: torch.device, recompute: str | None) -> tuple[str, int, float]:
    """The size of the finest scale, and the peak memory in bytes and the seconds of its first iteration."""
    *_, finest = settings(size, device, TrainConfig(Gsteps=1))  # the other two would need the same again
    step = finest.step(choose_engine("eager", "auto", device, recompute)) if recompute else finest.baseline().iteration
    duration = seconds(step, device)
    return finest.size, peak_memory(device), duration


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[250, 512, 1024], help="longer sides, in pixels")
    flags.add_argument("--baseline", action="store_true", help="the plain iteration, too")
    args = flags.parse_args()
    kinds = [kind for kind in KINDS if args.baseline or kind != "baseline"]
    print(f"{machine(args.device)}\n")
    print(f"| picture | {' | '.join(f'peak, {kind} | s' for kind in kinds)} |")
    print("|---" * (1 + 2 * len(kinds)) + "|")
    for size in args.sizes:
        cells = []
        for kind in kinds:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                picture, memory, duration = pool.apply(measure, (size, args.device, KINDS[kind]))
            cells.append(f" {memory / 2**30:.1f} GB | {duration:.1f} |")
        print(f"| {picture} |{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
