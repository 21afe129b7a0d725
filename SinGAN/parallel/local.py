"""Jobs as processes of this machine."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import SinGAN
from SinGAN.parallel.jobs import Display, Job, Outcome, Slot, reason

PROGRAM = Path(SinGAN.__file__).with_name("__main__.py")


class LocalRunner:
    """Runs jobs as processes of this machine, one in each of ``places``."""

    def __init__(self, places: Sequence[Slot], environment: Mapping[str, str]) -> None:
        """``environment``: variables that the processes get in addition to this one's."""
        self.free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in places:
            self.free.put(slot)
        self.workers = len(places)
        self.environment = environment
        self.running: dict[Job, subprocess.Popen[str]] = {}
        self.barred: set[Job] = set()  # not to be started
        self.lock = threading.Lock()  # on ``running``, ``barred`` and ``stopped``
        self.stopped = False

    def __call__(self, jobs: Sequence[Job], display: Display) -> list[Outcome]:
        """Run all ``jobs``; returns their outcomes in the order of ``jobs``."""
        outcomes = {}
        pool = ThreadPoolExecutor(self.workers)
        try:
            for future in as_completed([pool.submit(self.run, job, display) for job in jobs]):
                outcome = future.result()
                outcomes[outcome.job] = outcome
                display.ended(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with self.lock:
                self.stopped = True
                for process in self.running.values():
                    _interrupt(process)
            raise
        finally:
            pool.shutdown()
        return [outcomes[job] for job in jobs]

    def run(self, job: Job, display: Display) -> Outcome:
        """Run ``job`` in the next free slot, and wait for it."""
        slot, last, start = self.free.get(), "", time.monotonic()
        try:
            process = self._start(job, slot)
            if process is None:
                return Outcome(job, "interrupted", 0.0)
            with process:
                for line in process.stdout or ():
                    last = line.rstrip("\n")
                    display.report(job, last)
            with self.lock:
                self.running.pop(job, None)
            return Outcome(job, reason(process.returncode, last), time.monotonic() - start)
        finally:
            self.free.put(slot)

    def _start(self, job: Job, slot: Slot) -> "subprocess.Popen[str] | None":
        """The process of ``job``; None where the runner, or the job, is stopped."""
        changes = {"OMP_NUM_THREADS": str(slot.threads), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        changes |= self.environment
        with self.lock:
            if self.stopped or job in self.barred:
                return None
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *job.arguments(slot)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **changes},
                start_new_session=True,  # Ctrl-C reaches it through us, once
            )
            self.running[job] = process
            return process

    def stop(self, job: Job) -> None:
        """Interrupt ``job``, as Ctrl-C does; where it waits for its slot, it is not started."""
        with self.lock:
            self.barred.add(job)
            if job in self.running:
                _interrupt(self.running[job])

    def allow(self, job: Job) -> None:
        """Let ``job``, which was stopped, be started again."""
        with self.lock:
            self.barred.discard(job)


def _interrupt(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
