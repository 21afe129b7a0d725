"""ConSinGAN: one generator that grows, its newest blocks trained together (Hinz et al. 2021)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from SinGAN.concurrent.planning import plan_stages
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.concurrent.training import train_stages
from SinGAN.kinds.singan import SinGANKind, near
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.growing import GENERATION, HARMONIZATION
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import ANIMATION, SUPER_RESOLUTION, Task
from SinGAN.planning import Plan, scale_seed
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.variants.build import build_generator
from SinGAN.variants.growing import block_margin


class ConcurrentKind(SinGANKind):
    """The generator that grows: its scales are stages, and features pass from one to the next."""

    name = "concurrent"
    remedy = "smaller `lr_g` and `lr_d`, a smaller `lr_scale`, or `batch_norm`"

    def plan(self, height: int, width: int, options: ModelOptions, task: Task) -> Plan:
        if task is SUPER_RESOLUTION:
            raise ValueError(
                "a model of `train_mode` concurrent can't enlarge: features go from stage to stage, not images"
            )
        if task is ANIMATION and options.recipe != GENERATION:
            raise ValueError(f"animations need `recipe` {GENERATION}, not {options.recipe}: leave `recipe` out")
        return plan_stages(
            height, width, options.pyramid, options.train_stages or 2, geometric=options.recipe == HARMONIZATION
        )

    def check_sizes(self, sizes: Sequence[Sequence[int]], factor: float) -> None:
        """Their ratios differ: ``factor`` must lead from the coarsest to the finest."""
        if not near(sizes[0], sizes[-1], factor ** (len(sizes) - 1)):
            raise ValueError(f"factor is {factor!r}")

    def pyramid(
        self, plain: Pyramid[TrainedScale], net: NetConfig, options: Mapping[str, Any], extras: Mapping[str, Tensor]
    ) -> Pyramid[TrainedScale]:
        recipe = options["recipe"] or GENERATION
        return GrownPyramid.of(plain.scales, plain.factor, net, plain.noise_border, recipe, plain.exact)

    def train(
        self, image: Tensor, plan: Plan, net: NetConfig, config: TrainConfig, rng: torch.Generator, **others: Any
    ) -> Iterator[Pyramid[TrainedScale]]:
        return train_stages(image, plan, net, config, rng, **others)

    def planned_noise(self, net: NetConfig, real: Tensor, index: int, seed: int) -> Tensor:
        """The noise that training with ``seed`` draws on a CPU; features, but for that of the first stage."""
        margin, channels = (block_margin(net) * net.noisy_margins, net.filters) if index else (0, net.channels)
        shape = 1, channels, real.shape[-2] + 2 * margin, real.shape[-1] + 2 * margin
        return torch.randn(shape, generator=torch.Generator().manual_seed(scale_seed(seed, index)))

    def coarser_generator(self, finest: Generator, index: int) -> Generator | None:
        """The blocks of ``finest`` up to that of stage ``index``."""
        state, result = finest.state_dict(), build_generator(replace(finest.config, stages=index + 1))
        result.load_state_dict({name: state[name] for name in result.state_dict()})
        return result

    def describe(self, options: Mapping[str, Any]) -> str:
        return str(options["recipe"] or GENERATION)
