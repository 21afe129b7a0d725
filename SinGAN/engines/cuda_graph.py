"""A CUDA graph of one iteration: its work for the GPU, recorded once and repeated without Python."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)
WARM_UP = 3  # iterations before a CUDA graph is captured: lazy initialisation must lie behind

Work = Callable[[], Tensor]
"""One iteration on the nets that it is bound to; returns its losses (n,)."""


class Captured:
    """Runs ``work`` a few times, records the next run's work for the GPU as a graph, then repeats that.

    The graph works on the same memory again and again: all that ``work`` is bound to must stay in place, and what it
    computes from host values, such as learning rates, is fixed until it is captured again. Where capturing fails,
    ``work`` is run eagerly from then on, and a line tells why.
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
            try:
                self.repeat = capture(self.work, self.rng, self.stream)
            except RuntimeError as error:
                why = (str(error).splitlines() or [type(error).__name__])[0]
                LOG.warning(f"an iteration can't be captured as a CUDA graph ({why}): it runs eagerly, more slowly")
                self.repeat = self.work
        return self.repeat().clone()  # the next run writes into the same memory


@functools.cache
def side_stream(device: torch.device) -> Any:
    """The stream of ``device`` on which iterations run before they are captured, and on which they are captured.

    There is one for each device: each has a workspace of cuBLAS of its own.
    """
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


def capture(work: Work, rng: torch.Generator, stream: Any) -> Work:
    """A function that repeats ``work``, which is recorded on ``stream`` and not done here; random numbers go on.

    Raises:
        RuntimeError: it can't be recorded; ``rng`` is then as it was.
    """
    with torch.cuda.device(rng.device):
        graph, before = torch.cuda.CUDAGraph(), rng.clone_state()
        graph.register_generator_state(rng)
        try:
            # errors of other threads, which may well allocate memory, don't count
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                losses = work()
        except BaseException:
            rng.graphsafe_set_state(before)  # its own state still waits for the end of the capture
            raise

    def repeat() -> Tensor:
        graph.replay()
        return losses

    return repeat
