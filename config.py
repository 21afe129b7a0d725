"""The flags of all scripts, where the authors' code has them; they are built from the options in ``SinGAN.options``."""

from SinGAN.terminal.flags import Parser, add_options, make_parser, parser, read_options
from SinGAN.terminal.parse import ParsedCommand, parse

__all__ = ["ParsedCommand", "Parser", "add_options", "make_parser", "parse", "parser", "read_options"]
