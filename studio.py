"""Serve the studio, a web page where one paints, edits, trains and looks."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds

from SinGAN.studio.command import main

if __name__ == "__main__":
    main()
