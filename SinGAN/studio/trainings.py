"""The trainings of the page: a queue of processes that people watch, stop and resume.

Trainings do not depend on the page, which may be closed. If the server ends, they resume from their last checkpoint.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SinGAN.options.growing import HYBRID
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import check_values, get_options
from SinGAN.options.tasks import ANIMATION, TASKS, TRAIN, Task
from SinGAN.parallel.jobs import Job
from SinGAN.parallel.queue import DONE, STATES, STOPPED, Entry, Event, Outcome, Queue, Runner
from SinGAN.runs.events import Message
from SinGAN.storage import layout, pretrained
from SinGAN.storage.files import check_regular, whole_file
from SinGAN.storage.hashes import sha256
from SinGAN.studio.errors import plain
from SinGAN.studio.tools import label_of
from SinGAN.studio.workspace import FOLDER, Chosen, find_readable

LOG = logging.getLogger(__name__)
POINTS, LISTED = 400, 200  # of a loss curve, and trainings in the list, at most
PURPOSES: dict[str, tuple[Task, str, tuple[str, ...]]] = {
    "new pictures, edits, paints": (TRAIN, "train", ("--num_samples=8",)),
    "animations": (ANIMATION, "animate", ("--num_frames=40", "--animation_start_scale=2", "--beta_animation=0.9")),
}
"""The purposes of a model: the task, its command, and flags that keep the command's own results small."""
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"max_size": 100, "niter": 200},
    "good": {"max_size": 160, "niter": 1000},
    "paper": {"max_size": 250, "niter": 2000},
    "full size": {"train_mode": HYBRID, "niter": 1000},
}
FILES = ("netG", "netD")  # options that may name a file, but not on the page
OF_TRAINING = ("owner", "title", "state", "share", "text", "begun")
OF_JOB = ("picture", "command", "flags", "folder")
"""The attributes that the list of trainings holds."""


@dataclass(eq=False, kw_only=True)
class Training(Entry):
    """A training in the queue."""

    owner: str
    title: str  # of the picture
    begun: float = 0.0  # when it was submitted, in seconds since 1970
    curve: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)  # update, losses by name
    updates: int = 0  # messages with losses so far
    stride: int = 1  # updates from one point of the curve to the next

    @property
    def is_for_films(self) -> bool:
        """Whether its model is for animations."""
        return (ANIMATION, self.job.command) in [(task, command) for task, command, _ in PURPOSES.values()]

    def on_message(self, message: Message) -> None:
        """Record the progress and the losses that the process reports."""
        super().on_message(message)
        if not message.losses:
            return
        if self.updates % self.stride == 0:
            self.curve.append((self.updates, message.losses))
        self.updates += 1
        if len(self.curve) > POINTS:
            self.curve, self.stride = self.curve[::2], 2 * self.stride

    def scales(self) -> list[tuple[Path, str]]:
        """The pictures of each scale that this training finished, with captions: a sample, and the reconstruction."""
        found = []
        for place in sorted(self.job.folder.glob("[0-9]*"), key=lambda place: int(place.name)):
            for name, words in (("fake_sample", "sample"), ("G(z_opt)", "rebuilt")):
                file = place / f"{name}.png"
                if file.is_file() and (self.state == DONE or file.stat().st_mtime >= self.begun - 2):
                    found.append((file, f"{words} {place.name}"))
        return found


class Trainings:
    """The trainings of all owners, by id. A file in the output folder lists them for the next start of the server."""

    def __init__(self, runner: Runner, out: Path) -> None:
        self.out, self.file = out, out / FOLDER / "trainings.json"
        self.queue = Queue(runner, self._on_event)
        self.all = {training.job.id: training for training in self._read()}  # guarded by the queue's lock

    def begin(
        self, owner: str, chosen: Chosen, purpose: str, options: Mapping[str, Any], overwrite: bool = False
    ) -> Training:
        """Submit a training of ``chosen`` for ``purpose`` with the model's ``options`` by name.

        If the owner's own training of this model is active, it is returned, and nothing begins.

        Arguments:
            owner: of the training.
            chosen: the picture.
            purpose: one of ``PURPOSES``.
            options: of the model, by name.
            overwrite: whether another model of the picture, with other options, is replaced.

        Raises:
            ValueError: an option is out of range, or somebody else trains the same model.
        """
        if not owner:
            raise ValueError("the page is not ready yet: load it again")
        _, command, small = PURPOSES[purpose]
        folder, model = self._model(chosen, purpose, options)
        if model.training.uses_vgg:
            pretrained.check_may_download(pretrained.VGG16)
        shown = [(option, value) for option, value in options.items() if value is not None and value is not False]
        flags = [f"--{option}" if value is True else f"--{option}={value}" for option, value in shown]
        flags += [*small, f"--out={self.out}", "--checkpoint_every=20", *(["--overwrite"] if overwrite else [])]
        job = Job(chosen.file.resolve(), command, tuple(flags), folder)
        training = Training(job=job, owner=owner, title=chosen.title, begun=time.time())
        with self.queue.lock:
            active = self._active(folder)
            if active is not None and active.owner == owner:
                return active
            self._check_free(folder)
            self.all[job.id] = training
            ended = [old.job.id for old in self.all.values() if not old.is_active]
            for old in ended[: max(0, len(self.all) - LISTED)]:
                del self.all[old]
            self.queue.submit(training)
            self._write()
        return training

    def differences(self, chosen: Chosen, purpose: str, options: Mapping[str, Any]) -> list[str]:
        """How the model that is in the way of a training differs from it; nothing if none is in the way."""
        folder, model = self._model(chosen, purpose, options)
        saved = find_readable(folder)
        if saved is None or self._active(folder) is not None:
            return []
        found = saved.manifest.differences(model.as_dict())
        return found or ([] if saved.manifest.sha256 == sha256(chosen.file.read_bytes()) else ["another picture"])

    def second(self, chosen: Chosen, purpose: str, options: Mapping[str, Any], pictures: Path) -> Chosen:
        """The same picture under a new name in the folder ``pictures``: its model has a folder of its own."""
        for number in range(2, LISTED):
            place = pictures / f"{chosen.file.stem}_{number}{chosen.file.suffix}"
            copy = Chosen(place, f"{chosen.title} {number}")
            if not place.exists():
                with whole_file(place) as draft:
                    shutil.copyfile(chosen.file, draft)
            folder, _ = self._model(copy, purpose, options)
            if not folder.exists():
                return copy
        raise ValueError("there are too many models of this picture: replace one")

    def _model(self, chosen: Chosen, purpose: str, options: Mapping[str, Any]) -> tuple[Path, ModelOptions]:
        """The folder of the model, and its options.

        Raises:
            ValueError: an option is out of range.
        """
        task = PURPOSES[purpose][0]
        for name in FILES:
            if name in options and options[name] not in get_options(ModelOptions)[name].choices:
                raise ValueError(f"`{name}` can't name a file here: leave it out")
        model = ModelOptions.for_task(TASKS[task.name], check_values(ModelOptions, options))
        name = layout.stem(chosen.file.name)
        if task is TRAIN:
            return layout.model_folder(self.out, name, model.scale_factor, model.alpha, model.label), model
        return layout.trained_for_animation(self.out, name, model.scale_factor, model.label), model

    def stop(self, owner: str, training_id: str) -> None:
        """Stop a training of ``owner``; what it learned until its last checkpoint is kept."""
        with self.queue.lock:
            self.queue.stop(self._of(owner, training_id))
            self._write()

    def resume(self, owner: str, training_id: str) -> None:
        """Resume a training of ``owner`` that was stopped, or failed.

        Raises:
            ValueError: there is no such training, or another one of the same model is active.
        """
        with self.queue.lock:
            training = self._of(owner, training_id)
            if not training.is_active:
                self._check_free(training.job.folder)
                self.queue.resume(training)
                self._write()

    def of(self, owner: str) -> list[Training]:
        """The trainings of ``owner``, the newest first."""
        with self.queue.lock:
            return [training for training in reversed(self.all.values()) if training.owner == owner]

    def close(self) -> None:
        """Stop all trainings and wait until their processes have ended."""
        self.queue.close(patience=20)
        with self.queue.lock:
            self._write()

    def _of(self, owner: str, training_id: str) -> Training:
        training = self.all.get(training_id)
        if training is None or training.owner != owner:
            raise ValueError("there is no such training of yours")
        return training

    def _active(self, folder: Path) -> Training | None:
        with self.queue.lock:
            return next((one for one in self.all.values() if one.job.folder == folder and one.is_active), None)

    def _check_free(self, folder: Path) -> None:
        if self._active(folder) is not None:
            raise ValueError("this model is being trained already: wait for its end, or stop it")

    def _on_event(self, entry: Entry, event: Event) -> None:
        if isinstance(event, Outcome):
            entry.text = plain(entry.text)  # the page shows it
            self._write()

    def _write(self) -> None:
        """Write the list. On a full disk it is lost, but no training."""
        entries = [
            {name: getattr(training, name) for name in OF_TRAINING}
            | {name: getattr(training.job, name) for name in OF_JOB}
            | {"number": training.job.id}
            for training in self.all.values()
        ]
        try:
            with whole_file(self.file) as draft:
                draft.write_text(json.dumps(entries, indent=1, default=str) + "\n")
        except OSError as error:
            LOG.warning("the list of trainings can't be written: %s: %s", error.strerror or error, self.file)

    def _read(self) -> list[Training]:
        """The trainings in the list, without entries that can't be read: their models remain in their folders."""
        try:
            entries = json.loads(check_regular(self.file).read_text()) if self.file.exists() else []
        except (OSError, ValueError, RecursionError) as error:
            LOG.warning("the list of trainings can't be read (%s): %s", error, self.file)
            return []
        found = list(filter(None, map(_restored, entries if isinstance(entries, list) else [entries])))
        if not isinstance(entries, list) or len(found) < len(entries):
            LOG.warning("some entries of the list of trainings can't be read and are left out: %s", self.file)
        return found


def _restored(entry: Any) -> Training | None:
    """The training that ``entry`` of the list describes; None if it can't be read.

    A training that was active when the server ended is done if its model is complete, and stopped if not.
    """
    try:
        texts = [entry[name] for name in ("owner", "title", "number", "state", "text", "picture", "command", "folder")]
        share, flags, begun = float(entry["share"]), entry["flags"], float(entry.get("begun", 0))
        words = [*texts, *flags] if isinstance(flags, list) else [None]
        if not all(isinstance(word, str) and "\0" not in word for word in words):
            return None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    owner, title, training_id, state, text, picture, command, folder = texts
    if command not in {known for _, known, _ in PURPOSES.values()}:
        return None
    job = Job(Path(picture), command, tuple(flags), Path(folder), id=training_id)
    share = min(1.0, max(0.0, share))
    training = Training(job=job, owner=owner, title=title, state=state, share=share, text=text, begun=begun)
    if training.is_active or state not in STATES:  # also "training", as older versions wrote
        model = find_readable(job.folder)
        training.state = DONE if model is not None and model.is_whole else STOPPED
    return training


def plain_words(text: str) -> str:
    """A line of a training, or the one in which it failed, for people who know no flags."""
    words = re.sub(r"^[\w. ]+: error: ", "", text)
    return re.sub(r"--(\w+)", lambda flag: label_of(flag[1])[0].lower(), words)
