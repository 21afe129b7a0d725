"""What a training is to be: its pairs, nets and losses, worked out from the options and checked."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn

from Pix2Pix.data.layouts import PairFiles, find_pairs, sides
from Pix2Pix.data.pairs import PairSet, Preparation
from Pix2Pix.losses.perceptual import Perceptual
from Pix2Pix.losses.step import LossConfig, Nets
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, draw_from, initialise
from Pix2Pix.options import (
    CRITICS_ALSO,
    EPOCHS_OF_ONE_PAIR,
    GAMES_ALSO,
    PRESETS,
    ModelOptions,
    SharedOptions,
    TrainOptions,
)
from SinGAN.engines.engine import choose_device
from SinGAN.pictures import images
from SinGAN.storage import layout
from SinGAN.storage.hashes import digest, sha256

STRENGTH = {"dropout": 0.5, "weights": 0.1, "none": 0.0}


@dataclass(frozen=True)
class Request:
    """A training: what it learns from, and how."""

    options: ModelOptions  # complete: presets and defaults are in place
    files: tuple[PairFiles, ...]
    one_pair: bool
    seed: int

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return self.options.n_epochs + self.options.n_epochs_decay

    @property
    def generator(self) -> GeneratorConfig:
        """The shape of the generator."""
        return generator_of(self.options)

    @property
    def critic(self) -> CriticConfig | None:
        """The shape of the critic; None: there is none."""
        options = self.options
        if options.netD == "none":
            return None
        return CriticConfig(
            options.netD, (options.input_nc, options.output_nc), options.ndf, options.n_layers_D, options.num_D,
            options.norm,
        )  # fmt: skip

    @property
    def losses(self) -> LossConfig:
        """What is minimised."""
        options = self.options
        return LossConfig(options.gan_mode, options.lambda_L1, options.lambda_grad or 0.0, options.perceptual_weight)

    @property
    def preparation(self) -> Preparation:
        """How a pair is prepared."""
        return preparation_of(self.options)

    @property
    def pairs(self) -> PairSet:
        """The pairs in epochs."""
        size = self.options.epoch_size or (EPOCHS_OF_ONE_PAIR if self.one_pair else len(self.files))
        return PairSet(self.files, self.preparation, self.seed, size, self.options.serial_batches)

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return -(-self.pairs.epoch_size // self.options.batch_size)

    def content(self) -> str:
        """The SHA-256 of all pairs: their names and bytes."""
        return digest([[file.name, *(sha256(path.read_bytes()) for path in paths_of(file))] for file in self.files])

    def palette(self, colours: int = 12, pictures: int = 50) -> list[str]:
        """The most frequent colours of the first inputs, as #rrggbb."""
        found: Counter[tuple[int, ...]] = Counter()
        for file in self.files[:pictures]:
            levels = sides(file)[self.options.direction == "BtoA"]
            values, counts = np.unique(levels[::2, ::2].reshape(-1, 3), axis=0, return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                found[tuple(value)] += count
        return ["#{:02x}{:02x}{:02x}".format(*colour) for colour, _ in found.most_common(colours)]

    def nets(self, device: torch.device, rng: torch.Generator, vgg_weights: Path | None = None) -> Nets:
        """Fresh nets with weights from ``rng``, which the generator's randomness comes from, too."""
        options, built = self.options, [self.generator.build()]
        if self.critic is not None:
            built.append(self.critic.build())
        for net in built:
            initialise(net.to(device), options.init_type, options.init_gain, rng)
        draw_from(built[0], rng)
        looks = Perceptual.of(vgg_weights).to(device) if options.perceptual_weight else None
        critic: nn.Module | None = built[1] if len(built) > 1 else None
        return Nets.of(built[0], critic, lr=options.lr, beta1=options.beta1, perceptual=looks)


def generator_of(options: ModelOptions) -> GeneratorConfig:
    """The shape of the generator that ``options``, complete ones, ask for."""
    strength = {"dropout": options.dropout, "weights": options.weight_noise}.get(options.stochastic) or 0.0
    layers = Layers(options.norm, options.stochastic, strength)
    return GeneratorConfig(options.netG, options.input_nc, options.output_nc, options.ngf, layers)


def preparation_of(options: ModelOptions) -> Preparation:
    """How ``options`` have a pair prepared."""
    return Preparation(
        preprocess=options.preprocess,
        load_size=options.load_size,
        crop_size=options.crop_size,
        mirror=not options.no_flip,
        label_maps=options.label_maps,
        augment=options.augment,
        inputs=options.input_nc,
        outputs=options.output_nc,
        multiple=generator_of(options).multiple,
        swapped=options.direction == "BtoA",
    )


def paths_of(file: PairFiles) -> Sequence[Path]:
    """The files of a pair."""
    return [file.a] if file.b is None else [file.a, file.b]


def request(options: TrainOptions, given: Collection[str], seed: int) -> Request:
    """The training that ``options`` ask for, of which those ``given`` were set by hand.

    Raises:
        ValueError: options contradict each other, or the data can't be used.
    """
    if (options.dataroot is None) == (not options.pair):
        raise ValueError("name `dataroot`, a data set, or `pair`, two files: one of the two")
    files = pair_of(options.pair) if options.pair else files_of(options.dataroot or Path(), options.phase)
    one_pair = bool(options.pair) or (options.dataroot is not None and options.dataroot.is_file())
    asked = Request(completed(options, given, one_pair), tuple(files[: options.max_dataset_size]), one_pair, seed)
    check(asked)
    return asked


def files_of(root: Path, phase: str) -> list[PairFiles]:
    """The pairs of the data set ``root``: a folder, or one side-by-side picture."""
    if root.is_file():
        return [PairFiles(root.stem, root, None)]
    if not root.is_dir():
        raise FileNotFoundError(f"no data set {root} (`dataroot`)")
    return find_pairs(root, phase)


def pair_of(files: Sequence[Path]) -> list[PairFiles]:
    """The one pair that two files are."""
    if len(files) != 2:
        raise ValueError(f"`pair` takes two files, A and B, not {len(files)}")
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"no picture {file} (`pair`)")
    return [PairFiles(files[0].stem, files[0], files[1])]


def completed(options: TrainOptions, given: Collection[str], one_pair: bool) -> ModelOptions:
    """The options of the model, with the preset's values and all that follows from others in place.

    Raises:
        ValueError: two contradict each other.
    """
    preset = {name: value for name, value in PRESETS[options.model].items() if name not in given}
    values = {entry.name: getattr(options, entry.name) for entry in fields(ModelOptions)} | preset
    if options.no_dropout:
        if values["stochastic"] != "dropout" or values["dropout"] is not None:
            raise ValueError("`no_dropout` contradicts `stochastic` and `dropout`: leave one out")
        values["stochastic"] = "none"
    for kind, name in (("dropout", "dropout"), ("weights", "weight_noise")):
        if values[name] is not None and values["stochastic"] != kind:
            raise ValueError(f"`{name}` needs `stochastic` {kind}, not {values['stochastic']}")
        if values["stochastic"] == kind and values[name] is None:
            values[name] = STRENGTH[kind]
    values["netD"] = CRITICS_ALSO.get(values["netD"], values["netD"])
    if values["gan_mode"] == "w" and values["lambda_grad"] is None:
        values["lambda_grad"] = 0.0
    values["gan_mode"] = GAMES_ALSO.get(values["gan_mode"], values["gan_mode"])
    if values["lambda_grad"] is None:
        values["lambda_grad"] = 10.0 if values["gan_mode"] == "wgan-gp" else 0.0
    if one_pair and "augment" not in given:
        values["augment"] = "tps"
    return ModelOptions(**values)


def check(asked: Request) -> None:
    """Raise a ValueError where the training can't be: its data and its nets don't fit, or there is nothing to learn."""
    options, preparation = asked.options, asked.preparation
    if options.netD == "none" and not options.lambda_L1 and not options.perceptual_weight:
        raise ValueError("nothing is to be learned: `netD` none needs `lambda_L1` or `perceptual_weight`")
    if not asked.epochs:
        raise ValueError("`n_epochs` and `n_epochs_decay` are both 0: nothing is to be learned")
    preparation.check()
    smallest = None
    for file in asked.files:
        height, width = size_of(file)
        size = preparation.size(height, width)
        preparation.window(*size, np.random.default_rng(0))
        used = (options.crop_size, options.crop_size) if "crop" in options.preprocess else size
        smallest = used if smallest is None or min(used) < min(smallest) else smallest
    assert smallest is not None
    if asked.critic is not None and min(smallest) < asked.critic.smallest:
        raise ValueError(
            f"pictures of {smallest[1]} x {smallest[0]} pixels are too small for `netD` {options.netD}, which needs "
            f"{asked.critic.smallest}: raise `crop_size`, or lower `n_layers_D` or `num_D`"
        )


def size_of(file: PairFiles) -> tuple[int, int]:
    """Height and width of each side of a pair, from its files' headers.

    Raises:
        ValueError: the sides differ.
    """
    height, width = images.size(file.a)
    if file.b is None:
        if width < 2:
            raise ValueError(f"{file.a} is one pixel wide: it holds no two sides")
        return height, width // 2
    if images.size(file.b) != (height, width):
        sides(file)  # says so
    return height, width


def model_name(options: TrainOptions) -> str:
    """The name of the model: the one asked for, or the data set's."""
    if options.name is not None:
        return layout.stem(options.name + ".x", "name")
    source = options.pair[0].stem if options.pair else Path(options.dataroot or "").resolve().stem
    return layout.stem(source + ".x", "name")


def device_of(options: SharedOptions) -> torch.device:
    """The device that ``options`` ask for."""
    return choose_device(options.device, options.not_cuda)
