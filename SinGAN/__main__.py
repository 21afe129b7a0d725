"""The command `singan`: a table of commands, each the same code as the script of its task."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its path: the package's folder must not hide other modules
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from SinGAN import __version__
from SinGAN.terminal.script import fail, quiet_interrupts, running_as

COMMANDS = {
    "train": ("SinGAN.commands.train", "main", "train a model on one picture, then draw samples"),
    "sample": ("SinGAN.commands.sample", "main", "draw random samples, at any size"),
    "harmonize": ("SinGAN.commands.retouch", "main_harmonize", "fit a pasted object into the picture"),
    "edit": ("SinGAN.commands.retouch", "main_edit", "make a crude edit seamless"),
    "paint": ("SinGAN.commands.retouch", "main_paint", "turn a paint into a picture"),
    "super-resolve": ("SinGAN.commands.super_resolve", "main", "enlarge a picture"),
    "animate": ("SinGAN.commands.animate", "main", "animate a picture"),
    "retarget": (
        "SinGAN.commands.untrained",
        "main_retarget",
        "other proportions without stretching; no training",
    ),
    "inpaint": ("SinGAN.commands.untrained", "main_inpaint", "fill what a mask marks from the rest; no training"),
    "outpaint": ("SinGAN.commands.untrained", "main_outpaint", "extend a picture beyond its edges; no training"),
    "analogy": (
        "SinGAN.commands.untrained",
        "main_analogy",
        "one picture's structure, another's texture; no training",
    ),
    "tile": ("SinGAN.commands.untrained", "main_tile", "a seamless tile; no training"),
    "evaluate": ("SIFID.evaluate", "main", "measure a model's samples, or sets of pictures"),
    "sifid": ("SIFID.sifid_score", "main", "SIFID between pictures"),
    "study": ("SinGAN.studies.command", "main", "train under several settings, and compare"),
    "translate": ("Pix2Pix.__main__", "main", "learn from pairs of pictures: train, test, draw"),
    "studio": ("SinGAN.studio.command", "main", "a web page on this machine: paint, edit, train, look"),
    "export": ("SinGAN.commands.export", "main", "write a model as one TorchScript or ONNX file"),
}
"""For each command its module, the function in it, and what it does."""


def usage() -> str:
    """All commands."""
    lines = [f"  {name:14} {words}" for name, (_, _, words) in COMMANDS.items()]
    return "\n".join(["usage: singan <command> [flags]; singan <command> -h tells a command's flags", "", *lines])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that ``argv`` names, with the rest of it."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(__version__)
    elif name not in COMMANDS:
        with running_as("singan"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"do you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            fail(f"no command {name}: {hint}")
    else:
        from SinGAN.terminal.flags import check  # light, unlike the command's module

        module, function, _ = COMMANDS[name]
        with running_as(f"singan {name}"):
            check(name, rest)
            getattr(importlib.import_module(module), function)(rest)


def script() -> None:
    """The entry point of the installed command."""
    quiet_interrupts()
    main()


if __name__ == "__main__":
    script()
