"""Pairs of pictures: their files, and how they are drawn."""
