"""How an iteration is run, never what it computes: eager, compiled, as a CUDA graph, with less memory."""

ENGINES = ("auto", "eager", "compiled", "cudagraph")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
RECOMPUTE = WINOGRAD = ("auto", "always", "never")
