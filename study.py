"""Train a picture under several settings, measure each, and show them side by side."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("study")  # before the imports that take seconds

from SinGAN.studies.command import main as main

if __name__ == "__main__":
    main()
