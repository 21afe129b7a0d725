"""The kinds of model, a thin file each over the mathematics."""
