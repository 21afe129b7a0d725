"""Give a picture other proportions, without training or stretching what is in it."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("retarget")  # before the imports that take seconds

from SinGAN.commands.untrained import main_retarget

main = main_retarget

if __name__ == "__main__":
    main()
