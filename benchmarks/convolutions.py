"""The second derivative of a convolution, by PyTorch and by ``SinGAN.engines.convolution``: seconds for one shape.

    python benchmarks/convolutions.py --device cuda --filters 32 --size 188 250

PyTorch's is a convolution with a filter as large as the picture; cuDNN may take very long for it, so begin one process,
with a time limit, for each shape and way.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.setting import machine, medians, parser
from SinGAN.engines import convolution

WAYS = {"pytorch": F.conv2d, "ours": convolution.conv2d}


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--way", choices=WAYS, nargs="+", default=list(WAYS))
    flags.add_argument("--filters", type=int, default=32)
    flags.add_argument("--size", type=int, nargs=2, default=[44, 60], help="height and width of the picture")
    flags.add_argument("--times", type=int, default=5)
    args = flags.parse_args()
    device: torch.device = args.device
    rng = torch.Generator(device).manual_seed(1)
    x = torch.randn(1, args.filters, *args.size, device=device, generator=rng, requires_grad=True)
    weight = torch.randn(args.filters, args.filters, 3, 3, device=device, generator=rng, requires_grad=True)

    def second(way: str) -> torch.Tensor:
        (slope,) = torch.autograd.grad(WAYS[way](x, weight).square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), weight)[0]

    for way in args.way:
        second(way)  # kernels are chosen
    times = medians([lambda way=way: second(way) for way in args.way], device, args.times)  # type: ignore[misc]
    print(machine(device))
    for way, time in zip(args.way, times, strict=True):
        print(
            f"{args.filters} filters, {args.size[0]} x {args.size[1]}: {way} {time:.5f} s, {times[0] / time:.2f} times"
        )


if __name__ == "__main__":
    main()
