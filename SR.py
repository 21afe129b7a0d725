"""Enlarge a picture, with detail from a SinGAN that is trained on it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("super-resolve", __name__)
