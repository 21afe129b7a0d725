"""Recording a training as files while it runs: checkpoints, nets of some epochs, losses, and a page of pictures."""

import csv
import io
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from Pix2Pix.data.layouts import read_sides
from Pix2Pix.options import TrainOptions
from Pix2Pix.request import Request, make_preparation
from Pix2Pix.runs import folder as folders
from Pix2Pix.runs import further
from Pix2Pix.runs.training import Trainer
from SinGAN.engines.engine import Engine
from SinGAN.pictures import images
from SinGAN.runs.events import NOBODY, Watcher
from SinGAN.runs.results import plot_losses
from SinGAN.storage import checkpoints
from SinGAN.storage.files import discard, list_entries, remove_if_empty, replace_folder, write_whole
from SinGAN.storage.layout import guard, work_folder
from SinGAN.storage.recovery import locked

PRINT_EVERY = 100  # steps from one line of loss_log.txt to the next
SHOWN = ("real_A", "fake_B", "real_B")


def load_or_train(
    place: Path,
    name: str,
    asked: Request,
    engine: Engine,
    device: torch.device,
    options: TrainOptions,
    seed_matters: bool = False,
    watcher: Watcher = NOBODY,
) -> bool:
    """Train the model in the folder ``place``, or resume its training; returns whether there was anything to do.

    If ``seed_matters``, a model with another seed is another model.

    Raises:
        FileNotFoundError: there is no model to train further.
        ValueError: the folder holds another model, a link leads out of it, or the training diverged.
    """
    guard(options.out, [place])
    further.check_flags(options)
    wanted = folders.Manifest.of(name, asked, device, engine.describe())
    if options.continue_train and not list_entries(place):
        raise FileNotFoundError(f"no model in {place} to train further: leave `continue_train` out, or correct `name`")
    with locked(place):
        start, there = None, folders.Manifest.find(place)
        if options.continue_train and is_done(place) and (there is None or there.differences(wanted, False)):
            start = further.Start.of(place, options, there, wanted)
            seed = wanted.seed if seed_matters or there is None else there.seed
            wanted = replace(wanted, first_epoch=start.first, base=start.base, seed=seed)
        work = work_folder(place) if (options.overwrite or start) and list_entries(place) else place
        manifest = folders.Manifest.find(work) or wanted
        if differences := manifest.differences(wanted, seed_matters, starts=work != place):
            if work == place:
                more = " `continue_train` trains it further;" if manifest.grows_to(wanted) and is_done(place) else ""
                raise ValueError(
                    f"{place} holds another model: {'; '.join(differences)}.{more} `overwrite` replaces it; another "
                    "`name` keeps both"
                )
            discard(work)
            manifest = wanted
        is_new = not is_done(work)
        if is_new:
            fresh = [path for path in (work, *work.parents) if not path.exists()]
            try:
                Recorder(work, manifest, asked, options, start).train(engine, device, watcher)
            except BaseException:
                if not any(checkpoints.list_files(work)):
                    discard(work)
                    remove_if_empty(fresh[1:])
                raise
        if work != place:  # also where a process was killed when all but this was done
            replace_folder(work, place)
    return is_new or work != place


def is_done(place: Path) -> bool:
    """Whether the training in the folder ``place`` is done: while it is not, there is a checkpoint or no net."""
    return folders.net_file(place, folders.LATEST, "G").exists() and not any(checkpoints.list_files(place))


class Recorder:
    """Records one training in the folder ``work``."""

    def __init__(
        self,
        work: Path,
        manifest: folders.Manifest,
        asked: Request,
        options: TrainOptions,
        start: "further.Start | None",
    ) -> None:
        """The seed and first epoch of ``manifest`` replace those of ``asked``; ``start``: the model to continue."""
        self.work, self.manifest, self.options, self.start = work, manifest, options, start
        self.asked = replace(asked, seed=manifest.seed, first_epoch=manifest.first_epoch)
        self.last = time.monotonic()

    def train(self, engine: Engine, device: torch.device, watcher: Watcher) -> None:
        """Train from the last checkpoint, or the beginning, to the end."""
        rng = torch.Generator(device).manual_seed(self.asked.seed)
        nets = self.asked.nets(device, rng, self.options.vgg_weights)
        trainer = Trainer(self.asked, nets, rng, engine, watcher)
        digest = self.manifest.digest()
        found = checkpoints.find_undamaged(self.work, device, digest, lambda content, path: content, watcher.note)
        state = next(found, None)
        if state is not None:
            trainer.restore(state)
            watcher.note(f"{self.work}: resuming in epoch {trainer.epoch}, after step {trainer.step}")
        elif self.start is not None:
            self.start.load(nets, rng, self.asked.seed)
            watcher.note(
                f"{self.start.place}: continuing the training from epoch {self.start.first} to {self.asked.epochs}"
            )
        self.work.mkdir(parents=True, exist_ok=True)
        if self.start is not None:
            self.start.take_over(self.work)
        if not (self.work / folders.FILE).exists():
            self.manifest.write(self.work)

        if state is not None and trainer.step == 0:  # a process that died may have kept a part of its last epoch
            self.after_epoch(trainer, trainer.epoch - 1)

        def after_step() -> None:
            if time.monotonic() - self.last > self.options.checkpoint_every:
                self.checkpoint(trainer)

        trainer.run(after_step, lambda epoch: self.after_epoch(trainer, epoch))
        self.keep(trainer, folders.LATEST)
        checkpoints.remove(self.work)
        trainer.log.end_unit(0, {})

    def checkpoint(self, trainer: Trainer) -> None:
        """Write all that the next step depends on."""
        checkpoints.write(self.work, {**trainer.state(), "training": self.manifest.digest()})
        self.last = time.monotonic()

    def after_epoch(self, trainer: Trainer, epoch: int) -> None:
        """Keep the nets and some pictures, every few epochs."""
        if epoch % self.options.save_epoch_freq == 0 or epoch == self.asked.epochs:
            self.checkpoint(trainer)  # first: a net without a checkpoint is that of a finished training
            self.keep(trainer, str(epoch))
            self.keep(trainer, folders.LATEST)
            self.show(trainer, epoch)

    def keep(self, trainer: Trainer, epoch: str) -> None:
        """Keep the nets as those of ``epoch``; with the latest ones, the losses so far."""
        if trainer.nets.critic is not None:
            folders.save_net(self.work, epoch, "D", trainer.nets.critic)
        folders.save_net(self.work, epoch, "G", trainer.nets.generator)
        if epoch == folders.LATEST:
            write_losses(self.work, trainer)

    @torch.no_grad()
    def show(self, trainer: Trainer, epoch: int) -> None:
        """Write the first pair and its translation, and a page of all such pictures, the latest epoch first."""
        device, generator, place = trainer.rng.device, trainer.nets.generator, self.work / "web"
        a, b = make_preparation(self.asked.options).for_test()(*read_sides(self.asked.files[0]))
        before = trainer.rng.get_state(), {key: value.clone() for key, value in generator.state_dict().items()}
        fake: Tensor = generator(a[None].to(device))
        trainer.rng.set_state(before[0])  # looking changes nothing
        generator.load_state_dict(before[1])
        for name, image in zip(SHOWN, (a[None], fake.cpu(), b[None]), strict=True):
            images.write(place / "images" / f"epoch{epoch:03d}_{name}.png", image.clamp(-1, 1))
        epochs = {path.name.partition("_")[0] for path in (place / "images").glob("epoch*_fake_B.png")}
        folders.write_page(place, self.manifest.name, [(stem, SHOWN) for stem in sorted(epochs, reverse=True)])


def write_losses(place: Path, trainer: Trainer) -> None:
    """Write ``losses.csv``, its plot, and ``loss_log.txt`` in pix2pix's form."""
    names, rows, first = trainer.log.columns.names, trainer.rows().tolist(), trainer.asked.first_epoch
    steps, size = trainer.asked.steps, trainer.asked.options.batch_size
    table, log = [["epoch", "step", *names]], list[str]()
    earlier, lines = further.earlier_losses(place, first, table[0])
    table += earlier
    log += (f"{line}\n" for line in lines)
    values = [[float(cell) for cell in line[2:]] for line in earlier] + rows
    for index, row in enumerate(rows):
        epoch, step = index // steps + first, index % steps + 1
        table.append([str(epoch), str(step), *(f"{value:.6g}" for value in row[: len(names)])])
        if (index + 1) % PRINT_EVERY == 0:
            losses = " ".join(f"{name}: {value:.3f}" for name, value in zip(names, row, strict=False))
            log.append(f"(epoch: {epoch}, iters: {step * size}, time: {row[-2]:.3f}, data: {row[-1]:.3f}) {losses}\n")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    for name, content in (("losses.csv", text.getvalue()), ("loss_log.txt", "".join(log))):
        write_whole(place / name, content)
    columns = {name: [row[column] for row in values] for column, name in enumerate(names)}
    plot_losses(place, columns, trainer.log.columns, "step", smooth=True)
