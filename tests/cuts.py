"""Trainings that are cut off: by an error in this process, or by a signal in a child of it."""

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

import main_train
from SinGAN.runs.recorder import Recorder
from tests.workspace import SIZES, Workspace

FLAGS = ["--not_cuda", *SIZES, "--niter", "6", "--manualSeed", "1", "--checkpoint_every", "0"]


def train(workspace: Workspace, *more: str) -> None:
    main_train.main([*workspace.flags(), *FLAGS, "--num_samples", "2", *more])


def bits(workspace: Workspace) -> dict[str, str]:
    """All results but what tells time or place: the plots of the losses hold their library's version."""
    return {name: value for name, value in workspace.results().items() if not name.endswith("losses.png")}


class CutError(Exception):
    """An end that nobody expects."""


@contextlib.contextmanager
def cut_after(iterations: int) -> Iterator[None]:
    """Stop the training within after so many iterations, whatever the scale."""
    watch, seen = Recorder.watch, [0]

    def counting(self: Recorder, *call: object) -> None:
        seen[0] += 1
        if seen[0] > iterations:
            raise CutError
        watch(self, *call)  # type: ignore[arg-type]  # the arguments are passed on

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "watch", counting)
        yield


def forked(work: Callable[[], object]) -> int:
    """The process id of a child that does ``work``, silently."""
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        status = 1
        try:
            work()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os._exit(status)
    return child
