"""The queue of jobs: one state machine behind one lock, for ``--jobs``, studies and the studio.

A job is WAITING, then RUNNING, then DONE, FAILED or STOPPED; ``resume`` makes it WAITING again. Only the queue changes
states. A runner starts jobs and reports their events; it keeps no state of its own.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from SinGAN.parallel.jobs import Job, Slot, describe_error
from SinGAN.runs.events import Message

LOG = logging.getLogger(__name__)
WAITING, RUNNING, STOPPED, FAILED, DONE = STATES = ("waiting", "running", "stopped", "failed", "done")


@dataclass(frozen=True)
class Outcome:
    """The end of a job."""

    error: str  # "": the job succeeded
    seconds: float


Event = str | Outcome
"""An event of a running job: a line that it printed, or its end."""
Listener = Callable[[Event], None]


class Runner(Protocol):
    """Starts jobs, each in a slot of its own."""

    @property
    def slots(self) -> Sequence[Slot]:
        """The slots; their number limits how many jobs run at the same time."""

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        """Start ``job`` in ``slot`` and return a function that interrupts it.

        Another thread passes the job's lines to ``listener``, and at last its ``Outcome``. Any error that ``start``
        raises becomes the outcome of the job.
        """


@dataclass(eq=False)
class Entry:
    """A job in a queue, with its state and its progress."""

    job: Job
    state: str = WAITING
    share: float = 0.0  # of the work that is done, 0 to 1
    seconds_left: float | None = None  # estimated; None: unknown
    text: str = ""  # what the job does, or why it failed
    seconds: float = 0.0  # that the job took

    @property
    def is_active(self) -> bool:
        """Whether the job runs, or waits for its turn."""
        return self.state in (WAITING, RUNNING)

    @property
    def error(self) -> str:
        """Why the job failed; "" if it did not."""
        return self.text if self.state == FAILED else ""

    def on_message(self, message: Message) -> None:
        """Record the progress that the job reports."""
        self.share, self.text = max(self.share, message.share), message.text or self.text
        self.seconds_left = message.seconds_left if message.losses else self.seconds_left


class Queue:
    """Runs jobs in the order of their submission, as many at the same time as the runner has slots.

    Arguments:
        runner: starts the jobs.
        listener: is called with each event of an entry, under the lock: it must be quick. Its errors are logged.
    """

    def __init__(self, runner: Runner, listener: Callable[[Entry, Event], None]) -> None:
        self.runner, self.listener = runner, listener
        self.lock = threading.Condition(threading.RLock())  # guards all that follows, and each entry
        self.free = deque(runner.slots)
        self.waiting: list[Entry] = []
        self.running: dict[Entry, tuple[Slot, Callable[[], None]]] = {}  # the runner still has these, even if stopped
        self.is_closed = False

    def submit(self, entry: Entry) -> None:
        """Append ``entry`` to the queue."""
        with self.lock:
            entry.state, entry.text = WAITING, ""
            self.waiting.append(entry)
            self._start_waiting()

    def stop(self, entry: Entry) -> None:
        """Interrupt ``entry`` as Ctrl-C does; if it waits for its turn, it does not start."""
        with self.lock:
            before = entry.state
            if entry.is_active:
                entry.state = STOPPED
            if before == WAITING:
                self.waiting.remove(entry)
            elif before == RUNNING:
                self.running[entry][1]()

    def resume(self, entry: Entry) -> None:
        """Submit ``entry`` again, unless it runs or waits; it starts after its interrupted process has ended."""
        with self.lock:
            if not entry.is_active:
                self.submit(entry)

    def on_event(self, entry: Entry, event: Event) -> None:
        """Receive an event of ``entry`` from the runner."""
        with self.lock:
            if isinstance(event, str):
                message = Message.decode(event)
                if message is not None:
                    entry.on_message(message)
                self._tell(entry, event if message is None else message.text)
            else:
                self.free.append(self.running.pop(entry)[0])
                self._end(entry, event)
                self._start_waiting()

    def close(self, patience: float | None = None) -> None:
        """Stop all entries and wait until their processes have ended, for at most ``patience`` seconds."""
        with self.lock:
            self.is_closed = True
            for entry in [*self.waiting, *self.running]:
                with suppress(Exception):  # an entry that can't be interrupted must not keep the others running
                    self.stop(entry)
            self.lock.wait_for(lambda: not self.running, patience)

    def _start_waiting(self) -> None:
        """Start the entries whose turn it is."""
        for entry in list(self.waiting):
            if self.is_closed or not self.free:
                return
            if entry in self.running:
                continue  # its interrupted process has not ended yet
            self.waiting.remove(entry)
            entry.state, slot = RUNNING, self.free.popleft()
            try:
                self.running[entry] = slot, self.runner.start(entry.job, slot, partial(self.on_event, entry))
            except Exception as error:  # whatever it is, the other entries must run
                self.free.appendleft(slot)
                self._end(entry, Outcome(describe_error(error), 0.0))

    def _end(self, entry: Entry, outcome: Outcome) -> None:
        """Set the final state of ``entry``; if it was stopped or resumed in the meantime, an error is no failure."""
        entry.seconds = outcome.seconds
        if not outcome.error:
            if entry in self.waiting:
                self.waiting.remove(entry)
            entry.state, entry.share = DONE, 1.0
        elif entry.state == RUNNING:
            entry.state, entry.text = FAILED, outcome.error
        self._tell(entry, outcome)
        self.lock.notify_all()

    def _tell(self, entry: Entry, event: Event) -> None:
        """Pass ``event`` to the listener, whose errors must not stop the queue."""
        try:
            self.listener(entry, event)
        except Exception:
            LOG.exception("an event of %s is lost", entry.job.name)
