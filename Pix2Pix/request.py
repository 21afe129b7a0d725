"""A training that is asked for: its pairs, nets and losses, derived from the options and checked."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from Pix2Pix.data.layouts import PairFiles, find_pairs, read_sides, read_size, skip_unreadable
from Pix2Pix.data.pairs import PairSet, Preparation
from Pix2Pix.losses.perceptual import Perceptual
from Pix2Pix.losses.step import LossConfig, Nets
from Pix2Pix.nets.critics import CriticConfig
from Pix2Pix.nets.generators import GeneratorConfig
from Pix2Pix.nets.layers import Layers, initialise, set_generator
from Pix2Pix.options import CRITICS_ALSO, EPOCHS_OF_ONE_PAIR, GAMES_ALSO, PRESETS, ModelOptions, TrainOptions
from SinGAN.storage import layout
from SinGAN.storage.hashes import digest, sha256

STRENGTH = {"dropout": ("dropout", 0.5), "weights": ("weight_noise", 0.1)}
"""For each kind of randomness the option of its strength, and its default."""


@dataclass(frozen=True)
class Request:
    """A training: its data, and its options."""

    options: ModelOptions  # complete: presets and defaults are filled in
    files: tuple[PairFiles, ...]
    one_pair: bool
    seed: int
    first_epoch: int = 1  # to be trained

    @property
    def epochs(self) -> int:
        """The number of the last epoch."""
        return self.options.n_epochs + self.options.n_epochs_decay

    @property
    def critic(self) -> CriticConfig | None:
        """The shape of the critic; None: there is none."""
        options = self.options
        if options.netD == "none":
            return None
        inputs = options.input_nc, options.output_nc
        return CriticConfig(options.netD, inputs, options.ndf, options.n_layers_D, options.num_D, options.norm)

    @property
    def losses(self) -> LossConfig:
        """The losses and their weights."""
        options = self.options
        return LossConfig(options.gan_mode, options.lambda_L1, options.lambda_grad or 0.0, options.perceptual_weight)

    @cached_property
    def pairs(self) -> PairSet:
        """The pairs in epochs."""
        options = self.options
        size, sizes = pairs_per_epoch(options, len(self.files), self.one_pair), self.sizes
        sizes = sizes if len(set(sizes)) > 1 else []
        return PairSet(self.files, make_preparation(options), self.seed, size, options.serial_batches, sizes)

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each pair as the nets see it; only the headers of files are read."""
        return [prepared_size(make_preparation(self.options), file) for file in self.files]

    @cached_property
    def steps(self) -> int:
        """The steps of an epoch."""
        return self.pairs.steps(self.options.batch_size)

    def content(self) -> str:
        """The SHA-256 of all pairs: their names and bytes."""
        return digest([[file.name, *(sha256(path.read_bytes()) for path in file.paths)] for file in self.files])

    def palette(self, colours: int = 12, pictures: int = 50) -> list[str]:
        """The most frequent colours of the first inputs, as #rrggbb."""
        found: Counter[tuple[int, ...]] = Counter()
        for file in self.files[:pictures]:
            levels = read_sides(file)[self.options.direction == "BtoA"]
            values, counts = np.unique(levels[::2, ::2].reshape(-1, 3), axis=0, return_counts=True)
            found.update(dict(zip(map(tuple, values.tolist()), counts.tolist(), strict=True)))
        return ["#{:02x}{:02x}{:02x}".format(*colour) for colour, _ in found.most_common(colours)]

    def nets(self, device: torch.device, rng: torch.Generator, vgg_weights: Path | None = None) -> Nets:
        """Fresh nets; their first weights, and later their randomness, come from ``rng``."""
        options = self.options
        generator = generator_config(options).build()
        critic = None if self.critic is None else self.critic.build()
        for net in filter(None, (generator, critic)):
            initialise(net.to(device), options.init_type, options.init_gain, rng)
        set_generator(generator, rng)
        looks = Perceptual.of(vgg_weights).to(device) if options.perceptual_weight else None
        return Nets.of(generator, critic, lr=options.lr, beta1=options.beta1, perceptual=looks)


def pairs_per_epoch(options: ModelOptions, pairs: int, one_pair: bool) -> int:
    """The number of draws in an epoch, from so many ``pairs``."""
    return options.epoch_size or (EPOCHS_OF_ONE_PAIR if one_pair else pairs)


def prepared_size(preparation: Preparation, file: PairFiles) -> tuple[int, int]:
    """Height and width of the pair ``file``, resized and cropped.

    Raises:
        ValueError: the file is no picture, or smaller than the crop.
    """
    height, width = preparation.size(*read_size(file))
    rows, columns = preparation.window(height, width, np.random.default_rng(0))
    return rows.stop - rows.start, columns.stop - columns.start


def generator_config(options: ModelOptions) -> GeneratorConfig:
    """The shape of the generator that ``options``, complete ones, ask for."""
    name, _ = STRENGTH.get(options.stochastic, ("", 0.0))
    layers = Layers(options.norm, options.stochastic, getattr(options, name, None) or 0.0)
    return GeneratorConfig(options.netG, options.input_nc, options.output_nc, options.ngf, layers)


def make_preparation(options: ModelOptions) -> Preparation:
    """How pairs are prepared with ``options``."""
    return Preparation(
        preprocess=options.preprocess,
        load_size=options.load_size,
        crop_size=options.crop_size,
        mirror=not options.no_flip,
        label_maps=options.label_maps,
        augment=options.augment,
        inputs=options.input_nc,
        outputs=options.output_nc,
        multiple=generator_config(options).multiple,
        swapped=options.direction == "BtoA",
    )


def make_request(
    options: TrainOptions, given: Collection[str], seed: int, note: Callable[[str], object] = lambda line: None
) -> Request:
    """The training that ``options`` ask for, of which those ``given`` were set explicitly.

    ``note`` is called with a line about each pair that `skip_unreadable` leaves out.

    Raises:
        FileNotFoundError: there are no such files.
        ValueError: options contradict each other, or the data can't be used.
    """
    if (options.dataroot is None) == (not options.pair):
        raise ValueError("give either `dataroot`, a data set, or `pair`, two files")
    for file in options.pair:
        if not file.is_file():
            raise FileNotFoundError(f"no picture {file} (`pair`)")
    if len(options.pair) not in (0, 2):
        raise ValueError(f"`pair` takes two files, A and B, not {len(options.pair)}")
    root, pair = options.dataroot or Path(), options.pair
    files = [PairFiles(pair[0].stem, *pair)] if pair else find_pairs(root, options.phase)
    one_pair = bool(pair) or root.is_file()
    found = skip_unreadable(files, note) if options.skip_unreadable else iter(files)
    used = tuple(itertools.islice(found, options.max_dataset_size))
    if not used:
        raise ValueError(f"none of the {len(files)} pairs can be read: there is nothing to learn from")
    asked = Request(complete_options(options, given, one_pair), used, one_pair, seed)
    check(asked)
    return asked


def complete_options(options: TrainOptions, given: Collection[str], one_pair: bool) -> ModelOptions:
    """The options of the model, with the values of the preset and all that follow from others filled in.

    Raises:
        ValueError: two contradict each other.
    """
    preset = {name: value for name, value in PRESETS[options.model].items() if name not in given}
    values = {entry.name: getattr(options, entry.name) for entry in fields(ModelOptions)} | preset
    if options.no_dropout:
        if values["stochastic"] != "dropout" or values["dropout"] is not None:
            raise ValueError("`no_dropout` contradicts `stochastic` and `dropout`: leave one out")
        values["stochastic"] = "none"
    for kind, (name, default) in STRENGTH.items():
        if values[name] is not None and values["stochastic"] != kind:
            raise ValueError(f"`{name}` needs `stochastic` {kind}, not {values['stochastic']}")
        if values["stochastic"] == kind and values[name] is None:
            values[name] = default
    if values["lambda_grad"] is None:
        values["lambda_grad"] = 10.0 if values["gan_mode"] in ("wgan-gp", "wgangp") else 0.0
    values["netD"] = CRITICS_ALSO.get(values["netD"], values["netD"])
    values["gan_mode"] = GAMES_ALSO.get(values["gan_mode"], values["gan_mode"])
    if one_pair and "augment" not in given:
        values["augment"] = "tps"
    return ModelOptions(**values)


def check(asked: Request) -> None:
    """Raise a ValueError if the data and the nets don't fit, or there is nothing to learn."""
    options, preparation = asked.options, make_preparation(asked.options)
    if options.netD == "none" and not options.lambda_L1 and not options.perceptual_weight:
        raise ValueError("there is nothing to learn: `netD` none needs `lambda_L1` or `perceptual_weight`")
    if not asked.epochs:
        raise ValueError("`n_epochs` and `n_epochs_decay` are both 0: there is nothing to learn")
    preparation.check()
    named = dict(zip(reversed(asked.sizes), reversed(asked.files), strict=True))  # the first pair of each size
    if len(named) > 1 and options.batch_size > 1 and asked.pairs.epoch_size % len(asked.files):
        (first, one), (second, other), *_ = reversed(named.items())
        raise ValueError(
            f"a batch has pictures of one size, and {one.a} becomes {first[1]} x {first[0]} pixels, {other.a} "
            f"{second[1]} x {second[0]}: with `batch_size` {options.batch_size}, `epoch_size` must be a multiple of "
            f"the number of pairs, {len(asked.files)}, so that each epoch has as many batches"
        )
    smallest = min(named, key=min)
    if asked.critic is not None and min(smallest) < asked.critic.smallest:
        raise ValueError(
            f"pictures of {smallest[1]} x {smallest[0]} pixels are too small for `netD` {options.netD}, which needs "
            f"{asked.critic.smallest}: raise `crop_size`, or lower `n_layers_D` or `num_D`"
        )


def model_name(options: TrainOptions) -> str:
    """The name of the model: the one asked for, or that of the data set."""
    source = options.pair[0].stem if options.pair else Path(options.dataroot or "").resolve().stem
    return layout.stem((source if options.name is None else options.name) + ".x", "name")
