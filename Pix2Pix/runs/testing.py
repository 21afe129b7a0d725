"""Pictures that a trained model makes, and how near they are to the true ones."""

import hashlib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from Pix2Pix.data.layouts import PairFiles, pictures_in, sides
from Pix2Pix.data.pairs import Preparation
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, draw_from, random_layers
from Pix2Pix.request import preparation_of
from Pix2Pix.runs import folder as folders
from SIFID.metrics import diversity
from SinGAN.pictures import images
from SinGAN.pictures.similarity import compare
from SinGAN.storage.files import whole_file
from SinGAN.storage.recovery import whole_folder


@dataclass(frozen=True, eq=False)
class Translator:
    """A trained generator, ready to translate."""

    net: nn.Module
    config: GeneratorConfig
    preparation: Preparation
    seed: int
    batch_size: int  # of its training; 0: unknown

    @classmethod
    def load(
        cls, place: Path, epoch: str, device: torch.device, *, seed: int,
        like: Layers = Layers("batch", "dropout", 0.5), kind: str | None = None, swapped: bool = False,
    ) -> "Translator":  # fmt: skip
        """The model in ``place`` as it was kept after ``epoch``; what it lacks of a manifest is told by the others."""
        config, net = folders.load_generator(place, epoch, like, kind)
        if (place / folders.FILE).exists():
            options = folders.Manifest.read(place).model_options
            return cls(net.to(device), config, preparation_of(options).for_test(), seed, options.batch_size)
        size = max(256, config.multiple)
        preparation = Preparation(
            crop_size=size, inputs=config.inputs, outputs=config.outputs, multiple=config.multiple, swapped=swapped
        )
        return cls(net.to(device), config, preparation.for_test(), seed, 0)

    def set_up(self, statistics: str = "batch", chance: bool = True) -> "Translator":
        """The same, set up for a test.

        Arguments:
            statistics: of batch norms: each "batch"'s own, or the "running" ones of training.
            chance: whether dropout, or noise on weights, is at work (Isola et al. 2017, Sect. 3.3).
        """
        self.net.train(statistics == "batch")
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.0  # looking changes no running value
        rng = torch.Generator(next(self.net.parameters()).device)
        draw_from(self.net, rng, active=chance)
        return replace(self)

    def seeded(self, seed: int) -> "Translator":
        """The same with another seed."""
        return replace(self, seed=seed)

    def for_drawings(self) -> "Translator":
        """The same for inputs alone, whatever side they were on in training."""
        return replace(self, preparation=replace(self.preparation, swapped=False))

    @torch.no_grad()
    def __call__(self, a: Tensor, stem: str, sample: int = 0) -> Tensor:
        """What is made of ``a`` (C, H, W): (C', H, W) in [-1, 1].

        It depends on the seed, ``stem`` and ``sample`` alone, whatever was made before.
        """
        device = next(self.net.parameters()).device
        rng = torch.Generator(device).manual_seed(seed_of(self.seed, stem, sample))
        for layer in random_layers(self.net):
            layer.rng = rng
        made: Tensor = self.net(a[None].to(device))[0].cpu()
        return made


def seed_of(seed: int, stem: str, sample: int) -> int:
    """The seed of a picture's sample."""
    return int(hashlib.sha256(f"{seed}/{sample}/{stem}".encode()).hexdigest()[:15], 16)


@dataclass(frozen=True)
class Tested:
    """A picture that was translated."""

    stem: str
    real_A: Tensor  # (C, H, W) in [-1, 1], what the generator saw
    fakes: list[Tensor]
    real_B: Tensor | None  # None: there is none


def tested(translator: Translator, files: Sequence[PairFiles], samples: int) -> Iterator[Tested]:
    """What is made of the inputs of ``files``, in order."""
    for file in files:
        a, b = translator.preparation(*sides(file))
        stem = file.name.replace("/", "_")
        yield Tested(stem, a, [translator(a, stem, index) for index in range(samples)], b)


def alone(translator: Translator, folder: Path, samples: int, count: int | None) -> Iterator[Tested]:
    """What is made of the pictures in ``folder``, which have no partners."""
    found = pictures_in(folder)
    if not found:
        raise ValueError(f"no pictures in {folder} (`single`)")
    translator = translator.for_drawings()
    for path in found[:count]:
        levels = images.to_levels(images.read(path, 3))
        a, _ = translator.preparation(levels, levels)
        stem = path.relative_to(folder).with_suffix("").as_posix().replace("/", "_")
        yield Tested(stem, a, [translator(a, stem, index) for index in range(samples)], None)


def write(place: Path, name: str, results: Iterator[Tested]) -> list[list[float]]:
    """Write ``results`` as pictures and a page into the folder ``place``; returns L1, PSNR, SSIM, diversity of each."""
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
                rows.append(measures(one.fakes, one.real_B))
        with whole_file(draft / "index.html") as page:
            page.write_text(as_page(name, shown), encoding="utf-8")
    return rows


def measures(fakes: Sequence[Tensor], real: Tensor) -> list[float]:
    """L1 in [-1, 1], PSNR and SSIM of the first of ``fakes``, and the diversity of all: NaN of a single one."""
    score = compare(fakes[0][None].clamp(-1, 1), real[None])
    apart = diversity(torch.stack(list(fakes)), real[None]) if len(fakes) > 1 else float("nan")
    return [float((fakes[0] - real).abs().mean()), score.psnr, score.ssim, apart]


def averages(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column of ``rows``."""
    return [float(value) for value in np.mean(np.array(rows, dtype=float), axis=0)]


def as_page(name: str, shown: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A page of all pictures, a row each."""
    rows = "".join(
        f"<h3>{html.escape(stem)}</h3>"
        + "".join(
            f'<figure><img src="images/{html.escape(stem)}_{kind}.png" alt=""><figcaption>{kind}</figcaption></figure>'
            for kind in kinds
        )
        for stem, kinds in shown
    )
    style = (
        "body{font:16px sans-serif}figure{display:inline-block;margin:8px}img{width:256px;image-rendering:pixelated}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(name)}</title><style>{style}</style>'
    return f"<!doctype html><html><head>{head}</head><body><h1>{html.escape(name)}</h1>{rows}</body></html>\n"
