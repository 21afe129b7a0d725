"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("animate")  # before the imports that take seconds

from SinGAN.commands.animate import main as main

if __name__ == "__main__":
    main()
