"""Translate pictures with a trained model, and measure them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from Pix2Pix.__main__ import command

main = command("test", __name__)
