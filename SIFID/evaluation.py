"""What is measured of a trained model: samples from a start scale against the training picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from SIFID import metrics
from SIFID.frechet import frechet_distance
from SIFID.inception import moments_of
from SinGAN import manipulate
from SinGAN.pictures import images
from SinGAN.pictures import similarity as measures
from SinGAN.pictures.similarity import Score
from SinGAN.pyramid import Pyramid
from SinGAN.runs.recorder import SHEET_SAMPLES

COPIES = 0.5  # of the textured patches: from here on the samples are called near-copies
Lpips = Callable[[Tensor], float]


@dataclass(frozen=True)
class Evaluation:
    """The measures of the samples from one start scale; None is one whose weights are not there."""

    start_scale: int
    sifid_mean: float | None
    sifid_std: float | None
    diversity: float
    copy_score: float
    textured_copy_score: float
    sliced_wasserstein: list[float]  # of each octave, fine to coarse
    lpips: float | None


def draw_samples(pyramid: Pyramid, rng: torch.Generator, count: int, start_scale: int) -> Tensor:
    """``count`` random samples (count, C, H, W) as their files hold them: of 8-bit levels."""
    drawn = manipulate.sample(pyramid, rng, count, start_scale)
    return torch.cat([images.to_tensor(images.to_levels(image)) for image in drawn]).to(pyramid.scales[0].real.device)


def opaque(image: Tensor) -> Tensor:
    """``image`` (B, 1, 3 or 4, H, W) without its alpha."""
    return image[:, :3]


def evaluate(samples: Tensor, real: Tensor, start_scale: int, net: nn.Module | None, lpips: Lpips | None) -> Evaluation:
    """The measures of ``samples`` (B, C, H, W) against ``real`` (1, C, H, W); ``net`` gives SIFID's features."""
    samples, real = opaque(samples), opaque(real)
    distances = None if net is None else sifids(net, samples, real)
    return Evaluation(
        start_scale=start_scale,
        sifid_mean=None if distances is None else float(np.mean(distances)),
        sifid_std=None if distances is None else float(np.std(distances)),
        diversity=metrics.diversity(samples, real),
        copy_score=metrics.copy_score(samples, real),
        textured_copy_score=metrics.textured_copy_score(samples, real),
        sliced_wasserstein=metrics.sliced_wasserstein(samples, real),
        lpips=lpips(samples.expand(-1, 3, -1, -1)) if lpips and len(samples) > 1 else None,
    )


def sifids(net: nn.Module, samples: Tensor, real: Tensor) -> list[float]:
    """The SIFID of each of ``samples`` (B, 1 or 3, H, W) against ``real`` (1, 1 or 3, H, W)."""
    (truth,) = moments_of(net, [real.expand(-1, 3, -1, -1)])
    return [frechet_distance(truth, fake) for fake in moments_of(net, samples.expand(-1, 3, -1, -1).split(1))]


def reconstruction(pyramid: Pyramid) -> Score:
    """How near the model's reconstruction is to its training picture."""
    real = pyramid.scales[-1].real
    return measures.compare(opaque(pyramid.generate(pyramid.z_rec())), opaque(real))


def as_json(found: Evaluation) -> dict[str, object]:
    """``found`` as plain values: what is not a number, as the diversity of a constant picture, is None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(found).items()
    }


def table(found: Sequence[Evaluation], size: tuple[int, int]) -> list[str]:
    """Lines of a table with a row for each of ``found``; ``size`` is that of the finest octave."""
    octaves = range(len(found[0].sliced_wasserstein))
    sizes = [f"{math.ceil(size[0] / 2**octave)}x{math.ceil(size[1] / 2**octave)}" for octave in octaves]
    names = ["start scale", "SIFID", "(std)", "diversity", "copied", "(textured)"]
    rows = [[*names, *(f"SWD {name}" for name in sizes), "LPIPS"]]
    for one in found:
        copies = [one.copy_score, one.textured_copy_score]
        numbers = [one.sifid_mean, one.sifid_std, one.diversity, *copies, *one.sliced_wasserstein, one.lpips]
        rows.append([str(one.start_scale), *map(_cell, numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _cell(number: float | None) -> str:
    return "-" if number is None or math.isnan(number) else f"{number:.4f}"


def samples_sheet(samples: Tensor, real: Tensor) -> images.Levels:
    """A contact sheet: ``real`` (1, C, H, W) first, then ``samples`` (B, C, H, W)."""
    return images.contact_sheet([images.thumbnail(image) for image in (real, *samples[:SHEET_SAMPLES].split(1))])


def deviation_plot(samples: Tensor) -> Figure:
    """A heat map of how much each pixel differs over ``samples`` (B, C, H, W), in levels of 0 to 255."""
    levels = metrics.deviation_map(opaque(samples)).cpu().numpy() * 255 / 2
    height, width = levels.shape
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(5.2, 0.8 + 4.2 * min(height / width, 3)), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(levels, cmap="magma", vmin=0)
        axes.set_axis_off()
        axes.set_title("standard deviation of each pixel over the samples")
        figure.colorbar(shown, ax=axes, label="levels", shrink=0.8)
    return figure
