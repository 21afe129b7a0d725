"""Steps of translation trainings: seconds of each, by net, size and batch, interleaved, medians.

python benchmarks/translation.py --nets unet_64:16:64 unet_128:16:128 unet_256:64:256
python benchmarks/translation.py --device cuda --engines eager cudagraph --precision bf16

A net is its kind, its filters and the side of its pictures in pixels; the critic has as many filters.
"""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the project, where this is started as a script

import torch
from torch import Tensor

from benchmarks.setting import present, seconds
from Pix2Pix.losses.step import LossConfig, Nets, train_step
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, draw_from
from SinGAN.engines import PRECISIONS
from SinGAN.engines.cuda_graph import WARM_UP
from SinGAN.engines.engine import EngineSettings, Step
from SinGAN.runs.progress import peak_memory


def step_of(kind: str, filters: int, size: int, batch: int, engine: str, args: argparse.Namespace) -> Step:
    """A step with fresh nets on pictures of noise."""
    device: torch.device = args.device
    rng = torch.Generator(device).manual_seed(1)
    generator = GeneratorConfig(kind, 3, 3, filters, Layers("batch", "dropout", 0.5)).build().to(device)
    critic = CriticConfig("patch", (3, 3), filters).build().to(device)
    draw_from(generator, rng)
    nets, a = Nets.of(generator, critic), torch.rand(batch, 3, size, size, device=device) * 2 - 1
    b = a.flip(3).contiguous()

    def step() -> dict[str, Tensor]:
        return train_step(nets, a, b, LossConfig(), rng)

    return (
        EngineSettings(engine, args.precision, "never", "never").choose(device).run(step, [generator, critic], rng, 1)
    )


def main() -> None:
    """Measure, and print a line for each net, batch and engine."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("--nets", nargs="+", default=["unet_64:16:64", "unet_128:16:128"])
    flags.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    flags.add_argument("--engines", nargs="+", choices=("eager", "cudagraph"), default=["eager"])
    flags.add_argument("--precision", choices=PRECISIONS, default="auto")
    flags.add_argument("--rounds", type=int, default=7)
    flags.add_argument("--threads", type=int, default=torch.get_num_threads())
    flags.add_argument("--device", type=present, default=torch.device("cpu"))
    args = flags.parse_args()
    torch.set_num_threads(args.threads)
    for net in args.nets:
        kind, filters, size = net.split(":")
        for batch in args.batches:
            steps = {one: step_of(kind, int(filters), int(size), batch, one, args) for one in args.engines}
            times: dict[str, list[float]] = {one: [] for one in steps}
            for turn in range(WARM_UP + 1 + args.rounds):
                for one, step in steps.items():
                    taken = seconds(step, args.device)
                    if turn > WARM_UP:
                        times[one].append(taken)
            for one in steps:
                middle = statistics.median(times[one])
                ratio = statistics.median(times[args.engines[0]]) / middle
                print(
                    f"{kind}, {filters} filters, {size} px, batch {batch}, {one}, {args.precision}: "
                    f"{1000 * middle:.0f} ms a step, {batch / middle:.1f} pictures a second, {ratio:.2f} x "
                    f"({args.threads} threads, {args.device}; "
                    f"peak memory so far {peak_memory(args.device) / 2**30:.2f} GB)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
