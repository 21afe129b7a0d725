"""Serve a page: draw labels, and see their translation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from Pix2Pix.__main__ import command

main = command("draw", __name__)
