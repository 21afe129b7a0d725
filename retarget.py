"""Give a picture other proportions, without training or stretching what is in it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("retarget", __name__)
