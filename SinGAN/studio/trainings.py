"""The trainings of the page: a queue of processes, each of which can be watched, stopped and gone on with.

The page may be closed, and the server may end: a training goes on from its last checkpoint.
"""

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SinGAN.options.model import ModelOptions
from SinGAN.options.option import checked, options_of
from SinGAN.options.tasks import ANIMATION, TASKS, TRAIN, Task
from SinGAN.parallel.jobs import Job, Outcome
from SinGAN.parallel.local import LocalRunner
from SinGAN.runs.events import Message
from SinGAN.storage import layout
from SinGAN.storage.files import regular
from SinGAN.studio.workspace import FOLDER, Chosen, readable, write_json

WAITING, RUNNING, STOPPED, FAILED, DONE = "waiting", "training", "stopped", "failed", "done"
PATIENCE = 10.0  # seconds that a training which was stopped is given to end
KEPT = 400  # points of a loss curve: of more, every second one goes
PURPOSES: dict[str, tuple[Task, str, tuple[str, ...]]] = {
    "new pictures, edits, paints": (TRAIN, "train", ("--num_samples=8",)),
    "animations": (ANIMATION, "animate", ("--num_frames=40", "--animation_start_scale=2", "--beta_animation=0.9")),
}
"""What a model can be trained for: the task, its command, and what flags of the command stay small."""
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"max_size": 100, "niter": 200},
    "good": {"max_size": 160, "niter": 1000},
    "paper": {"max_size": 250, "niter": 2000},
}
FILES = ("netG", "netD")  # options that may name a file: on the page they may not


@dataclass
class Training:
    """A training that somebody asked for."""

    owner: str
    title: str  # of the picture
    job: Job
    number: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = WAITING
    share: float = 0.0  # of it that is done
    seconds_left: float | None = None
    text: str = ""  # what it does, or why it failed
    curve: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)  # of points: when, the losses by name
    points: int = 0  # events that came so far
    every: int = 1  # of which one in so many is kept

    @property
    def is_active(self) -> bool:
        """Whether it runs, or waits for its turn."""
        return self.state in (WAITING, RUNNING)

    def heard(self, message: Message) -> None:
        """Take what its process tells."""
        self.share, self.text = max(self.share, message.share), message.text or self.text
        if not message.losses:
            return
        self.seconds_left = message.seconds_left
        if self.points % self.every == 0:
            self.curve.append((self.points, message.losses))
        self.points += 1
        if len(self.curve) > KEPT:
            self.curve, self.every = self.curve[::2], 2 * self.every

    def scales(self) -> list[tuple[Path, str]]:
        """The pictures of each finished scale, with their captions: a sample, and the training picture given back."""
        found = []
        for place in sorted(self.job.folder.glob("[0-9]*"), key=lambda place: int(place.name)):
            for name, words in (("fake_sample", "a sample"), ("G(z_opt)", "the picture given back")):
                if (place / f"{name}.png").is_file():
                    found.append((place / f"{name}.png", f"scale {place.name}: {words}"))
        return found


class Trainings:
    """All trainings, run in turn by ``runner``; which there are stands in a file of the output folder."""

    def __init__(self, runner: LocalRunner, out: Path) -> None:
        self.runner, self.out, self.file = runner, out, out / FOLDER / "trainings.json"
        self.lock = threading.Lock()
        self.threads: dict[str, threading.Thread] = {}
        self.all = {training.number: training for training in self._read()}

    def begin(self, owner: str, chosen: Chosen, purpose: str, options: Mapping[str, Any]) -> Training:
        """Put a training of ``chosen`` into the queue, for ``purpose``; ``options`` are the model's, by name.

        Raises:
            ValueError: an option is out of range, or the same training is in the queue.
        """
        if not owner:
            raise ValueError("the page is not ready yet: load it again")
        task, command, small = PURPOSES[purpose]
        for name in FILES:
            if name in options and options[name] not in options_of(ModelOptions)[name].choices:
                raise ValueError(f"`{name}` can't name a file here: leave it out")
        asked = ModelOptions.for_task(TASKS[task.name], checked(ModelOptions, options))
        name = layout.stem(chosen.file.name)
        place = layout.trained_for_animation(self.out, name, asked.scale_factor, asked.label)
        if task is TRAIN:
            place = layout.trained(self.out, name, asked.scale_factor, asked.alpha, asked.label)
        flags = tuple(flag for option, value in options.items() for flag in as_flags(option, value))
        job = Job(chosen.file.resolve(), command, (*flags, *small, f"--out={self.out}", "--checkpoint_every=20"), place)
        with self.lock:
            if any(other.job.folder == place and other.is_active for other in self.all.values()):
                raise ValueError("this model is being trained already: wait for its end, or stop it")
            training = Training(owner, chosen.title, job)
            self.all[training.number] = training
        self._start(training)
        return training

    def stop(self, owner: str, number: str) -> None:
        """Stop a training of ``owner``'s; what it learned up to its last checkpoint stays."""
        training = self._of(owner, number)
        if training.is_active:
            training.state = STOPPED
            self.runner.stop(training.job)
            self._write()

    def go_on(self, owner: str, number: str) -> None:
        """Go on with a training of ``owner``'s that was stopped, or failed."""
        training = self._of(owner, number)
        thread = self.threads.get(number)
        if thread is not None:
            thread.join(PATIENCE)  # it may be ending still
        if not training.is_active:
            training.state, training.text = WAITING, ""
            self.runner.allow(training.job)
            if thread is None or not thread.is_alive():  # else it waits for its turn still
                self._start(training)

    def of(self, owner: str) -> list[Training]:
        """The trainings of ``owner``, the newest first."""
        return [training for training in reversed(self.all.values()) if training.owner == owner]

    def close(self) -> None:
        """End all processes; their trainings count as stopped."""
        for training in self.all.values():
            if training.is_active:
                training.state = STOPPED
                self.runner.stop(training.job)
        for thread in self.threads.values():
            thread.join(timeout=20)
        self._write()

    def report(self, job: Job, line: str) -> None:
        """Receive a line that the process of ``job`` printed."""
        for training in self.all.values():
            if training.job is job:
                if training.state == WAITING:
                    training.state = RUNNING
                message = Message.decoded(line)
                if message is not None:
                    training.heard(message)

    def ended(self, outcome: Outcome) -> None:
        """Receive the outcome of a training."""
        for training in self.all.values():
            if training.job is outcome.job and training.state != STOPPED:
                training.state = FAILED if outcome.error else DONE
                training.text = outcome.error or training.text
                training.share = training.share if outcome.error else 1.0
        self._write()

    def _of(self, owner: str, number: str) -> Training:
        training = self.all.get(number)
        if training is None or training.owner != owner:
            raise ValueError("there is no such training of yours")
        return training

    def _start(self, training: Training) -> None:
        """Run ``training`` when its turn comes."""

        def run() -> None:
            self.ended(self.runner.run(training.job, self))

        thread = threading.Thread(target=run, daemon=True)
        self.threads[training.number] = thread
        self._write()
        thread.start()

    def _write(self) -> None:
        """Write which trainings there are."""
        entries = [
            {
                "owner": training.owner,
                "title": training.title,
                "number": training.number,
                "state": training.state,
                "share": training.share,
                "text": training.text,
                "picture": str(training.job.picture),
                "command": training.job.command,
                "flags": training.job.flags,
                "folder": str(training.job.folder),
            }
            for training in list(self.all.values())
        ]
        with self.lock:
            write_json(self.file, entries)

    def _read(self) -> list[Training]:
        """The trainings that the file tells of: those that ran when the server ended are stopped."""
        if not self.file.exists():
            return []
        try:
            entries = json.loads(regular(self.file).read_text())
            return [_restored(entry) for entry in entries]
        except (ValueError, KeyError, TypeError):
            return []  # it only tells what there is: the models are in their folders


def _restored(entry: Mapping[str, Any]) -> Training:
    """The training that ``entry`` of the file describes."""
    job = Job(Path(entry["picture"]), entry["command"], tuple(entry["flags"]), Path(entry["folder"]))
    training = Training(entry["owner"], entry["title"], job, entry["number"], entry["state"], entry["share"])
    training.text = entry["text"]
    if training.is_active:
        model = readable(job.folder)
        training.state = DONE if model is not None and model.is_whole else STOPPED
    return training


def as_flags(name: str, value: Any) -> list[str]:
    """The option ``name`` with ``value`` as words of a command line."""
    if value is None or value is False:
        return []
    return [f"--{name}"] if value is True else [f"--{name}={value}"]
