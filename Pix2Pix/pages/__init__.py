"""Pages to draw on."""
