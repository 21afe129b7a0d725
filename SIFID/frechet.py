"""The Fréchet distance between two clouds of features (Heusel et al. 2017, after Dowson and Landau 1982)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of a cloud of features, in float64."""

    mean: Tensor  # (D,)
    covariance: Tensor  # (D, D)

    @cached_property
    def root(self) -> Tensor:
        """The symmetric square root of the covariance; negative eigenvalues are rounding errors and count as 0."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return root


def moments(features: Tensor) -> Moments:
    """Mean and covariance (with N - 1) of ``features`` (N, D); the covariance of a single vector is 0.

    Raises:
        ValueError: there is no feature vector.
    """
    if len(features) == 0:
        raise ValueError("moments need at least one feature vector")
    cloud = features.double()
    mean = cloud.mean(dim=0)
    deviation = cloud - mean
    return Moments(mean, deviation.T @ deviation / max(1, len(cloud) - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """The squared distance ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the singular values of C1^(1/2) C2^(1/2). These roots are computed from
    eigenvalues of symmetric matrices, so singular covariances need no offset.
    """
    of_means = (first.mean - second.mean).square().sum()
    trace_of_root = torch.linalg.svdvals(first.root @ second.root).sum()
    of_covariances = first.covariance.trace() + second.covariance.trace() - 2 * trace_of_root
    return max(0.0, float(of_means + of_covariances))
