"""Give the structure of one picture the texture of another, without training."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("analogy", __name__)
