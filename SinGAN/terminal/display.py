"""Parallel jobs on a terminal: one bar for all of them, and a table at the end."""

import sys
from collections.abc import Collection, Sequence
from queue import SimpleQueue

from tqdm import tqdm

from SinGAN.parallel.jobs import Job
from SinGAN.parallel.queue import DONE, WAITING, Entry, Event, Outcome, Queue, Runner
from SinGAN.runs.progress import duration
from SinGAN.storage.escaping import escape_controls
from SinGAN.terminal.messages import say
from SinGAN.terminal.table import table


class TerminalDisplay:
    """A bar on a terminal; elsewhere each line that a job prints, after the name of its picture."""

    def __init__(self, count: int) -> None:
        self.shares: dict[Entry, float] = {}
        form = "{l_bar}{bar}| {n:.1f} of {total} pictures [{elapsed}, {remaining} left{postfix}]"
        self.bar = tqdm(total=count, bar_format=form, disable=not sys.stderr.isatty(), dynamic_ncols=True)

    def show(self, entry: Entry, event: Event) -> None:
        """Show an event of ``entry``."""
        has_ended = isinstance(event, Outcome)
        share = 1.0 if has_ended else entry.share
        self.bar.update(share - self.shares.get(entry, 0.0))
        self.shares[entry] = share
        if has_ended and entry.error and not self.bar.disable:  # elsewhere the job's own line was shown
            tqdm.write(escape_controls(f"{entry.job.name}: {entry.error}"), file=sys.stderr)
        elif event and not has_ended and self.bar.disable:
            say(f"{entry.job.name}: {event}")


def run_all(jobs: Sequence[Job], runner: Runner, done: Collection[Job] = ()) -> int:
    """Run ``jobs``, except those that are ``done``, and print a table; returns the exit status: 1 if any failed."""
    events: SimpleQueue[tuple[Entry, Event]] = SimpleQueue()  # other threads report, this one shows
    queue, display = Queue(runner, lambda entry, event: events.put((entry, event))), TerminalDisplay(len(jobs))
    entries = [Entry(job, DONE if job in done else WAITING) for job in jobs]
    try:
        for entry in entries:
            if entry.state == DONE:
                display.show(entry, f"already there: {entry.job.folder}")
                display.show(entry, Outcome("", 0.0))
            else:
                queue.submit(entry)
        left = sum(job not in done for job in jobs)
        while left:
            entry, event = events.get()
            display.show(entry, event)
            left -= isinstance(event, Outcome)
    finally:
        queue.close()
        display.bar.close()
    say(*outcome_table(entries))
    return int(any(entry.error for entry in entries))


def outcome_table(entries: Sequence[Entry]) -> list[str]:
    """A line for each entry: picture, state, time, and the model's folder, unless several jobs share a picture."""
    has_labels = any(entry.job.label for entry in entries)
    rows = [("training", "state", "time", "") if has_labels else ("picture", "state", "time", "folder")]
    for entry in entries:
        folder = "" if entry.job.label else str(entry.job.folder)
        rows.append((entry.job.name, entry.state, duration(entry.seconds), entry.error or folder))
    return table(rows)
