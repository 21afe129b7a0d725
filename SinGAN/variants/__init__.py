"""Nets beyond the paper's: other sources of randomness, other critics, sketches."""
