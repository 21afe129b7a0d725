"""The options of the translation commands: name, range, default and help, each once; names are pix2pix's.

This module stays light: -h and a typo are answered before PyTorch is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from SinGAN.options.option import MANY, option
from SinGAN.options.run import RunOptions

NORMS = ("batch", "instance", "none")
STOCHASTIC = ("dropout", "weights", "none")
INITIAL = ("normal", "xavier", "kaiming", "orthogonal")
NETS = ("unet_32", "unet_64", "unet_128", "unet_256", "unet_512", "resnet_6blocks", "resnet_9blocks")
CRITICS = ("patch", "pixel", "multiscale", "sesame", "none")
CRITICS_ALSO = {"basic": "patch", "n_layers": "patch", "sesam": "sesame"}
"""Names of critics in other programs."""
GAMES = ("vanilla", "lsgan", "hinge", "wgan", "wgan-gp")
GAMES_ALSO = {"original": "vanilla", "ls": "lsgan", "w": "wgan-gp", "wgangp": "wgan-gp"}
"""Names of adversarial losses in other programs."""
PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")
AUGMENT = ("none", "tps")
DIRECTIONS = ("AtoB", "BtoA")
Setting = Mapping[str, str]
"""Flags without dashes, and their values."""
STUDIES: dict[str, list[Setting]] = {
    "batch_size": [{"batch_size": size} for size in ("1", "4", "16", "64", "256")],
    "perceptual": [
        {"lambda_L1": "100", "perceptual_weight": "0"},
        {"lambda_L1": "0", "perceptual_weight": "10"},
        {"lambda_L1": "100", "perceptual_weight": "10"},
    ],
    "gan_mode": [{"gan_mode": mode} for mode in ("vanilla", "lsgan", "hinge", "w", "wgan-gp")],
    "critic": [{"netD": kind} for kind in ("none", "pixel", "patch", "multiscale", "sesame")],
    "stochastic": [
        {"stochastic": "none"},
        {"stochastic": "dropout", "dropout": "0.5"},
        {"stochastic": "dropout", "dropout": "0.95"},
        {"stochastic": "weights", "weight_noise": "0.1"},
    ],
}
"""The settings of each ready-made study by name."""
COUNT: dict[str, Any] = {"least": 1, "most": MANY}
FILTERS: dict[str, Any] = {"least": 1, "most": 2**12}
LOADED, CROPPED, NOISE = 2**15, 2**13, 100.0  # more pixels of a side, and noise on weights, than any training can use
PART = r"[^./\\\x00-\x1f\ud800-\udfff][^/\\\x00-\x1f\ud800-\udfff]*"  # of a path, in UTF-8
PHASE: dict[str, Any] = {"pattern": f"{PART}(/{PART})*", "meant": "the name of a folder in the data set"}
DATA: dict[str, Any] = {"group": "data"}
NET: dict[str, Any] = {"group": "networks"}
TRAINING: dict[str, Any] = {"group": "training"}
PRESETS: dict[str, dict[str, Any]] = {
    "pix2pix": {},
    "perceptual": {"lambda_L1": 0.0, "perceptual_weight": 10.0},
    "stochastic": {"dropout": 0.95},
    "adversarial_losses": {},
}
"""The options that each `model` sets unless they are given."""
EPOCHS_OF_ONE_PAIR = 80  # draws in an epoch


def shared(name: str, default: Any = None) -> Any:
    """The option ``name`` of SinGAN's commands, with another ``default`` where one is given."""
    entry = next(entry for entry in fields(RunOptions) if entry.name == name)
    return field(default=entry.default if default is None else default, metadata=entry.metadata)


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """The options that all translation commands share with SinGAN's."""

    name: str | None = option(None, "of the model", unset="the data set's", **DATA)
    out: Path = shared("out")
    device: str | None = shared("device")
    not_cuda: bool = shared("not_cuda")
    manualSeed: int | None = shared("manualSeed")
    overwrite: bool = shared("overwrite")
    precision: str = shared("precision")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The options that shape a model; its manifest stores them."""

    direction: str = option("AtoB", "which side is the input", choices=DIRECTIONS, **DATA)
    phase: str = option("train", "the sub-folder of the data set", **PHASE, **DATA)
    input_nc: int = option(3, "channels of the generator's input: grey or RGB", choices=(1, 3), **DATA)
    output_nc: int = option(3, "channels of its output", choices=(1, 3), **DATA)
    preprocess: str = option("resize_and_crop", "how pictures are resized and cropped", choices=PREPROCESS, **DATA)
    load_size: int = option(286, "pixels to which they are resized", least=1, most=LOADED, **DATA)
    crop_size: int = option(256, "pixels of the part that is used", least=1, most=CROPPED, **DATA)
    no_flip: bool = option(False, "no mirror images", **DATA)
    label_maps: bool = option(False, "inputs hold labels: no colours between two of them", **DATA)
    augment: str = option("none", "tps: thin-plate warps, of one pair the default", choices=AUGMENT, **DATA)
    max_dataset_size: int | None = option(None, "use the first so many pairs", unset="all", **COUNT, **DATA)
    serial_batches: bool = option(False, "take the pairs in order", **DATA)
    netG: str = option("unet_256", f"the generator: {', '.join(NETS)}", choices=NETS, **NET)
    ngf: int = option(64, "filters of its first layer", **FILTERS, **NET)
    netD: str = option("patch", f"the critic: {', '.join(CRITICS)}", choices=(*CRITICS, *CRITICS_ALSO), **NET)
    ndf: int = option(64, "filters of its first layer", **FILTERS, **NET)
    n_layers_D: int = option(3, "layers of a critic of patches", least=1, most=8, **NET)
    num_D: int = option(2, "critics of multiscale and sesame", least=1, most=8, **NET)
    norm: str = option("batch", "of both nets; instance has no weights", choices=NORMS, **NET)
    init_type: str = option("normal", "how first weights are drawn", choices=INITIAL, **NET)
    init_gain: float = option(0.02, "their scale", above=0, **NET)
    stochastic: str = option("dropout", "where randomness comes from, at test, too", choices=STOCHASTIC, **NET)
    dropout: float | None = option(None, "share dropped with stochastic dropout", unset="0.5", least=0, below=1, **NET)
    weight_noise: float | None = option(
        None, "with stochastic weights: deviation, of each filter's RMS", unset="0.1", least=0, most=NOISE, **NET
    )
    batch_size: int = option(1, "pairs in a step; the last batch of an epoch may be smaller", **COUNT, **TRAINING)
    n_epochs: int = option(100, "epochs at the full learning rate", least=0, most=MANY, **TRAINING)
    n_epochs_decay: int = option(100, "epochs while it falls to 0", least=0, most=MANY, **TRAINING)
    epoch_size: int | None = option(
        None, "pairs drawn in an epoch", unset=f"all, of one pair {EPOCHS_OF_ONE_PAIR}", **COUNT, **TRAINING
    )
    lr: float = option(0.0002, "learning rate of both nets", above=0, **TRAINING)
    beta1: float = option(0.5, "Adam's first beta", least=0, below=1, **TRAINING)
    gan_mode: str = option(
        "vanilla", f"adversarial loss: {', '.join(GAMES)}", choices=(*GAMES, *GAMES_ALSO), **TRAINING
    )
    lambda_grad: float | None = option(
        None, "weight of the gradient penalty", unset="10 with wgan-gp, else 0", least=0, **TRAINING
    )
    lambda_L1: float = option(100.0, "weight of the absolute difference", least=0, **TRAINING)
    perceptual_weight: float = option(0.0, "weight of the difference in VGG19's features", least=0, **TRAINING)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(SharedOptions, ModelOptions):
    """Training."""

    dataroot: Path | None = option(None, "folder of the data set, or one side-by-side picture", unset="", **DATA)
    pair: tuple[Path, ...] = option((), "two files, A and B: learn from one pair", **DATA)
    skip_unreadable: bool = option(False, "leave out pairs that can't be read, each with a line", **DATA)
    model: str = option("pix2pix", "a preset of flags", choices=tuple(PRESETS), **TRAINING)
    no_dropout: bool = option(False, "pix2pix's word for --stochastic none", **NET)
    vgg_weights: Path | None = option(None, "VGG19's weights", unset="torchvision's, downloaded once", **TRAINING)
    engine: str = shared("engine")
    checkpoint_every: float = shared("checkpoint_every", 300.0)
    save_epoch_freq: int = option(5, "epochs between two kept models", **COUNT, **TRAINING)
    continue_train: bool = option(
        False, "train a finished model further, up to more epochs (--n_epochs); others always resume", **TRAINING
    )
    epoch: str = option(
        "latest", "with --continue_train: which kept nets to begin with", pattern=r"latest|\d{1,6}",
        meant="latest or a number", **TRAINING,
    )  # fmt: skip
    epoch_count: int | None = option(
        None, "with --continue_train: the first epoch to train", unset="the one after those nets", **COUNT, **TRAINING
    )


@dataclass(frozen=True, kw_only=True)
class StudyOptions(TrainOptions):
    """Trainings under several settings."""

    study: str | None = option(None, "a ready-made study", group="study", choices=tuple(STUDIES), unset="")
    vary: tuple[str, ...] = option(
        (), "a flag and its values, as lambda_L1=0,10,100; can be repeated", group="study", repeated=True
    )
    seeds: int = option(1, "trainings of each setting", group="study", least=1, most=1000)
    equal: str = option(
        "epochs", "trainings with larger batches have as many epochs, or as many updates",
        group="study", choices=("epochs", "updates"),
    )  # fmt: skip
    test_phase: str = option("test", "the sub-folder that they are compared on", group="study", **PHASE)
    num_test: int | None = option(None, "only its first so many pairs", unset="all", group="study", **COUNT)
    jobs: int = option(1, "number of parallel trainings", group="study", **COUNT)
    weights: Path | None = option(
        None, "file of torch-fidelity's Inception weights, for FID, KID and IS", unset="torch's cache, or without",
        group="study",
    )  # fmt: skip
    dry_run: bool = option(False, "only list the trainings", group="study")


@dataclass(frozen=True, kw_only=True)
class UseOptions(SharedOptions):
    """The use of a model."""

    epoch: str = option(
        "latest", "which kept model", group="test", pattern=r"latest|\d{1,6}", meant="latest or a number"
    )
    statistics: str = option(
        "batch", "of batch norms: each picture's own (paper), or those of training", group="test",
        choices=("batch", "running"),
    )  # fmt: skip
    checkpoints_dir: Path | None = option(None, "folder of the models", unset="Output/checkpoints", group="test")


@dataclass(frozen=True, kw_only=True)
class DrawOptions(UseOptions):
    """The page to draw on."""

    port: int = option(7861, "port; 0: any that is free", group="test", least=0, most=65535)


@dataclass(frozen=True, kw_only=True)
class TestOptions(UseOptions):
    """Tests of a model."""

    dataroot: Path | None = option(None, "folder of the data set, or one side-by-side picture", unset="", **DATA)
    single: Path | None = option(None, "a folder of inputs alone, without measures", unset="", **DATA)
    phase: str = option("test", "the sub-folder of the data set", **PHASE, **DATA)
    num_test: int | None = option(None, "only the first so many", unset="all", group="test", **COUNT)
    num_samples: int = option(1, "pictures of each input", group="test", **COUNT)
    eval: bool = option(False, "the norms' running values, and no randomness", group="test")
    results_dir: Path | None = option(None, "folder of the results", unset="Output/results", group="test")
    netG: str | None = option(None, "of a model without manifest, where its weights don't tell", unset="", **NET)
    direction: str | None = option(None, "of a model without manifest", choices=DIRECTIONS, unset="AtoB", **DATA)
    no_dropout: bool = option(False, "of a U-Net without manifest: it was trained without dropout", **NET)
