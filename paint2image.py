"""Turn a paint, a few strokes of flat colour, into a picture like the training picture."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("paint")  # before the imports that take seconds

from SinGAN.commands.retouch import main_paint

main = main_paint

if __name__ == "__main__":
    main()
