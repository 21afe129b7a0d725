"""The losses, and one training step."""
