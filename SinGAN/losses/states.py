"""The state of a scale during its training: reading it, restoring it, and whether weights fit a network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from SinGAN.losses.adversaries import Adversaries
from SinGAN.storage.checkpoints import TrainingState


def capture_state(nets: Adversaries, z_rec: Tensor, rng: torch.Generator, done: int) -> TrainingState:
    """Everything that the rest of a scale's training depends on, after ``done`` iterations."""
    states = {name: part.state_dict() for name, part in nets.parts().items()}
    return TrainingState(iterations=done, rng=rng.get_state(), states={"z_rec": z_rec, **states})


def restore(state: TrainingState, nets: Adversaries, rng: torch.Generator, z_rec: Tensor) -> int:
    """Load ``state`` into the other arguments; returns the number of iterations done.

    Raises:
        ValueError: ``state`` does not fit them.
    """
    try:
        nets.load(state.states)
        rng.set_state(state.rng.cpu())
        z_rec.copy_(state.states["z_rec"].reshape(z_rec.shape))
        return state.iterations
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(
            f"the checkpoint does not fit the training: {error}; `overwrite` starts the training again"
        ) from error


def fits(net: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether ``state`` has the names and shapes of the state dict of ``net``."""
    own = net.state_dict()
    return own.keys() == state.keys() and all(own[key].shape == state[key].shape for key in own)
