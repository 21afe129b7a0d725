"""Turn a paint, a few strokes of flat colour, into a picture like the training picture."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("paint", __name__)
