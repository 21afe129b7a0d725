"""Translate pictures with a trained model, and measure them."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds

from Pix2Pix.terminal import command

main = command("test")

if __name__ == "__main__":
    main()
