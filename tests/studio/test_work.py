"""The work of the page: the newest counts, older work is cancelled on the server, errors end no thread."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from SinGAN.studio.work import CANCELLED, DONE, FAILED, RUNNING, WAITING, Piece, Worker

GREY = np.full((20, 30, 3), 90, np.uint8)


def piece(run: Callable[[Piece], None], session: str = "window", total: int = 1, owner: str = "me") -> Piece:
    return Piece(owner=owner, session=session, title="Work", total=total, run=run)


def finished(one: Piece) -> Piece:
    """``one`` after its end."""
    end = time.monotonic() + 30
    while one.is_active and time.monotonic() < end:
        one.wait(one.version, 0.1)
    assert not one.is_active
    return one


@pytest.fixture
def worker() -> Worker:
    return Worker(lambda error: f"words for {error}")


def endless(begun: threading.Event) -> Callable[[Piece], None]:
    """Work that ends only when it is cancelled."""

    def run(one: Piece) -> None:
        begun.set()
        while True:
            one.show(GREY, 0.5)
            time.sleep(0.01)

    return run


def test_work_is_done(worker: Worker) -> None:
    def run(one: Piece) -> None:
        for _ in range(3):
            one.show(GREY, 0.5)
            one.finish_one()

    one = piece(run, total=3)
    assert one.state == WAITING
    worker.submit(one)
    assert finished(one).state == DONE
    assert (one.done, one.part, one.preview) == (3, 1.0, "")
    assert worker.of("window") is one


def test_the_newest_choice_wins_and_older_work_ends_on_the_server(worker: Worker) -> None:
    begun = threading.Event()
    slow, waiting, newest = (
        piece(endless(begun)),
        piece(lambda one: one.finish_one()),
        piece(lambda one: one.finish_one()),
    )
    worker.submit(slow)
    assert begun.wait(30)
    worker.submit(waiting)
    worker.submit(newest)
    assert worker.of("window") is newest
    assert finished(newest).state == DONE
    assert (finished(slow).state, finished(waiting).state) == (CANCELLED, CANCELLED)
    assert waiting.done == 0


def test_other_windows_keep_their_work(worker: Worker) -> None:
    first, second = piece(lambda one: one.finish_one(), "one"), piece(lambda one: one.finish_one(), "two")
    worker.submit(first)
    worker.submit(second)
    assert finished(first).state == finished(second).state == DONE


def test_cancel_keeps_what_is_done(worker: Worker) -> None:
    begun = threading.Event()

    def run(one: Piece) -> None:
        one.finish_one()
        endless(begun)(one)

    one = piece(run, total=4)
    worker.submit(one)
    assert begun.wait(30)
    worker.cancel("window")
    assert finished(one).state == CANCELLED
    assert one.done == 1
    worker.cancel("window")  # nothing is left to do
    worker.cancel("nobody")


def test_an_error_is_told_and_the_next_work_is_done(worker: Worker) -> None:
    def fail(one: Piece) -> None:
        raise ValueError("no room")

    bad = piece(fail)
    worker.submit(bad)
    assert finished(bad).state == FAILED
    assert bad.error == "words for no room"
    good = piece(lambda one: one.finish_one())
    worker.submit(good)
    assert finished(good).state == DONE


def test_a_window_that_is_loaded_again_finds_its_work(worker: Worker) -> None:
    begun = threading.Event()
    one = piece(endless(begun), "before")
    worker.submit(one)
    assert begun.wait(30)
    assert worker.adopt("somebody else", "after") is None
    assert worker.adopt("me", "after") is one
    assert worker.of("after") is one
    assert worker.of("before") is None
    worker.cancel("before")
    assert one.state == RUNNING
    worker.cancel("after")
    assert finished(one).state == CANCELLED
    assert worker.adopt("me", "later") is None


def test_the_time_left_follows_from_what_is_done() -> None:
    one = piece(lambda one: None, total=4)
    one.set_state(RUNNING)
    assert one.seconds_left is None
    one.started -= 10
    one.done = 1
    assert one.seconds_left == pytest.approx(30, rel=0.05)
    one.share = 1.0  # one more, whose record is not written yet
    assert one.seconds_left == pytest.approx(10, rel=0.05)


def test_closing_ends_all_work(worker: Worker) -> None:
    begun = threading.Event()
    running, waiting = piece(endless(begun), "one"), piece(lambda one: one.finish_one(), "two")
    worker.submit(running)
    assert begun.wait(30)
    worker.submit(waiting)
    worker.close()
    assert finished(running).state == finished(waiting).state == CANCELLED


def test_old_work_is_forgotten(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("SinGAN.studio.work.KEPT", 5)
    for number in range(20):
        last = piece(lambda one: one.finish_one(), f"{number}")
        worker.submit(last)
        finished(last)
    assert len(worker.newest) <= 6
    assert worker.of("19") is last
