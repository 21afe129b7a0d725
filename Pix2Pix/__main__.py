"""The commands of `singan translate`: train, test, study and draw."""

import importlib
import sys
from collections.abc import Callable, Sequence

from Pix2Pix.terminal import COMMANDS, make_parser
from SinGAN.terminal.messages import fail, running_as, say
from SinGAN.terminal.script import quiet_interrupts


def command(name: str, module: str = "") -> Callable[..., None]:
    """The command ``name`` as a function of its flags, those of the process by default.

    It is run if ``module`` is "__main__": the script that defines its ``main`` so was started.
    """

    def main(argv: Sequence[str] | None = None) -> None:
        words = sys.argv[1:] if argv is None else argv
        make_parser(name).parse_given(words)  # before slow imports: -h and typos are answered immediately
        code = importlib.import_module("Pix2Pix.study" if name == "study" else "Pix2Pix.commands")
        getattr(code, f"main_{name}")(words)

    if module == "__main__":
        quiet_interrupts()  # before the imports that take seconds
        main()
    return main


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first of ``argv`` names, as `singan translate train`."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["-h"]
    if name in ("-h", "--help"):
        say(f"usage: singan translate {{{','.join(COMMANDS)}}} [flags]; singan translate <command> -h lists its flags")
        raise SystemExit(0)
    if name not in COMMANDS:
        fail(f"no command {name}: there are {', '.join(COMMANDS)}")
    with running_as(f"singan translate {name}"):
        command(name)(rest)


if __name__ == "__main__":
    main()
