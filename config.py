"""Flags to frozen configs, device and random generator: the only place that knows argparse."""

import argparse
import itertools
import math
import random
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from SinGAN import layout
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig
from SinGAN.pyramid import read_weights
from SinGAN.terminal import fail
from SinGAN.training import StartWeights, TrainConfig

# fmt: off
MODEL_FLAGS = [
    "nc_im", "nc_z", "nfc", "min_nfc", "ker_size", "num_layer", "stride", "padd_size", "netG", "netD",
    "scale_factor", "noise_amp", "min_size", "max_size",
    "niter", "gamma", "lr_g", "lr_d", "beta1", "Gsteps", "Dsteps", "lambda_grad", "alpha", "z_rec",
]
# fmt: on
"""What shapes a model, and so stands in its manifest."""


@dataclass(frozen=True)
class Run:
    """What every script needs, made from the flags."""

    picture: Path
    name: str  # of the picture, in every result
    out: Path
    device: torch.device
    seed: int
    rng: torch.Generator
    overwrite: bool
    net: NetConfig
    pyramid: PyramidConfig
    training: TrainConfig
    options: dict[str, Any]  # all of MODEL_FLAGS
    given: frozenset[str]  # the flags given by hand

    @property
    def model(self) -> Path:
        """The folder of the model that the flags name."""
        return layout.trained(self.out, self.name, self.pyramid.scale_factor, self.training.alpha)

    def start_weights(self) -> StartWeights:
        """The weights that ``--netG`` and ``--netD`` name."""
        return StartWeights(
            *(self.options[flag] and read_weights(Path(self.options[flag])) for flag in ("netG", "netD"))
        )

    def model_flags(self) -> str:
        """The flags that name this model to another script, quoted for a shell."""
        naming = ("input_name", "scale_factor", "alpha", "out")
        values = {**self.options, "input_name": self.picture.name, "out": self.out}
        flags = [[f"--{flag}", str(values[flag])] for flag in naming if flag in self.given]
        return shlex.join(itertools.chain(*flags))

    def given_options(self) -> dict[str, Any]:
        """The model's options that were given by hand."""
        return {name: value for name, value in self.options.items() if name in self.given}

    def note_ignored(self, differences: Sequence[str]) -> None:
        """Say that flags which differ from the model's have no effect."""
        if differences:
            print(f"note: the model keeps the options that it was trained with: {'; '.join(differences)}")


class Parser(argparse.ArgumentParser):
    """Reports bad flags in one line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (all flags: {self.prog} -h)")


def number(kind: type, low: float = -math.inf, high: float = math.inf, strict: bool = False) -> Callable[[str], Any]:
    """A converter to ``kind`` that takes ``low`` to ``high``; with ``strict`` only what lies between."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number") from None
        inside = low < value < high if strict else low <= value <= high
        if not inside or not math.isfinite(value):
            least = f"{'above' if strict else 'at least'} {low:g}"
            most = "" if high == math.inf else f" and {'below' if strict else 'at most'} {high:g}"
            raise argparse.ArgumentTypeError(f"must be {least}{most}, not {text}")
        return value

    return convert


count = number(int, 1)
positive = number(float, 0, strict=True)
not_negative = number(float, 0)


def odd(text: str) -> int:
    """A converter to odd numbers."""
    value: int = count(text)
    if value % 2 == 0:
        raise argparse.ArgumentTypeError(f"must be odd, not {text}")
    return value


def parser(description: str, modes: Sequence[str]) -> Parser:
    """The flags that all scripts share; where there are several ``modes``, one must be named."""
    made = Parser(description=description, allow_abbrev=False)
    _add_run_flags(made.add_argument_group("run").add_argument, modes)
    _add_net_flags(made.add_argument_group("networks").add_argument)
    _add_pyramid_flags(made.add_argument_group("pyramid").add_argument)
    _add_training_flags(made.add_argument_group("training").add_argument)
    return made


def _add_run_flags(add: Callable[..., Any], modes: Sequence[str]) -> None:
    add("--input_name", required=True, help="file name of the training picture")
    add("--input_dir", type=Path, default=Path("Input/Images"), help="its folder [%(default)s]")
    add("--out", type=Path, default=Path("Output"), help="folder of all results [%(default)s]")
    add("--mode", choices=modes, required=len(modes) > 1, default=modes[0], help="the task")
    add("--not_cuda", action="store_true", help="run on the CPU")
    add("--device", type=_device, help="cpu, cuda or cuda:<n> [CUDA where there is one]")
    add("--manualSeed", type=number(int, 0, 2**63 - 1), help="random seed [a new one each time]")
    add("--overwrite", action="store_true", help="make anew what exists; the old goes when the new is whole")


def _add_net_flags(add: Callable[..., Any]) -> None:
    add("--nc_im", type=int, choices=(1, 3, 4), default=3, help="channels: grey, RGB or RGBA [%(default)s]")
    add("--nc_z", type=int, help="channels of the noise: as --nc_im, which it follows")
    add("--nfc", type=count, default=32, help="filters at the coarsest scale [%(default)s]")
    add("--min_nfc", type=count, default=32, help="fewest filters in a net, at the coarsest scale [%(default)s]")
    add("--ker_size", type=odd, default=3, help="width of the convolutions, odd [%(default)s]")
    add("--num_layer", type=number(int, 2), default=5, help="convolutions in each net [%(default)s]")
    add("--stride", type=int, choices=(1,), default=1, help="of the convolutions; only 1 works")
    add("--padd_size", type=int, choices=(0,), default=0, help="padding inside the nets; only 0 works")
    add("--netG", type=Path, help="generator weights to start from, where the authors start from fresh ones")
    add("--netD", type=Path, help="critic weights to start from, likewise")


def _add_pyramid_flags(add: Callable[..., Any]) -> None:
    ratio = number(float, 0, 1, strict=True)
    add("--scale_factor", type=ratio, default=0.75, help="ratio of neighbouring scales, roughly [%(default)s]")
    add("--noise_amp", type=not_negative, default=0.1, help="noise for each unit of a scale's error [%(default)s]")
    add("--min_size", type=count, default=25, help="shorter side of the coarsest scale [%(default)s]")
    add("--max_size", type=count, default=250, help="longer side of the finest scale [%(default)s]")


def _add_training_flags(add: Callable[..., Any]) -> None:
    add("--niter", type=count, default=2000, help="iterations per scale [%(default)s]")
    add("--gamma", type=not_negative, default=0.1, help="factor of the learning rates at 80 %% of niter [%(default)s]")
    add("--lr_g", type=positive, default=0.0005, help="learning rate of the generator [%(default)s]")
    add("--lr_d", type=positive, default=0.0005, help="learning rate of the critic [%(default)s]")
    add("--beta1", type=_below_one, default=0.5, help="Adam's first beta [%(default)s]")
    add("--Gsteps", type=count, default=3, help="generator steps per iteration [%(default)s]")
    add("--Dsteps", type=count, default=3, help="critic steps per iteration [%(default)s]")
    add("--lambda_grad", type=not_negative, default=0.1, help="weight of the gradient penalty [%(default)s]")
    add("--alpha", type=not_negative, default=10.0, help="weight of the reconstruction loss [%(default)g]")
    add(
        "--z_rec",
        choices=("fixed", "redrawn"),
        default="fixed",
        help="the reconstruction's noise: drawn once (paper), or in every iteration (authors' code) [%(default)s]",
    )


def _below_one(text: str) -> float:
    value: float = number(float, 0, 1)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("must be below 1")
    return value


def _device(text: str) -> torch.device:
    try:
        device = torch.device(text)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"must be cpu, cuda or cuda:<n>, not {text}")
    return device


def parse(parser: Parser, argv: Sequence[str] | None) -> tuple[Run, argparse.Namespace]:
    """The run that ``argv`` asks for, and the script's own flags.

    Raises:
        ValueError: flags contradict each other, or name what this machine lacks.
        SystemExit: of status 2, after one line on stderr, for an unknown flag or a bad value.
    """
    args = parser.parse_args(argv)
    unset = object()
    probe = parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(vars(args), unset)))
    given = frozenset(name for name, value in vars(probe).items() if value is not unset)
    if args.nc_z not in (None, args.nc_im):
        raise ValueError(f"--nc_z {args.nc_z} differs from --nc_im {args.nc_im}: leave --nc_z out, it follows")
    args.nc_z = args.nc_im
    name = layout.stem(args.input_name)
    device = _choose_device(args.device, args.not_cuda)
    seed = random.SystemRandom().randrange(2**31) if args.manualSeed is None else args.manualSeed
    options = {flag: getattr(args, flag) for flag in MODEL_FLAGS}
    run = Run(
        picture=args.input_dir / args.input_name,
        name=name,
        out=args.out,
        device=device,
        seed=seed,
        rng=torch.Generator(device).manual_seed(seed),
        overwrite=args.overwrite,
        net=NetConfig(args.nc_im, args.nfc, args.min_nfc, args.ker_size, args.num_layer),
        pyramid=PyramidConfig(args.min_size, args.max_size, args.scale_factor),
        training=_train_config(args),
        options={flag: str(value) if isinstance(value, Path) else value for flag, value in options.items()},
        given=given,
    )
    return run, args


def _train_config(args: argparse.Namespace) -> TrainConfig:
    same = ["niter", "Gsteps", "Dsteps", "lr_g", "lr_d", "gamma", "beta1", "lambda_grad", "alpha", "noise_amp"]
    return TrainConfig(redraw_z_rec=args.z_rec == "redrawn", **{name: getattr(args, name) for name in same})


def _choose_device(asked: torch.device | None, not_cuda: bool) -> torch.device:
    if not_cuda and asked is not None and asked.type == "cuda":
        raise ValueError(f"--not_cuda and --device {asked} contradict each other: leave one out")
    if asked is not None and asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {asked}: this machine has {torch.cuda.device_count()} CUDA devices; leave it out")
    if asked is not None:
        return asked
    if not_cuda or not torch.cuda.is_available():
        print("running on the CPU" if not_cuda else "no CUDA device found: running on the CPU")
        return torch.device("cpu")
    return torch.device("cuda")
