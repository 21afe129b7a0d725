"""SinGAN: a pyramid of generators, each trained on top of the coarser ones (Shaham et al. 2019)."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from SinGAN.kinds.kind import Headline, LossColumns, LossPanel
from SinGAN.losses.terms import ADVERSARIAL, D_TOTAL, RECONSTRUCTION, critic_losses, loss_names, unweighted, weights
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import SUPER_RESOLUTION, Task
from SinGAN.patches.makers import Maker, Trained
from SinGAN.pictures.layers import Layers
from SinGAN.pictures.opening import Opened
from SinGAN.planning import Plan, Size, plan_scales, plan_super_resolution_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import train

HEADLINES = (
    Headline(D_TOTAL, "D", "critic"),
    Headline(ADVERSARIAL, "G", "generator"),
    Headline(RECONSTRUCTION, "rec", "reconstruction", digits=4),
)
OVERVIEW = (
    LossPanel("critic: what it minimises", (D_TOTAL,)),
    LossPanel("generator: adversarial loss", (ADVERSARIAL,)),
    LossPanel("generator: squared error of the reconstruction", (RECONSTRUCTION,), is_log=True),
)


class SinGANKind:
    """The paper's kind of model, and the base of the others, which override the methods that differ.

    Models of every kind are pyramids of one picture that are trained scale by scale. ``ModelOptions.kind`` names the
    kind that options ask for.
    """

    name = "singan"
    """The ``kind`` in manifests."""
    extra_files: tuple[str, ...] = ()
    """The names of the files, each a tensor, that a model's folder holds beside its scales."""
    remedy = "smaller `lr_g` and `lr_d`"
    """Advice for a training that diverged; options in backticks."""
    unexportable = ""
    """Why models can't be exported; "" if they can."""

    def plan(self, height: int, width: int, options: ModelOptions, task: Task) -> Plan:
        """The scales of a picture of ``height`` x ``width`` pixels.

        Raises:
            ValueError: the picture has no valid pyramid, or the kind can't serve ``task``.
        """
        plan = plan_super_resolution_scales if task is SUPER_RESOLUTION else plan_scales
        return plan(height, width, options.pyramid)

    def check_sizes(self, sizes: Sequence[Sequence[int]], factor: float) -> None:
        """Raise a ValueError unless the ``sizes`` (height, width) in a manifest have about the ratio ``factor``."""
        if not all(near(coarse, fine, factor) for coarse, fine in itertools.pairwise(sizes)):
            raise ValueError(f"factor is {factor!r}")

    def picture(self, image: Tensor, options: ModelOptions, layers: Layers | None = None) -> Tensor:
        """The ``image`` (1, C, H, W), in [-1, 1], with its ``layers``, that ``plan`` and ``train`` get."""
        return image

    def describe_reduction(self, size: Size, finest: Size, options: Mapping[str, Any]) -> str:
        """A line on the sizes (height, width) of the picture and of the finest scale, which differ."""
        (height, width), (low, narrow) = size, finest
        reduced = f"the picture is reduced from {width} x {height} to {narrow} x {low} pixels"
        return f"{reduced} (`max_size` {options['max_size']})"

    def pyramid(
        self, plain: Pyramid[TrainedScale], net: NetConfig, options: Mapping[str, Any], extras: Mapping[str, Tensor]
    ) -> Pyramid[TrainedScale]:
        """The pyramid of this kind.

        Arguments:
            plain: SinGAN's pyramid of the trained scales, or the empty one that a training starts from.
            net: the nets at the coarsest scale.
            options: of the model, by name, as its manifest stores them.
            extras: the content of ``extra_files``; empty before the training.
        """
        return plain

    def extras(self, pyramid: Pyramid[TrainedScale]) -> Mapping[str, Tensor]:
        """The content of ``extra_files`` for ``pyramid``, which ``train`` has yielded, by name."""
        return {}

    def maker(self, pyramid: Pyramid[TrainedScale], layers: Layers | None = None) -> Maker:
        """The object that makes pictures with a trained ``pyramid``: samples, edits, paints.

        Arguments:
            pyramid: of a trained model.
            layers: of its pictures' channels; None: they have 8 bits, and no maps.
        """
        return Trained.of(pyramid, layers)

    def train(
        self, image: Tensor, plan: Plan, net: NetConfig, config: TrainConfig, rng: torch.Generator, **others: Any
    ) -> Iterator[Pyramid[TrainedScale]]:
        """Train the missing scales, coarse to fine; yields the pyramid after each.

        The arguments are those of ``SinGAN.training.train``, from ``watch`` on by name. ``watch`` is called after each
        iteration with the scale, the iteration, the losses by the names of ``columns``, and a function that returns the
        ``TrainingState`` from which ``resume`` continues to the same bits.
        """
        return train(image, plan, net, config, rng, **others)

    def completed(self, pyramid: Pyramid[TrainedScale], picture: Opened) -> Pyramid[TrainedScale]:
        """A ``pyramid`` that ``train`` has yielded, with what ``extras`` and ``maker`` need of its ``picture``."""
        return pyramid

    def columns(self, config: TrainConfig) -> LossColumns:
        """The losses that ``train`` reports."""
        critic = critic_losses(config)
        losses = unweighted(dict.fromkeys(loss_names(config), 0.0), config)
        shown = [name for name in losses if name not in (*critic, RECONSTRUCTION)]
        panels = (
            LossPanel("critic", critic),
            LossPanel("generator", tuple(shown)),
            LossPanel(f"squared error of the reconstruction (weight {config.alpha:g})", (RECONSTRUCTION,), is_log=True),
        )
        without_weights, scaled = partial(unweighted, config=config), weights(config)
        return LossColumns(loss_names(config), without_weights, scaled, panels, OVERVIEW, HEADLINES, self.remedy)

    def planned_noise(self, net: NetConfig, real: Tensor, index: int, seed: int) -> Tensor:
        """The noise with which scale ``index`` of a model gives ``real`` (1, C, H, W) back, where ``seed`` decides it.

        Its shape is that of all such noise; a compact model leaves out a map that equals it.
        """
        height, width = real.shape[-2:]
        return torch.zeros(1, net.channels, height + 2 * net.margin, width + 2 * net.margin)

    def coarser_generator(self, finest: Generator, index: int) -> Generator | None:
        """The generator of scale ``index`` where it is a part of that of the ``finest`` scale, else None.

        A compact model leaves it out.
        """
        return None

    def describe(self, options: Mapping[str, Any]) -> str:
        """Words that distinguish a model with ``options`` from one of the kind singan; "" where it is one."""
        return ""


def near(coarse: Sequence[int], fine: Sequence[int], ratio: float) -> bool:
    """Whether the sides ``coarse`` are about ``ratio`` times the sides ``fine``."""
    return all(abs(small - ratio * large) < 2 for small, large in zip(coarse, fine, strict=True))
