"""The flags of all scripts, where the authors have them; they are made from the options in ``SinGAN.options``."""

from SinGAN.terminal.flags import Parser, add_options, parser, values_of
from SinGAN.terminal.parse import Asked, parse

__all__ = ["Asked", "Parser", "add_options", "parse", "parser", "values_of"]
