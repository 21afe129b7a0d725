"""Measures by trained nets, where their weights are: LPIPS, and the FID, KID and Inception Score of a set."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from SIFID import fidelity
from SinGAN.pictures import images

SETS = {
    "FID": ("fid", "frechet_inception_distance"),
    "KID": ("kid", "kernel_inception_distance_mean"),
    "IS": ("isc", "inception_score_mean"),
}
"""The measures of sets: torch-fidelity's names of each, and of its value."""


@dataclass(frozen=True)
class Learned:
    """Which of these measures can be had."""

    lpips: bool
    inception: Path | None  # the file of its weights

    @classmethod
    def found(cls, inception: Path | None) -> "Learned":
        """Those whose weights are in torch's cache, or in the file ``inception``.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return cls(not fidelity.lpips_missing(), fidelity.inception_file(inception))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order of ``values``."""
        return (*(["LPIPS"] if self.lpips else []), *(SETS if self.inception else []))

    def values(self, fakes: Sequence[Tensor], reals: Sequence[Tensor], device: torch.device) -> list[float]:
        """The measures of ``fakes`` against their ``reals``, images (C, H, W) in [-1, 1]; NaN: too few for a set.

        LPIPS is the mean distance of each picture to its truth (VGG16; Zhang et al. 2018).
        """
        found = []
        if self.lpips:
            coloured = ([image.expand(3, -1, -1).to(device) for image in side] for side in (fakes, reals))
            found.append(fidelity.lpips_distance(*coloured))
        if self.inception:
            found += self._of_sets(fakes, reals, device) if len(fakes) > 1 else [math.nan] * len(SETS)
        return found

    def _of_sets(self, fakes: Sequence[Tensor], reals: Sequence[Tensor], device: torch.device) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            real, fake = (written(Path(folder, name), side) for name, side in (("real", reals), ("fake", fakes)))
            short = [metric for metric, _ in SETS.values()]
            values = fidelity.set_metrics(real, fake, short, self.inception, device)
        return [values[name] for _, name in SETS.values()]


def written(folder: Path, side: Sequence[Tensor]) -> list[Path]:
    """The files of ``side``, images (C, H, W), in ``folder``."""
    files = [folder / f"{place}.png" for place in range(len(side))]
    for file, image in zip(files, side, strict=True):
        images.write(file, image[None].cpu().clamp(-1, 1))
    return files
