"""Nets beyond the paper's: other sources of randomness, other critics, sketches; and the choice of nets by a config."""
