"""The state of a scale in the middle of its training: taken, and put back; whether weights fit a net."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from SinGAN.losses.adversaries import Adversaries
from SinGAN.storage.checkpoints import TrainingState


def state_of(nets: Adversaries, z_rec: Tensor, rng: torch.Generator, done: int) -> TrainingState:
    """All that the training of a scale depends on when ``done`` iterations are done."""
    states = {name: part.state_dict() for name, part in nets.parts().items()}
    return TrainingState(iterations=done, rng=rng.get_state(), states={"z_rec": z_rec, **states})


def restore(state: TrainingState, nets: Adversaries, rng: torch.Generator, z_rec: Tensor) -> int:
    """Put ``state`` into the others; returns the iterations done. A ``state`` that does not fit is a ValueError."""
    try:
        nets.load(state.states)
        rng.set_state(state.rng.cpu())
        z_rec.copy_(state.states["z_rec"].reshape(z_rec.shape))
        return state.iterations
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(f"the checkpoint does not fit the training: {error}; `overwrite` trains anew") from error


def fits(net: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether ``state`` has the names and shapes of ``net``'s weights."""
    wanted = net.state_dict()
    return wanted.keys() == state.keys() and all(wanted[key].shape == state[key].shape for key in wanted)
