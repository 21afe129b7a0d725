"""The generator and the critic of a scale, with their optimizers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator


@dataclass(eq=False)
class Adversaries:
    """The networks that a scale trains, and their optimizers."""

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
        """The two networks in train mode, each with a new Adam optimizer.

        ``trained`` are the parameter groups of the generator's optimizer, with their learning rates; None: one group of
        all parameters.
        """
        generator.train()
        critic.train()
        groups: Any = generator.parameters() if trained is None else [dict(group) for group in trained]
        optimizers = (
            torch.optim.Adam(parameters, lr=lr, betas=(config.beta1, 0.999), fused=True)
            for parameters, lr in ((groups, config.lr_g), (critic.parameters(), config.lr_d))
        )
        nets = cls(generator, critic, *optimizers)
        nets._allow_capture()
        return nets

    def _allow_capture(self) -> None:
        """Let a CUDA graph capture the optimizers' steps: count these on the device."""
        on_gpu = next(self.generator.parameters()).is_cuda
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["capturable"] = on_gpu

    def load(self, states: Mapping[str, Any]) -> None:
        """Load ``states``, the state dicts of ``parts`` by name, from any device.

        Raises:
            ValueError: the state of an optimizer does not fit; PyTorch raises other errors for those of networks.
        """
        for name, part in self.parts().items():
            if isinstance(part, torch.optim.Optimizer):
                _check_state(part, states[name])
            part.load_state_dict(states[name])
        self._allow_capture()

    def parts(self) -> dict[str, Any]:
        """Networks and optimizers by name; each has a state dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def multiply_learning_rates(self, gamma: float) -> None:
        """Multiply all learning rates by ``gamma``."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] *= gamma


def _check_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Raise a ValueError unless ``state`` has the settings of ``optimizer``, and moments of its parameters' shapes."""
    for group, other in zip(optimizer.param_groups, state["param_groups"], strict=True):
        if group.keys() != other.keys() or any(type(value) is not type(other[name]) for name, value in group.items()):
            raise ValueError("an optimizer has other settings")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, moments in state["state"].items():
        shapes = {tuple(parameters[index].shape), ()}
        if not all(isinstance(value, Tensor) and tuple(value.shape) in shapes for value in moments.values()):
            raise ValueError("an optimizer has the state of another network")
