"""Many jobs on a terminal: one bar over all of them, and a table at the end."""

import sys
import threading
from collections.abc import Callable, Sequence

from tqdm import tqdm

from SinGAN.parallel.jobs import Display, Job, Outcome
from SinGAN.runs.events import Message
from SinGAN.runs.progress import duration
from SinGAN.terminal.table import table

Runner = Callable[[Sequence[Job], Display], list[Outcome]]


class TerminalDisplay:
    """One bar over all jobs on a terminal; elsewhere each line that a job prints, after its picture's name."""

    def __init__(self, count: int) -> None:
        self.shares: dict[Job, float] = {}
        self.lock = threading.Lock()
        form = "{l_bar}{bar}| {n:.1f} of {total} pictures [{elapsed}, {remaining} left{postfix}]"
        self.bar = tqdm(total=count, bar_format=form, disable=not sys.stderr.isatty(), dynamic_ncols=True)

    def report(self, job: Job, line: str) -> None:
        message = Message.decoded(line)
        text = line if message is None else message.text
        with self.lock:
            if message is not None and message.share:
                self._advance(job, message.share)
            if text and self.bar.disable:
                print(f"{job.name}: {text}", flush=True)

    def ended(self, outcome: Outcome) -> None:
        with self.lock:
            self._advance(outcome.job, 1.0)
            if outcome.error and not self.bar.disable:  # elsewhere its own line was shown
                tqdm.write(f"{outcome.job.name}: {outcome.error}", file=sys.stderr)

    def _advance(self, job: Job, share: float) -> None:
        self.bar.update(share - self.shares.get(job, 0.0))
        self.shares[job] = share

    def close(self) -> None:
        self.bar.close()


def run_all(jobs: Sequence[Job], runner: Runner) -> int:
    """Run all ``jobs`` by ``runner``, print a table of the outcomes; returns the exit status: 1 where any failed."""
    display = TerminalDisplay(len(jobs))
    try:
        outcomes = runner(jobs, display)
    finally:
        display.close()
    print(*outcome_table(outcomes), sep="\n")
    return int(any(outcome.error for outcome in outcomes))


def outcome_table(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each job: picture, state, time and the model's folder; of several jobs of one picture no folder."""
    of_one = any(outcome.job.label for outcome in outcomes)
    rows = [("training", "state", "time", "") if of_one else ("picture", "state", "time", "folder")]
    for outcome in outcomes:
        state, place = "failed" if outcome.error else "done", "" if outcome.job.label else str(outcome.job.folder)
        rows.append((outcome.job.name, state, duration(outcome.seconds), outcome.error or place))
    return table(rows)
