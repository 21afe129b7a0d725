"""Give the structure of one picture the texture of another, without training."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out

from SinGAN.terminal.script import quiet_interrupts

if __name__ == "__main__":
    quiet_interrupts("analogy")  # before the imports that take seconds

from SinGAN.commands.untrained import main_analogy

main = main_analogy

if __name__ == "__main__":
    main()
