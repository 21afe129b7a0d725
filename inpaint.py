"""Fill what a mask marks from the rest of the picture, without training."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("inpaint", __name__)
