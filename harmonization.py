"""Make an object pasted into the training picture look as if it belonged there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("harmonize", __name__)
