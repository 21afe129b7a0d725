"""The time of random samples by picture size: of one, of fifty in batches, and of one without folded BatchNorms.

python benchmarks/sampling.py --sizes 128 250
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import machine, medians, parser, untrained
from SinGAN.manipulate import sample
from SinGAN.pyramid import Pyramid, TrainedScale


def unfolded(pyramid: Pyramid[TrainedScale]) -> Pyramid[TrainedScale]:
    """``pyramid`` with its BatchNorms computed, not folded into the convolutions."""
    return replace(pyramid, scales=tuple(replace(scale, folded=scale.generator) for scale in pyramid.scales))


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--sizes", type=int, nargs="+", default=[128, 250], help="longer sides, in pixels")
    flags.add_argument("--num_samples", type=int, default=50)
    flags.add_argument("--times", type=int, default=3, help="how often each is measured")
    args = flags.parse_args()
    rng = torch.Generator(args.device)
    print(f"{machine(args.device)}\n")
    print(f"| picture | one sample, s | {args.num_samples} samples, s | each, s | one not folded, s | ratio |")
    print("|---|---|---|---|---|---|")
    for size in args.sizes:
        pyramid = untrained(size, args.device)
        plain = unfolded(pyramid)

        def draw(count: int, model: Pyramid[TrainedScale] = pyramid) -> list[torch.Tensor]:
            return list(sample(model, rng, count))

        draw(1)
        single, slow = medians([lambda: draw(1), lambda: draw(1, plain)], args.device, 3 * args.times)  # noqa: B023
        (many,) = medians([lambda: draw(args.num_samples)], args.device, args.times)
        print(
            f"| {size} x {size * 3 // 4} | {single:.3f} | {many:.2f} | {many / args.num_samples:.4f} "
            f"| {slow:.3f} | {slow / single:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
