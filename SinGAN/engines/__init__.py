"""How an iteration is run, never what it computes: eager, compiled, as a CUDA graph, with less memory."""
