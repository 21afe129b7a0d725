"""The peak memory of a training by picture size: one iteration of the finest scale, each size in its own process.

    python benchmarks/memory.py --sizes 250 512 1024

On the CPU it is that of the process, PyTorch's own 0.4 GB included; on CUDA that of the tensors.
"""

import multiprocessing
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import engine, machine, parser, settings
from SinGAN.adversarial import TrainConfig
from SinGAN.progress import peak_memory


def measure(size: int, device: torch.device, baseline: bool) -> tuple[str, int]:
    """The finest scale's size, and the most bytes used to its first iteration's end."""
    *_, finest = settings(size, device, TrainConfig(Gsteps=1))  # the other two would need the same again
    iterate = finest.baseline().iteration if baseline else finest.step(engine("eager", "auto", device))
    iterate()
    return finest.size, peak_memory(device)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[250, 512, 1024], help="longer sides, in pixels")
    flags.add_argument("--baseline", action="store_true", help="the plain iteration, too")
    args = flags.parse_args()
    print(f"{machine(args.device)}\n")
    print("| picture | peak, training |" + (" of the baseline |" if args.baseline else ""))
    print("|---|---|" + ("---|" if args.baseline else ""))
    for size in args.sizes:
        cells = []
        for baseline in [False, True][: 1 + args.baseline]:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                shown, memory = pool.apply(measure, (size, args.device, baseline))
            cells.append(f" {memory / 2**30:.1f} GB |")
        print(f"| {shown} |{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
