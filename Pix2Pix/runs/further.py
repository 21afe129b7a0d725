"""Training a finished model further, as pix2pix's ``--continue_train``: from its nets, with new optimizers."""

import csv
import os
import re
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from Pix2Pix.losses.step import Nets
from Pix2Pix.options import TrainOptions
from Pix2Pix.runs import folder as folders
from SinGAN.storage.files import check_regular, suggest_name
from SinGAN.storage.hashes import digest, sha256

CHANGED = ("n_epochs", "n_epochs_decay", "lr")
"""The options that may differ from the model's: they are those of the epochs to come."""
LOSSES = {"losses.csv": re.compile(r"(\d+),"), "loss_log.txt": re.compile(r"\(epoch: (\d+),")}
"""Files with a line for each step or every few steps, and how a line begins: with its epoch."""


@dataclass(frozen=True)
class Start:
    """Where a training further begins."""

    place: Path  # of the finished model
    epoch: str  # which of its kept nets: "latest" or a number
    first: int  # the first epoch to train
    base: str  # SHA-256 of those nets

    @classmethod
    def of(
        cls, place: Path, options: TrainOptions, there: folders.Manifest | None, wanted: folders.Manifest
    ) -> "Start":
        """The start that ``options`` ask for, of the model in ``place`` with the manifest ``there``.

        Raises:
            FileNotFoundError: there are no such nets.
            ValueError: ``wanted`` is another model, or has no epoch to train.
        """
        if there is not None:
            same = replace(wanted, options={**wanted.options, **{name: there.options[name] for name in CHANGED}})
            if other := there.differences(same, seed_matters=False):
                raise ValueError(
                    f"{place} holds another model: {'; '.join(other)}. `continue_train` keeps all but "
                    f"{', '.join(f'`{name}`' for name in CHANGED)}"
                )
        if options.epoch == folders.LATEST and options.epoch_count is None and there is None:
            raise ValueError(f"{place} does not say how far it was trained: name the first epoch with `epoch_count`")
        nets = ["G"] if wanted.options["netD"] == "none" else ["G", "D"]
        files = [folders.net_file(place, options.epoch, net) for net in nets]
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"no net {file}{suggest_name(file)}: `continue_train` begins with it")
        done = there.epochs if options.epoch == folders.LATEST and there is not None else options.epoch
        first = int(done) + 1 if options.epoch_count is None else options.epoch_count
        last = wanted.epochs
        if first > last:
            raise ValueError(
                f"{place} has been trained up to epoch {first - 1}, and `n_epochs` {wanted.options['n_epochs']} with "
                f"`n_epochs_decay` {wanted.options['n_epochs_decay']} ends at {last}: raise `n_epochs`"
            )
        return cls(place, options.epoch, first, digest([sha256(check_regular(file).read_bytes()) for file in files]))

    def load(self, nets: Nets, rng: torch.Generator, seed: int) -> None:
        """Give ``nets`` the kept weights, and ``rng`` a state that depends on ``seed`` and the first epoch."""
        for name, net in (("G", nets.generator), ("D", nets.critic)):
            if net is not None:
                folders.load_net(self.place, self.epoch, name, net)
        rng.manual_seed(int(digest([seed, self.first])[:15], 16))

    def take_over(self, work: Path) -> None:
        """Put what the model keeps of the epochs before the first one into the folder ``work``, where it is missing."""
        kept = {path: re.match(r"(\d+)_net_[GD]\.pth$", path.name) for path in self.place.glob("*_net_*.pth")}
        images = self.place / "web" / "images"
        kept |= {path: re.match(r"epoch(\d+)_", path.name) for path in images.glob("epoch*.png")}
        for path, match in kept.items():
            if match is not None and int(match[1]) < self.first:
                copy = work / path.relative_to(self.place)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if not copy.exists():
                    _link(check_regular(path), copy)
        for name in LOSSES:
            if (self.place / name).is_file() and not (work / name).exists():
                shutil.copyfile(check_regular(self.place / name), work / name)


def earlier_losses(place: Path, first: int, header: list[str]) -> tuple[list[list[str]], list[str]]:
    """The rows of ``losses.csv`` and the lines of ``loss_log.txt`` in ``place`` of epochs before ``first``.

    There are none where the table has another ``header``.
    """
    if first == 1 or not (place / "losses.csv").is_file():
        return [], []
    table, log = ((place / name).read_text(encoding="utf-8").splitlines() for name in LOSSES)
    if table[:1] != [",".join(header)]:
        return [], []
    rows, lines = (
        [line for line in text if (match := LOSSES[name].match(line)) and int(match[1]) < first]
        for name, text in zip(LOSSES, (table, log), strict=True)
    )
    return list(csv.reader(rows)), lines


def check_flags(options: TrainOptions) -> None:
    """Raise a ValueError where `epoch` or `epoch_count` has no effect, or `overwrite` contradicts `continue_train`."""
    defaults = {entry.name: entry.default for entry in fields(TrainOptions)}
    for name in ("epoch", "epoch_count"):
        if getattr(options, name) != defaults[name] and not options.continue_train:
            raise ValueError(f"`{name}` needs `continue_train`: leave it out")
    if options.continue_train and options.overwrite:
        raise ValueError("`continue_train` and `overwrite` contradict each other: leave one out")


def _link(path: Path, copy: Path) -> None:
    """A second name for the file ``path``, or where the disk has none, a copy: kept files are never changed."""
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)
