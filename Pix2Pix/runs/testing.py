"""Translations by a trained model, and their distance to the true pictures."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from Pix2Pix.data.layouts import PairFiles, find_pictures, read_sides
from Pix2Pix.data.pairs import Preparation
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, random_layers, set_generator
from Pix2Pix.request import make_preparation, pairs_per_epoch
from Pix2Pix.runs import folder as folders
from SIFID.metrics import diversity
from SinGAN.pictures import images
from SinGAN.pictures.similarity import compare
from SinGAN.storage import layout
from SinGAN.storage.hashes import sha256
from SinGAN.storage.recovery import whole_folder

PLAIN = ["#808080", "#000000", "#ffffff", "#c83228", "#2864c8", "#32963c", "#e6c83c", "#8c5a32"]


@dataclass(frozen=True, eq=False)
class Translator:
    """A trained generator, ready to translate."""

    net: nn.Module
    config: GeneratorConfig
    preparation: Preparation
    seed: int
    batch_size: int  # of its training, as far as an epoch had so many pairs; 0: unknown
    palette: list[str]  # colours to draw with, as #rrggbb: the most frequent ones of its inputs, where they are known

    @classmethod
    def load(
        cls, place: Path, epoch: str, device: torch.device, *, seed: int,
        kind: str | None = None, direction: str | None = None, no_dropout: bool = False,
    ) -> "Translator":  # fmt: skip
        """The model in ``place`` as it was kept after ``epoch``.

        The other arguments replace a missing manifest.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or contradicts an argument.
        """
        manifest = folders.Manifest.find(place)
        options = None if manifest is None else manifest.model_options
        if options is not None and direction not in (None, options.direction):
            raise ValueError(
                f"{place} was trained with `direction` {options.direction}, not {direction}: leave `direction` out, or "
                "train another model"
            )
        if options is not None and no_dropout and options.stochastic == "dropout":
            raise ValueError(f"{place} was trained with dropout: leave `no_dropout` out; `eval` switches it off")
        like = Layers("batch", "none" if no_dropout else "dropout", 0.5)
        config, net = folders.load_generator(place, epoch, like, kind, options)
        preparation = Preparation(
            crop_size=max(256, config.multiple), inputs=config.inputs, outputs=config.outputs, multiple=config.multiple,
            swapped=direction == "BtoA",
        )  # fmt: skip
        batch_size = 0
        if manifest is not None and options is not None:
            preparation = make_preparation(options)
            batch_size = min(options.batch_size, pairs_per_epoch(options, manifest.pairs, manifest.one_pair))
        palette = [] if manifest is None else manifest.palette
        return cls(net.to(device), config, preparation.for_test(), seed, batch_size, palette or PLAIN)

    def set_up(self, statistics: str = "batch", chance: bool = True) -> "Translator":
        """Set up the net for a test, and return self.

        Batch norms use the ``statistics`` of each "batch", or the "running" ones of training. With ``chance``, dropout
        or noise on weights is active (Isola et al. 2017, Sect. 3.3).
        """
        self.net.train(statistics == "batch")
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.0  # looking changes no running value
        set_generator(self.net, torch.Generator(next(self.net.parameters()).device), active=chance)
        return self

    def blank(self) -> images.Levels:
        """A drawing (H, W, 3) of one colour, the palette's first."""
        size = self.preparation.crop_size
        return np.full((size, size, 3), tuple(bytes.fromhex(self.palette[0][1:])), np.uint8)

    @torch.no_grad()
    def __call__(self, a: Tensor, stem: str, sample: int = 0) -> Tensor:
        """The translation (C', H, W) of ``a`` (C, H, W), both in [-1, 1].

        It depends on the seed, ``stem`` and ``sample`` alone, not on earlier calls.
        """
        device = next(self.net.parameters()).device
        number = int(
            hashlib.sha256(f"{self.seed}/{sample}/{stem}".encode(errors="surrogateescape")).hexdigest()[:15], 16
        )
        rng = torch.Generator(device).manual_seed(number)
        for layer in random_layers(self.net):
            layer.rng = rng
        result: Tensor = self.net(a[None].to(device))[0].cpu()
        return result

    def draw(self, levels: images.Levels, seed: int, sample: int = 0) -> images.Levels:
        """The translation of a drawing, both levels (H, W, 3) of 0 to 255."""
        alone = replace(self, seed=seed, preparation=replace(self.preparation, swapped=False))
        a, _ = alone.preparation(levels, levels)
        return images.to_levels(alone(a, "drawing", sample)[None].clamp(-1, 1))


@dataclass(frozen=True)
class Translation:
    """A picture that was translated."""

    stem: str
    real_A: Tensor  # (C, H, W) in [-1, 1], what the generator saw
    fakes: list[Tensor]
    real_B: Tensor | None  # None: there is none


def translate_pairs(translator: Translator, files: Sequence[PairFiles], samples: int) -> Iterator[Translation]:
    """The inputs of ``files`` and their translations, in order."""
    for file, stem in zip(files, result_names([file.name for file in files]), strict=True):
        a, b = translator.preparation(*read_sides(file))
        yield Translation(stem, a, [translator(a, stem, index) for index in range(samples)], b)


def result_names(names: Sequence[str]) -> list[str]:
    """The names in the results of the pictures ``names``: their paths with ``_`` for ``/``.

    If two would have the same name, or a name is too long for a file, a part of the path's hash is appended.

    Raises:
        ValueError: two still have the same name.
    """
    flat = [name.replace("/", "_") for name in names]
    shared = {name for name, count in Counter(flat).items() if count > 1}
    hashes = [sha256(os.fsencode(name))[:12] for name in names]
    result: dict[str, str] = {}
    for name, short, part in zip(names, flat, hashes, strict=True):
        if len(os.fsencode(short)) > layout.LONGEST - len(part):
            short = f"{os.fsencode(short)[: layout.LONGEST // 2].decode(errors='ignore')}~{part}"
        elif short in shared and "/" in name:
            short = f"{short}~{part}"
        if (other := result.setdefault(short, name)) != name:
            raise ValueError(f"the results of {other} and {name} would have the same name: rename or remove one")
    return list(result)


def translate_folder(translator: Translator, folder: Path, samples: int, count: int | None) -> Iterator[Translation]:
    """The pictures in ``folder``, which have no partners, and their translations."""
    found = find_pictures(folder)[:count]
    if not found:
        raise ValueError(f"no pictures in {folder} (`single`)")
    files = [PairFiles(path.relative_to(folder).with_suffix("").as_posix(), path, path) for path in found]
    translator = replace(translator, preparation=replace(translator.preparation, swapped=False))
    return (replace(one, real_B=None) for one in translate_pairs(translator, files, samples))


def write_results(root: Path, place: Path, name: str, results: Iterator[Translation]) -> list[list[float]]:
    """Write ``results`` as pictures and a page into the folder ``place``; returns L1, PSNR, SSIM, diversity of each.

    Raises:
        ValueError: a link leads ``place`` out of ``root``.
    """
    layout.guard(root, [place])
    rows, shown = [], []
    with whole_folder(place) as draft:
        for one in results:
            files = {"real_A": one.real_A, "fake_B": one.fakes[0]}
            files |= {f"fake_B_{index}": fake for index, fake in enumerate(one.fakes[1:], 1)}
            files |= {} if one.real_B is None else {"real_B": one.real_B}
            for kind, image in files.items():
                images.write(draft / "images" / f"{one.stem}_{kind}.png", image[None].clamp(-1, 1))
            shown.append((one.stem, list(files)))
            if one.real_B is not None:
                rows.append(measure(one.fakes, one.real_B))
        folders.write_page(draft, name, shown)
    return rows


def measure(fakes: Sequence[Tensor], real: Tensor) -> list[float]:
    """L1 in [-1, 1], PSNR and SSIM of the first of ``fakes``, and the diversity of all: NaN of a single one."""
    score = compare(fakes[0][None].clamp(-1, 1), real[None])
    apart = diversity(torch.stack(list(fakes)), real[None]) if len(fakes) > 1 else float("nan")
    return [float((fakes[0] - real).abs().mean()), score.psnr, score.ssim, apart]


def column_means(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column of ``rows``."""
    return [float(value) for value in np.mean(np.array(rows, dtype=float), axis=0)]
