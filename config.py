"""Flags to frozen configs, device and random generator: the only place that knows argparse."""

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from SinGAN.engines import engine as engines
from SinGAN.engines.engine import ENGINES, PRECISIONS, RECOMPUTE, WINOGRAD
from SinGAN.losses.gan import GAN_MODES
from SinGAN.options.model import CRITICS, STOCHASTIC, configs, model_options
from SinGAN.parallel import jobs as dispatch
from SinGAN.parallel import ray_cluster as cluster
from SinGAN.parallel import run_all as many
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage.files import keep_inside
from SinGAN.terminal.script import fail

Flags = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """Reports bad flags in one line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (all flags: {self.prog} -h)")


HUGE = 10**9  # more of anything counted is a slip of the finger


def number(kind: type, low: float = -math.inf, high: float = math.inf, strict: bool = False) -> Callable[[str], Any]:
    """A converter to ``kind`` that takes ``low`` to ``high``; with ``strict`` only what lies between."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number") from None
        inside = low < value < high if strict else low <= value <= high
        if not inside or value in (math.inf, -math.inf):
            least = f"{'above' if strict else 'at least'} {low:g}"
            most = "" if high >= HUGE and not value > high else f" and {'below' if strict else 'at most'} {high:g}"
            raise argparse.ArgumentTypeError(f"must be {least}{most}, not {text}")
        return value

    return convert


count = number(int, 1, HUGE)
positive = number(float, 0, strict=True)
not_negative = number(float, 0)


def odd(text: str) -> int:
    """A converter to odd numbers."""
    value: int = count(text)
    if value % 2 == 0:
        raise argparse.ArgumentTypeError(f"must be odd, not {text}")
    return value


def parser(description: str | None, modes: Sequence[str], input_name: str | None = None) -> Parser:
    """The flags that all scripts share; where there are several ``modes``, one must be named.

    ``input_name`` is the picture where none is named; without it one must be, unless it is "".
    """
    made = Parser(description=description, allow_abbrev=False)
    _add_run_flags(made.add_argument_group("run").add_argument, modes, input_name)
    _add_net_flags(made.add_argument_group("networks").add_argument)
    _add_pyramid_flags(made.add_argument_group("pyramid").add_argument)
    _add_training_flags(made.add_argument_group("training").add_argument)
    return made


def _add_run_flags(add: Callable[..., Any], modes: Sequence[str], input_name: str | None) -> None:
    named = f" [{input_name}]" if input_name else ""
    usage = f"file of the training picture; several, or patterns as '*.png', are a run each{named}"
    preset = [input_name] if input_name else []
    add("--input_name", nargs="+", required=input_name is None, default=preset, help=usage)
    add("--input_dir", type=Path, default=Path("Input/Images"), help="its folder [%(default)s]")
    add("--out", type=Path, default=Path("Output"), help="folder of all results [%(default)s]")
    add("--mode", choices=modes, required=len(modes) > 1, default=modes[0], help="the task")
    add("--not_cuda", action="store_true", help="run on the CPU")
    add("--device", type=device, help="cpu, cuda or cuda:<n> [CUDA where there is one]")
    add("--manualSeed", type=number(int, 0, 2**63 - 1), help="random seed [a new one each time]")
    add("--jobs", type=count, default=1, help="of several pictures, how many run at once [%(default)s]")
    add("--jobs_per_gpu", type=count, default=1, help="of these, how many on one GPU [%(default)s]")
    add("--ray", nargs="?", const=cluster.LOCAL, metavar="ADDRESS", help="train on a Ray cluster [one on this machine]")
    add("--overwrite", action="store_true", help="make anew what exists; the old goes when the new is whole")


def reference_parser(description: str | None, mode: str, task: str, folder: str) -> Parser:
    """The flags of a script that puts a reference into the pyramid: its file, the scales, how many pictures."""
    made = parser(description, [mode])
    add = made.add_argument_group(task).add_argument
    add("--ref_name", required=True, help="file name of the reference")
    add("--ref_dir", type=Path, default=Path("Input") / folder, help="its folder [%(default)s]")
    add(
        f"--{task}_start_scale",
        dest="start_scales",
        type=scale_or_all(1),
        nargs="+",
        required=True,
        help="scales to put it in at, 1 to the finest; several, or: all",
    )
    add("--num_samples", type=count, default=1, help="pictures for each scale [%(default)s]")
    return made


def truth(text: str) -> bool:
    """A converter from True or False."""
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"must be True or False, not {text}")
    return text == "True"


def scale_or_all(low: int) -> Callable[[str], int | None]:
    """A converter to a scale from ``low`` on, or to None for ``all``."""
    return lambda text: None if text == "all" else int(number(int, low)(text))


def _add_net_flags(add: Callable[..., Any]) -> None:
    add("--nc_im", type=int, choices=(1, 3, 4), default=3, help="channels: grey, RGB or RGBA [%(default)s]")
    add("--nc_z", type=int, help="channels of the noise: as --nc_im, which it follows")
    add("--nfc", type=count, default=32, help="filters at the coarsest scale [%(default)s]")
    add("--min_nfc", type=count, default=32, help="fewest filters in a net, at the coarsest scale [%(default)s]")
    add("--ker_size", type=odd, default=3, help="width of the convolutions, odd [%(default)s]")
    add("--num_layer", type=number(int, 2), default=5, help="convolutions in each net [%(default)s]")
    add("--no_residual", action="store_true", help="generators don't add the previous scale's image")
    add("--stride", type=int, choices=(1,), default=1, help="of the convolutions; only 1 works")
    add("--padd_size", type=int, choices=(0,), default=0, help="padding inside the nets; only 0 works")
    add("--netG", type=Path, help="generator weights to start from, where the authors start from fresh ones")
    add("--netD", type=critic, default="patch", help=f"critic: {', '.join(CRITICS)}, or weights of one [%(default)s]")
    add("--stochastic", choices=STOCHASTIC, default="noise", help="where randomness comes from [%(default)s]")
    add("--dropout", type=number(float, 0, 1, strict=True), help="share dropped with --stochastic dropout [0.5]")
    add("--weight_noise", type=positive, help="deviation with --stochastic weights, of each filter's RMS [0.1]")


def _add_pyramid_flags(add: Callable[..., Any]) -> None:
    ratio = number(float, 0, 1, strict=True)
    add("--scale_factor", type=ratio, default=0.75, help="ratio of neighbouring scales, roughly [%(default)s]")
    add("--noise_amp", type=not_negative, default=0.1, help="noise for each unit of a scale's error [%(default)s]")
    add("--min_size", type=count, default=25, help="shorter side of the coarsest scale [%(default)s]")
    add("--max_size", type=count, default=250, help="longer side of the finest scale [%(default)s]")
    whole = number(int, 0, HUGE)
    add("--sketch_scales", type=whole, default=0, help="scales below the finest that learn a sketch [%(default)s]")


def _add_training_flags(add: Callable[..., Any]) -> None:
    add("--engine", choices=ENGINES, default="auto", help="what runs iterations [see the README]")
    add("--precision", choices=PRECISIONS, default="auto", help="of the convolutions [tf32 on a GPU, else fp32]")
    add("--recompute", choices=RECOMPUTE, default="auto", help="make activations anew, not keep them [where short]")
    add("--winograd", choices=WINOGRAD, default="auto", help="fast convolutions on the CPU [where g++ is]")
    add("--checkpoint_every", type=not_negative, default=60.0, help="seconds from one to the next [%(default)g]")
    add("--niter", type=count, default=2000, help="iterations per scale [%(default)s]")
    add("--gamma", type=not_negative, default=0.1, help="factor of the learning rates at 80 %% of niter [%(default)s]")
    add("--lr_g", type=positive, default=0.0005, help="learning rate of the generator [%(default)s]")
    add("--lr_d", type=positive, default=0.0005, help="learning rate of the critic [%(default)s]")
    add("--beta1", type=_below_one, default=0.5, help="Adam's first beta [%(default)s]")
    add("--Gsteps", type=count, default=3, help="generator steps per iteration [%(default)s]")
    add("--Dsteps", type=count, default=3, help="critic steps per iteration [%(default)s]")
    add("--gan_mode", choices=GAN_MODES, default="wgan-gp", help="adversarial loss [%(default)s]")
    add("--lambda_grad", type=not_negative, help="weight of the gradient penalty [0.1 with wgan-gp, else 0]")
    add("--alpha", type=not_negative, default=10.0, help="weight of the reconstruction loss [%(default)g]")
    add("--texture_weight", type=not_negative, default=0.0, help="weight of the samples' Gram distance [%(default)g]")
    add("--perceptual_weight", type=not_negative, default=0.0, help="weight of the rebuilt VGG features [%(default)g]")
    add("--vgg_weights", type=Path, help="VGG16 weights for both, a file [torchvision's, downloaded]")
    drawn = "the reconstruction's noise: drawn once (paper), or in every iteration (authors' code) [%(default)s]"
    add("--z_rec", choices=("fixed", "redrawn"), default="fixed", help=drawn)


def _below_one(text: str) -> float:
    value: float = number(float, 0, 1)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("must be below 1")
    return value


def critic(text: str) -> str:
    """A converter to a kind of critic, or a file of weights."""
    if text not in CRITICS and not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"must be {', '.join(CRITICS)} or a file of weights, not {text}")
    return text


def device(text: str) -> torch.device:
    """A converter to a device."""
    try:
        named = torch.device(text)
    except RuntimeError:
        named = torch.device("meta")
    if named.type != "cuda" and named != torch.device("cpu"):
        raise argparse.ArgumentTypeError(f"must be cpu, cuda or cuda:<n>, not {text}")
    return named


def parse(parser: Parser, argv: Sequence[str] | None, script: str) -> tuple[Run, argparse.Namespace]:
    """The run that ``argv`` asks for, and the script's own flags.

    Where it names several pictures, each is run by a process of its own, of the file ``script``.

    Raises:
        ValueError: flags contradict each other, or name what this machine lacks.
        SystemExit: of status 2, after one line on stderr, for an unknown flag or a bad value; of the
            status of the whole, when several pictures are done.
    """
    args = parser.parse_args(argv)
    unset: list[object] = []  # a list, to which flags that are repeated can be appended
    probe = parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(vars(args), unset)))
    given = frozenset(name for name, value in vars(probe).items() if value is not unset)
    options = model_options(vars(args))
    names = dispatch.pictures(args.input_name, args.input_dir)
    if hasattr(args, "ref_name"):
        layout.stem(args.ref_name, "--ref_name")
        keep_inside(args.ref_dir, [args.ref_dir / args.ref_name])
    chosen = engines.choose_device(args.device, args.not_cuda)
    seed = random.SystemRandom().randrange(2**31) if args.manualSeed is None else args.manualSeed
    run = Run(
        picture=args.input_dir / names[0],
        name=layout.stem(names[0]),
        out=args.out,
        device=chosen,
        seed=seed,
        overwrite=args.overwrite,
        checkpoint_every=args.checkpoint_every,
        vgg_weights=args.vgg_weights,
        engine=engines.choose(args.engine, args.precision, chosen, args.recompute, args.winograd),
        **configs(options),
        options=options,
        given=given,
    )
    if len(names) > 1 or args.ray:
        flags = dispatch.without(many.OURS, sys.argv[1:] if argv is None else argv)
        runs = [run.of_picture(name) for name in names]
        tasks = [run.task(Path(script), flags, args.mode) for run in runs]
        anywhere = args.device is None and not args.not_cuda
        raise SystemExit(many.run_all(runs, tasks, args.jobs, args.jobs_per_gpu, args.ray, anywhere))
    run.check_links()
    args.input_name = names[0]
    return run, args
