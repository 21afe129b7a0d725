"""What the commands of translation share: their parser, the device, and the name of a model."""

from pathlib import Path

import torch

from Pix2Pix.options import SharedOptions, TrainOptions
from SinGAN.engines.engine import choose_device
from SinGAN.storage import layout
from SinGAN.terminal.flags import Parser, add_options

GROUPS = ("study", "data", "networks", "training", "test", "run")


def parser_of(description: str, options: type) -> Parser:
    """The parser of a command with ``options``."""
    result = Parser(description)
    for title in GROUPS:
        result.add_argument_group(title)
    add_options(result, options)
    return result


def model_name(options: TrainOptions) -> str:
    """The name of the model: the one asked for, or the data set's."""
    if options.name is not None:
        return layout.stem(options.name + ".x", "name")
    source = options.pair[0].stem if options.pair else Path(options.dataroot or "").resolve().stem
    return layout.stem(source + ".x", "name")


def device_of(options: SharedOptions) -> torch.device:
    """The device that ``options`` ask for."""
    return choose_device(None if options.device is None else torch.device(options.device), options.not_cuda)
