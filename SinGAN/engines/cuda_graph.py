"""A CUDA graph of one iteration: its GPU work is recorded once and replayed without Python."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)
WARM_UP = 3  # iterations before a CUDA graph is captured, for lazy initialisation

Work = Callable[[], Tensor]
"""One iteration on the nets that it is bound to; it returns its losses (n,)."""


class Captured:
    """Runs ``work`` a few times, captures the next run as a graph, and then replays the graph.

    The graph always uses the same memory: tensors that ``work`` is bound to must stay in place, and host values, such
    as learning rates, stay as they were at the capture. If capturing fails, ``work`` runs eagerly from then on, and a
    warning gives the reason.
    """

    def __init__(self, work: Work, rng: torch.Generator) -> None:
        self.work, self.rng = work, rng
        self.stream = side_stream(rng.device)
        self.runs = 0
        self.repeat: Work | None = None

    def __call__(self) -> Tensor:
        if self.repeat is None and self.runs < WARM_UP:
            self.runs += 1
            return run_on_stream(self.work, self.stream, self.rng.device)
        if self.repeat is None:
            try:
                self.repeat = capture(self.work, self.rng, self.stream)
            except RuntimeError as error:
                why = (str(error).splitlines() or [type(error).__name__])[0]
                LOG.warning(f"an iteration can't be captured as a CUDA graph ({why}): it runs eagerly, more slowly")
                self.repeat = self.work
        return self.repeat().clone()  # the next replay overwrites it


@functools.cache
def side_stream(device: torch.device) -> Any:
    """The stream of ``device`` for warm-up and capture. There is one, because each stream has a cuBLAS workspace."""
    return torch.cuda.Stream(device)


def run_on_stream(work: Work, stream: Any, device: torch.device) -> Tensor:
    """Run ``work`` on ``stream``, as warm-up before a capture requires, and return its losses."""
    current = torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        losses = work()
    current.wait_stream(stream)
    losses.record_stream(current)
    return losses


def capture(work: Work, rng: torch.Generator, stream: Any) -> Work:
    """Capture ``work`` on ``stream`` without running it; return a function that replays it with new random numbers.

    Raises:
        RuntimeError: it can't be captured; ``rng`` is unchanged.
    """
    with torch.cuda.device(rng.device):
        graph, before = torch.cuda.CUDAGraph(), rng.clone_state()
        graph.register_generator_state(rng)
        try:
            # thread_local: other threads may allocate memory during the capture
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                losses = work()
        except BaseException:
            rng.graphsafe_set_state(before)  # the state of rng itself belongs to the failed capture
            raise

    def repeat() -> Tensor:
        graph.replay()
        return losses

    return repeat
