"""Make an object pasted into the training picture look as if it belonged there."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("harmonize")  # before the imports that take seconds

from SinGAN.commands.retouch import main_harmonize

main = main_harmonize

if __name__ == "__main__":
    main()
