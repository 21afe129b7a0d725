"""A CUDA graph of one iteration: its work for the GPU, recorded once and repeated without Python."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # iterations before a CUDA graph is captured: lazy initialisation must lie behind

Work = Callable[[], Tensor]
"""One iteration on the nets that it is bound to; returns its losses (n,)."""


class Captured:
    """Runs ``work`` a few times, records the next run's work for the GPU as a graph, then repeats that.

    The graph works on the same memory again and again: all that ``work`` is bound to must stay in
    place, and what it computes from host values, such as learning rates, is fixed until it is
    captured anew.
    """

    def __init__(self, work: Work, rng: torch.Generator) -> None:
        self.work, self.rng = work, rng
        self.stream = side_stream(rng.device)
        self.runs = 0
        self.repeat: Work | None = None

    def __call__(self) -> Tensor:
        if self.repeat is None and self.runs < WARM_UP:
            self.runs += 1
            return aside(self.work, self.stream, self.rng.device)
        if self.repeat is None:
            self.repeat = capture(self.work, self.rng)
        return self.repeat().clone()  # the next run writes into the same memory


def side_stream(device: torch.device) -> Any:
    """A new stream of ``device``."""
    return torch.cuda.Stream(device)


def aside(work: Work, stream: Any, device: torch.device) -> Tensor:
    """The losses of ``work``, run on ``stream``, as capturing wants it of the runs before."""
    current = torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        losses = work()
    current.wait_stream(stream)
    losses.record_stream(current)
    return losses


def capture(work: Work, rng: torch.Generator) -> Work:
    """A function that repeats ``work``, which is recorded and not done here; random numbers go on."""
    with torch.cuda.device(rng.device):
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(rng)
        with torch.cuda.graph(graph):
            losses = work()

    def repeat() -> Tensor:
        graph.replay()
        return losses

    return repeat
