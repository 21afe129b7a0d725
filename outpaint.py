"""Extend a picture beyond its edges, without training; its own pixels stay."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("outpaint")  # before the imports that take seconds

from SinGAN.commands.untrained import main_outpaint

main = main_outpaint

if __name__ == "__main__":
    main()
