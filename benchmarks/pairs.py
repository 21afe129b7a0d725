"""Usefulness of generated pairs: a small U-Net for segmentation, with and without them, on the other half of a picture.

python benchmarks/pairs.py [--pairs 50] [--steps 200] [--seeds 3] [--labelled 0 80]

The picture is scikit-image's coins. Of one half all is labelled, or only a square of so many pixels in its middle, of
which pairs are generated, too. Every training has the same steps, mirrors and changes of contrast.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import skimage as ski
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the project's modules are

import SinGAN

CROP, BATCH = 64, 8  # pixels, crops in a step
Pairs = tuple[Tensor, Tensor]  # pictures in [0, 1] and labels of 0 and 1, both (N, 1, H, W)


def coins() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """scikit-image's coins (H, W), and their labels (H, W) by its watershed: 1 on a coin."""
    picture = ski.data.coins()
    markers = np.where(picture < 30, 1, np.where(picture > 150, 2, 0))
    found = ski.segmentation.watershed(ski.filters.sobel(picture), markers)
    return picture, ndimage.binary_fill_holes(found == 2).astype(np.uint8)


class UNet(nn.Module):
    """A U-Net of three levels (Ronneberger et al. 2015) with 30,000 weights."""

    def __init__(self, filters: int = 8) -> None:
        super().__init__()
        widths = filters, 2 * filters, 4 * filters
        self.down = nn.ModuleList(block(a, b) for a, b in zip((1, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last = nn.Conv2d(filters, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """The logits (B, 1, H, W) of ``image`` (B, 1, H, W)."""
        kept = []
        for level, part in enumerate(self.down):
            image = part(image if level == 0 else F.max_pool2d(image, 2))
            kept.append(image)
        for part, beside in zip(self.up, kept[-2::-1], strict=True):
            image = part(torch.cat([F.interpolate(image, beside.shape[-2:], mode="bilinear"), beside], dim=1))
        logits: Tensor = self.last(image)
        return logits


def block(inputs: int, outputs: int) -> nn.Module:
    """Two convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


def tensors(pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Pairs:
    """Pictures and labels, both (N, H, W), as tensors."""
    return torch.from_numpy(pictures / 255).float()[:, None], torch.from_numpy(labels).float()[:, None]


def train(sets: list[Pairs], steps: int, seed: int) -> UNet:
    """A net trained on random crops, mirrored at random and of random contrast, that are drawn from ``sets`` alike."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), UNet()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        crops = []
        for _ in range(BATCH):
            pictures, labels = sets[rng.integers(len(sets))]
            index = rng.integers(len(pictures))
            top, left = (rng.integers(side - CROP + 1) for side in pictures.shape[-2:])
            place = index, slice(None), slice(top, top + CROP), slice(left, left + CROP)
            axes = [axis for axis in (-2, -1) if rng.random() < 0.5]
            gain, shift = rng.uniform(0.7, 1.3), rng.uniform(-0.15, 0.15)
            crops.append((gain * pictures[place].flip(axes) + shift, labels[place].flip(axes)))
        image, target = (torch.stack(part) for part in zip(*crops, strict=True))
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(image), target).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def dice(net: UNet, pairs: Pairs) -> float:
    """The Dice coefficient of the net's labels."""
    found, truth = net(pairs[0]) > 0, pairs[1] > 0
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def middle(side: int, labelled: int) -> slice:
    """The ``labelled`` pixels in the middle of ``side``; 0: all."""
    start = (side - labelled) // 2
    return slice(start, start + labelled) if labelled else slice(0, side)


def main() -> None:
    """Print the Dice coefficient of each seed, trained with and without generated pairs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=50, help="generated pairs [50]")
    parser.add_argument("--steps", type=int, default=200, help="steps of each training [200]")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind [3]")
    parser.add_argument(
        "--labelled", type=int, nargs="+", default=[0, 80], help="side of the labelled square, 64 or more; 0: the half"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    picture, labels = coins()
    left, right = slice(0, picture.shape[1] // 2), slice(picture.shape[1] // 2, None)
    print("| labelled | tested on | generated pairs | Dice of each seed | mean |\n|---|---|---|---|---|")
    for labelled in asked.labelled:
        means: dict[str, list[float]] = {"without": [], "with": []}
        for name, learned, tested in (("right", left, right), ("left", right, left)):
            rows, columns = (middle(side, labelled) for side in picture[:, learned].shape)
            known, own = (np.ascontiguousarray(values[:, learned][rows, columns]) for values in (picture, labels))
            model = SinGAN.instant(known, nc_im=1, maps={"coin": own}, map_kinds=["label"])
            pictures, maps = model.sample(asked.pairs, seed=0, maps=True)
            real, generated = tensors(known[None], own[None]), tensors(pictures[..., 0], maps["coin"])
            truth = tensors(picture[:, tested][None], labels[:, tested][None])
            for kind, sets in {"without": [real], "with": [real, generated]}.items():
                values = [dice(train(sets, asked.steps, seed), truth) for seed in range(asked.seeds)]
                means[kind] += values
                shown = [f"{known.shape[1]} x {known.shape[0]}", name, str(len(pictures) if kind == "with" else 0)]
                shown += [" ".join(f"{value:.4f}" for value in values), f"{np.mean(values):.4f}"]
                print(f"| {' | '.join(shown)} |", flush=True)
        print(
            f"| both | | without, with | | {', '.join(f'{np.mean(each):.4f}' for each in means.values())} |", flush=True
        )


if __name__ == "__main__":
    main()
