"""Animate a picture: a random walk near it, through a SinGAN with noise in its margins."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("animate", __name__)
