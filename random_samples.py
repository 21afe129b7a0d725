"""Draw random samples from a trained SinGAN, from any scale and at any size."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -P leaves it out
from SinGAN.__main__ import command

main = command("sample", __name__)
