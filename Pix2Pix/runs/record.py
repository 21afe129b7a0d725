"""Keeps a training as files while it runs: checkpoints, nets of some epochs, losses, and a page of pictures."""

import csv
import html
import io
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from Pix2Pix.data.layouts import sides
from Pix2Pix.request import Request
from Pix2Pix.runs import folder as folders
from Pix2Pix.runs.training import TIMES, Progress, Trainer
from SinGAN.engines.engine import Engine
from SinGAN.pictures import images
from SinGAN.storage import checkpoints
from SinGAN.storage.files import discard, entries, remove_if_empty, replace_folder, whole_file
from SinGAN.storage.layout import work_folder
from SinGAN.storage.recovery import locked

PRINT_EVERY = 100  # steps from one line of loss_log.txt to the next
SHOWN = ("real_A", "fake_B", "real_B")
Note = Callable[[str], object]


def obtain(
    place: Path,
    name: str,
    asked: Request,
    engine: Engine,
    device: torch.device,
    *,
    overwrite: bool = False,
    seed_matters: bool = False,
    every: float = 300.0,
    save_freq: int = 5,
    vgg_weights: Path | None = None,
    note: Note = lambda text: None,
    stepped: Callable[[Trainer], object] = lambda trainer: None,
) -> bool:
    """Train the model in the folder ``place``, or go on with it; returns whether there was anything to do.

    Arguments:
        place: of the model.
        name: of it.
        asked: the training.
        engine: what runs the steps.
        device: where.
        overwrite: train anew.
        seed_matters: whether a model with another seed is another model.
        every: seconds between two checkpoints.
        save_freq: epochs between two kept models.
        vgg_weights: a file of VGG19's weights.
        note: is told what a person should know.
        stepped: is called after each step.

    Raises:
        ValueError: the folder holds another model, or the training diverged.
    """
    wanted = folders.Manifest.of(name, asked, device, engine.described())
    with locked(place):
        work = work_folder(place) if overwrite and entries(place) else place
        manifest = folders.Manifest.read(work) if (work / folders.FILE).exists() else wanted
        if differences := manifest.differences(wanted, seed_matters):
            if work == place:
                raise ValueError(
                    f"{place} holds another model: {'; '.join(differences)}. `overwrite` replaces it; another `name` "
                    "keeps both"
                )
            discard(work)
            manifest = wanted
        if is_done(work):
            if work != place:  # cut off when all but this was done
                replace_folder(work, place)
            return work != place
        recorder = Recorder(
            work, manifest, Request(asked.options, asked.files, asked.one_pair, manifest.seed), save_freq
        )
        fresh = [path for path in (work, *work.parents) if not path.exists()]
        try:
            recorder.train(engine, device, every, vgg_weights, note, stepped)
        except BaseException:
            if not any(checkpoints.existing(work)):
                discard(work)
                remove_if_empty(fresh[1:])
            raise
        if work != place:
            replace_folder(work, place)
    return True


def is_done(place: Path) -> bool:
    """Whether the training in the folder ``place`` is done: while it is not, there is a checkpoint or no net."""
    return folders.net_file(place, folders.LATEST, "G").exists() and not any(checkpoints.existing(place))


class Recorder:
    """Keeps one training in the folder ``work``."""

    def __init__(self, work: Path, manifest: folders.Manifest, asked: Request, save_freq: int) -> None:
        self.work, self.manifest, self.asked, self.save_freq = work, manifest, asked, save_freq
        self.last = time.monotonic()

    def train(
        self, engine: Engine, device: torch.device, every: float, vgg_weights: Path | None, note: Note,
        stepped: Callable[[Trainer], object],
    ) -> None:  # fmt: skip
        """Train from the last checkpoint, or the beginning, to the end."""
        rng = torch.Generator(device).manual_seed(self.asked.seed)
        nets = self.asked.nets(device, rng, vgg_weights)
        trainer = Trainer(self.asked, nets, rng, engine, Progress())
        found = checkpoints.undamaged(self.work, device, self.manifest.digest(), lambda content, path: content, note)
        state = next(found, None)
        if state is not None:
            trainer.restore(state)
            note(f"{self.work}: going on in epoch {trainer.progress.epoch}, after step {trainer.progress.step}")
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / folders.FILE).exists():
            self.manifest.write(self.work)

        def after_step() -> None:
            if time.monotonic() - self.last > every:
                self.checkpoint(trainer)
            stepped(trainer)

        trainer.run(after_step, lambda epoch: self.after_epoch(trainer, epoch))
        self.keep(trainer, folders.LATEST)
        checkpoints.remove(self.work)

    def checkpoint(self, trainer: Trainer) -> None:
        """Keep all that the next step depends on."""
        checkpoints.write(self.work, {**trainer.state(), "training": self.manifest.digest()})
        self.last = time.monotonic()

    def after_epoch(self, trainer: Trainer, epoch: int) -> None:
        """Now and then keep the nets, and pictures to look at."""
        if epoch % self.save_freq == 0 or epoch == self.asked.epochs:
            self.checkpoint(trainer)  # first: a net without one is a finished training's
            self.keep(trainer, str(epoch))
            self.keep(trainer, folders.LATEST)
            self.show(trainer, epoch)

    def keep(self, trainer: Trainer, epoch: str) -> None:
        """Keep the nets as those of ``epoch``, and the losses so far."""
        if trainer.nets.critic is not None:
            folders.save_net(self.work, epoch, "D", trainer.nets.critic)
        folders.save_net(self.work, epoch, "G", trainer.nets.generator)
        if epoch == folders.LATEST:
            write_losses(self.work, trainer)

    @torch.no_grad()
    def show(self, trainer: Trainer, epoch: int) -> None:
        """Write the first pair, and what the generator makes of it, and list all such pictures on a page."""
        device, nets = trainer.rng.device, trainer.nets
        a, b = self.asked.preparation.for_test()(*sides(self.asked.files[0]))
        before = trainer.rng.get_state(), {key: value.clone() for key, value in nets.generator.state_dict().items()}
        fake: Tensor = nets.generator(a[None].to(device))
        trainer.rng.set_state(before[0])  # looking changes nothing
        nets.generator.load_state_dict(before[1])
        for name, image in zip(SHOWN, (a[None], fake.cpu(), b[None]), strict=True):
            images.write(self.work / "web" / "images" / f"epoch{epoch:03d}_{name}.png", image.clamp(-1, 1))
        with whole_file(self.work / "web" / "index.html") as draft:
            draft.write_text(page(self.manifest.name, self.work / "web" / "images"), encoding="utf-8")


def write_losses(place: Path, trainer: Trainer) -> None:
    """Write ``losses.csv``, its plot, and ``loss_log.txt`` in pix2pix's form."""
    from SinGAN.pictures import plots  # half a second that only trainings need

    names, rows = trainer.names, [row.tolist() for row in trainer.progress.rows]
    steps, size = trainer.asked.steps, trainer.asked.options.batch_size
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["epoch", "step", *names])
    log = []
    for index, row in enumerate(rows):
        epoch, step = index // steps + 1, index % steps + 1
        writer.writerow([epoch, step, *(f"{value:.6g}" for value in row[: -len(TIMES)])])
        if (index + 1) % PRINT_EVERY == 0:
            values = " ".join(f"{name}: {value:.3f}" for name, value in zip(names, row, strict=False))
            log.append(f"(epoch: {epoch}, iters: {step * size}, time: {row[-2]:.3f}, data: {row[-1]:.3f}) {values}\n")
    for name, text in (("losses.csv", table.getvalue()), ("loss_log.txt", "".join(log))):
        with whole_file(place / name) as draft:
            draft.write_text(text)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    panels = [
        plots.Panel(title, {name: columns[name] for name in names if name.startswith(letter)})
        for title, letter in (("generator", "G_"), ("critic", "D_"))
        if any(name.startswith(letter) for name in names)
    ]
    with whole_file(place / "losses.png") as draft:
        plots.curves(panels, "step", smooth=True).savefig(draft, format="png", dpi=100)


def page(name: str, folder: Path) -> str:
    """A page of the pictures in ``folder``, the latest epoch first."""
    epochs = sorted({path.name.partition("_")[0] for path in folder.glob("epoch*_fake_B.png")}, reverse=True)
    rows = "".join(
        f"<h2>{epoch}</h2>"
        + "".join(
            f'<figure><img src="images/{epoch}_{one}.png" alt=""><figcaption>{one}</figcaption></figure>'
            for one in SHOWN
        )
        for epoch in epochs
    )
    style = (
        "body{font:16px sans-serif}figure{display:inline-block;margin:8px}img{width:256px;image-rendering:pixelated}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(name)}</title><style>{style}</style>'
    return f"<!doctype html><html><head>{head}</head><body><h1>{html.escape(name)}</h1>{rows}</body></html>\n"
