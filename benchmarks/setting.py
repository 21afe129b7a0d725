"""Shared parts of the benchmarks: scales to train, a description of the machine, and clocks."""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.baseline import Baseline
from SinGAN.concurrent.stage import Stage, prepare_iteration
from SinGAN.concurrent.training import make_grown_pyramid, start_stage
from SinGAN.engines.engine import Engine, EngineSettings, Step, choose_device
from SinGAN.engines.estimates import ScaleSetting
from SinGAN.kinds import KINDS
from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.iteration import iteration
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.growing import CONCURRENT
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.planning import PyramidConfig, build_reals, plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale, convolving_by
from SinGAN.training import draw, first_z_rec, make_target, start_nets


@dataclass(eq=False)
class Setting:
    """A scale of a picture of noise above untrained coarser ones; the weights have no influence on the time."""

    pyramid: Pyramid[TrainedScale]
    net: NetConfig
    target: Target
    z_rec: Tensor
    config: TrainConfig
    rng: torch.Generator

    @property
    def size(self) -> str:
        """Height and width of the scale as a text."""
        return f"{self.target.real.shape[-2]} x {self.target.real.shape[-1]}"

    @property
    def scale_setting(self) -> ScaleSetting:
        """The properties that an engine needs."""
        size = (self.target.real.shape[-2], self.target.real.shape[-1])
        return ScaleSetting(self.net, size, self.rng.device, self.config)

    def step(self, engine: Engine) -> Step:
        """A function that runs an iteration by ``engine``, on new nets, and returns the losses by name."""
        nets = Adversaries.of(*start_nets(self.pyramid, self.net, self.rng), self.config)
        differentiate = engine.differentiation(self.scale_setting)
        coarser = convolving_by(self.pyramid, engine.convolve)

        def once() -> dict[str, Tensor]:
            noise = draw(coarser, self.target.real, self.z_rec, self.config.Dsteps, self.rng)
            return iteration(nets, self.target, noise, self.config, differentiate)

        return engine.run(once, (nets.generator, nets.critic), self.rng, len(self.pyramid) + 1)

    def baseline(self) -> Baseline:
        """The plain iteration with new nets."""
        nets = start_nets(self.pyramid, self.net, self.rng)
        return Baseline(self.pyramid, self.target, self.z_rec, *nets, self.config, self.rng)


def settings(
    size: int,
    device: torch.device,
    config: TrainConfig = TrainConfig(),
    shape: float = 0.75,
    nets: NetConfig = NetConfig(),
) -> Iterator[Setting]:
    """The scales of a picture of ``size``, and ``shape`` times as high, coarse to fine, with nets of ``nets``."""
    rng = torch.Generator(device).manual_seed(1)
    image = torch.rand(1, 3, int(shape * size), size, generator=rng, device=device) * 2 - 1
    plan = plan_scales(image.shape[2], image.shape[3], PyramidConfig(max_size=size))
    pyramid = Pyramid[TrainedScale]((), plan.factor, nets.margin)
    for index, real in enumerate(build_reals(image, plan)):
        net, z_rec = nets.at(index), first_z_rec(pyramid, real, rng)
        target = make_target(pyramid, real, z_rec, config)
        yield Setting(pyramid, net, target, z_rec, config, rng)
        scale = TrainedScale.of(*start_nets(pyramid, net, rng), real, z_rec, target.noise_amp)
        pyramid = pyramid.with_scale(index, scale)


@dataclass(eq=False)
class StageSetting:
    """The same for a stage of concurrent training."""

    stage: Stage
    rng: torch.Generator

    @property
    def size(self) -> str:
        """Height and width of the stage, in words."""
        return " x ".join(map(str, self.scale_setting.size))

    @property
    def scale_setting(self) -> ScaleSetting:
        """The properties that an engine needs."""
        return self.stage.setting

    def step(self, engine: Engine) -> Step:
        """A function that runs an iteration by ``engine``, and returns the losses by name."""
        step, _ = prepare_iteration(self.stage, self.rng, engine)
        nets = self.stage.nets
        return engine.run(step, (nets.generator, nets.critic), self.rng, len(self.stage.reals))


def stages(
    size: int,
    device: torch.device,
    config: TrainConfig = TrainConfig(),
    shape: float = 0.75,
    asked: ModelOptions = ModelOptions(train_mode=CONCURRENT),
) -> Iterator[StageSetting]:
    """The stages of concurrent training, of the recipe generation, of such a picture, coarse to fine."""
    rng, options = torch.Generator(device).manual_seed(1), replace(asked, max_size=size).complete()
    image = torch.rand(1, 3, int(shape * size), size, generator=rng, device=device) * 2 - 1
    plan, net = KINDS[CONCURRENT].plan(image.shape[2], image.shape[3], options, TRAIN), options.net
    pyramid = make_grown_pyramid((), plan, net, config)
    for index, real in enumerate(build_reals(image, plan)):
        yield StageSetting(start_stage(pyramid, real, net.at(index), config, rng), rng)
        scale = start_stage(pyramid, real, net.at(index), config, rng).trained()
        pyramid = make_grown_pyramid((*pyramid.scales, scale), plan, net, config)


def of_scales(made: Iterable[Setting], asked: list[int] | None) -> Iterator[tuple[int, Setting]]:
    """The scales that are ``asked`` for (None: all), each with its index; exit with one line if there is none."""
    indices: list[int] = []
    for index, setting in enumerate(made):
        indices.append(index)
        if asked is None or index in asked:
            yield index, setting
    if asked is not None and not {*asked} & {*indices}:
        print(f"--scales {asked}: this picture has 0 to {indices[-1]}", file=sys.stderr)
        raise SystemExit(2)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """The seconds that ``work`` takes, those on the device included."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def medians(works: list[Callable[[], object]], device: torch.device, times: int, settled: bool = False) -> list[float]:
    """The median seconds of each of ``works``, run ``times`` times in turn, so that all see the same machine.

    If they are iterations of different scales, let each timed one follow an untimed one of its scale (``settled``), as
    in a training: after the larger images of another scale, memory is allocated again, which takes up to 40 % longer.
    """

    def once(work: Callable[[], object]) -> float:
        if settled:
            seconds(work, device)  # the device must finish it before the clock starts
        return seconds(work, device)

    rows = [[once(work) for work in works] for _ in range(times)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def machine(device: torch.device) -> str:
    """A description of the device and the versions."""
    name = f"{torch.get_num_threads()} CPU threads ({platform.processor() or platform.machine()})"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return f"{name}, torch {torch.__version__}"


def present(text: str) -> torch.device:
    """The device that ``text`` names; an error of argparse if this machine lacks it."""
    try:
        return choose_device(text)
    except (ValueError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error).splitlines()[0]) from None


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags that all benchmarks share."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--device", type=present, default=torch.device("cpu"))
    return flags


def choose_engine(
    name: str, precision: str, device: torch.device, recompute: str = "auto", winograd: str = "auto"
) -> Engine:
    """The engine called ``name``; exit with one line if the device does not support it."""
    try:
        return EngineSettings(name, precision, recompute, winograd).choose(device)
    except ValueError as error:
        raise SystemExit(str(error)) from None
