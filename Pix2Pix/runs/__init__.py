"""A model: its training, its folder, its test."""
