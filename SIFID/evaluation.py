"""Measures of a model: samples from a start scale, compared with the training picture."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from SIFID import metrics
from SIFID.copies import copied_regions
from SIFID.frechet import frechet_distance
from SIFID.inception import moments_of
from SinGAN.pictures import images, plots, sheets
from SinGAN.pictures.layers import Layers
from SinGAN.pictures.similarity import Score, compare
from SinGAN.pyramid import Pyramid, Scale

COPIES = 0.5  # share of textured patches that are copied, from which samples are called near-copies
Lpips = tuple[Callable[[Tensor], float], Callable[[Tensor], float]]
"""LPIPS diversities of samples (B, 3, H, W): of each to the next one, and over all pairs of 20."""


@dataclass(frozen=True)
class Evaluation:
    """The measures of the samples from one start scale; None if the weights for a measure are missing."""

    start_scale: int
    sifid_mean: float | None
    sifid_std: float | None
    diversity: float
    difference: float  # mean absolute difference to the picture in levels of 0 to 255, mean over the samples
    least_difference: float  # of the most similar sample
    copy_score: float
    textured_copy_score: float
    coherent_copies: float  # share of the patches in large regions of the picture, at any place
    largest_copy: float  # share of the patches in the largest of them
    sliced_wasserstein: list[float]  # for each octave, fine to coarse
    lpips: float | None  # the mean distance of each sample to the next
    lpips_pairs: float | None  # the mean over all pairs of the first 20


COLUMNS = {
    "SIFID": "sifid_mean",
    "(std)": "sifid_std",
    "diversity": "diversity",
    "difference": "difference",
    "(least)": "least_difference",
    "copied": "copy_score",
    "(textured)": "textured_copy_score",
    "coherent": "coherent_copies",
    "largest": "largest_copy",
}
"""The measures with one value, by their heading in a table."""


def round_like_files(samples: Iterable[Tensor], device: torch.device, layers: Layers | None = None) -> Tensor:
    """``samples``, each (1, C, H, W) in [-1, 1], as a batch rounded to 8 bits like their files; not those of data."""
    if layers is not None:
        return torch.cat([layers.to_floats(image).float() for image in samples]).to(device)
    return torch.cat([images.to_tensor(images.to_levels(image)) for image in samples]).to(device)


def drop_alpha(image: Tensor, layers: Layers | None = None) -> Tensor:
    """``image`` (B, C, H, W) without its alpha, or, with ``layers``, without its maps."""
    return image[:, :3] if layers is None else layers.channels_of_picture(image)


def visible_channels(images_of: Tensor, layers: Layers | None) -> Tensor:
    """The channels (B, 1 or 3, H, W) of ``images_of`` (B, C, H, W), in [-1, 1], that trained features are computed of.

    With ``layers`` they are those that previews show.
    """
    if layers is None:
        return images_of[:, :3]
    return torch.cat([images.to_floats(layers.preview(image)) for image in images_of.split(1)]).to(images_of.device)


def describe_channels(layers: Layers | None) -> str:
    """A line on the channels that the measures look at; "" for pictures of 8 bits without maps."""
    if layers is None:
        return ""
    order = layers.picture.order or range(layers.picture.count)
    numbers = " ".join(str(order[index] + 1) for index in layers.view.shown)
    return f"SIFID and LPIPS look at the channels {numbers} (`show`), the other measures at all {layers.picture.count}"


def evaluate(
    samples: Tensor, real: Tensor, start_scale: int, net: nn.Module | None, lpips: Lpips | None,
    layers: Layers | None = None,
) -> Evaluation:  # fmt: skip
    """The measures of ``samples`` (B, C, H, W) against the training picture ``real`` (1, C, H, W), both in [-1, 1].

    SIFID and LPIPS are measured if ``net``, an Inception, and ``lpips`` are given. Pictures without ``layers`` have 8
    bits and no maps.
    """
    visible, visible_real = visible_channels(samples, layers), visible_channels(real, layers)
    samples, real = drop_alpha(samples, layers), drop_alpha(real, layers)
    regions, gaps = copied_regions(samples, real), metrics.differences(samples, real)
    distances = None if net is None else compute_sifids(net, visible, visible_real)
    coloured = visible.expand(-1, 3, -1, -1)
    perceptual = [measure(coloured) for measure in lpips] if lpips and len(samples) > 1 else [None, None]
    return Evaluation(
        start_scale=start_scale,
        sifid_mean=None if distances is None else float(np.mean(distances)),
        sifid_std=None if distances is None else float(np.std(distances)),
        diversity=metrics.diversity(samples, real),
        difference=float(gaps.mean()),
        least_difference=float(gaps.min()),
        copy_score=metrics.copy_score(samples, real),
        textured_copy_score=metrics.textured_copy_score(samples, real),
        coherent_copies=regions.coherent,
        largest_copy=regions.largest,
        sliced_wasserstein=metrics.sliced_wasserstein(samples, real),
        lpips=perceptual[0],
        lpips_pairs=perceptual[1],
    )


def compute_sifids(net: nn.Module, samples: Tensor, real: Tensor) -> list[float]:
    """The SIFID of each of ``samples`` (B, 1 or 3, H, W) against ``real`` (1, 1 or 3, H, W)."""
    (truth,) = moments_of(net, [real.expand(-1, 3, -1, -1)])
    return [frechet_distance(truth, fake) for fake in moments_of(net, samples.expand(-1, 3, -1, -1).split(1))]


def reconstruction(pyramid: Pyramid[Scale], layers: Layers | None = None) -> Score:
    """The similarity of the model's reconstruction to its training picture."""
    real = pyramid.scales[-1].real
    return compare(drop_alpha(pyramid.generate(pyramid.z_rec()), layers), drop_alpha(real, layers))


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """``evaluation`` as plain values, with None for NaN (the diversity of a constant picture)."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(evaluation).items()
    }


def table_rows(evaluations: Sequence[Evaluation], size: tuple[int, int]) -> list[list[str]]:
    """The cells of a table: headings, then a row for each of ``evaluations``; ``size`` is that of the finest octave."""
    octaves = range(len(evaluations[0].sliced_wasserstein))
    sizes = [f"{math.ceil(size[0] / 2**octave)}x{math.ceil(size[1] / 2**octave)}" for octave in octaves]
    rows = [["start scale", *COLUMNS, *(f"SWD {name}" for name in sizes), "LPIPS next", "LPIPS pairs"]]
    for measures in evaluations:
        numbers = [getattr(measures, name) for name in COLUMNS.values()]
        numbers += [*measures.sliced_wasserstein, measures.lpips, measures.lpips_pairs]
        rows.append([str(measures.start_scale), *map(_cell, numbers)])
    return rows


def _cell(number: float | None) -> str:
    return "-" if number is None or math.isnan(number) else f"{number:.4f}"


def samples_sheet(samples: Tensor, real: Tensor, layers: Layers | None = None) -> images.Levels:
    """A contact sheet of ``real`` (1, C, H, W) and ``samples`` (B, C, H, W)."""
    if layers is not None:
        samples, real = (visible_channels(batch, layers) for batch in (samples, real))
    tiles = [sheets.tile(image, str(index)) for index, image in enumerate(samples[: sheets.SHEET_SAMPLES].split(1))]
    return sheets.contact_sheet([sheets.beside(real, samples[:1]), *tiles])


def deviation_levels(samples: Tensor, layers: Layers | None = None) -> npt.NDArray[np.float64]:
    """The standard deviation (H, W) of each pixel over ``samples`` (B, C, H, W), in levels of 0 to 255."""
    levels: npt.NDArray[np.float64] = metrics.deviation_map(drop_alpha(samples, layers)).cpu().numpy() * 255 / 2
    return levels


def deviation_plots(samples: Mapping[int, Tensor], layers: Layers | None = None) -> dict[int, Figure]:
    """Heat maps of ``deviation_levels``, of samples (B, C, H, W) by start scale, all with the same colour scale."""
    levels = {start: deviation_levels(batch, layers) for start, batch in samples.items()}
    highest = max(float(one.max()) for one in levels.values())
    return {
        start: plots.heat_maps({f"standard deviation of each pixel, start scale {start}": one}, "levels", highest)
        for start, one in levels.items()
    }
