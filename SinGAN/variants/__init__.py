"""Nets beyond the paper's: other sources of randomness, other critics, sketches; and which net a config asks for."""
