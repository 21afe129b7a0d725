"""Processes that die, disks that are full, and folders that another process works in."""

import os
import random
import resource
import signal
from functools import partial

import pytest

from SinGAN.storage import recovery
from tests.cases import mostly_slow
from tests.cuts import bits, forked, train
from tests.workspace import Capture, Workspace, refusal


def killed_until_it_ends(workspace: Workspace, kills: int, seed: int, whole: float) -> int:
    """Train ``workspace``'s picture, killed up to ``kills`` times at random moments; returns the kills.

    ``whole`` is how many seconds of a processor a training takes that is left alone: each attempt gets a part
    of it. The clock on the wall would make the moments depend on what else runs.
    """
    moments, done = random.Random(seed), 0

    def attempt(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal kills at once; 0 is none
        train(workspace)

    while True:
        seconds = moments.uniform(0.01, 0.3) * whole if done < kills else 0
        _, status = os.waitpid(forked(partial(attempt, seconds)), 0)
        if status == 0:
            return done
        assert os.waitstatus_to_exitcode(status) == -signal.SIGPROF
        done += 1


def rest(workspace: Workspace) -> list[str]:
    """Files and folders that no user asked for."""
    return [path.name for path in workspace.out.rglob(".*")]


@pytest.fixture(scope="module")
def duration(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a processor for a training that is left alone, in a process of its own."""
    workspace = Workspace(tmp_path_factory.mktemp("timed"))
    _, _, used = os.wait4(forked(lambda: train(workspace)), 0)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_training_killed_at_any_moment_resumes_to_the_same_bits(
    seed: int, workspace: Workspace, unbroken: Workspace, duration: float
) -> None:
    kills = killed_until_it_ends(workspace, 10, seed, duration)
    print(f"{kills} kills in trainings of {duration:.1f} s")
    assert kills >= 3
    assert bits(workspace) == bits(unbroken)
    assert not rest(workspace)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 102))
def test_many_more_kills(seed: int, workspace: Workspace, unbroken: Workspace, duration: float) -> None:
    print(f"{killed_until_it_ends(workspace, 20, seed, duration)} kills")
    assert bits(workspace) == bits(unbroken)


@pytest.mark.parametrize("room", mostly_slow([3_000, 20_000, 60_000], {20_000}))
def test_a_full_disk_keeps_what_is_whole(room: int, workspace: Workspace, unbroken: Workspace) -> None:
    """No file can be larger than ``room`` bytes: the checkpoints, or a net, or nothing fits."""

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        train(workspace)

    _, status = os.waitpid(forked(cramped), 0)
    assert os.waitstatus_to_exitcode(status) in (0, 2)
    train(workspace)
    assert bits(workspace) == bits(unbroken)


def test_a_second_process_in_the_same_folder_stops(workspace: Workspace, capsys: Capture) -> None:
    held, release = os.pipe(), os.pipe()

    def hold() -> None:
        with recovery.locked(workspace.model()):
            os.write(held[1], b"x")
            os.read(release[0], 1)

    child = forked(hold)
    os.read(held[0], 1)
    assert "another process is training" in refusal(capsys, lambda: train(workspace))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    train(workspace)  # the lock died with its process
    assert not rest(workspace)
