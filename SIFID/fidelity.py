"""Metrics of torch-fidelity: LPIPS between samples, and Inception Score, FID and KID of sets."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from SinGAN.pictures import images
from SinGAN.storage import pretrained as weights

METRICS = ("isc", "fid", "kid")
KID_SUBSET = 1000  # pictures in a subset (Bińkowski et al. 2018), fewer where a set has fewer
ISC_SPLITS = 10  # Salimans et al. (2016)
PAIRED = 20  # samples at most for the average over all pairs
BATCH = 32


def lpips_urls() -> list[str]:
    """The URLs of the weights that LPIPS needs, among them those of VGG16: half a gigabyte."""
    vgg16: str = importlib.import_module("torchvision.models").VGG16_Weights.IMAGENET1K_V1.url
    return [_module("sample_similarity_lpips").URL_VGG16_LPIPS, vgg16]


def lpips_missing() -> list[str]:
    """The URLs of LPIPS weights that are not in torch's cache, or a message if torch-fidelity is missing."""
    try:
        return [url for url in lpips_urls() if not weights.cache_path(url).exists()]
    except ValueError as error:
        return [str(error)]


def inception_file(file: Path | None) -> Path | None:
    """The ``file`` of torch-fidelity's Inception weights, by default the one in torch's cache, or None.

    Raises:
        ValueError: ``file`` is given, and torch-fidelity is missing, or the one in the cache is damaged.
        FileNotFoundError: there is no such file.
    """
    if file is not None:
        _module("metrics")
        return weights.check_exists(file, "weights")
    try:
        url = _module("feature_extractor_inceptionv3").URL_INCEPTION_V3
    except ValueError:
        return None
    return weights.fetch(url) if weights.cache_path(url).exists() else None


@torch.no_grad()
def lpips_distance(these: Iterable[Tensor], those: Iterable[Tensor]) -> float:
    """The mean LPIPS distance (VGG16; Zhang et al. 2018) of images (3, H, W) in [-1, 1] to others, pair by pair.

    Raises:
        ValueError, FileNotFoundError: as ``lpips_diversity``.
    """
    return float(_distances(these, those).mean())


@torch.no_grad()
def lpips_diversity(samples: Tensor) -> float:
    """The mean LPIPS distance (VGG16; Zhang et al. 2018) of each of ``samples`` (B, 3, H, W) to the next one.

    Raises:
        ValueError: torch-fidelity is missing, or there are fewer than two samples.
        FileNotFoundError: the weights are not in torch's cache, and the download failed.
    """
    _check_two(samples)
    return lpips_distance(samples, samples.roll(-1, dims=0))


@torch.no_grad()
def lpips_pairs(samples: Tensor) -> float:
    """The mean LPIPS distance over all pairs of the first ``PAIRED`` of ``samples`` (B, 3, H, W).

    Papers since 2020 report it as LPIPS diversity; ``lpips_diversity`` is another measure.

    Raises:
        ValueError, FileNotFoundError: as ``lpips_diversity``.
    """
    _check_two(samples)
    first, second = torch.combinations(torch.arange(min(len(samples), PAIRED))).unbind(1)
    return float(_distances(samples[first], samples[second]).mean())


def _check_two(samples: Tensor) -> None:
    if len(samples) < 2:
        raise ValueError("the distance between samples needs two of them")


def _distances(these: Iterable[Tensor], those: Iterable[Tensor]) -> Tensor:
    """The LPIPS distances (B,) of B pairs of images (3, H, W)."""
    lpips = _module("sample_similarity_lpips").SampleSimilarityLPIPS
    with weights.clean_cache([weights.fetch(url) for url in lpips_urls()]):
        measure = lpips("lpips-vgg16")  # torch-fidelity finds its weights in the cache
    levels = ((((image[None] + 1) / 2 * 255).round().to(torch.uint8) for image in side) for side in (these, those))
    return torch.cat([measure.to(one.device)(one, other).flatten() for one, other in zip(*levels, strict=True)])


def set_metrics(
    real: Sequence[Path], fake: Sequence[Path], metrics: Sequence[str], file: Path | None, device: torch.device
) -> dict[str, float]:
    """The values of some of ``METRICS`` for generated pictures against real ones, all resized to 299 x 299.

    The Inception Score (isc) uses no real pictures. ``file`` has torch-fidelity's Inception weights; by default, they
    are downloaded once.

    Raises:
        ValueError: torch-fidelity is missing, a set is too small, or a file can't be read.
        FileNotFoundError: there is no such file, or the download failed.
    """
    extractor, calculate = _module("feature_extractor_inceptionv3"), _module("metrics").calculate_metrics
    fewest = min(len(fake), len(real)) if set(metrics) & {"fid", "kid"} else len(fake)
    if fewest < 2:
        raise ValueError(f"{', '.join(metrics)} need sets of at least 2 pictures, and one has {fewest}")
    source = weights.fetch(extractor.URL_INCEPTION_V3) if file is None else weights.check_exists(file, "weights")
    with weights.clean_copies([source]) as (copy,):
        try:
            values: dict[str, float] = calculate(
                input1=Pictures(fake),
                input2=Pictures(real),
                cuda=device.type == "cuda",
                batch_size=BATCH if len({images.read_size(file) for file in (*real, *fake)}) == 1 else 1,
                feature_extractor_weights_path=str(copy),
                isc_splits=min(ISC_SPLITS, len(fake)),
                kid_subset_size=min(KID_SUBSET, fewest),
                save_cpu_ram=True,  # reads pictures in this process, so that errors about them are one line
                cache=False,
                verbose=False,
                **{metric: metric in metrics for metric in METRICS},
            )
        except RuntimeError as error:
            if "state_dict" not in str(error):
                raise
            why = str(error)[:200]
            raise ValueError(f"{source} does not hold torch-fidelity's Inception weights: {why} ..") from error
    return values


def _module(name: str) -> Any:
    """The module ``name`` of torch-fidelity, an optional package; raise a ValueError if it is missing."""
    try:
        return importlib.import_module(f"torch_fidelity.{name}")
    except ImportError as error:
        raise ValueError("this needs the package torch-fidelity: pip install torch-fidelity") from error


class Pictures(Dataset[Tensor]):
    """A data set of picture files: RGB levels (3, H, W), uint8."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(images.to_levels(images.read(self.files[index]))).permute(2, 0, 1)
