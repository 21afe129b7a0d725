"""The two adversaries of a scale: its generator and its critic, with their optimizers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

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
    def of(
        cls,
        generator: Generator,
        critic: Discriminator,
        config: TrainConfig,
        trained: Sequence[Mapping[str, Any]] | None = None,
    ) -> "Adversaries":
        """The two nets in train mode, each with a fresh Adam.

        ``trained`` are the parts of the generator that learn, as groups of an optimizer with a rate each; None: all.
        """
        generator.train()
        parts: Any = generator.parameters() if trained is None else [dict(group) for group in trained]
        adams = (
            torch.optim.Adam(learning, lr=lr, betas=(config.beta1, 0.999), fused=True)
            for learning, lr in ((parts, config.lr_g), (critic.train().parameters(), config.lr_d))
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
        """Take on ``states``, the state dicts of ``parts`` by name, from this device or another one.

        Raises:
            ValueError: an optimizer's state is not that of such nets; as other errors of PyTorch's, for nets' states.
        """
        for name, part in self.parts().items():
            if isinstance(part, torch.optim.Optimizer):
                _check_state(part, states[name])
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


def _check_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Raise a ValueError unless ``state`` has the settings, and moments of the shapes, that ``optimizer`` needs."""
    groups, others = optimizer.param_groups, state["param_groups"]
    for group, other in zip(groups, others, strict=True):
        if group.keys() != other.keys() or any(type(value) is not type(other[name]) for name, value in group.items()):
            raise ValueError("an optimizer has other settings")
    parameters = [parameter for one in optimizer.param_groups for parameter in one["params"]]
    for index, moments in state["state"].items():
        shapes = {tuple(parameters[index].shape), ()}
        if not all(isinstance(value, Tensor) and tuple(value.shape) in shapes for value in moments.values()):
            raise ValueError("an optimizer has the state of another net")
