"""The command lines of translation; light, so that -h and a typo are answered before PyTorch is imported."""

from Pix2Pix.options import DrawOptions, StudyOptions, TestOptions, TrainOptions
from SinGAN.terminal.flags import Parser, add_options

COMMANDS: dict[str, tuple[str, type]] = {
    "train": ("Learn to translate pictures from pairs of them.", TrainOptions),
    "test": ("Translate pictures with a trained model, and measure them.", TestOptions),
    "study": ("Train on pairs under several settings, and compare.", StudyOptions),
    "draw": ("Serve a page: draw labels, and see their translation.", DrawOptions),
}
"""The description of each command, and its options."""
GROUPS = ("study", "data", "networks", "training", "test", "run")


def make_parser(command: str) -> Parser:
    """The parser of a command."""
    description, options = COMMANDS[command]
    result = Parser(description)
    for title in GROUPS:
        result.add_argument_group(title)
    add_options(result, options)
    return result
