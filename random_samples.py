"""Draw random samples from a trained SinGAN, from any scale and at any size."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("sample")  # before the imports that take seconds

from SinGAN.commands.sample import main as main

if __name__ == "__main__":
    main()
