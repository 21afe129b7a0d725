"""Serve the studio, a web page to paint, edit, train and look on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("studio", __name__)
