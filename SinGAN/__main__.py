"""The command `singan`: a table of commands, each the same code as the script of its task."""

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its path: the package's folder must not hide other modules
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from SinGAN import __version__
from SinGAN.terminal.messages import fail, running_as, say
from SinGAN.terminal.script import quiet_interrupts


def usage() -> str:
    """The table of all commands."""
    from SinGAN.tasks import tasks

    lines = [f"  {name:14} {task.row}" for name, task in tasks().items()]
    return "\n".join(["usage: singan <command> [flags]; singan <command> -h lists the flags of a command", "", *lines])


def command(name: str, module: str = "") -> Callable[..., None]:
    """The command ``name`` as a function of its flags, those of the process by default.

    It is run if ``module`` is "__main__": the script that defines its ``main`` so was started.
    """

    def main(argv: Sequence[str] | None = None) -> None:
        from SinGAN.tasks import tasks

        task = tasks()[name]
        if task.module:
            importlib.import_module(task.module).main(argv)
        else:
            importlib.import_module("SinGAN.terminal.command").run(task, argv)

    if module == "__main__":
        quiet_interrupts(name)  # before the imports that take seconds
        main()
    return main


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that ``argv`` names, with the rest of it."""
    from SinGAN.tasks import tasks

    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        say(usage())
    elif name == "--version":
        say(__version__)
    elif name not in tasks():
        with running_as("singan"):
            near = difflib.get_close_matches(name, tasks(), n=1)
            hint = f"do you mean {near[0]}?" if near else f"there are {', '.join(tasks())}"
            fail(f"no command {name}: {hint}")
    else:
        from SinGAN.terminal.flags import check  # light, unlike the command's module

        with running_as(f"singan {name}"):
            check(name, rest)
            command(name)(rest)


def script() -> None:
    """The entry point of the installed command."""
    quiet_interrupts()
    main()


if __name__ == "__main__":
    script()
