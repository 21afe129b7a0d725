"""Make a crude edit of the training picture seamless."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("edit")  # before the imports that take seconds

from SinGAN.commands.retouch import main_edit

main = main_edit

if __name__ == "__main__":
    main()
