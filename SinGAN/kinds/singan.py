"""SinGAN: a pyramid of generators, each trained on top of the coarser ones (Shaham et al. 2019)."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from SinGAN.kinds.kind import Headline, LossColumns, LossPanel
from SinGAN.losses.terms import ADVERSARIAL, CRITIC_LOSSES, RECONSTRUCTION, loss_names, unweighted, weights
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import SUPER_RESOLUTION, Task
from SinGAN.planning import Plan, plan_scales, plan_super_resolution_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import train

HEADLINES = (
    Headline(CRITIC_LOSSES[-1], "D", "critic"),
    Headline(ADVERSARIAL, "G", "generator"),
    Headline(RECONSTRUCTION, "rec", "reconstruction", digits=4),
)
OVERVIEW = (
    LossPanel("critic: what it minimises", CRITIC_LOSSES[-1:]),
    LossPanel("generator: adversarial loss", (ADVERSARIAL,)),
    LossPanel("generator: squared error of the reconstruction", (RECONSTRUCTION,), is_log=True),
)


class SinGANKind:
    """The paper's kind of model, and the base of the others: it implements ``kind.Kind``."""

    name = "singan"
    remedy = "smaller `lr_g` and `lr_d`"

    def plan(self, height: int, width: int, options: ModelOptions, task: Task) -> Plan:
        """The scales of a picture of ``height`` x ``width`` pixels."""
        plan = plan_super_resolution_scales if task is SUPER_RESOLUTION else plan_scales
        return plan(height, width, options.pyramid)

    def check_sizes(self, sizes: Sequence[Sequence[int]], factor: float) -> None:
        """Raise a ValueError unless neighbouring ``sizes`` (height, width) have about the ratio ``factor``."""
        if not all(near(coarse, fine, factor) for coarse, fine in itertools.pairwise(sizes)):
            raise ValueError(f"factor is {factor!r}")

    def pyramid(
        self,
        scales: tuple[TrainedScale, ...],
        factor: float,
        noise_border: bool,
        net: NetConfig,
        options: Mapping[str, Any],
    ) -> Pyramid[TrainedScale]:
        """The pyramid of trained ``scales``."""
        return Pyramid(scales, factor, net.margin, noise_border)

    def train(
        self, image: Tensor, plan: Plan, net: NetConfig, config: TrainConfig, rng: torch.Generator, **others: Any
    ) -> Iterator[Pyramid[TrainedScale]]:
        """Train the missing scales; see ``SinGAN.training.train``."""
        return train(image, plan, net, config, rng, **others)

    def columns(self, config: TrainConfig) -> LossColumns:
        """The losses of an adversarial training."""
        others = (*CRITIC_LOSSES, RECONSTRUCTION)
        shown = [name for name in unweighted(dict.fromkeys(loss_names(config), 0.0), config) if name not in others]
        panels = (
            LossPanel("critic", CRITIC_LOSSES),
            LossPanel("generator", tuple(shown)),
            LossPanel(f"squared error of the reconstruction (weight {config.alpha:g})", (RECONSTRUCTION,), is_log=True),
        )
        return LossColumns(
            names=loss_names(config),
            unweighted=partial(unweighted, config=config),
            weights=weights(config),
            panels=panels,
            overview=OVERVIEW,
            headlines=HEADLINES,
            remedy=self.remedy,
        )

    def planned_noise(self, net: NetConfig, real: Tensor, index: int, seed: int) -> Tensor:
        """Zeros: the coarsest scale alone has noise of its own, which is always saved."""
        height, width = real.shape[-2:]
        return torch.zeros(1, net.channels, height + 2 * net.margin, width + 2 * net.margin)

    def coarser_generator(self, finest: Generator, index: int) -> Generator | None:
        """None: each scale has a generator of its own."""
        return None

    def describe(self, options: Mapping[str, Any]) -> str:
        """No words: it is the kind that needs none."""
        return ""


def near(coarse: Sequence[int], fine: Sequence[int], ratio: float) -> bool:
    """Whether the sides ``coarse`` are about ``ratio`` times the sides ``fine``."""
    return all(abs(small - ratio * large) < 2 for small, large in zip(coarse, fine, strict=True))
