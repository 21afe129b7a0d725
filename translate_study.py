"""Train on pairs under several settings, and compare."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from Pix2Pix.__main__ import command

main = command("study", __name__)
