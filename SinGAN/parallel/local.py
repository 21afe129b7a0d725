"""Runs jobs as processes of this machine."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SinGAN
from SinGAN.options.run import LIFELINE
from SinGAN.parallel.jobs import Job, Slot, describe_error, describe_exit
from SinGAN.parallel.queue import Listener, Outcome

PROGRAM = Path(SinGAN.__file__).with_name("__main__.py")


@dataclass(frozen=True)
class LocalRunner:
    """Runs jobs as processes of this machine.

    The standard input of a process is a pipe that ends with its parent, however that was killed; then the process ends,
    too (``terminal.script.follow_parent``).
    """

    slots: Sequence[Slot]
    environment: Mapping[str, str]  # variables that the processes get in addition to those of this process

    def start(self, job: Job, slot: Slot, listener: Listener) -> Callable[[], None]:
        """Start the process of ``job``, and a thread that follows it."""
        changes = {
            "OMP_NUM_THREADS": str(slot.threads),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            LIFELINE: "1",
        }
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *job.arguments(slot)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **changes, **self.environment},
            start_new_session=True,  # only we pass Ctrl-C on, once
        )
        try:
            threading.Thread(target=_follow, args=(process, listener), daemon=True).start()
        except RuntimeError:  # there are too many threads
            process.kill()
            process.communicate()
            raise
        return partial(process.send_signal, signal.SIGINT if os.name == "posix" else signal.SIGTERM)


def _follow(process: "subprocess.Popen[str]", listener: Listener) -> None:
    """Pass the lines of ``process`` and its outcome to ``listener``."""
    last, error, start = "", "", time.monotonic()
    with process:
        try:
            for line in process.stdout or ():
                last = line.rstrip("\n")
                listener(last)
        except Exception as caught:  # a line that can't be read must not leave the job running for ever
            process.kill()
            error = describe_error(caught)
    listener(Outcome(error or describe_exit(process.returncode, last), time.monotonic() - start))
