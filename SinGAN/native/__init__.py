"""Compiled code: its C++ sources, and how they are compiled, cached and loaded."""
