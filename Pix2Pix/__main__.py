"""The commands of `singan translate`: train, test, study and draw."""

import sys
from collections.abc import Sequence

from Pix2Pix.terminal import COMMANDS, command
from SinGAN.terminal.script import fail, running_as


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first of ``argv`` names, as `singan translate train`."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["-h"]
    if name in ("-h", "--help"):
        print(f"usage: singan translate {{{','.join(COMMANDS)}}} [flags]; -h behind a command lists its flags")
        raise SystemExit(0)
    if name not in COMMANDS:
        fail(f"no command {name}: there are {', '.join(COMMANDS)}")
    with running_as(f"singan translate {name}"):
        command(name)(rest)


if __name__ == "__main__":
    main()
