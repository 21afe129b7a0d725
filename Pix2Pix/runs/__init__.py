"""The training of a model, its folder, and its test."""
