"""Engines run an iteration: eager, compiled, as a CUDA graph, or with less memory. The mathematics is in ``losses``."""

ENGINES = ("auto", "eager", "compiled", "cudagraph")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
RECOMPUTE = WINOGRAD = ("auto", "always", "never")
