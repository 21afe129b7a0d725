"""The time of a whole training by picture size: for each scale, the first iteration and --niter times the median.

    python benchmarks/whole_run.py --sizes 64 128 250
    python benchmarks/whole_run.py --sizes 128 250 --train_mode concurrent
    python benchmarks/whole_run.py --device cuda --sizes 250 --baseline

--train_mode concurrent and --baseline add concurrent training and the plain iteration, timed in turn, and the ratio of
sequential training to each of them. Each timed iteration follows another of its scale, as in a training. The first one
includes compilation, if that pays off; PyTorch caches programs, so set TORCHINDUCTOR_CACHE_DIR to an empty folder to
see the time of a first run.
"estimated" is the time left that a run shows at the beginning of a scale, relative to the time that it then takes: the
minimum and maximum over all scales.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import Setting, StageSetting, choose_engine, machine, medians, parser, seconds, settings, stages
from SinGAN.engines import ENGINES, PRECISIONS
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.engines.engine import Engine
from SinGAN.engines.estimates import scale_costs
from SinGAN.kinds import KINDS
from SinGAN.losses.train_config import TrainConfig
from SinGAN.options.growing import CONCURRENT, SEQUENTIAL, TRAIN_MODES
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.runs.progress import duration

BASELINE = "baseline"
Work = Callable[[], object]
Parts = Sequence[Setting | StageSetting]


def arguments() -> argparse.Namespace:
    """The flags of the process."""
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 250], help="longer sides, in pixels")
    flags.add_argument("--shape", type=float, default=0.75, help="height, in widths [%(default)s]")
    flags.add_argument("--train_mode", choices=TRAIN_MODES, default=SEQUENTIAL, help="timed beside sequential")
    flags.add_argument("--engine", choices=ENGINES, default="auto")
    flags.add_argument("--precision", choices=PRECISIONS, default="auto")
    flags.add_argument("--baseline", action="store_true", help="time the plain iteration, too")
    flags.add_argument("--iterations", type=int, default=5, help="timed at each scale")
    flags.add_argument("--niter", type=int, default=2000, help="iterations per scale of the whole run")
    return flags.parse_args()


def estimated(row: list[float], parts: Parts, mode: str, args: argparse.Namespace, size: int, engine: Engine) -> str:
    """The time left that is shown at the beginning of a scale, in what is left by the seconds in ``row``."""
    options = ModelOptions(train_mode=mode, max_size=size).complete()
    plan = KINDS[options.kind].plan(int(args.shape * size), size, options, TRAIN)
    programmed = [k for k, part in enumerate(parts) if engine.wants_programs(part.scale_setting)]
    costs = scale_costs(plan, options.net, args.device, engine.winograd, programmed)
    shown = [row[k] / costs[k] * sum(costs[k:]) / sum(row[k:]) for k in range(len(row))]
    return f"{min(shown):.2f} .. {max(shown):.2f}"


def main() -> None:
    args = arguments()
    engine = choose_engine(args.engine, args.precision, args.device)
    config = TrainConfig(niter=args.niter)
    print(f"{machine(args.device)}, {engine.describe()}, {args.niter} iterations per scale\n")
    print("| picture | training | scales | s per iteration, coarse .. fine | whole run | sequential | estimated |")
    print("|---|---|---|---|---|---|---|")
    for size in args.sizes:
        scales = list(settings(size, args.device, config, args.shape))
        parts: dict[str, Parts] = {SEQUENTIAL: scales}
        if args.train_mode == CONCURRENT:
            parts[CONCURRENT] = list(stages(size, args.device, config, args.shape))
        works: dict[str, list[Work]] = {mode: [part.step(engine) for part in each] for mode, each in parts.items()}
        firsts = {mode: sum(seconds(work, args.device) for work in steps) for mode, steps in works.items()}
        if args.baseline:
            works[BASELINE] = [scale.baseline().iteration for scale in scales]
            firsts[BASELINE] = 0.0
        every = [work for steps in works.values() for work in steps]
        medians(every, args.device, WARM_UP)
        times = iter(medians(every, args.device, args.iterations, settled=True))
        rows = {mode: [next(times) for _ in steps] for mode, steps in works.items()}
        whole = {mode: firsts[mode] + sum(row) * args.niter for mode, row in rows.items()}
        for mode, row in rows.items():
            shown = "" if mode == BASELINE else estimated(row, parts[mode], mode, args, size, engine)
            print(
                f"| {size} x {int(args.shape * size)} | {mode} | {len(row)} | {row[0]:.3g} .. {row[-1]:.3g} "
                f"| {duration(whole[mode])} | {whole[SEQUENTIAL] / whole[mode]:.2f} times as long | {shown} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
