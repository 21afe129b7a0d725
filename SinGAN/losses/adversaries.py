"""The two adversaries of a scale: its generator and its critic, with their optimizers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator


@dataclass(eq=False)
class Adversaries:
    """The nets that a scale trains, and their optimizers."""

    generator: Generator
    critic: Discriminator
    generator_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, generator: Generator, critic: Discriminator, config: TrainConfig) -> "Adversaries":
        """The two nets in train mode, each with a fresh Adam."""
        adams = (
            torch.optim.Adam(net.train().parameters(), lr=lr, betas=(config.beta1, 0.999), fused=True)
            for net, lr in ((generator, config.lr_g), (critic, config.lr_d))
        )
        nets = cls(generator, critic, *adams)
        nets._allow_capture()
        return nets

    def _allow_capture(self) -> None:
        """Let a CUDA graph hold the optimizers' steps: they count on the device."""
        on_gpu = next(self.generator.parameters()).is_cuda
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["capturable"] = on_gpu

    def load(self, states: Mapping[str, Any]) -> None:
        """Take on ``states``, the state dicts of ``parts`` by name, from this device or another one."""
        for name, part in self.parts().items():
            part.load_state_dict(states[name])
        self._allow_capture()

    def parts(self) -> dict[str, Any]:
        """Nets and optimizers by name: each has a state dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def multiply_learning_rates(self, gamma: float) -> None:
        """Multiply both learning rates by ``gamma``."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] *= gamma
