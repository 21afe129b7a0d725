"""The time of a whole training by picture size: for each scale, the first iteration and --niter times the median.

    python benchmarks/whole_run.py --sizes 64 128 250
    python benchmarks/whole_run.py --device cuda --sizes 250 --baseline

--baseline adds that of the plain iteration, timed in turn, and the ratio. The first iteration includes compiling, where
that pays: PyTorch keeps the programs, so set TORCHINDUCTOR_CACHE_DIR to an empty folder to see the time of a first run.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import choose_engine, machine, medians, parser, seconds, settings
from SinGAN.engines import ENGINES, PRECISIONS
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.losses.train_config import TrainConfig
from SinGAN.runs.progress import duration


def arguments() -> argparse.Namespace:
    """The flags of the process."""
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 250], help="longer sides, in pixels")
    flags.add_argument("--engine", choices=ENGINES, default="auto")
    flags.add_argument("--precision", choices=PRECISIONS, default="auto")
    flags.add_argument("--baseline", action="store_true", help="time the plain iteration, too")
    flags.add_argument("--iterations", type=int, default=5, help="timed at each scale")
    flags.add_argument("--niter", type=int, default=2000, help="iterations per scale of the whole run")
    return flags.parse_args()


def main() -> None:
    args = arguments()
    engine = choose_engine(args.engine, args.precision, args.device)
    print(f"{machine(args.device)}, {engine.described()}, {args.niter} iterations per scale\n")
    print("| picture | scales | s per iteration, coarsest .. finest | whole run | baseline | ratio |")
    print("|---|---|---|---|---|---|")
    for size in args.sizes:
        rows, firsts = [], []
        for setting in settings(size, args.device, TrainConfig(niter=args.niter)):
            works: list[Callable[[], object]] = [setting.step(engine)]
            firsts.append(seconds(works[0], args.device))
            medians(works, args.device, WARM_UP)
            if args.baseline:
                works.append(setting.baseline().iteration)
                works[-1]()
            rows.append(medians(works, args.device, args.iterations))
        whole = [sum(column) * args.niter for column in zip(*rows, strict=True)]
        whole[0] += sum(firsts)
        against = f"{duration(whole[1])} | {whole[1] / whole[0]:.2f}" if args.baseline else "- | -"
        print(
            f"| {size} x {size * 3 // 4} | {len(rows)} | {rows[0][0]:.3g} .. {rows[-1][0]:.3g} | {duration(whole[0])} "
            f"| {against} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
