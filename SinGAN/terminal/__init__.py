"""Flags and the terminal: the only place that knows argparse and prints."""
