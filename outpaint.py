"""Extend a picture beyond its edges; its own pixels stay."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("outpaint", __name__)
